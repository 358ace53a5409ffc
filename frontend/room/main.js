// The teacher's live room: connects the parts of the page with the picture that the server tells.

import { io } from "socket.io-client";
import { Connection } from "./connection.js";
import { pageData } from "./dom.js";
import { Head } from "./head.js";
import { NeedsYou } from "./needs_you.js";
import { Pane } from "./pane.js";
import { isOver } from "./picture.js";
import { Table } from "./table.js";

const TICK_MS = 1_000;
const HIDDEN_DRAW_MS = 500;

const data = pageData();
const byId = (id) => document.getElementById(id);
const title = document.title;
const narrow = matchMedia("(max-width: 900px)");

const room = byId("room");
const main = byId("room-main");
const siteHeader = document.querySelector(".site-header");
let changedIds = new Set();
let drawing = false;
let returnFocus = null;

const connection = new Connection(
  io("/monitor", { autoConnect: false, reconnection: false, timeout: 5_000, withCredentials: true }),
  data.session_id,
  {
    picture(picture, changed) {
      changed.forEach((id) => changedIds.add(id));
      drawSoon();
    },
    news: passTime,
    line: passTime,
    refused,
  },
);

const head = new Head(
  {
    status: byId("session-status"), age: byId("age"), here: byId("here-count"), commands: byId("commands"),
    ended: byId("ended"), needs: byId("needs-you"), notice: byId("notice"), problem: byId("problem"), lineSay: byId("line-say"),
  },
  { sessionId: data.session_id, csrf: data.csrf_token, answered: (session) => connection.sessionAnswered(session) },
);

const needs = new NeedsYou(
  { section: byId("needs-you"), list: byId("needs-list"), number: byId("needs-number"), calm: byId("needs-calm"), say: byId("needs-say") },
  (userId, from) => openPane(userId, () => from.focus()),
);

const table = new Table(
  {
    scroll: byId("table-scroll"), body: byId("rows"), empty: byId("table-empty"), reorder: byId("reorder"),
    find: byId("find"), onlyHere: byId("only-here"), sorts: [...document.querySelectorAll("input[name=sort]")],
  },
  (userId) => openPane(userId, () => table.focus(userId)),
);

const pane = new Pane(byId("pane"), {
  sessionId: data.session_id,
  onClose() {
    room.classList.remove("with-pane");
    coverPage();
    table.select(undefined);
    returnFocus?.();
  },
});

/** On a small screen the pane lies over the page: what is under it must not be reached by the keyboard. */
function coverPage() {
  const covered = narrow.matches && pane.isOpen;
  main.inert = covered;
  siteHeader.inert = covered;
}

function session() {
  return connection.picture?.session ?? data.session;
}

function openPane(userId, focusBack) {
  const row = connection.picture.rows.get(userId);
  if (!row) return;
  returnFocus = focusBack;
  room.classList.add("with-pane");
  table.select(userId);
  pane.open(row, connection.now());
  coverPage();
}

/** Frames may come ten times a second: draw once per screen refresh, and slowly while nobody looks. */
function drawSoon() {
  if (drawing) return;
  drawing = true;
  if (document.hidden) setTimeout(draw, HIDDEN_DRAW_MS);
  else requestAnimationFrame(draw);
}

function draw() {
  drawing = false;
  const { picture } = connection;
  const now = connection.now();
  const changed = changedIds;
  changedIds = new Set();
  table.show(picture, changed, now);
  const waiting = needs.show(picture, now);
  document.title = waiting ? `(${waiting}) ${title}` : title;
  const row = picture.rows.get(pane.userId);
  if (pane.isOpen && row) pane.show(row, now);
  head.show(picture.session, picture, now);
  room.dataset.loaded = "true";
  passTime();
}

function passTime() {
  const now = connection.now();
  const over = isOver(session());
  const age = { line: connection.line, silentMs: connection.silentMs(), stale: connection.isStale(), over, hasPicture: Boolean(connection.picture), refused: connection.refused };
  head.passTime(session(), age, now);
  room.dataset.stale = String(age.stale && !over && age.hasPicture);
  if (connection.picture) head.notices(connection.picture, over ? 0 : connection.behindSeconds);
}

function tick() {
  connection.tick();
  passTime();
  // A stale picture stands still: counting on would pretend to know.
  if (connection.picture && !connection.isStale()) {
    const now = connection.now();
    table.passTime(now);
    needs.passTime(now);
    const row = connection.picture.rows.get(pane.userId);
    if (pane.isOpen && row) pane.passTime(row, now);
  }
}

function refused({ error, message }) {
  const words = error === "not_logged_in" ? "You are logged out. Log in again to go on watching." : message || "You may not watch this room any more.";
  head.say(words);
  room.dataset.refused = error;
  passTime();
}

head.show(data.session, null, Date.now());
setInterval(tick, TICK_MS);
window.addEventListener("online", () => connection.wake());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) connection.wake();
});
narrow.addEventListener("change", coverPage);
connection.start();
