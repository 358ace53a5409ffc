// The corner at the top right while a teacher watches: how the session stands, hints, the raised hand; and what is to be
// known before the start and after the end.

import { byId, setChip, setText } from "./dom.js";
import { createHand } from "./hand.js";
import { createHints } from "./hints.js";
import { createRoomSocket } from "./room_socket.js";
import { chipOf, minutes, newsOf, noticeOf, timeLeft } from "./session_words.js";

const PAINT_MS = 5000;
const LOOK_MS = 15_000;
const ANSWER_MS = 10_000;
const QUIET_MS = 3000; // a line that is back by then is not worth a word
const WITH_A_HAND = ["WAITING_FOR_STUDENTS", "IN_PROGRESS"];
const OVER = ["COMPLETED", "CANCELLED"];
const NOT_THERE = ["away", "waiting", "logged_out"];

// Answers the outbox's way through the socket, once there is one.
export function createRoomLine({ api, session, onJoined }) {
  let current = { ...session, status: null };
  let clockOffset = 0; // the server's clock less ours, which may be wrong by minutes
  let line = "";
  let awayTimer = null;
  let lastMinutesTold = false;

  byId("room").hidden = false;
  const on = { line: onLine, session: become, hint: (hint) => hints.take(hint) };
  const socket = createRoomSocket({ sessionId: session.id, on, look });
  const hints = createHints({ sessionId: session.id, onSeen: socket.seen });
  const hand = createHand({ api, sessionId: session.id, raised: Boolean(session.hand_up), say,
    trouble: (text) => setText(byId("hand-trouble"), text) });
  become(session);
  hints.load();
  if (!OVER.includes(session.status)) begin();
  setInterval(paint, PAINT_MS);
  setInterval(() => NOT_THERE.includes(line) && !OVER.includes(current.status) && look(), LOOK_MS);
  if (session.time_limit_minutes) look();

  function begin() {
    onLine("away");
    socket.start();
  }

  function become(next) {
    const before = current;
    if (next.version < before.version) return; // told late, and something newer is known
    current = { ...before, ...next };
    if (typeof next.hand_up === "boolean") hand.told(next.hand_up);
    if (before.status !== null && before.status !== current.status) say(newsOf(current, now()));
    if (OVER.includes(current.status)) socket.finish();
    paint();
  }

  // The session over HTTP, for when the line is away or has no place for us yet. Answers its status, "LOGGED_OUT" or null.
  async function look() {
    const response = await fetch(`/api/sessions/${session.id}`, {
      credentials: "same-origin", signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => null);
    const told = response?.ok ? await response.json().catch(() => null) : null;
    const date = Date.parse(response?.headers.get("Date"));
    if (date) clockOffset = date - Date.now();
    if (told) become(told);
    return response?.status === 401 ? "LOGGED_OUT" : told?.status ?? null;
  }

  function now() {
    return Date.now() + clockOffset;
  }

  function paint() {
    setChip(byId("room-state"), chipOf(current, now()));
    const notice = noticeOf(current, now());
    byId("room-notice").hidden = notice === null;
    setText(byId("room-notice-title"), notice?.title ?? "");
    setText(byId("room-notice-text"), notice?.text ?? "");
    hand.show(WITH_A_HAND.includes(current.status) && line !== "closed");
    tellLastMinutes();
  }

  function tellLastMinutes() {
    const left = timeLeft(current, now());
    if (!left?.isLast || lastMinutesTold) return;
    lastMinutesTold = true;
    say(left.isOver ? "The time of this session is up." : `The last ${minutes(left.minutes)} of this session.`);
  }

  function onLine(state, reason) {
    const before = line;
    line = state;
    if (state === "away" && before === "away") return; // each try that fails tells it again
    clearTimeout(awayTimer);
    if (state === "away") awayTimer = setTimeout(() => trouble("no live line to your teacher, trying again"), QUIET_MS);
    else if (state === "logged_out") trouble("you are logged out, log in again in another tab");
    else if (state === "closed") trouble(`the line to your teacher was closed${reason ? `: ${reason}` : ""}`);
    else trouble("");
    paint();
    if (state !== "joined") return;
    if (hand.isUp()) look(); // it may have been lowered while nobody could tell us
    hints.load();
    onJoined();
  }

  function trouble(text) {
    setText(byId("room-trouble"), text);
  }

  function say(text) {
    setText(byId("room-say"), text);
  }

  return { way: socket.way };
}
