// Three small charts over the session's time by uPlot, each with its words above and its numbers behind.

import uPlot from "uplot";
import { clock, element } from "../editor/dom.js";
import { many } from "./words.js";

const HEIGHT = 170;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 240, 720, 1440].map((minutes) => minutes * 60);
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const soft = (name, share) => `color-mix(in srgb, ${colour(name)} ${share}%, transparent)`;

// `kind` is "line", "dashes" or "bars"; a shape for each, so that no colour is needed to tell them apart.
const CHARTS = [
  {
    title: "At work",
    words: atWork,
    series: [{ key: "active", label: "students who typed or ran", tone: "accent", kind: "line" }],
  },
  {
    title: "Runs and errors",
    words: runsAndErrors,
    series: [
      { key: "runs", label: "runs", tone: "info", kind: "bars" },
      { key: "failed", label: "of them failed", tone: "bad", kind: "filled" },
    ],
  },
  {
    title: "Progress",
    words: progress,
    series: [
      { key: "started", label: "have begun", tone: "muted", kind: "dashes" },
      { key: "done", label: "are done", tone: "ok", kind: "line" },
    ],
  },
];

export function drawCharts(place, summary) {
  const plots = CHARTS.map((chart) => figure(chart, summary));
  place.replaceChildren(...plots.map((one) => one.node));
  for (const one of plots) one.draw();
}

function figure({ title, words, series }, summary) {
  const said = words(summary);
  const plot = element("div", { class: "uplot-place", role: "img", "aria-label": `${title}: ${said}` });
  const node = element("figure", { class: "panel chart" },
    element("figcaption", {}, element("h3", {}, title), element("p", { class: "muted small" }, said), legend(series)),
    plot, behind(title, series, summary.minutes));
  return { node, draw: () => draw(plot, series, summary) };
}

function legend(series) {
  return element("p", { class: "legend" }, ...series.map((one) => (
    element("span", { class: "key", "data-tone": one.tone, "data-kind": one.kind }, one.label))));
}

function behind(title, series, minutes) {
  const head = element("tr", {}, element("th", { scope: "col" }, "time"),
    ...series.map((one) => element("th", { scope: "col", class: "num" }, one.label)));
  const rows = minutes.map((minute) => element("tr", {}, element("th", { scope: "row" }, clock(minute.at)),
    ...series.map((one) => element("td", { class: "num" }, String(minute[one.key])))));
  return element("details", {}, element("summary", {}, "The numbers behind it"),
    element("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": `${title}, numbers` },
      element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))));
}

function draw(place, series, { minutes, step_minutes: step }) {
  const times = minutes.map((minute) => Date.parse(minute.at) / 1000);
  const data = [times, ...series.map((one) => minutes.map((minute) => valueOf(minute[one.key], one.kind)))];
  const plot = new uPlot({
    width: place.clientWidth || 300,
    height: HEIGHT,
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, range: (_, low, high) => [low, high + step * 60] },
      y: { range: (_, low, high) => [0, Math.max(high, 4) * 1.08] },
    },
    axes: [
      axis({ values: (_, splits) => splits.map((at) => clock(at * 1000)), size: 26, space: 60, incrs: STEPS }),
      axis({ size: 36, incrs: COUNTS, space: 30 }),
    ],
    series: [{}, ...series.map(look)],
  }, data, place);
  follow(plot, place);
}

// A bar of nothing would still have its outline.
function valueOf(count, kind) {
  return count === 0 && ["bars", "filled"].includes(kind) ? null : count;
}

function axis(more) {
  return {
    stroke: () => colour("muted"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { show: false },
    ...more,
  };
}

function look({ label, tone, kind }) {
  const paths = uPlot.paths.bars({ size: [0.8, 24], align: 1 });
  const common = { label, points: { show: false }, stroke: () => colour(tone) };
  return {
    bars: { ...common, paths, fill: () => soft(tone, 22), width: 1 },
    filled: { ...common, paths, fill: () => colour(tone), width: 1 },
    line: { ...common, fill: () => soft(tone, 14), width: 2 },
    dashes: { ...common, dash: [6, 5], width: 2 },
  }[kind];
}

// The width of the page and its light can change, and paper is always light.
function follow(plot, place) {
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  for (const light of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(light).addEventListener("change", () => plot.redraw(false));
  }
}

function atWork({ minutes }) {
  const most = minutes.reduce((a, b) => (b.active > a.active ? b : a));
  if (!most.active) return "nobody typed or ran anything";
  return `at most ${many(most.active, "student")} in one minute, at ${clock(most.at)}`;
}

function runsAndErrors({ totals }) {
  return totals.runs ? `${many(totals.runs, "run")}, ${totals.failed_runs} of them failed` : "nobody ran anything";
}

function progress({ minutes }) {
  const { started, done } = minutes.at(-1);
  const half = minutes.find((minute) => done > 1 && minute.done * 2 >= done);
  const when = half && half.done < done ? `, half of them by ${clock(half.at)}` : "";
  return `${many(done, "student")} done${when}; ${started} have begun`;
}
