// The projector's view: how far the class is, a clock, what was said to all. Nobody's name is in it.

import { setAttribute, setText } from "./dom.js";
import { isHere, participants } from "./picture.js";
import { sessionWords } from "./words.js";

const HALF = 0.5;
const SCREEN_MS = 500;
const LEVELS = ["done", "far", "begun", "none"];

/** How many are how far: `{done, far, begun, none, here, all}`; numbers only. */
export function standing(picture) {
  const told = { done: 0, far: 0, begun: 0, none: 0, here: 0, all: 0 };
  for (const row of participants(picture)) {
    told.all += 1;
    told.here += isHere(row) ? 1 : 0;
    told[level(row)] += 1;
  }
  return told;
}

function level(row) {
  if (row.work === "DONE" || row.correct) return "done";
  if (row.score >= HALF) return "far";
  return row.counts.edits || row.counts.runs ? "begun" : "none";
}

export class Projector {
  /** `dialog` with elements named by `data-part`; `state()` answers `{picture, session, hint, isStale, now}`. */
  constructor(dialog, state) {
    this.dialog = dialog;
    this.state = state;
    this.parts = Object.fromEntries([...dialog.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
    this.parts.leave.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      if (document.fullscreenElement) document.exitFullscreen();
    });
    // Escape ends the full screen before the dialog hears of it: one key press leaves both.
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement && dialog.open) dialog.close();
    });
  }

  get isOpen() {
    return this.dialog.open;
  }

  async open() {
    if (this.isOpen) return;
    // The whole page goes first: what is made full later would lie over the dialog. Whatever refuses, the view opens.
    const screen = document.documentElement.requestFullscreen?.().catch(() => null);
    await Promise.race([screen, new Promise((resolve) => setTimeout(resolve, SCREEN_MS))]);
    if (this.isOpen) return;
    this.dialog.showModal();
    this.dialog.focus();
    this.show();
  }

  show() {
    if (!this.isOpen) return;
    const { picture, session, hint, isStale, now } = this.state();
    const { clock, session: line, big, small, hint: said, stale } = this.parts;
    setText(clock, new Date(now).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" }));
    setText(line, sessionWords(session, now));
    said.hidden = !hint;
    setText(said, hint?.message ?? "");
    stale.hidden = !isStale;
    setAttribute(this.dialog, "data-stale", isStale ? "true" : null);
    if (!picture) return;
    const told = standing(picture);
    setText(big, `${told.done} of ${told.all} done`);
    setText(small, `${told.here} here`);
    for (const name of LEVELS) {
      this.parts[`bar-${name}`].style.flexGrow = told[name];
      this.parts[`bar-${name}`].hidden = told[name] === 0;
      setText(this.parts[`number-${name}`], told[name]);
    }
  }
}
