// The line to the server: connect, watch, keep the picture true by the contract's rule, notice silence, come back.

import { APPLIED, GAP, applyFrame, changedBetween, fromSnapshot, takeRows } from "./picture.js";

export const STALE_MS = 10_000;
const BACKOFF_SECONDS = [0.5, 1, 2, 4, 5];
const LONGEST_WAIT_MS = 5_000;
const ANSWER_MS = 5_000;
const CONNECT_MS = 10_000;
const BEHIND_BEAT_MS = 1_000;
const REFUSED = new Set(["not_found", "not_allowed", "not_logged_in"]);

/**
 * The wait before the n-th new try, in ms: 0.5, 1, 2, 4, 5, 5 ... s, each +-50 % so that a class does not come at once,
 * and never above 5 s: so soon after a fault the picture has to be true again.
 */
export function backoff(tries, random = Math.random()) {
  const middle = BACKOFF_SECONDS[Math.min(tries, BACKOFF_SECONDS.length - 1)] * 1000;
  const shortest = middle * 0.5;
  const longest = Math.min(middle * 1.5, LONGEST_WAIT_MS);
  return shortest + random * (longest - shortest);
}

/**
 * Watch a session over `socket` (made with `reconnection: false`: its own backoff loses its jitter at the cap).
 * `on` has `picture(picture, changed)`, `watched()` after each whole picture, `hint(hint)`, `news()`, `line(state)` and
 * `refused(error)`; `line` is "connecting", "live" or "away".
 */
export class Connection {
  constructor(socket, sessionId, on) {
    this.socket = socket;
    this.sessionId = sessionId;
    this.on = on;
    this.picture = null;
    this.lastNewsAt = null;
    this.clockOffset = 0;
    this.behindSeconds = 0;
    this.line = "connecting";
    this.tries = 0;
    this.buffer = null;
    this.watchNumber = 0;
    this.refused = false;
    this.#listen();
  }

  start() {
    this.#connectNow();
  }

  /** The server's clock as far as known: states and times in rows are its, the browser's may be wrong by minutes. */
  now() {
    return Date.now() + this.clockOffset;
  }

  silentMs() {
    return this.lastNewsAt === null ? 0 : Date.now() - this.lastNewsAt;
  }

  isStale() {
    return this.line === "away" || this.silentMs() >= STALE_MS;
  }

  /** Called each second: silence on an open line is looked into before the engine's own ping gives up. */
  tick() {
    if (this.line === "live" && this.silentMs() >= STALE_MS && !this.buffer) this.#watch();
  }

  /** The network or the page came back: do not wait for the timer. */
  wake() {
    if (this.refused) return;
    if (this.line === "away") {
      this.tries = 0;
      this.#connectNow();
    } else if (this.silentMs() >= STALE_MS && !this.buffer) {
      this.#watch();
    }
  }

  #listen() {
    const { socket } = this;
    const mine = (handler) => (message) => {
      if (message?.session_id === this.sessionId) handler(message);
    };
    socket.on("connect", () => {
      clearTimeout(this.timer);
      this.#watch();
    });
    socket.on("disconnect", () => this.#lost());
    socket.on("connect_error", (error) => this.#connectError(error));
    socket.on("frame", mine((frame) => this.#frame(frame)));
    socket.on("beat", mine((beat) => this.#beat(beat)));
    socket.on("resync", mine(() => this.#watch()));
    socket.on("hint", mine((hint) => this.on.hint(hint)));
    socket.on("session_changed", (session) => {
      if (session?.id === this.sessionId) this.#session(session);
    });
  }

  async #watch() {
    if (!this.socket.connected) return;
    const number = (this.watchNumber += 1);
    this.buffer = [];
    let answer;
    try {
      answer = await this.socket.timeout(ANSWER_MS).emitWithAck("watch", { session_id: this.sessionId });
    } catch {
      answer = null;
    }
    if (number !== this.watchNumber) return;
    if (answer?.success) this.#snapshot(answer.snapshot);
    else if (REFUSED.has(answer?.error)) this.#refuse(answer);
    else this.#reconnect(answer?.retry_after);
  }

  #snapshot(snapshot) {
    const before = this.picture;
    const buffered = this.buffer;
    this.buffer = null;
    this.tries = 0;
    this.picture = fromSnapshot(snapshot);
    this.#heard(snapshot.at);
    this.#setLine("live");
    this.on.picture(this.picture, changedBetween(before, this.picture));
    this.on.watched();
    this.#acknowledge();
    for (const frame of buffered) {
      if (this.buffer) break;
      this.#frame(frame);
    }
  }

  #frame(frame) {
    this.#heard();
    if (this.buffer) {
      this.buffer.push(frame);
      return;
    }
    if (!this.picture) return;
    const { outcome, picture, changed } = applyFrame(this.picture, frame);
    if (outcome === GAP) {
      this.#watchSoon();
      return;
    }
    this.picture = picture;
    this.#acknowledge();
    if (outcome === APPLIED) this.on.picture(picture, changed);
  }

  #beat(beat) {
    this.#heard(beat.at);
    this.behindSeconds = beat.behind_seconds ?? 0;
    if (this.buffer || !this.picture) return;
    if (beat.epoch !== this.picture.epoch) {
      this.#watchSoon();
    } else if (beat.seq > this.picture.seq) {
      // A frame may only be under way; if it has not come a second later it never will.
      const seen = this.picture;
      setTimeout(() => {
        if (this.picture.epoch === beat.epoch && this.picture.seq < beat.seq && this.picture.seq === seen.seq && !this.buffer) this.#watch();
      }, BEHIND_BEAT_MS);
    }
  }

  #session(session) {
    if (!this.picture) return;
    this.picture = { ...this.picture, session: { ...this.picture.session, ...session } };
    this.on.picture(this.picture, new Set());
  }

  /** The answer to a command of this page: the same as if it had been told. */
  sessionAnswered(session) {
    this.#session(session);
  }

  /** The same for a row that a command answered; its frame comes too, and then changes nothing. */
  rowAnswered(row) {
    if (!this.picture || this.buffer) return;
    const { rows, changed } = takeRows(this.picture, [row]);
    if (!changed.size) return;
    this.picture = { ...this.picture, rows };
    this.on.picture(this.picture, changed);
  }

  /** A short random wait, because after a fault every watcher finds its gap in the same moment. */
  #watchSoon() {
    this.buffer = [];
    const number = (this.watchNumber += 1);
    setTimeout(() => {
      if (number === this.watchNumber) this.#watch();
    }, 50 + Math.random() * 200);
  }

  #acknowledge() {
    this.socket.emit("ack", { session_id: this.sessionId, seq: this.picture.seq });
  }

  #heard(at) {
    this.lastNewsAt = Date.now();
    if (at) this.clockOffset = Date.parse(at) - Date.now();
    this.on.news();
  }

  #lost() {
    this.watchNumber += 1;
    this.buffer = null;
    if (this.refused) return;
    this.#setLine("away");
    this.#connectLater();
  }

  #reconnect(afterSeconds) {
    this.#setLine("away");
    this.buffer = null;
    this.retryAfterMs = (afterSeconds ?? 0) * 1000;
    if (this.socket.connected) this.socket.disconnect();
    else this.#connectLater();
  }

  #connectError(error) {
    if (REFUSED.has(error.message) || REFUSED.has(error.data?.error)) {
      this.#refuse({ error: error.data?.error ?? error.message, message: error.data?.message });
      return;
    }
    this.#setLine("away");
    this.#connectLater();
  }

  #connectLater() {
    clearTimeout(this.timer);
    const wait = Math.max(this.retryAfterMs ?? 0, backoff(this.tries));
    this.retryAfterMs = 0;
    this.tries += 1;
    this.timer = setTimeout(() => this.#connectNow(), wait);
  }

  #connectNow() {
    clearTimeout(this.timer);
    if (this.socket.connected) return;
    this.socket.connect();
    // The library does not notice a server that opens the line and then never answers CONNECT.
    this.timer = setTimeout(() => {
      this.socket.disconnect();
      this.#connectLater();
    }, CONNECT_MS);
  }

  #refuse(error) {
    this.refused = true;
    this.buffer = null;
    this.#setLine("away");
    clearTimeout(this.timer);
    if (this.socket.connected) this.socket.disconnect();
    this.on.refused(error);
  }

  #setLine(line) {
    if (this.line === line) return;
    this.line = line;
    this.on.line(line);
  }
}
