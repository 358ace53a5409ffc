// NEEDS YOU: who waits for the teacher, why and since when; and what a screen reader is told of it.

import { mark, setAttribute, setText } from "./dom.js";
import { Line, Snoozed } from "./need_line.js";
import { needsYou, snoozedRows, waiting } from "./needs.js";

const NAMES_SAID = 3;
const SAID = { hand: "raised a hand", stuck: "is stuck", lost: "lost the connection" };

/** What to say of new lines: the first few by name, the others by number. */
export function sentence(lines) {
  const words = lines.slice(0, NAMES_SAID).map((line) => line.title ?? `${line.row.name} ${SAID[line.kind]}${line.reason ? `: ${line.reason}` : ""}`);
  const others = lines.length - NAMES_SAID;
  if (others > 0) words.push(`${others} more`);
  return words.length ? `${words.join(". ")}.` : "";
}

export class NeedsYou {
  /** `parts`: section, heading, list, number, calm, snoozed; `room` as a `Line` needs it, and its `speaker`. */
  constructor(parts, room) {
    this.parts = parts;
    this.room = room;
    this.lines = new Map();
    this.unsaid = [];
    this.held = false;
    this.snoozed = new Snoozed(parts.snoozed, room);
    this.#listen();
  }

  #listen() {
    const { section, list } = this.parts;
    section.addEventListener("pointerenter", (event) => {
      this.held = event.pointerType === "mouse";
    });
    section.addEventListener("pointerleave", () => {
      this.held = false;
      if (this.wanted) this.#place(this.wanted, this.now);
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.step(step);
    });
  }

  /** Show the picture; answers what waits: `{all, hands}`, and the lines themselves. */
  show(picture, now) {
    const wanted = needsYou(picture, now);
    const first = this.wanted === undefined;
    const known = new Set((this.wanted ?? []).map((line) => line.key));
    const fresh = wanted.filter((line) => !known.has(line.key));
    this.wanted = wanted;
    this.now = now;
    this.#place(wanted, now);
    this.snoozed.show(snoozedRows(picture, now));
    if (!first && fresh.length) this.#tell(fresh);
    return { ...waiting(wanted), lines: wanted };
  }

  passTime(now) {
    this.now = now;
    for (const line of this.lines.values()) line.passTime(now);
  }

  /** The student whose line has the focus, or undefined. */
  focusedUser() {
    const id = Number(document.activeElement?.closest("#needs-list li")?.dataset.user);
    return id || undefined;
  }

  /** The focus to the first line; false when nobody waits. */
  focusFirst() {
    const [first] = this.#buttons();
    first?.focus();
    return Boolean(first);
  }

  /** The focus one line on or back; false when it is not in the list. */
  step(by) {
    const buttons = this.#buttons();
    const at = buttons.findIndex((button) => button.closest("li").contains(document.activeElement));
    if (at < 0) return false;
    buttons[Math.max(0, Math.min(at + by, buttons.length - 1))].focus();
    return true;
  }

  #buttons() {
    return [...this.parts.list.querySelectorAll("li:not(.over) button.need-name:not([hidden])")];
  }

  #place(wanted, now) {
    const { list, number, calm, section } = this.parts;
    this.#removeGone(new Set(wanted.map((line) => line.key)));
    for (const entry of wanted) {
      const line = this.lines.get(entry.key) ?? new Line(this.room);
      this.lines.set(entry.key, line);
      line.node.classList.remove("over");
      line.show(entry, now);
      if (this.held && !line.node.isConnected) list.append(line.node);
    }
    if (!this.held) this.#order(wanted);
    const open = waiting(wanted).all;
    setText(number, open || "");
    setText(calm, wanted.length ? "" : "Nobody is waiting for you.");
    calm.hidden = this.lines.size > 0;
    list.hidden = this.lines.size === 0;
    setAttribute(section, "data-calm", open ? null : "true");
    setAttribute(section, "data-empty", this.lines.size ? null : "true");
  }

  #removeGone(keys) {
    for (const [key, line] of this.lines) {
      if (keys.has(key)) continue;
      // A line that goes away under the pointer would put another one there: it fades and goes when the pointer does.
      line.node.classList.toggle("over", this.held);
      line.node.inert = this.held;
      if (line.node.contains(document.activeElement)) this.#focusNext(line.node);
      if (this.held) continue;
      line.node.remove();
      this.lines.delete(key);
    }
  }

  #focusNext(node) {
    const next = node.nextElementSibling ?? node.previousElementSibling;
    (next?.querySelector("button.need-name:not([hidden])") ?? this.parts.heading).focus({ preventScroll: true });
  }

  #order(wanted) {
    const { list } = this.parts;
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    let next = null;
    for (const entry of [...wanted].reverse()) {
      const { node } = this.lines.get(entry.key);
      if (node.parentNode !== list || node.nextSibling !== next) list.insertBefore(node, next);
      next = node;
    }
    if (focused?.isConnected) focused.focus({ preventScroll: true });
  }

  #tell(fresh) {
    fresh.forEach((line) => mark(this.lines.get(line.key).node));
    this.unsaid.push(...fresh);
    this.room.speaker.say("needs", () => {
      const still = new Set(this.wanted.map((line) => line.key));
      const lines = this.unsaid.filter((line) => still.has(line.key));
      this.unsaid = [];
      return sentence(lines);
    });
  }
}
