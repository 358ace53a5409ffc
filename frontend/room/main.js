// The teacher's live room: connects the parts of the page with the picture that the server tells.

import { io } from "socket.io-client";
import { Activity } from "./activity.js";
import { Commands } from "./commands.js";
import { Connection } from "./connection.js";
import { pageData } from "./dom.js";
import { Head } from "./head.js";
import { HintAll } from "./hint_all.js";
import { menu } from "./menu.js";
import { isSnoozed, kindOf } from "./needs.js";
import { NeedsYou } from "./needs_you.js";
import { Notifier } from "./notify.js";
import { Pane } from "./pane.js";
import { isOver } from "./picture.js";
import { Projector } from "./projector.js";
import { Speaker } from "./say.js";
import { listen } from "./shortcuts.js";
import { Table } from "./table.js";

const TICK_MS = 1_000;
const HIDDEN_DRAW_MS = 500;

const data = pageData();
const byId = (id) => document.getElementById(id);
const title = document.title;
const narrow = matchMedia("(max-width: 900px)");

const page = byId("room");
let changedIds = new Set();
let drawing = false;
let asked = Number(location.hash.match(/^#student-(\d+)$/)?.[1] ?? 0);
let returnFocus = null;

const socket = io("/monitor", { autoConnect: false, reconnection: false, timeout: 5_000, withCredentials: true });
const connection = new Connection(socket, data.session_id, {
  picture(picture, changed) {
    changed.forEach((id) => changedIds.add(id));
    drawSoon();
  },
  watched() {
    activity.fetch();
    hintAll.load();
  },
  hint(hint) {
    hintAll.take(hint);
    pane.hint(hint);
    projector.show();
  },
  news: passTime,
  line: passTime,
  refused,
});

/** What the parts of the page share. */
const room = {
  sessionId: data.session_id,
  staff: data.staff ?? {},
  viewerId: data.viewer_id ?? data.user_id,
  speaker: new Speaker(byId("say")),
  session: () => connection.picture?.session ?? data.session,
  commands: new Commands({
    sessionId: data.session_id,
    csrf: data.csrf_token,
    answered: (row) => connection.rowAnswered(row),
    failed: (sentence) => head.say(sentence),
  }),
};

const head = new Head(
  {
    status: byId("session-status"), age: byId("age"), here: byId("here-count"), commands: byId("commands"), menuCommands: byId("menu-commands"),
    ended: byId("ended"), endedWords: byId("ended-words"), needs: byId("needs-you"), notice: byId("notice"), problem: byId("problem"),
  },
  { sessionId: data.session_id, csrf: data.csrf_token, speaker: room.speaker, answered: (session) => connection.sessionAnswered(session) },
);

const needs = new NeedsYou(
  { section: byId("needs-you"), heading: byId("needs-heading"), list: byId("needs-list"), number: byId("needs-number"), calm: byId("needs-calm"), snoozed: byId("needs-snoozed") },
  { ...room, open: (userId, from) => openPane(userId, () => from.focus()) },
);

const table = new Table(
  {
    scroll: byId("table-scroll"), body: byId("rows"), empty: byId("table-empty"), reorder: byId("reorder"),
    find: byId("find"), onlyHere: byId("only-here"), sorts: [...document.querySelectorAll("input[name=sort]")],
  },
  { ...room, open: (userId) => openPane(userId, () => table.focus(userId)) },
);

const pane = new Pane(byId("pane"), room, {
  onClose() {
    page.classList.remove("with-pane");
    coverPage();
    table.select(undefined);
    returnFocus?.();
  },
});

const hintAll = new HintAll(
  {
    button: byId("hint-all"), dialog: byId("hint-all-dialog"), form: byId("hint-all-form"), field: byId("hint-all-message"), cancel: byId("hint-all-cancel"),
    problem: byId("hint-all-problem"), line: byId("to-all"), message: byId("to-all-message"), receipts: byId("to-all-receipts"),
  },
  room,
);

const projector = new Projector(byId("projector"), () => ({
  picture: connection.picture, session: room.session(), hint: hintAll.current(connection.now()), isStale: connection.isStale(), now: connection.now(),
}));

const notifier = new Notifier(byId("notify"), { title, tag: `room-${data.session_id}` });
const activity = new Activity(data.session_id, (students) => table.showActivity(students));

/** On a small screen the pane lies over the page: what is under it must not be reached by the keyboard. */
function coverPage() {
  const covered = narrow.matches && pane.isOpen;
  byId("room-main").inert = covered;
  document.querySelector(".site-header").inert = covered;
}

function openPane(userId, focusBack) {
  const row = connection.picture?.rows.get(userId);
  if (!row) return;
  returnFocus = focusBack;
  page.classList.add("with-pane");
  pane.open(row, connection.now());
  table.select(userId);
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
  tellWaiting(needs.show(picture, now));
  const row = picture.rows.get(pane.userId);
  if (pane.isOpen && row) pane.show(row, now);
  head.show(picture.session, picture, now);
  page.dataset.loaded = "true";
  openAsked();
  passTime();
  projector.show();
}

/** A link to a student (`#student-7`) opens his pane, once. */
function openAsked() {
  if (!asked || !connection.picture.rows.has(asked)) return;
  const id = asked;
  asked = null;
  openPane(id, () => table.focus(id));
}

/** Hands are told apart from the rest, in the tab's title too: somebody asks. */
function tellWaiting({ all, hands, lines }) {
  document.title = `${hands ? `✋ ${hands} · ` : ""}${all ? `(${all}) ` : ""}${title}`;
  notifier.hands(lines.filter((line) => line.kind === "hand" && !line.row.claimed_by));
}

function passTime() {
  const now = connection.now();
  const over = isOver(room.session());
  const age = { line: connection.line, silentMs: connection.silentMs(), stale: connection.isStale(), over, hasPicture: Boolean(connection.picture), refused: connection.refused, now };
  head.passTime(room.session(), age);
  page.dataset.stale = String(age.stale && !over && age.hasPicture);
  hintAll.passTime(now);
  if (connection.picture) head.notices(connection.picture, over ? 0 : connection.behindSeconds, now);
}

function tick() {
  connection.tick();
  passTime();
  projector.show();
  // A stale picture stands still: counting on would pretend to know.
  if (!connection.picture || connection.isStale()) return;
  const now = connection.now();
  table.passTime(now);
  needs.passTime(now);
  const row = connection.picture.rows.get(pane.userId);
  if (pane.isOpen && row) pane.passTime(row, now);
  // What was put off comes back by itself, without news.
  if ([...connection.picture.rows.values()].some((one) => one.snoozed_until)) drawSoon();
}

function refused({ error, message }) {
  const words = error === "not_logged_in" ? "You are logged out. Log in again to go on watching." : message || "You may not watch this room any more.";
  head.say(words);
  page.dataset.refused = error;
  passTime();
}

const rowOf = (id) => connection.picture.rows.get(id);

listen({
  student: () => needs.focusedUser() ?? table.focusedUser() ?? pane.userId,
  step: (by) => needs.step(by) || table.step(by),
  first: () => needs.focusFirst() || room.speaker.say("first", "Nobody is waiting for you."),
  find: () => byId("find").select(),
  help: () => byId("keys").showModal(),
  projector: () => projector.open(),
  hintAll: () => hintAll.open(),
  leave: () => pane.close(),
  hint(id) {
    const from = document.activeElement;
    if (pane.userId !== id) openPane(id, () => from.focus());
    pane.focusHint();
  },
  claim(id) {
    const row = rowOf(id);
    if (row.claimed_by === room.viewerId) room.commands.release(row);
    else if (kindOf(row)) room.commands.claim(row);
  },
  snooze(id) {
    const row = rowOf(id);
    if (isSnoozed(row, connection.now())) room.commands.wake(row);
    else if (kindOf(row)) room.commands.snooze(row);
  },
  answer: (id) => kindOf(rowOf(id)) === "hand" && room.commands.lowerHand(rowOf(id)),
});

menu(byId("more"), byId("more-menu"));
byId("open-projector").addEventListener("click", () => projector.open());
byId("open-keys").addEventListener("click", () => byId("keys").showModal());
byId("close-keys").addEventListener("click", () => byId("keys").close());
head.show(data.session, null, Date.now());
setInterval(tick, TICK_MS);
window.addEventListener("online", () => connection.wake());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) connection.wake();
});
narrow.addEventListener("change", coverPage);
connection.start();
