// Following recalculations: told by the socket, asked each second where the socket is silent.

import { io } from "socket.io-client";
import { call } from "../room/api.js";
import { hasEnded } from "./jobs.js";

const POLL_MS = 1_000;
const SILENT_MS = 2_000;

export class Follow {
  /** `changed(job)` for every job that is told of or asked for. */
  constructor(changed) {
    this.changed = changed;
    this.followed = new Map();
    this.connect();
    setInterval(() => this.poll(), POLL_MS);
  }

  connect() {
    // Without the socket the page is only slower: polling goes on, so no error is shown for it.
    const socket = io("/monitor", { withCredentials: true, reconnectionDelay: 500, reconnectionDelayMax: 5_000 });
    socket.on("recalculation", (job) => this.heard(job));
    socket.on("connect_error", () => {});
  }

  follow(job) {
    this.followed.set(job.id, { job, heardAt: 0, asking: false });
  }

  heard(job) {
    const known = this.followed.get(job.id);
    // An answer that was overtaken must not turn a finished job back into a running one.
    if (known && hasEnded(known.job) && !hasEnded(job)) return;
    this.followed.set(job.id, { job, heardAt: Date.now(), asking: false });
    this.changed(job);
  }

  poll() {
    for (const entry of this.followed.values()) {
      if (hasEnded(entry.job) || entry.asking || Date.now() - entry.heardAt < SILENT_MS) continue;
      this.ask(entry);
    }
  }

  async ask(entry) {
    entry.asking = true;
    try {
      this.heard(await call("GET", `/api/recalculations/${entry.job.id}`));
    } catch {
      entry.asking = false;
    }
  }
}
