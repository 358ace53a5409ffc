// What a recalculation is and how it goes, in words. Pure: no page, no clock, no network.

import { count, span } from "../room/words.js";

const ENDED = new Set(["done", "failed", "cancelled"]);
const STATUS = {
  queued: { word: "waiting", shape: "dots", tone: "muted" },
  running: { word: "running", shape: "half", tone: "info" },
  done: { word: "done", shape: "check", tone: "ok" },
  failed: { word: "failed", shape: "cross", tone: "bad" },
  cancelled: { word: "stopped", shape: "box", tone: "warn" },
};

export function hasEnded(job) {
  return ENDED.has(job.status);
}

export function statusChip(job) {
  return STATUS[job.status] ?? { word: job.status, shape: "disc", tone: "muted" };
}

const WHOLE = { all: "everything", sample: "a sample, each night" };

/** "submission 12", "everything". */
export function scopeWords({ scope, scope_id: id }) {
  return WHOLE[scope] ?? `${scope} ${id ?? ""}`.trim();
}

export function requesterWords({ requested_by: by }) {
  if (by === null || by === undefined) return "";
  if (typeof by === "object") return by.name ?? `user ${by.id}`;
  return typeof by === "number" ? `user ${by}` : by;
}

/** "3,120 of 10,000, 950 per second, 7 s left" */
export function progressWords(job, now) {
  const number = (value) => value.toLocaleString();
  if (job.status === "queued") return "waiting for a worker";
  if (!job.total) return "counting what there is to do";
  const done = `${number(job.done)} of ${number(job.total)}`;
  const passed = job.started_at ? (now - Date.parse(job.started_at)) / 1000 : 0;
  if (hasEnded(job) || !job.done || passed < 1) return done;
  const rate = job.done / passed;
  const left = ((job.total - job.done) / rate) * 1000;
  const pace = rate >= 1 ? `${number(Math.round(rate))} per second` : `${number(Math.round(rate * 60))} per minute`;
  return `${done}, ${pace}, ${left < 1000 ? "nearly done" : `${span(left)} left`}`;
}

/** What came out of it: "6 submissions checked, nothing changed". */
export function resultWords(job) {
  const done = job.done ?? 0;
  const kept = job.dry_run ? "" : " What was finished is kept.";
  if (job.status === "failed") return `It failed after ${count(done, "step")}${job.error ? `: ${job.error}` : ""}.${kept}`;
  if (job.status === "cancelled") return `Stopped after ${done.toLocaleString()} of ${count(job.total ?? 0, "step")}, ${changedWords(job)}.${kept}`;
  return `${done === 1 ? "1 person or row" : `${done.toLocaleString()} people and shared rows`} counted again, ${changedWords(job)}`;
}

function changedWords(job) {
  if (!job.changed) return "nothing changed";
  return `${job.changed.toLocaleString()} ${job.dry_run ? "would change (nothing was written)" : "changed"}`;
}

export function value(one) {
  if (one === null || one === undefined) return "none";
  return typeof one === "object" ? JSON.stringify(one) : String(one);
}
