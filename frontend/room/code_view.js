// A program to read: its lines are changed in place, the ones that are being edited are marked and followed.

import { el, setText } from "./dom.js";

const HANDS_OFF_MS = 10_000;

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

export class CodeView {
  constructor(label) {
    this.code = el("code");
    this.node = el("pre", { class: "pane-code", tabindex: "0", role: "region", "aria-label": label }, this.code);
    this.handsOffUntil = 0;
    // Who scrolls reads something: the view does not run away with the student's cursor for a while.
    for (const name of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      this.node.addEventListener(name, () => {
        this.handsOffUntil = Date.now() + HANDS_OFF_MS;
      }, { passive: true });
    }
  }

  /** Show a text; `changed` as `changedLines` answers it, null to leave the mark where it is. */
  show(text, changed) {
    const lines = text.replace(/\n$/, "").split("\n");
    const { children } = this.code;
    while (children.length > lines.length) this.code.lastElementChild.remove();
    lines.forEach((line, index) => {
      if (children[index]) setText(children[index], `${line}\n`);
      else this.code.append(el("span", { class: "code-line" }, `${line}\n`));
    });
    if (changed) this.#mark(changed);
  }

  clearMark() {
    for (const line of this.code.children) line.classList.remove("changed");
  }

  #mark([first, last]) {
    [...this.code.children].forEach((line, index) => line.classList.toggle("changed", index >= first && index <= last));
    const line = this.code.children[Math.min(first, this.code.children.length - 1)];
    if (line && Date.now() > this.handsOffUntil) this.#bringIntoSight(line);
  }

  #bringIntoSight(line) {
    const top = line.offsetTop - this.node.offsetTop;
    const { scrollTop, clientHeight } = this.node;
    if (top >= scrollTop && top + line.offsetHeight <= scrollTop + clientHeight) return;
    this.node.scrollTop = Math.max(0, top - clientHeight / 2);
  }
}
