// The quiet corner at the top right while a teacher watches: how the session stands, hints, and the raised hand.

import { byId, element, setChip, setText } from "./dom.js";
import { createRoomSocket } from "./room_socket.js";

const STATES = {
  SCHEDULED: () => ({ text: "Your teacher has not opened this yet", shape: "ring", tone: "muted" }),
  WAITING_FOR_STUDENTS: () => ({ text: "Waiting for your teacher to start", shape: "ring", tone: "info" }),
  IN_PROGRESS: (session) => ({ text: `In progress${duration(session)}`, shape: "disc", tone: "ok" }),
  COMPLETED: () => ({ text: "Finished", shape: "check", tone: "muted" }),
  CANCELLED: () => ({ text: "Cancelled by your teacher", shape: "cross", tone: "muted" }),
};
const CLOSED = "The line to your teacher was closed";

// Answers the outbox's way through the socket, once there is one.
export function createRoomLine({ session, csrfToken, onJoined }) {
  const hand = byId("hand");
  const dialog = byId("hand-dialog");
  let current = session;
  let raised = Boolean(session.hand_up);
  const known = new Set();

  byId("room").hidden = false;
  const socket = createRoomSocket({ sessionId: session.id, onLine, onSession: become, onHint });
  become(session);
  paintHand();
  setInterval(paint, 15_000);

  function become(next) {
    current = { ...current, ...next };
    paint();
  }

  function paint() {
    setChip(byId("room-state"), STATES[current.status]?.(current) ?? { text: current.status, shape: "ring", tone: "muted" });
    const begun = current.status === "IN_PROGRESS";
    byId("room-note").hidden = begun || current.status === "COMPLETED";
    setText(byId("room-note"), current.status === "CANCELLED" ? "" : "Read the task; it has not begun.");
    hand.hidden = !["WAITING_FOR_STUDENTS", "IN_PROGRESS"].includes(current.status);
  }

  function onLine(state, reason) {
    const words = {
      joined: "",
      away: "no live line to your teacher, trying again",
      refused: reason || "your teacher cannot see you here",
      closed: reason ? `${CLOSED}: ${reason}` : CLOSED,
    };
    setText(byId("room-trouble"), words[state]);
    if (state === "joined") onJoined();
  }

  function onHint(hint) {
    if (known.has(hint.hint_id)) return; // hints come again after a reconnection
    known.add(hint.hint_id);
    const dismiss = element("button", { type: "button", class: "quiet small" }, "Got it");
    const note = element("div", { class: "notice", "data-tone": "info" },
      element("p", {}, element("strong", {}, `Hint from ${hint.from || "your teacher"}: `), hint.message), dismiss);
    dismiss.addEventListener("click", () => note.remove());
    byId("hints").append(note);
    whenVisible(() => socket.seen(hint.hint_id));
  }

  hand.addEventListener("click", () => {
    if (raised) callHelp("DELETE");
    else dialog.showModal();
  });
  byId("hand-cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    const message = byId("hand-message");
    if (dialog.returnValue === "raise") callHelp("POST", { message: message.value.trim() || null });
    dialog.returnValue = "";
    message.value = "";
  });

  async function callHelp(method, body) {
    hand.disabled = true;
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrfToken(), "X-Requested-With": "XMLHttpRequest" };
    const response = await fetch(`/api/sessions/${current.id}/help`,
      { method, headers, body: body && JSON.stringify(body), credentials: "same-origin" }).catch(() => null);
    hand.disabled = false;
    if (response?.ok) raised = method === "POST";
    setText(byId("room-trouble"), response?.ok ? "" : "That did not reach your teacher. Try again.");
    paintHand();
  }

  function paintHand() {
    hand.setAttribute("aria-pressed", String(raised));
    setText(hand, raised ? "Lower hand" : "Raise hand");
  }

  return { way: socket.way };
}

function duration(session) {
  const started = Date.parse(session.started_at);
  if (Number.isNaN(started)) return "";
  const minutes = Math.max(0, Math.floor((Date.now() - started) / 60_000));
  return session.time_limit_minutes ? `, ${minutes} of ${session.time_limit_minutes} min` : `, ${minutes} min`;
}

function whenVisible(action) {
  if (document.visibilityState === "visible") return action();
  const listen = () => {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", listen);
    action();
  };
  return document.addEventListener("visibilitychange", listen);
}
