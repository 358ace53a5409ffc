// The slider over a student's history: back through the program's versions, with a mark for each run, and back to live.

import { el, setAttribute, setText } from "./dom.js";
import { CHECKS, FAILED, History, OK, outcome, runMarks } from "./history.js";
import { clockSeconds, count } from "./words.js";

const SETTLE_MS = 80;
const REFRESH_MS = 15_000;

const RAN = { [OK]: "ran", [CHECKS]: "ran, checks failed", [FAILED]: "error" };

/** "step 14 of 52, 10:42:07, error: NameError". */
export function stepWords(steps, index) {
  const step = steps[index];
  const found = outcome(step);
  const what = !found ? "edited" : found === FAILED && step.run.error ? `error: ${step.run.error}` : RAN[found];
  const tests = step.tests ? `, ${step.tests.successes} of ${step.tests.tests} tests` : "";
  return `step ${index + 1} of ${steps.length}, ${clockSeconds(step.at)}, ${what}${tests}`;
}

export class Scrubber {
  /** `show(step, code, before)` shows a step (code undefined while it loads), `live()` what is now. */
  constructor(sessionId, userId, { show, live }) {
    this.on = { show, live };
    this.history = new History(sessionId, userId);
    this.index = null;
    this.refreshedAt = -Infinity;
    this.#build();
    this.refresh();
  }

  get isLive() {
    return this.index === null;
  }

  #build() {
    this.range = el("input", { type: "range", min: "0", max: "0", step: "1", value: "0", "aria-label": "History of the program", disabled: true });
    this.marks = el("span", { class: "scrub-marks", "aria-hidden": "true" });
    this.words = el("span", { class: "scrub-words" });
    this.before = el("button", { type: "button", class: "quiet small", hidden: true, onclick: () => this.#toRun(-1), "aria-label": "previous run" }, "‹ run");
    this.after = el("button", { type: "button", class: "quiet small", hidden: true, onclick: () => this.#toRun(1), "aria-label": "next run" }, "run ›");
    this.back = el("button", { type: "button", class: "small", hidden: true, onclick: () => this.toLive() }, "Back to live");
    this.node = el("div", { class: "scrub", hidden: true },
      el("div", { class: "scrub-track" }, this.range, this.marks),
      el("div", { class: "scrub-line" }, this.words, el("span", { class: "scrub-buttons" }, this.before, this.after, this.back)));
    this.range.addEventListener("input", () => this.#go(Number(this.range.value)));
    for (const name of ["focus", "pointerdown"]) this.range.addEventListener(name, () => this.refresh());
  }

  /** There is news of this student: fetch the history again, but not with every key stroke. */
  news() {
    this.isBehind = true;
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.refresh();
    }, Math.max(0, this.refreshedAt + REFRESH_MS - Date.now()));
  }

  async refresh() {
    if (this.isLoading || (this.isBehind === false && this.history.steps.length)) return;
    this.isLoading = true;
    this.isBehind = false;
    this.refreshedAt = Date.now();
    try {
      await this.history.refresh();
      this.#paint();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.isBehind = true;
      if (!this.history.steps.length) this.#sayUnreadable();
    } finally {
      this.isLoading = false;
    }
  }

  #sayUnreadable() {
    this.node.hidden = false;
    setText(this.words, "The history cannot be read now.");
  }

  toLive() {
    const hadFocus = this.node.contains(document.activeElement);
    this.index = null;
    clearTimeout(this.settle);
    this.#paint();
    this.on.live();
    if (hadFocus) this.range.focus({ preventScroll: true });
  }

  forget() {
    clearTimeout(this.timer);
    clearTimeout(this.settle);
    this.history.forget();
  }

  #go(index) {
    const last = this.history.steps.length - 1;
    if (index >= last) {
      this.toLive();
      return;
    }
    this.index = index;
    this.#paint();
    this.#showStep();
    if (this.history.code(index) !== undefined) return;
    clearTimeout(this.settle);
    this.settle = setTimeout(() => this.#load(index), SETTLE_MS);
  }

  async #load(index) {
    try {
      await this.history.load(index);
    } catch (error) {
      if (error.name !== "AbortError") setText(this.words, `This version cannot be read now: ${error.message}`);
      return;
    }
    if (this.index !== null) this.#showStep();
  }

  #showStep() {
    const { steps } = this.history;
    const step = steps[this.index];
    const before = this.index > 0 ? this.history.code(this.index - 1) : undefined;
    const run = step.run ? step : steps.slice(0, this.index).findLast((one) => one.run);
    this.on.show({ step, run: run ?? null, code: this.history.code(this.index), before: before ?? undefined });
  }

  #toRun(direction) {
    const { steps } = this.history;
    let index = (this.index ?? steps.length) + direction;
    while (index >= 0 && index < steps.length && !steps[index].run) index += direction;
    if (index >= 0 && index < steps.length - 1) this.#go(index);
    else if (direction > 0) this.toLive();
    // The newest step is what is live, and yet a run whose output one may ask for.
    else if (index === steps.length - 1) this.#toRunBefore(index);
  }

  #toRunBefore(index) {
    const { steps } = this.history;
    const earlier = steps.slice(0, index).findLastIndex((one) => one.run);
    if (earlier >= 0) this.#go(earlier);
  }

  #paint() {
    const { steps } = this.history;
    const last = Math.max(0, steps.length - 1);
    const words = this.isLive ? "live" : stepWords(steps, this.index);
    this.range.disabled = steps.length < 2;
    this.node.hidden = this.range.disabled;
    this.range.max = String(last);
    this.range.value = String(this.index ?? last);
    setAttribute(this.range, "aria-valuetext", words);
    setText(this.words, !this.isLive ? words : `live, ${count(steps.length, "step")}`);
    this.back.hidden = this.isLive;
    const hasRuns = steps.some((step) => step.run);
    this.before.hidden = !hasRuns;
    this.after.hidden = !hasRuns || this.isLive;
    this.marks.replaceChildren(...runMarks(steps).map(mark));
  }
}

function mark({ place, outcome: how }) {
  const node = el("i", { "data-outcome": how });
  node.style.left = `${(place * 100).toFixed(2)}%`;
  return node;
}
