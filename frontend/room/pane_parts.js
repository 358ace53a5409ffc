// The parts of a student's pane below the program: the run, what the checks said, figures, and what happened.

import { el, setAttribute, setText } from "./dom.js";
import { detail, lastFeedback } from "./messages.js";
import { ago, eventWords, exact, worked } from "./words.js";

const EVENTS_SHOWN = 40;

function timeOf(at, now) {
  return el("time", { datetime: at, title: exact(at), "data-ago": true }, ago(at, now));
}

/** The times in `node` as they sound now. */
export function passTimes(node, now) {
  for (const time of node.querySelectorAll("time[data-ago]")) setText(time, ago(time.dateTime, now));
}

/** A heading with a text under it, which stays in place while both change. */
class Section {
  constructor(label, kind) {
    this.heading = el("h3");
    this.text = el("pre", { class: kind, tabindex: "0", role: "region", "aria-label": label });
    this.empty = el("p", { class: "muted" });
    this.node = el("section", {}, this.heading, this.empty, this.text);
  }

  show(words, at, now, text) {
    const key = `${words}|${at}`;
    if (key !== this.key) this.heading.replaceChildren(words, ...(at ? [" ", timeOf(at, now)] : []));
    this.key = key;
    this.empty.hidden = Boolean(text);
    this.text.hidden = !text;
    setText(this.text, text ?? "");
  }
}

export class RunSection extends Section {
  constructor() {
    super("Output of the run", "pane-output");
  }

  show(run, now, title = "Last run") {
    const how = !run ? "" : run.ok ? ", output" : `, ${run.error ?? "error"}`;
    setText(this.empty, run ? "It printed nothing." : "Not run yet.");
    this.text.classList.toggle("failed", Boolean(run) && !run.ok);
    super.show(`${title}${how}`, run?.at, now, run?.text);
  }
}

export class ChecksSection extends Section {
  constructor() {
    super("What the checks said", "pane-output pane-feedback");
  }

  show(events, now) {
    const feedback = lastFeedback(events);
    this.node.hidden = !feedback?.text;
    if (feedback) super.show("What the checks said", feedback.event.occurred_at ?? feedback.event.created_at, now, feedback.text);
  }
}

function figures(counts) {
  const seconds = (value) => (value ? `${value < 10 ? value.toFixed(1) : Math.round(value)} s` : "–");
  return [
    ["runs", counts.runs],
    ["edits", counts.edits],
    ["syntax errors", counts.syntax_errors],
    ["runtime errors", counts.runtime_errors],
    ["failed tests", counts.failed_instructor_tests],
    ["time worked", worked(counts.estimated_time_spent)],
    ["between edits", seconds(counts.average_edit_time)],
    ["between runs", seconds(counts.average_attempt_time)],
  ];
}

export class Figures {
  constructor() {
    this.list = el("dl", { class: "facts" });
    this.node = el("section", {}, el("h3", {}, "Figures"), this.list);
  }

  show(counts) {
    figures(counts).forEach(([name, value], index) => {
      if (!this.list.children[index]) this.list.append(el("div", {}, el("dt", {}, name), el("dd")));
      setText(this.list.children[index].lastElementChild, value);
    });
  }
}

/** What happened, newest first; it stays open or shut as it was left. */
export class Events {
  constructor() {
    this.summary = el("summary");
    this.list = el("ol", { class: "pane-events" });
    this.node = el("details", {}, this.summary, this.list);
  }

  show(events, now) {
    const shown = events.slice(0, EVENTS_SHOWN);
    setText(this.summary, `What happened (${shown.length}${events.length > shown.length ? " newest" : ""})`);
    const newest = shown[0]?.log_id;
    if (newest === this.newest) return;
    this.newest = newest;
    this.list.replaceChildren(...shown.map((event) => {
      const words = detail(event);
      const said = el("span", { class: "muted event-detail" }, words);
      setAttribute(said, "title", words);
      return el("li", {}, timeOf(event.occurred_at ?? event.created_at, now), el("span", {}, eventWords(event.event_type)), said);
    }));
  }
}
