// The line under the editor in words: what is on the server, what only this browser has, and what could be lost.

import { clock } from "./dom.js";

// `clean`: the server is known to have what is in the editor. `kept`: this browser has stored whatever is not there yet.
// `waiting`: how many entries are not sent. `slow`: saving takes longer than it should.
export function saveLine({ clean, savedAt, refusal, trouble, waiting, kept, slow, overtaken }) {
  if (clean) return cleanLine({ savedAt, trouble, waiting, kept, overtaken });
  const place = kept ? "kept in this browser" : "this browser cannot keep it: leave this page open";
  if (refusal) return { tone: "bad", text: `not saved: ${refusal}; ${place}` };
  const tone = kept && !NEEDS_YOU.has(trouble) ? "warn" : "bad";
  if (trouble) return { tone, text: `not saved, ${REASONS[trouble]}, ${place}` };
  if (slow || !kept) return { tone: kept ? "warn" : "bad", text: `not saved yet, waiting for the server, ${place}` };
  return { tone: "muted", text: "saving…" };
}

function cleanLine({ savedAt, trouble, waiting, kept, overtaken }) {
  const saved = savedAt ? `saved ${moment(savedAt)}` : "nothing to save yet";
  if (waiting && trouble) {
    const place = kept ? "kept in this browser" : "leave this page open";
    const tone = NEEDS_YOU.has(trouble) ? "bad" : "warn";
    return { tone, text: `program ${saved}; ${results(waiting)} not sent, ${REASONS[trouble]}, ${place}` };
  }
  if (overtaken) return { tone: "warn", text: `program ${saved}, but newer work of yours is ${overtaken}` };
  if (waiting) return { tone: "muted", text: `program ${saved}, sending ${results(waiting)}…` };
  return savedAt ? { tone: "ok", text: saved } : { tone: "muted", shape: "dash", text: saved };
}

const NEEDS_YOU = new Set(["logged_out", "other_user"]);
const REASONS = {
  offline: "offline",
  server: "the server has a problem",
  logged_out: "you are logged out: log in again in another tab",
  other_user: "somebody else is logged in now",
};

function results(count) {
  return count === 1 ? "1 result" : `${count} results`;
}

function moment(time) {
  const date = new Date(time);
  if (date.toDateString() === new Date().toDateString()) return `${clock(date)}:${String(date.getSeconds()).padStart(2, "0")}`;
  return `${date.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${clock(date)}`;
}
