// NEEDS YOU: who waits for the teacher, why and since when; and what a screen reader is told of it.

import { el, setAttribute, setText, setChip, chip, mark } from "./dom.js";
import { needsYou } from "./needs.js";
import { exact, since } from "./words.js";

export const SAY_EVERY_MS = 5_000;
const NAMES_SAID = 3;

const KINDS = {
  hand: { word: "hand", shape: "up", tone: "accent" },
  stuck: { word: "stuck", shape: "diamond", tone: "bad" },
  lost: { word: "lost", shape: "cross", tone: "bad" },
};

const SAID = { hand: "raised a hand", stuck: "is stuck", lost: "lost the connection" };

/** What to say of new lines: the first few by name, the others by number. */
export function sentence(lines) {
  const words = lines.slice(0, NAMES_SAID).map((line) => line.title ?? `${line.row.name} ${SAID[line.kind]}${line.reason ? `: ${line.reason}` : ""}`);
  const others = lines.length - NAMES_SAID;
  if (others > 0) words.push(`${others} more`);
  return `${words.join(". ")}.`;
}

class Line {
  constructor(open) {
    this.chip = chip();
    this.since = el("time", { class: "need-since" });
    this.button = el("button", { type: "button", class: "link need-name" });
    this.title = el("span", { class: "need-name" });
    this.reason = el("span", { class: "need-reason" });
    this.node = el("li", {}, this.chip, this.button, this.title, this.since, this.reason);
    this.button.addEventListener("click", () => open(this.line.row.user_id, this.button));
  }

  show(line, now) {
    this.line = line;
    setChip(this.chip, KINDS[line.kind]);
    this.button.hidden = Boolean(line.title);
    this.title.hidden = !line.title;
    setText(line.title ? this.title : this.button, line.title ?? line.row.name);
    setAttribute(this.title, "title", line.rows ? line.rows.map((row) => row.name).join(", ") : null);
    setText(this.reason, line.reason);
    setAttribute(this.reason, "title", line.reason);
    setAttribute(this.since, "datetime", line.since);
    setAttribute(this.since, "title", exact(line.since));
    this.passTime(now);
  }

  passTime(now) {
    setText(this.since, since(this.line.since, now));
  }
}

export class NeedsYou {
  /** `parts`: section, list, number, calm, say; `open(userId, from)` shows a student's pane. */
  constructor(parts, open) {
    this.parts = parts;
    this.open = open;
    this.lines = new Map();
    this.unsaid = [];
    this.saidAt = -Infinity;
    this.held = false;
    const { section } = parts;
    section.addEventListener("pointerenter", (event) => {
      this.held = event.pointerType === "mouse";
    });
    section.addEventListener("pointerleave", () => {
      this.held = false;
      if (this.wanted) this.#place(this.wanted, this.now);
    });
  }

  show(picture, now) {
    const wanted = needsYou(picture);
    const first = this.wanted === undefined;
    const known = new Set((this.wanted ?? []).map((line) => line.key));
    const fresh = wanted.filter((line) => !known.has(line.key));
    this.wanted = wanted;
    this.now = now;
    this.#place(wanted, now);
    if (!first) {
      fresh.forEach((line) => mark(this.lines.get(line.key).node));
      this.unsaid.push(...fresh);
      this.#say();
    }
    return wanted.length;
  }

  passTime(now) {
    this.now = now;
    for (const line of this.lines.values()) line.passTime(now);
  }

  #place(wanted, now) {
    const { list, number, calm, section } = this.parts;
    const keys = new Set(wanted.map((line) => line.key));
    for (const [key, line] of this.lines) {
      if (keys.has(key)) continue;
      // A line that goes away under the pointer would put another one there: it fades and goes when the pointer does.
      line.node.classList.toggle("over", this.held);
      if (this.held) continue;
      line.node.remove();
      this.lines.delete(key);
    }
    for (const entry of wanted) {
      const line = this.lines.get(entry.key) ?? new Line(this.open);
      this.lines.set(entry.key, line);
      line.node.classList.remove("over");
      line.show(entry, now);
      if (this.held && !line.node.isConnected) list.append(line.node);
    }
    if (!this.held) this.#order(wanted);
    setText(number, wanted.length || "");
    calm.hidden = this.lines.size > 0;
    list.hidden = this.lines.size === 0;
    setAttribute(section, "data-calm", wanted.length ? null : "true");
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

  // Only what is new and still true, at most once in five seconds, so that a busy room does not talk without end.
  #say() {
    if (this.timer || !this.unsaid.length) return;
    const wait = Math.max(0, this.saidAt + SAY_EVERY_MS - Date.now());
    this.timer = setTimeout(() => {
      this.timer = null;
      const current = new Set(this.wanted.map((line) => line.key));
      const lines = this.unsaid.filter((line) => current.has(line.key));
      this.unsaid = [];
      if (!lines.length) return;
      this.saidAt = Date.now();
      this.parts.say.textContent = sentence(lines);
    }, wait);
  }
}
