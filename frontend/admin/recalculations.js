// Recalculations on a page that has their list and their question: start them, follow them, stop them.

import { ApiError, call } from "../room/api.js";
import { el, pageData, setText } from "../room/dom.js";
import { Follow } from "./follow.js";
import { JobView } from "./job_view.js";

const data = pageData();
const list = document.getElementById("jobs");
const none = document.getElementById("no-jobs");
const problem = document.getElementById("job-problem");
const dialog = document.getElementById("recalculate");
const views = new Map();

const follow = new Follow(show);

function show(job) {
  const now = Date.now();
  let view = views.get(job.id);
  if (!view) {
    view = new JobView(job, { stop });
    views.set(job.id, view);
    list.prepend(view.node);
  }
  view.show(job, now);
  none.hidden = true;
}

async function attempt(action) {
  problem.hidden = true;
  try {
    await action();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    setText(problem, error.message);
    problem.hidden = false;
  }
}

function start({ scope, id, dryRun }) {
  return attempt(async () => {
    const body = { scope, dry_run: dryRun };
    if (scope !== "all") body.id = id;
    const answer = await call("POST", "/api/recalculations", { body, csrf: data.csrf_token });
    const job = { scope, scope_id: body.id ?? null, dry_run: dryRun, done: 0, total: 0, changed: 0, differences: [], ...answer };
    // The socket may have told of it before the answer came.
    if (!views.has(job.id)) show(job);
    if (!follow.followed.has(job.id)) follow.follow(job);
    views.get(job.id).node.scrollIntoView({ block: "nearest" });
  });
}

function stop(job) {
  return attempt(async () => {
    const answer = await call("DELETE", `/api/recalculations/${job.id}`, { csrf: data.csrf_token });
    if (answer.status) follow.heard({ ...views.get(job.id).job, ...answer });
  });
}

/** What a row's button can recalculate: the row itself and each thing it belongs to. */
function choices(button) {
  const { submission, assignment, user, course, student, assignmentName, courseName } = button.dataset;
  if (!submission) return [{ scope: "all", words: "everything: every submission of every course" }];
  return [
    { scope: "submission", id: Number(submission), words: `this submission: ${student}, ${assignmentName}` },
    { scope: "assignment", id: Number(assignment), words: `all of the assignment ${assignmentName}` },
    { scope: "user", id: Number(user), words: `all of ${student}` },
    { scope: "course", id: Number(course), words: `all of the course ${courseName}` },
  ];
}

function askWhat(button) {
  const options = choices(button);
  const fields = dialog.querySelector("[data-choices]");
  fields.replaceChildren(...options.map(({ scope, words }, index) =>
    el("label", {}, el("input", { type: "radio", name: "scope", value: scope, checked: index === 0 }), words)));
  dialog.querySelector("[name=dry_run]").checked = false;
  dialog.onclose = () => {
    if (dialog.returnValue !== "start") return;
    const scope = fields.querySelector(":checked").value;
    start({ scope, id: options.find((option) => option.scope === scope).id, dryRun: dialog.querySelector("[name=dry_run]").checked });
  };
  dialog.returnValue = "";
  dialog.showModal();
}

function passTime() {
  const now = Date.now();
  for (const view of views.values()) view.passTime(now);
}

for (const button of document.querySelectorAll("button[data-recalculate]")) button.addEventListener("click", () => askWhat(button));
for (const button of dialog.querySelectorAll("button[value]")) button.addEventListener("click", () => dialog.close(button.value));
for (const job of [...(data.runs ?? [])].reverse()) {
  show(job);
  follow.follow(job);
}
passTime();
setInterval(passTime, 1_000);
