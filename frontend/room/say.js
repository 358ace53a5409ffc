// The page's one polite live region: what is new, at most once in five seconds, and only what is still true by then.

export const SAY_EVERY_MS = 5_000;

export class Speaker {
  constructor(node) {
    this.node = node;
    this.waiting = new Map();
    this.saidAt = -Infinity;
    this.timer = null;
  }

  /** `words()` is asked when the turn comes and answers "" for what is over; each `source` has one thing to say. */
  say(source, words) {
    this.waiting.set(source, typeof words === "function" ? words : () => words);
    if (this.timer) return;
    this.timer = setTimeout(() => this.#speak(), Math.max(0, this.saidAt + SAY_EVERY_MS - Date.now()));
  }

  #speak() {
    this.timer = null;
    const sentences = [...this.waiting.values()].map((words) => words()).filter(Boolean);
    this.waiting.clear();
    if (!sentences.length) return;
    this.saidAt = Date.now();
    const text = sentences.join(" ");
    // The same words twice would be no change, and stay unsaid.
    this.node.textContent = this.node.textContent === text ? `${text}\u00a0` : text;
  }
}
