// A student's pane beside the table: the code now, the last run, the figures and what happened, following along.

import { call } from "./api.js";
import { chip, el, setChip, setText } from "./dom.js";
import { detail, lastFeedback, lastRun } from "./messages.js";
import { ago, eventWords, exact, hasNoLine, hereChip, workChip, worked } from "./words.js";

const REFRESH_MS = 1_000;
const EVENTS_SHOWN = 40;

/** The lines of `after` that are not as in `before`: `[first, last]`, 0-based, or null when nothing changed. */
export function changedLines(before, after) {
  if (before === undefined || before === after) return null;
  const old = before.split("\n");
  const now = after.split("\n");
  let first = 0;
  while (first < now.length && first < old.length && now[first] === old[first]) first += 1;
  let last = now.length - 1;
  for (let oldLast = old.length - 1; last >= first && oldLast >= first && now[last] === old[oldLast]; oldLast -= 1) last -= 1;
  return [first, Math.max(first, last)];
}

function figures(counts) {
  const seconds = (value) => (value ? `${value < 10 ? value.toFixed(1) : Math.round(value)} s` : "–");
  const facts = [
    ["runs", counts.runs],
    ["edits", counts.edits],
    ["syntax errors", counts.syntax_errors],
    ["runtime errors", counts.runtime_errors],
    ["failed tests", counts.failed_instructor_tests],
    ["time worked", worked(counts.estimated_time_spent)],
    ["between edits", seconds(counts.average_edit_time)],
    ["between runs", seconds(counts.average_attempt_time)],
  ];
  return facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value))));
}

export class Pane {
  /** `node`: the aside; `onClose()` gets the focus back to where it came from. */
  constructor(node, { sessionId, onClose }) {
    this.node = node;
    this.sessionId = sessionId;
    this.onClose = onClose;
    node.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  get isOpen() {
    return this.userId !== undefined;
  }

  open(row, now) {
    if (this.userId === row.user_id) {
      this.heading.focus();
      return;
    }
    this.#forget();
    this.userId = row.user_id;
    this.#build(row);
    this.node.hidden = false;
    this.show(row, now);
    this.heading.focus();
  }

  close() {
    if (!this.isOpen) return;
    this.#forget();
    this.node.hidden = true;
    this.onClose();
  }

  /** The student's row as the picture has it now; a new version means that there is something to fetch. */
  show(row, now) {
    setText(this.heading, row.name);
    this.passTime(row, now);
    setChip(this.work, workChip(row));
    setText(this.reason, row.work_reason ?? "");
    this.reason.hidden = !row.work_reason;
    this.noLine.hidden = !hasNoLine(row);
    const key = `${row.version}:${row.code_version}`;
    if (key !== this.key) {
      this.key = key;
      this.#fetchSoon();
    }
  }

  passTime(row, now) {
    this.row = row;
    setChip(this.here, hereChip(row, now));
    for (const time of this.node.querySelectorAll("time[data-ago]")) setText(time, ago(time.dateTime, now));
    this.now = now;
  }

  #forget() {
    clearTimeout(this.timer);
    this.timer = null;
    this.request?.abort();
    this.userId = undefined;
    this.key = undefined;
    this.code = undefined;
    this.fetchedAt = -Infinity;
  }

  #build(row) {
    this.heading = el("h2", { id: "pane-title", tabindex: "-1" }, row.name);
    this.here = chip();
    this.work = chip();
    this.noLine = el("span", { class: "muted" }, "no live line");
    this.reason = el("p", { class: "pane-reason" });
    this.problem = el("p", { class: "notice", "data-tone": "warn", role: "status", hidden: true });
    this.content = el("div", { class: "pane-content" }, el("p", { class: "muted" }, "Loading the program …"));
    this.node.replaceChildren(
      el("header", { class: "pane-head" }, this.heading,
        el("button", { type: "button", class: "quiet small", onclick: () => this.close() }, "Close")),
      el("p", { class: "pane-state" }, this.here, this.work, this.noLine),
      this.reason,
      this.problem,
      this.content);
  }

  #fetchSoon() {
    if (this.timer) return;
    const wait = Math.max(0, this.fetchedAt + REFRESH_MS - Date.now());
    this.timer = setTimeout(() => {
      this.timer = null;
      this.#fetch();
    }, wait);
  }

  async #fetch() {
    const { userId } = this;
    this.request?.abort();
    this.request = new AbortController();
    this.fetchedAt = Date.now();
    try {
      const student = await call("GET", `/api/sessions/${this.sessionId}/students/${userId}`, { signal: this.request.signal });
      if (userId === this.userId) this.#fill(student);
    } catch (error) {
      if (error.name === "AbortError" || userId !== this.userId) return;
      this.problem.hidden = false;
      this.problem.replaceChildren(`Not up to date: ${error.message} `, el("button", { type: "button", class: "link", onclick: () => this.#fetch() }, "Try again"));
    }
  }

  #fill(student) {
    this.problem.hidden = true;
    const { events } = student;
    const code = student.code ?? "";
    const changed = changedLines(this.code, code);
    // The scroll of the code and an open list of events stay as they are while the student goes on.
    const scroll = this.content.querySelector(".pane-code")?.scrollTop ?? 0;
    const listOpen = this.content.querySelector("details")?.open ?? false;
    this.code = code;
    this.content.replaceChildren(...this.#program(code, changed), ...this.#run(events), ...this.#feedback(events),
      el("h3", {}, "Figures"), el("dl", { class: "facts" }, ...figures(student.counts)),
      this.#events(events, listOpen));
    this.content.querySelector(".pane-code")?.scrollTo(0, scroll);
    this.passTime(this.row, this.now);
  }

  #program(code, changed) {
    if (!code.trim()) return [el("h3", {}, "Program"), el("p", { class: "muted" }, "Nothing written yet.")];
    const lines = code.replace(/\n$/, "").split("\n").map((line, index) => {
      const marked = changed && index >= changed[0] && index <= changed[1];
      return el("span", { class: marked ? "code-line changed" : "code-line" }, `${line}\n`);
    });
    return [el("h3", {}, "Program"), el("pre", { class: "pane-code", tabindex: "0", role: "region", "aria-label": "Program, read only" }, el("code", {}, ...lines))];
  }

  #run(events) {
    const run = lastRun(events);
    const title = run ? [run.failed ? "Last run: error, " : "Last run: output, ", this.#time(run.event)] : ["Last run"];
    const text = run ? el("pre", { class: run.failed ? "pane-output failed" : "pane-output", tabindex: "0", role: "region", "aria-label": "Last run" }, run.text || "(no output)") : el("p", { class: "muted" }, "Not run yet.");
    return [el("h3", {}, ...title), text];
  }

  #feedback(events) {
    const feedback = lastFeedback(events);
    if (!feedback?.text) return [];
    return [el("h3", {}, "What the checks said, ", this.#time(feedback.event)), el("p", { class: "pane-feedback" }, feedback.text)];
  }

  #events(events, open) {
    const shown = events.slice(0, EVENTS_SHOWN);
    const items = shown.map((event) => el("li", {}, this.#time(event), el("span", {}, eventWords(event.event_type)), el("span", { class: "muted event-detail" }, detail(event))));
    return el("details", { open }, el("summary", {}, `What happened (${shown.length}${events.length > shown.length ? " newest" : ""})`), el("ol", { class: "pane-events" }, ...items));
  }

  #time(event) {
    const at = event.occurred_at ?? event.created_at;
    return el("time", { datetime: at, title: exact(at), "data-ago": true }, ago(at, this.now));
  }
}
