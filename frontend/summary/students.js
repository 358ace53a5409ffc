// One line per student, sorted by whichever column is asked for.

import { element } from "../editor/dom.js";
import { length, percent } from "./words.js";

const COLUMNS = [
  { key: "name", label: "name", value: (one) => one.name.toLowerCase(), first: 1 },
  { key: "result", label: "result", value: (one) => (one.took_part ? (one.done ? 2 : 1) : 0), first: 1 },
  { key: "score", label: "score", num: true, value: (one) => one.score ?? -1, cell: (one) => percent(one.score) },
  { key: "time", label: "time spent", num: true, value: (one) => one.time_spent_seconds,
    cell: (one) => length(one.time_spent_seconds),
    title: "on this exercise, also outside of this session" },
  { key: "edits", label: "edits", num: true, value: (one) => one.edits },
  { key: "runs", label: "runs", num: true, value: (one) => one.runs },
  { key: "failed", label: "failed", num: true, value: (one) => one.failed_runs },
  { key: "error", label: "most frequent error", value: (one) => commonest(one)?.[1] ?? 0, cell: errorText },
  { key: "failing", label: "longest without success", num: true, value: (one) => one.longest_failing_seconds,
    cell: (one) => (one.longest_failing_seconds ? length(one.longest_failing_seconds) : "–"),
    title: "from a failed run to the next good one, or to the end" },
  { key: "hands", label: "hands", num: true, value: (one) => one.hands, title: "how often the hand was raised" },
  { key: "hints", label: "hints", num: true, value: (one) => one.hints, title: "told to this student or to all" },
];
const NEED = { key: "need", direction: 1 };

export function createStudents({ table, say, sessionId }) {
  let students = [];
  let order = NEED;
  const headers = new Map(COLUMNS.map((column) => [column.key, header(column)]));
  table.tHead.replaceChildren(element("tr", {}, ...headers.values()));

  function header(column) {
    const button = element("button", { type: "button", class: "link", title: column.title ?? null }, column.label);
    button.addEventListener("click", () => sortBy(column));
    return element("th", { scope: "col", class: column.num ? "num" : null }, button);
  }

  function sortBy(column) {
    const first = column.first ?? -1;
    const direction = order.key === column.key ? -order.direction : first;
    order = { key: column.key, direction, value: column.value };
    paint();
    say(`Sorted by ${column.label}, ${direction > 0 ? "smallest" : "largest"} first.`);
  }

  function paint() {
    for (const [key, node] of headers) {
      if (order.key === key) node.setAttribute("aria-sort", order.direction > 0 ? "ascending" : "descending");
      else node.removeAttribute("aria-sort");
    }
    const sorted = [...students].sort((a, b) => compare(a, b) || (a.name < b.name ? -1 : 1));
    table.tBodies[0].replaceChildren(...sorted.map((one) => row(one, sessionId)));
  }

  function compare(a, b) {
    if (order.key === "need") return need(a) - need(b) || b.longest_failing_seconds - a.longest_failing_seconds;
    const [x, y] = [order.value(a), order.value(b)];
    return (x < y ? -1 : Number(x > y)) * order.direction;
  }

  return {
    show(told) {
      students = told;
      paint();
    },
  };
}

// Who was there and did not finish comes first, who was not there last.
function need(one) {
  if (!one.took_part) return 2;
  return one.done ? 1 : 0;
}

function row(one, sessionId) {
  const link = element("a", { href: `/sessions/${sessionId}#student-${one.user_id}` }, one.name);
  const cells = COLUMNS.slice(1).map((column) => {
    const content = column.key === "result" ? result(one) : column.cell?.(one) ?? String(column.value(one));
    return element("td", { class: column.num ? "num" : null, "data-label": column.label }, content);
  });
  return element("tr", { "data-there": String(one.took_part) }, element("th", { scope: "row" }, link), ...cells);
}

function result(one) {
  const [text, tone, shape] = !one.took_part ? [one.done ? "not there, done" : "not there", "muted", "ring"]
    : one.done ? ["done", "ok", "check"] : ["not finished", "warn", "half"];
  return element("span", { class: "chip", "data-tone": tone, "data-shape": shape }, text);
}

function commonest(one) {
  return Object.entries(one.errors).sort((a, b) => b[1] - a[1])[0] ?? null;
}

function errorText(one) {
  const [name, times] = commonest(one) ?? [];
  return name ? `${name}, ${times}×` : "–";
}
