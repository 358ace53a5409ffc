// The assignment page: reads what the server put into it and connects its parts.

import { createApi } from "./api.js";
import { createCodeEditor } from "./code_editor.js";
import { byId, element, setText } from "./dom.js";
import { createEvents } from "./events.js";
import { createHandIn } from "./hand_in.js";
import { loadAssignment, showTask } from "./load.js";
import { createOutbox } from "./outbox.js";
import { createRoomLine } from "./room_line.js";
import { createRunControl } from "./run_control.js";
import { createRunReport } from "./run_report.js";
import { createSaver } from "./saver.js";
import { openStorage } from "./storage.js";
import { createTabs } from "./tabs.js";

const page = JSON.parse(byId("page-data").textContent);
const storage = openStorage();
let assignment = null;
let submission = null;
let room = null;
let overtakenNotice = null;
let ip = null;

const api = createApi({ page, onIp });
const outbox = createOutbox({
  api,
  storage,
  userId: page.user_id,
  live: () => room?.way() ?? null,
  onSettled: (entry, answer) => {
    saver.settled(entry, answer);
    handIn.settled(entry, answer);
  },
  onGone: (entry) => saver.gone(entry),
  onState: (state) => saver?.wayChanged(state),
});
const saver = createSaver({ api, storage, outbox, userId: page.user_id, getCode: () => editor.code(), onLine: showLine,
  onOvertaken });
const events = createEvents({ api, outbox, slug: () => assignment?.url ?? "" });
const editor = createCodeEditor({
  parent: byId("code"),
  label: "Your program",
  help: "code-help",
  onRun: () => control.run(),
  onChange: () => submission && saver.changed(),
  onPaste: (characters) => submission && events.paste(characters),
});
const tabs = createTabs({ onShow: (name) => name === "code" && editor.measure() });
const handIn = createHandIn({ api, outbox, saveIfChanged: saver.saveIfChanged });
const control = createRunControl({ page, editor, tabs, report: createReport(), onRun });

begin();

async function begin() {
  outbox.adopt();
  if (page.session) room = createRoomLine({ api, session: page.session, onJoined: outbox.kick });
  control.begin("");
  ({ assignment, submission } = await loadAssignment(api));
  showTask(assignment);
  api.known.assignmentVersion = assignment.version;
  if (submission) openSubmission();
  else openWithout();
  control.begin(assignment.on_run ?? "");
  byId("reset").addEventListener("click", () => byId("reset-dialog").showModal());
  byId("reset-dialog").addEventListener("close", reset);
}

function openSubmission() {
  Object.assign(api.known, { courseId: submission.course_id, submissionId: submission.id, version: submission.version });
  const start = saver.begin(submission);
  editor.load(start.code);
  if (start.restoredFrom) notice("Your work from this browser, not yet saved on the server, is back.");
  if (start.offer) offer(start.offer);
  if (start.restoredFrom) saver.saveRestored();
  outbox.tell();
  handIn.begin(submission);
  events.watchVisibility();
}

// Nothing is kept for somebody who has no submission here, such as a visitor; saves would only be refused.
function openWithout() {
  editor.load(assignment.starting_code);
  setText(byId("save-line"), "You can try things out here; nothing is saved.");
}

// The report of a run, silent where there is no submission to report on.
function createReport() {
  const report = createRunReport({
    events,
    api,
    outbox,
    score: () => submission.score,
    raise: (score) => { submission.score = Math.max(submission.score || 0, score); },
  });
  const whenThere = (name) => (...more) => submission && report[name](...more);
  return Object.fromEntries(Object.keys(report).map((name) => [name, whenThere(name)]));
}

function onRun() {
  if (!assignment) return null;
  if (submission) saver.saveNow();
  return editor.code();
}

function reset() {
  const dialog = byId("reset-dialog");
  if (dialog.returnValue !== "reset") return;
  dialog.returnValue = "";
  if (submission) events.reset();
  editor.clearError();
  editor.setCode(assignment.starting_code);
  if (submission) saver.saveNow();
  editor.focus();
}

function onIp(now) {
  const old = ip;
  ip = now;
  if (old && old !== now && submission) events.ipChanged(old, now);
}

// The line itself is not a live region: it changes at every pause. Only a change of its tone is told.
function showLine({ tone, shape, text }) {
  const line = byId("save-line");
  const before = line.dataset.tone;
  line.dataset.tone = tone;
  line.dataset.shape = shape ?? { ok: "check", muted: "dots", warn: "triangle", bad: "cross" }[tone];
  setText(line, text);
  const bad = (one) => one === "warn" || one === "bad";
  if (bad(tone) && tone !== before) setText(byId("save-news"), text);
  if (tone === "ok" && byId("save-news").textContent) setText(byId("save-news"), "saved again");
}

function onOvertaken(where) {
  overtakenNotice?.remove();
  overtakenNotice = null;
  if (!where) return;
  overtakenNotice = notice(`Newer work of yours is ${where}. What was typed last is what counts.`, "warn", [
    { label: "Show it here", action: () => location.reload() },
    { label: "Use what is here", action: saver.insist },
  ]);
}

function offer(draft) {
  const when = new Date(draft.timestamp).toLocaleString();
  const use = () => {
    editor.setCode(draft.code);
    saver.dropOlder();
  };
  notice(`This browser keeps an older version of your work (${when}) that never reached the server.`, "warn",
    [{ label: "Use it", action: use }, { label: "Throw it away", action: saver.dropOlder }]);
}

// Answers the note, or null where the same one is there already. Closing it decides nothing.
function notice(text, tone = "info", actions = []) {
  const box = byId("notices");
  if ([...box.children].some((one) => one.dataset.text === text)) return null;
  const node = element("div", { class: "notice", "data-tone": tone, "data-text": text }, element("p", {}, text));
  for (const { label, action } of [...actions, { label: "Close", action: () => {} }]) {
    const button = element("button", { type: "button", class: label === "Close" ? "quiet small" : "small" }, label);
    button.addEventListener("click", () => {
      node.remove();
      action();
    });
    node.append(button);
  }
  box.append(node);
  return node;
}
