// The summary of a session: what did the class get stuck on, and what do I do tomorrow? Words first, then charts, then
// everybody.

import { byId, clock, element, setText } from "../editor/dom.js";
import { drawCharts } from "./charts.js";
import { headline, problemsOf } from "./problems.js";
import { createStudents } from "./students.js";
import { many, percent, whenOf } from "./words.js";

const AGAIN_MS = 30_000; // while it is still running
const SHORT_MINUTES = 3;
const MOST_NAMES = 8;
const OVER = ["COMPLETED", "CANCELLED"];

const { session } = JSON.parse(byId("page-data").textContent);
const say = (text) => setText(byId("sort-say"), text);
const students = createStudents({ table: byId("students"), sessionId: session.id, say });

byId("again").addEventListener("click", load);
byId("print").addEventListener("click", () => print());
// Paper opens no details.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
load();

async function load() {
  setText(byId("problem-text"), "");
  byId("problem").hidden = true;
  const response = await fetch(`/api/sessions/${session.id}/summary`, { credentials: "same-origin" }).catch(() => null);
  const summary = response?.ok ? await response.json().catch(() => null) : null;
  if (summary) show(summary);
  else await fail(response);
  if (!OVER.includes((summary?.session ?? session).status)) setTimeout(load, AGAIN_MS);
}

async function fail(response) {
  const told = await response?.json().catch(() => null);
  byId("loading").hidden = true;
  byId("problem").hidden = false;
  const sentence = response ? told?.message ?? `The server answered ${response.status}.` : "The server cannot be reached.";
  setText(byId("problem-text"), sentence);
}

function show(summary) {
  byId("loading").hidden = true;
  setText(byId("when"), whenOf(summary.session));
  const isEmpty = summary.totals.took_part === 0;
  byId("empty").hidden = !isEmpty;
  byId("answer").hidden = isEmpty;
  byId("everybody").hidden = isEmpty;
  if (!isEmpty) showAnswer(summary);
  showCharts(summary, isEmpty);
  students.show(summary.students);
  if (!OVER.includes(summary.session.status)) setText(byId("as-of"), `as of ${clock(Date.now())}; it is still running`);
}

function showAnswer(summary) {
  setText(byId("headline"), headline(summary));
  const problems = problemsOf(summary);
  byId("problems").replaceChildren(...problems.map(problem));
  byId("no-problems").hidden = problems.length > 0;
  const { totals } = summary;
  const facts = [`${many(totals.runs, "run")}, ${totals.failed_runs} failed`, totals.hands && many(totals.hands, "raised hand"),
    totals.hints && many(totals.hints, "hint"), totals.mean_score !== null && `mean score ${percent(totals.mean_score)}`];
  setText(byId("facts"), facts.filter(Boolean).join(" · "));
}

function problem({ title, detail, whom, advice, students: concerned }) {
  return element("li", { class: "panel" },
    element("h3", {}, title), element("p", { class: "detail" }, detail),
    element("p", { class: "advice" }, element("strong", {}, whom), ` ${advice}`), names(concerned));
}

function names(concerned) {
  const link = (one) => element("a", { href: `/sessions/${session.id}#student-${one.user_id}` }, one.name);
  const shown = concerned.slice(0, MOST_NAMES).flatMap((one, place) => (place ? [", ", link(one)] : [link(one)]));
  const rest = concerned.slice(MOST_NAMES);
  const node = element("div", { class: "names small" }, ...shown);
  if (rest.length) {
    node.append(element("details", { class: "rest" }, element("summary", {}, `and ${rest.length} more`),
      ...rest.flatMap((one, place) => (place ? [", ", link(one)] : [link(one)]))));
  }
  return node;
}

function showCharts(summary, isEmpty) {
  const isShort = summary.minutes.length * summary.step_minutes < SHORT_MINUTES;
  byId("over-time").hidden = isEmpty;
  byId("too-short").hidden = !isShort;
  byId("charts").hidden = isShort;
  if (!isEmpty && !isShort) drawCharts(byId("charts"), summary);
  byId("errors-box").hidden = summary.errors.length === 0;
  byId("errors").tBodies[0].replaceChildren(...summary.errors.map((error) => errorRow(error, summary.totals.took_part)));
}

function errorRow(error, there) {
  const share = there ? error.students / there : 0;
  return element("tr", {}, element("th", { scope: "row" }, error.name),
    element("td", { class: "share" }, element("span", { class: "bar", style: `--share: ${Math.round(share * 100)}%` })),
    element("td", { class: "num" }, String(error.students)), element("td", { class: "num" }, String(error.runs)));
}
