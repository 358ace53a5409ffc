// The student's side of a live session over Socket.IO (contracts/monitoring.md, section 3): join, events, signals, hints.

import { io } from "socket.io-client";
import { Unreachable, uuid } from "./api.js";

const ANSWER_MS = 10_000;
const IDLE_MS = 60_000;

// `onLine(state, reason)`: "joined", "away", "refused" or "closed"; `onSession(session)`; `onHint(hint)`.
export function createRoomSocket({ sessionId, onLine, onSession, onHint }) {
  const tabId = uuid();
  let joined = false;
  let closed = false;
  let told = "";
  let lastInput = Date.now();
  let retry = null;

  const socket = io("/monitor", {
    transports: ["websocket", "polling"],
    reconnectionDelay: 500,
    reconnectionDelayMax: 5000,
    randomizationFactor: 0.5,
  });

  socket.on("connect", join);
  socket.on("connect_error", () => away());
  socket.on("disconnect", (reason) => {
    away();
    // The server's own disconnect is not followed by a new attempt of the library.
    if (reason === "io server disconnect" && !closed) retry = setTimeout(() => socket.connect(), 1000 + Math.random() * 2000);
  });
  socket.on("session_changed", (session) => session.id === sessionId && onSession(session));
  socket.on("closed", ({ reason }) => {
    closed = true;
    joined = false;
    onLine("closed", reason);
  });
  socket.on("hint", (hint, acknowledge) => {
    acknowledge?.({ success: true });
    onHint(hint);
  });

  async function join() {
    clearTimeout(retry);
    try {
      const answer = await socket.timeout(ANSWER_MS).emitWithAck("join", { session_id: sessionId, tab_id: tabId });
      if (!answer.success) return onLine("refused", answer.message);
      joined = true;
      told = "";
      if (answer.session) onSession(answer.session);
      onLine("joined");
      signal();
    } catch {
      if (socket.connected) socket.disconnect().connect();
    }
  }

  function away() {
    joined = false;
    if (!closed) onLine("away");
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
    const now = {
      visible: document.visibilityState === "visible",
      focused: document.hasFocus(),
      active: Date.now() - lastInput < IDLE_MS,
    };
    if (JSON.stringify(now) === told) return;
    told = JSON.stringify(now);
    socket.emit("signal", { session_id: sessionId, ...now });
  }

  function wake() {
    if (!socket.connected && !closed) socket.connect();
  }

  for (const name of ["keydown", "pointerdown"]) {
    addEventListener(name, () => {
      lastInput = Date.now();
      signal();
    }, { passive: true });
  }
  for (const name of ["focus", "blur"]) addEventListener(name, signal);
  document.addEventListener("visibilitychange", () => {
    signal();
    if (document.visibilityState === "visible") wake();
  });
  addEventListener("online", wake);
  setInterval(signal, 5000);
  addEventListener("pagehide", (event) => {
    if (!event.persisted && joined) socket.emit("leave", { session_id: sessionId });
  });

  return {
    way: () => (joined && socket.connected ? sendEvents : null),
    seen: (hintId) => socket.emit("seen", { hint_id: hintId }),
  };
}
