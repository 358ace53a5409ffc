// What a teacher does to a student's row or sends to the room; the answer is taken at once, a refusal is shown.

import { call } from "./api.js";

const SNOOZE_MINUTES = 5;

export class Commands {
  /** `answered(row)` gets the row that a command answers; `failed(sentence)` why it was refused ("" at each new try). */
  constructor({ sessionId, csrf, answered, failed }) {
    Object.assign(this, { sessionId, csrf, answered, failed });
  }

  claim(row) {
    return this.#row("POST", row, "claim", {});
  }

  release(row) {
    return this.#row("DELETE", row, "claim");
  }

  snooze(row, minutes = SNOOZE_MINUTES) {
    return this.#row("POST", row, "snooze", { minutes });
  }

  wake(row) {
    return this.snooze(row, 0);
  }

  lowerHand(row) {
    return this.#row("DELETE", row, "help");
  }

  /** Send a hint to one student, or to all with null; raises what the server refuses. */
  hint(userId, message) {
    return call("POST", `/api/sessions/${this.sessionId}/hints`, { body: { user_id: userId, message }, csrf: this.csrf });
  }

  async #row(method, row, what, body) {
    this.failed("");
    try {
      this.answered(await call(method, `/api/sessions/${this.sessionId}/students/${row.user_id}/${what}`, { body, csrf: this.csrf }));
    } catch (error) {
      this.failed(`${row.name}: ${error.message}`);
    }
  }
}
