// The last twenty minutes of everyone: fetched with each whole picture and each minute, while somebody looks.

import { call } from "./api.js";

export const MINUTES = 20;
const EVERY_MS = 60_000;
const AGAIN_MS = 10_000;
const SPREAD_MS = 3_000;

export class Activity {
  /** `show(students)` gets `{user_id: [[edits, runs, failed], ...]}`. */
  constructor(sessionId, show) {
    this.sessionId = sessionId;
    this.show = show;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.missed) this.fetch();
    });
  }

  async fetch() {
    this.missed = document.hidden;
    if (this.missed || this.isFetching) return;
    clearTimeout(this.timer);
    this.isFetching = true;
    let wait = EVERY_MS;
    try {
      const { students } = await call("GET", `/api/sessions/${this.sessionId}/activity?minutes=${MINUTES}`);
      this.show(students);
    } catch {
      // The picture's own age says that the server is away.
      wait = AGAIN_MS;
    }
    this.isFetching = false;
    this.timer = setTimeout(() => this.fetch(), wait + Math.random() * SPREAD_MS);
  }
}
