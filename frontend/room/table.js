// The EVERYONE table: a row per student, changed in place. Rows never jump under a pointer or a focus; a button waits.

import { chip, el, mark, setAttribute, setChip, setText } from "./dom.js";
import { layout, moves } from "./needs.js";
import { ago, count, errorWords, eventWords, exact, hasNoLine, hereChip, progressWords, workChip, worked } from "./words.js";

const MARKS_AT_ONCE = 20;

/** One student's row and what it shows. */
class Row {
  constructor(row, open) {
    const cell = (label, name, ...children) => el("td", { role: "cell", class: name, "data-label": label }, ...children);
    this.id = row.user_id;
    this.button = el("button", { type: "button", class: "link row-name", tabindex: "-1" });
    this.here = chip();
    this.line = el("span", { class: "no-line", hidden: true }, "no live line");
    this.work = chip();
    this.act = el("span");
    this.runs = el("span");
    this.errorsShort = el("span", { "aria-hidden": "true" });
    this.errorsLong = el("span", { class: "visually-hidden" });
    this.edits = el("span");
    this.failed = el("span");
    this.ok = chip({ word: "ok", shape: "check", tone: "ok" });
    this.time = el("span");
    this.progress = el("span");
    this.errors = cell("errors", "num c-errors", this.errorsShort, this.errorsLong);
    this.node = el("tr", { role: "row", "data-user": row.user_id },
      el("th", { role: "rowheader", scope: "row", class: "c-name" }, this.button),
      cell("here", "c-here", this.here, this.line),
      cell("work", "c-work", this.work),
      cell("last act", "num c-act", this.act),
      cell("runs", "num c-runs", this.runs),
      this.errors,
      cell("edits", "num c-edits", this.edits),
      cell("failed tests", "num c-tests", this.ok, this.failed),
      cell("time", "num c-time", this.time),
      cell("progress", "num c-progress", this.progress));
    this.node.addEventListener("click", () => open(this.id));
  }

  /** Show a row; true when something changed that is more than the passing of time. */
  show(row, now) {
    const before = this.row;
    this.row = row;
    this.passTime(now);
    if (before === row) return false;
    const { counts } = row;
    const errors = errorWords(counts);
    const changed = [
      setText(this.button, row.name),
      setChip(this.work, workChip(row)),
      setText(this.runs, counts.runs),
      setText(this.errorsShort, errors.short),
      setText(this.errorsLong, errors.long),
      setText(this.edits, counts.edits),
      setText(this.failed, counts.failed_instructor_tests),
      setText(this.time, worked(counts.estimated_time_spent)),
      setText(this.progress, progressWords(row)),
      before?.state !== row.state || before?.attention !== row.attention || before?.correct !== row.correct,
    ];
    this.line.hidden = !hasNoLine(row);
    this.ok.hidden = !row.correct;
    setAttribute(this.node, "data-work", row.work);
    setAttribute(this.node, "data-state", row.state);
    setAttribute(this.errors, "title", errors.long);
    setAttribute(this.work, "title", row.work_reason || null);
    setAttribute(this.act, "title", row.last_activity ? `${exact(row.last_activity)}${row.last_event_type ? `: ${eventWords(row.last_event_type)}` : ""}` : null);
    return before !== undefined && changed.some(Boolean);
  }

  passTime(now) {
    setChip(this.here, hereChip(this.row, now));
    setText(this.act, ago(this.row.last_activity, now) || "–");
  }
}

export class Table {
  /** `parts`: the elements of the page; `open(userId)` shows a student's pane. */
  constructor(parts, open) {
    this.parts = parts;
    this.open = open;
    this.rows = new Map();
    this.shown = [];
    this.view = { sort: "need", find: "", onlyHere: false };
    this.pointerOver = false;
    this.#listen();
  }

  #listen() {
    const { scroll, body, find, onlyHere, sorts, reorder } = this.parts;
    // Only a mouse rests over rows; a finger that has tapped must not hold the table for ever.
    scroll.addEventListener("pointerenter", (event) => {
      this.pointerOver = event.pointerType === "mouse";
    });
    scroll.addEventListener("pointerleave", () => {
      this.pointerOver = false;
      this.arrange();
    });
    body.addEventListener("focusin", (event) => this.#roveTo(event.target));
    body.addEventListener("focusout", () => setTimeout(() => this.arrange()));
    body.addEventListener("keydown", (event) => this.#key(event));
    reorder.addEventListener("click", () => this.arrange({ force: true }));
    find.addEventListener("input", () => this.#look({ find: find.value }));
    onlyHere.addEventListener("change", () => this.#look({ onlyHere: onlyHere.checked }));
    for (const radio of sorts) radio.addEventListener("change", () => this.#look({ sort: radio.value }));
    this.view = { sort: sorts.find((radio) => radio.checked).value, find: find.value, onlyHere: onlyHere.checked };
  }

  #look(change) {
    this.view = { ...this.view, ...change };
    this.parts.scroll.scrollTop = 0;
    this.arrange({ force: true });
  }

  /** A new picture, of which the rows `changed` are new. */
  show(picture, changed, now) {
    this.picture = picture;
    const marked = [];
    for (const id of changed) {
      const row = picture.rows.get(id);
      if (!row) continue;
      const known = this.rows.get(id);
      const view = known ?? new Row(row, this.open);
      if (!known) this.rows.set(id, view);
      if (view.show(row, now)) marked.push(view.node);
    }
    this.arrange();
    this.#markVisible(marked);
  }

  /** Only what is in sight is marked: a fading row is painted again and again, and a big class has many. */
  #markVisible(nodes) {
    const { top, bottom } = this.parts.scroll.getBoundingClientRect();
    const seen = nodes.filter((node) => {
      const place = node.getBoundingClientRect();
      return place.bottom > Math.max(top, 0) && place.top < Math.min(bottom, window.innerHeight);
    });
    if (seen.length <= MARKS_AT_ONCE) seen.forEach(mark);
  }

  passTime(now) {
    for (const id of this.shown) this.rows.get(id).passTime(now);
  }

  /** Bring the rows into order, unless someone points at them or works in them: then only say how many wait. */
  arrange({ force = false } = {}) {
    if (!this.picture) return;
    const wanted = layout(this.picture, this.view);
    const held = !force && (this.pointerOver || this.parts.body.contains(document.activeElement)) && this.shown.length > 0;
    const waiting = held ? moves(this.shown, wanted) : 0;
    this.parts.reorder.hidden = waiting === 0;
    if (waiting) setText(this.parts.reorder, `${count(waiting, "change")}, reorder`);
    if (!held) this.#place(wanted);
    this.#sayEmpty();
  }

  #place(wanted) {
    const { body } = this.parts;
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    const keep = new Set(wanted);
    for (const id of this.shown) {
      if (!keep.has(id)) this.rows.get(id).node.remove();
    }
    let next = null;
    for (let index = wanted.length - 1; index >= 0; index -= 1) {
      const { node } = this.rows.get(wanted[index]);
      if (node.parentNode !== body || node.nextSibling !== next) body.insertBefore(node, next);
      next = node;
    }
    this.shown = wanted;
    for (const [id, view] of this.rows) {
      if (!this.picture.rows.has(id)) this.rows.delete(id);
    }
    // Moving a row takes the focus from it.
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    if (!keep.has(this.roving)) this.#rove(wanted[0]);
  }

  #sayEmpty() {
    const { empty, scroll } = this.parts;
    const nobody = this.shown.length === 0;
    empty.hidden = !nobody;
    scroll.hidden = nobody;
    if (!nobody) return;
    setText(empty, this.picture.rows.size === 0 ? "Nobody is in this class yet." : this.view.find ? "No student with that name." : "Nobody is here now.");
  }

  // One row takes part in the tab order; the arrow keys go from row to row.
  #rove(id) {
    if (this.rows.has(this.roving)) this.rows.get(this.roving).button.tabIndex = -1;
    this.roving = id;
    if (id !== undefined) this.rows.get(id).button.tabIndex = 0;
  }

  #roveTo(target) {
    const id = Number(target.closest("tr")?.dataset.user);
    if (this.rows.has(id)) this.#rove(id);
  }

  #key(event) {
    const at = this.shown.indexOf(this.roving);
    const last = this.shown.length - 1;
    const target = { ArrowDown: Math.min(at + 1, last), ArrowUp: Math.max(at - 1, 0), Home: 0, End: last }[event.key];
    if (target === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.rows.get(this.shown[target]).button.focus();
  }

  /** Mark the row whose pane is open. */
  select(id) {
    const before = this.rows.get(this.selected);
    if (before) setAttribute(before.button, "aria-current", null);
    before?.node.classList.remove("selected");
    this.selected = id;
    const row = this.rows.get(id);
    if (row) setAttribute(row.button, "aria-current", "true");
    row?.node.classList.add("selected");
  }

  focus(id) {
    this.rows.get(id)?.button.focus();
  }
}
