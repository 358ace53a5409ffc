// The student's side of a live session over Socket.IO (contracts/monitoring.md, section 3): join, events, signals, hints.

import { io } from "socket.io-client";
import { Unreachable, uuid } from "./api.js";
import { backoff } from "./backoff.js";

const ANSWER_MS = 10_000;
const PROBE_MS = 4_000;
const CONNECT_MS = 8_000;
const IDLE_MS = 60_000;
const POLLING_AFTER = 2;
const LOGGED_OUT_MS = 10_000;
const FOR_GOOD = ["not_found", "not_allowed"];
const OVER = ["COMPLETED", "CANCELLED"];

// `on` has `line(state, reason)` with "joined", "away", "waiting", "logged_out" or "closed", `session(session)` and
// `hint(hint)`. `look()` asks for the session over HTTP and answers its status, "LOGGED_OUT", or null where that fails.
export function createRoomSocket({ sessionId, on, look }) {
  const tabId = uuid();
  const unseen = new Set(); // hints that were on a visible page and of which the server does not know it yet
  let joined = false;
  let everJoined = false;
  let finished = false;
  let isClosing = false;
  let told = "";
  let lastInput = Date.now();
  let tries = 0;
  let timer = null;

  // The library's own backoff loses its jitter at the cap. A proxy that refuses WebSockets gets long polling.
  const socket = io("/monitor", {
    transports: ["websocket", "polling"], tryAllTransports: true, reconnection: false, timeout: CONNECT_MS, autoConnect: false,
  });

  socket.on("connect", join);
  socket.on("connect_error", (error) => {
    const loggedOut = error.message === "not_logged_in";
    away(loggedOut ? "logged_out" : "away");
    again(loggedOut ? LOGGED_OUT_MS : backoff(tries++));
  });
  socket.on("disconnect", (reason) => {
    if (finished || isClosing || reason === "io client disconnect") return;
    away("away");
    again(backoff(tries++));
  });
  socket.on("session_changed", (session) => session.id === sessionId && on.session(session));
  socket.on("closed", ({ reason }) => closed(reason));
  socket.on("hint", (hint, acknowledge) => {
    acknowledge?.({ success: true });
    on.hint(hint);
  });

  async function join() {
    clearTimeout(timer);
    let answer = null;
    try {
      answer = await socket.timeout(ANSWER_MS).emitWithAck("join", { session_id: sessionId, tab_id: tabId });
    } catch {
      if (socket.connected) reconnect(backoff(tries++));
      return;
    }
    if (answer.success) entered(answer);
    else await refused(answer);
  }

  function entered(answer) {
    joined = everJoined = true;
    tries = 0;
    told = "";
    if (answer.session) on.session(answer.session);
    if (finished) return;
    on.line("joined");
    signal();
    for (const hintId of unseen) tellSeen(hintId);
  }

  // Not opened yet and already over are refused with one word; the session itself says which it is.
  async function refused(answer) {
    if (FOR_GOOD.includes(answer.error)) finish("closed", answer.message);
    else if (answer.error === "not_logged_in") reconnect(LOGGED_OUT_MS, "logged_out");
    else joinLater(await look());
  }

  function joinLater(status) {
    if (finished || OVER.includes(status) || !socket.connected) return;
    const notOpen = status === "SCHEDULED";
    on.line(notOpen ? "waiting" : "away");
    clearTimeout(timer);
    timer = setTimeout(join, notOpen ? 4000 + Math.random() * 2000 : backoff(tries++));
  }

  // A login that has ended can come back; who is taken out of the session is not let in again by trying.
  async function closed(reason) {
    joined = false;
    isClosing = true;
    on.line("closed", reason);
    const status = await look();
    isClosing = false;
    if (status === "LOGGED_OUT") reconnect(LOGGED_OUT_MS, "logged_out");
    else finish("closed", reason);
  }

  function finish(state, reason) {
    if (finished) return;
    finished = true;
    joined = false;
    clearTimeout(timer);
    on.line(state, reason);
    socket.disconnect();
  }

  function away(state) {
    joined = false;
    if (!finished) on.line(state);
  }

  function again(ms) {
    clearTimeout(timer);
    if (!finished) timer = setTimeout(connect, ms);
  }

  // Also out of an attempt that hangs: a socket that is being opened ignores a second `connect`.
  function connect() {
    clearTimeout(timer);
    if (finished) return;
    // Some networks let WebSockets die without a word. Who was in once has a network that does not.
    if (!everJoined && tries >= POLLING_AFTER) socket.io.opts.transports = ["polling", "websocket"];
    socket.disconnect().connect();
  }

  function reconnect(ms, state = "away") {
    away(state);
    socket.disconnect();
    again(ms);
  }

  // The outbox's way through the socket: answers the results per event, or says "try again".
  async function sendEvents(events) {
    let answer;
    try {
      answer = await socket.timeout(ANSWER_MS).emitWithAck("events", { session_id: sessionId, events });
    } catch {
      throw new Unreachable(0, "no acknowledgement");
    }
    if (!answer?.success) throw new Unreachable(503, answer?.message);
    return answer.results ?? [];
  }

  // Told on change only; "active" is input within the last minute.
  function signal() {
    if (!joined) return;
    const now = presence();
    if (JSON.stringify(now) === told) return;
    told = JSON.stringify(now);
    socket.emit("signal", now);
  }

  function presence() {
    return {
      session_id: sessionId,
      visible: document.visibilityState === "visible",
      focused: document.hasFocus(),
      active: Date.now() - lastInput < IDLE_MS,
    };
  }

  // The network or the page came back: no waiting for the timer, and a line that only seems open is found out now and
  // not by the engine's own ping, which needs up to 20 s.
  async function wake() {
    if (finished || isClosing) return;
    tries = 0;
    if (!socket.connected) connect();
    if (!joined) return;
    told = JSON.stringify(presence());
    try {
      await socket.timeout(PROBE_MS).emitWithAck("signal", presence());
    } catch {
      if (joined && socket.connected) reconnect(0);
    }
  }

  async function tellSeen(hintId) {
    unseen.add(hintId);
    if (!joined) return;
    const answer = await socket.timeout(ANSWER_MS).emitWithAck("seen", { hint_id: hintId }).catch(() => null);
    if (answer) unseen.delete(hintId);
  }

  for (const name of ["keydown", "pointerdown"]) {
    addEventListener(name, () => {
      lastInput = Date.now();
      signal();
    }, { passive: true });
  }
  for (const name of ["focus", "blur"]) addEventListener(name, signal);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") wake();
    else signal();
  });
  addEventListener("online", wake);
  setInterval(signal, 5000);
  addEventListener("pagehide", (event) => {
    if (!event.persisted && joined) socket.emit("leave", { session_id: sessionId });
  });
  addEventListener("pageshow", (event) => event.persisted && wake());

  return {
    start: connect,
    finish: () => finish("over"),
    way: () => (joined && socket.connected ? sendEvents : null),
    seen: tellSeen,
  };
}
