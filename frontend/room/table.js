// The EVERYONE table: a row per student, changed in place. Rows never jump under a pointer or a focus; a button waits.

import { mark, setAttribute, setText } from "./dom.js";
import { layout, moves } from "./needs.js";
import { RowView } from "./row_view.js";
import { count } from "./words.js";

const MARKS_AT_ONCE = 20;

export class Table {
  /** `parts`: the elements of the page; `room` as a `RowView` needs it. */
  constructor(parts, room) {
    this.parts = parts;
    this.room = room;
    this.rows = new Map();
    this.inSight = new Set();
    this.activity = {};
    this.shown = [];
    this.view = { sort: "need", find: "", onlyHere: false };
    this.pointerOver = false;
    this.#watchSight();
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
    this.now = now;
    const marked = [];
    for (const id of changed) {
      const row = picture.rows.get(id);
      if (!row) continue;
      const view = this.rows.get(id) ?? this.#newRow(row);
      if (view.show(row, now) && this.inSight.has(view)) marked.push(view.node);
    }
    this.arrange();
    // A fading row is painted again and again, and a big class has many.
    if (marked.length <= MARKS_AT_ONCE) marked.forEach(mark);
  }

  #newRow(row) {
    const view = new RowView(row, this.room);
    view.showActivity(this.activity[row.user_id]);
    this.rows.set(row.user_id, view);
    this.watch.observe(view.node);
    return view;
  }

  /** Which rows are in sight: only they are marked and count on. Asking each time would lay out the page each time. */
  #watchSight() {
    this.watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const view = this.rows.get(Number(target.dataset.user));
        if (!view || !isIntersecting) this.inSight.delete(view);
        else {
          this.inSight.add(view);
          view.passTime(this.now);
        }
      }
    });
  }

  passTime(now) {
    this.now = now;
    for (const view of this.inSight) view.passTime(now);
  }

  /** The last minutes of everyone, by student. */
  showActivity(students) {
    this.activity = students;
    for (const [id, view] of this.rows) view.showActivity(students[id]);
  }

  /** Bring the rows into order, unless someone points at them or works in them: then only say how many wait. */
  arrange({ force = false } = {}) {
    if (!this.picture) return;
    const wanted = layout(this.picture, this.view, this.now);
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
      if (this.picture.rows.has(id)) continue;
      this.watch.unobserve(view.node);
      this.inSight.delete(view);
      this.rows.delete(id);
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
    const target = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (target === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.step(target);
  }

  /** The focus so many rows on or back; from outside the table to the row it was in last. */
  step(by) {
    if (!this.shown.length) return;
    const isInside = this.parts.body.contains(document.activeElement);
    const at = Math.max(0, this.shown.indexOf(this.roving)) + (isInside ? by : 0);
    this.focus(this.shown[Math.max(0, Math.min(at, this.shown.length - 1))]);
  }

  /** The student whose row has the focus, or undefined. */
  focusedUser() {
    return this.parts.body.contains(document.activeElement) ? this.roving : undefined;
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
    // Beside the pane the page is laid out anew, and the row may have gone out of sight.
    row?.node.scrollIntoView({ block: "nearest" });
  }

  focus(id) {
    this.rows.get(id)?.button.focus();
  }
}
