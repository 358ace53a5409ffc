// A hint to the whole room: the dialog to write it, and one line that says how far it got.

import { call } from "./api.js";
import { setAttribute, setText } from "./dom.js";
import { canHint, later, sendsOnCtrlEnter } from "./told.js";
import { clock, exact, millis } from "./words.js";

const CURRENT_MS = 20 * 60_000;

/** "delivered 24 of 27, seen 20". */
export function receiptWords(hint) {
  return `delivered ${hint.delivered} of ${hint.of}, seen ${hint.seen}`;
}

export class HintAll {
  /** `parts`: button, dialog, form, field, problem, cancel, line, message, receipts; `room` has commands and session(). */
  constructor(parts, room) {
    this.parts = parts;
    this.room = room;
    this.hint = null;
    this.#listen();
  }

  #listen() {
    const { button, dialog, form, field, cancel } = this.parts;
    button.addEventListener("click", () => this.open());
    cancel.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    sendsOnCtrlEnter(field, () => this.#send());
  }

  open() {
    if (!canHint(this.room.session())) return;
    this.#say("");
    this.parts.dialog.showModal();
    this.parts.field.focus();
  }

  /** What was sent before this page was opened, or while the line was away. */
  async load() {
    try {
      const { items } = await call("GET", `/api/sessions/${this.room.sessionId}/hints`);
      items.forEach((hint) => this.take(hint));
    } catch {
      // The next whole picture asks again.
    }
  }

  /** News of a hint; only the newest to all is shown. */
  take(hint) {
    if (hint.user_id !== null || millis(hint.at) < millis(this.hint?.at)) return;
    this.hint = later(this.hint, hint);
    this.passTime(this.now);
  }

  /** The hint that is still on the students' screens as far as anybody cares, or null. */
  current(now) {
    return this.hint && now - millis(this.hint.at) < CURRENT_MS ? this.hint : null;
  }

  passTime(now = Date.now()) {
    const { line, message, receipts, button } = this.parts;
    this.now = now;
    const hint = this.current(now);
    button.hidden = !canHint(this.room.session());
    line.hidden = !hint;
    if (!hint) return;
    setText(message, hint.message);
    setAttribute(message, "title", hint.message);
    setText(receipts, `${clock(hint.at)}, ${receiptWords(hint)}`);
    setAttribute(receipts, "title", exact(hint.at));
  }

  async #send() {
    const { field, dialog } = this.parts;
    const message = field.value.trim();
    if (!message || this.isSending) return;
    this.isSending = true;
    try {
      this.take(await this.room.commands.hint(null, message));
      field.value = "";
      dialog.close();
      this.room.speaker.say("hint", "Hint sent to all.");
    } catch (error) {
      this.#say(`Not sent: ${error.message}`);
    } finally {
      this.isSending = false;
    }
  }

  #say(problem) {
    setText(this.parts.problem, problem);
    this.parts.problem.hidden = !problem;
  }
}
