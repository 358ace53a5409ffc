// One student's row of the table, and what it shows. It is changed in place and touches only what differs.

import { MINUTES } from "./activity.js";
import { chip, el, setAttribute, setChip, setText } from "./dom.js";
import { Strip, stripWords } from "./strip.js";
import { ago, claimWords, claimant, errorWords, eventWords, exact, hasNoLine, hereChip, progressWords, workChip, worked } from "./words.js";

const NOTHING = Array.from({ length: MINUTES }, () => [0, 0, 0]);

export class RowView {
  /** `room` has `open(userId)`, `staff` and `viewerId`. */
  constructor(row, room) {
    const cell = (label, name, ...children) => el("td", { role: "cell", class: name, "data-label": label }, ...children);
    this.id = row.user_id;
    this.room = room;
    this.button = el("button", { type: "button", class: "link row-name", tabindex: "-1" });
    this.here = chip();
    this.line = el("span", { class: "no-line", hidden: true }, "no live line");
    this.work = chip();
    this.claimed = el("span", { class: "row-claimed", hidden: true });
    this.act = el("span");
    this.runs = el("span");
    this.errorsShort = el("span", { "aria-hidden": "true" });
    this.errorsLong = el("span", { class: "visually-hidden" });
    this.failed = el("span");
    this.ok = chip({ word: "ok", shape: "check", tone: "ok" });
    this.time = el("span");
    this.strip = new Strip(MINUTES);
    this.progress = el("span");
    this.errors = cell("errors", "num c-errors", this.errorsShort, this.errorsLong);
    this.activity = cell("the last 20 minutes", "c-strip", this.strip.node);
    this.node = el("tr", { role: "row", "data-user": row.user_id },
      el("th", { role: "rowheader", scope: "row", class: "c-name" }, this.button),
      cell("here", "c-here", this.here, this.line),
      cell("work", "c-work", this.work, this.claimed),
      cell("last act", "num c-act", this.act),
      cell("runs", "num c-runs", this.runs),
      this.errors,
      cell("failed tests", "num c-tests", this.ok, this.failed),
      cell("time", "num c-time", this.time),
      this.activity,
      cell("progress", "num c-progress", this.progress));
    this.node.addEventListener("click", () => room.open(this.id));
  }

  /** Show a row; true when something changed that is more than the passing of time. */
  show(row, now) {
    const before = this.row;
    this.row = row;
    if (before === row) return false;
    this.passTime(now);
    const changed = this.#numbers(row);
    this.#states(row);
    const moved = before?.state !== row.state || before?.correct !== row.correct;
    return before !== undefined && (changed || moved);
  }

  #numbers(row) {
    const { counts } = row;
    const errors = errorWords(counts);
    setAttribute(this.errors, "title", errors.long);
    this.errors.toggleAttribute("data-none", errors.short === "0");
    // Time passes for everyone who works: that alone is no news.
    setText(this.time, worked(counts.estimated_time_spent));
    return [
      setText(this.button, row.name),
      setChip(this.work, workChip(row)),
      setText(this.runs, counts.runs),
      setText(this.errorsShort, errors.short),
      setText(this.errorsLong, errors.long),
      setText(this.failed, counts.failed_instructor_tests),
      setText(this.progress, progressWords(row)),
    ].some(Boolean);
  }

  #states(row) {
    const claimed = claimWords(row, this.room);
    this.line.hidden = !hasNoLine(row);
    this.ok.hidden = !row.correct;
    this.claimed.hidden = !claimed;
    setText(this.claimed, claimant(row, this.room));
    setAttribute(this.claimed, "title", claimed);
    setAttribute(this.node, "data-work", row.work);
    setAttribute(this.node, "data-state", row.state);
    setAttribute(this.work, "title", row.work_reason || null);
    setAttribute(this.act, "title", row.last_activity ? `${exact(row.last_activity)}${row.last_event_type ? `: ${eventWords(row.last_event_type)}` : ""}` : null);
  }

  passTime(now) {
    setChip(this.here, hereChip(this.row, now));
    setText(this.act, ago(this.row.last_activity, now) || "–");
  }

  showActivity(minutes = NOTHING) {
    this.strip.show(minutes);
    setAttribute(this.activity, "title", stripWords(minutes));
  }
}
