// The output below the code: what the program prints as it comes, the field for input(), the error, the checks.

import { byId, element } from "./dom.js";
import { sentenceFor } from "./errors.js";

const PAINT_MS = 50;
const BLOCK = 1000;
const NEAR_END = 40;

export function createOutputView({ onAnswer, onLine }) {
  const text = byId("output-text");
  const results = byId("results");
  const ask = byId("ask");
  const field = byId("ask-field");
  const body = byId("output-body");
  let pieces = [];
  let timer = null;
  let atEnd = true; // follows the output, until the student scrolls up

  ask.addEventListener("submit", (event) => {
    event.preventDefault();
    const answer = field.value;
    ask.hidden = true;
    field.value = "";
    onAnswer(answer);
  });

  function write(kind, piece) {
    pieces.push([kind, piece]);
    timer ??= setTimeout(paint, PAINT_MS);
  }

  // Whole batches only: a program that prints without end must not keep the page from painting.
  function paint() {
    clearTimeout(timer);
    timer = null;
    for (const [kind, piece] of merged(pieces)) append(kind, piece);
    pieces = [];
    toEnd();
  }

  // Twice, since the heights of lines never in sight are estimates until they are laid out.
  function toEnd() {
    if (!atEnd) return;
    text.scrollTop = text.scrollHeight;
    requestAnimationFrame(() => { if (atEnd) text.scrollTop = text.scrollHeight; });
  }

  for (const name of ["wheel", "touchmove", "keydown", "pointerup"]) {
    text.addEventListener(name, () => setTimeout(() => {
      atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < NEAR_END;
    }, 100), { passive: true });
  }

  // In blocks of lines, of which the browser lays out only those in sight: one long text takes seconds per repaint.
  function append(kind, piece) {
    let block = text.lastElementChild;
    for (const part of piece.match(/(?:.*\n){1,200}|.+$/g) ?? []) {
      const full = !block || block.dataset.full === "true";
      if (full) text.append(block = element("div", { class: "block" }));
      const last = block.lastElementChild;
      if (last?.dataset.kind === kind) last.firstChild.appendData(part);
      else block.append(element("span", { "data-kind": kind }, part));
      if (part.endsWith("\n") && block.textContent.length > BLOCK) fill(block);
    }
  }

  function fill(block) {
    block.dataset.full = "true";
    const lines = block.textContent.split("\n").length - 1;
    block.style.containIntrinsicBlockSize = `calc(${lines} * var(--output-line))`;
  }

  function show(...nodes) {
    results.replaceChildren(...nodes);
    results.hidden = nodes.length === 0;
    body.classList.toggle("with-results", nodes.length > 0);
    if (nodes.length) results.scrollTop = 0;
  }

  return {
    write,
    clear() {
      clearTimeout(timer);
      timer = null;
      pieces = [];
      atEnd = true;
      text.replaceChildren();
      ask.hidden = true;
      show();
    },
    cut() {
      paint();
      append("note", "\nThe program prints more than can be shown here. It goes on, but nothing more is shown.\n");
      toEnd();
    },
    ended() {
      paint();
      ask.hidden = true;
      if (!text.firstChild) append("note", "(nothing printed)");
      toEnd();
    },
    askForInput() {
      paint();
      ask.hidden = false;
      toEnd();
      field.focus();
    },
    showNote(...sentences) {
      show(...sentences.map((sentence) => element("p", { class: "note" }, sentence)));
    },
    showError(error) {
      const sentence = sentenceFor(error);
      const place = error.line ? button(`line ${error.line}`, () => onLine(error.line)) : "";
      show(
        element("h3", { class: "chip", "data-shape": "cross", "data-tone": "bad" },
          `${error.type}${error.line ? " in " : ""}`, place),
        ...(sentence ? [element("p", { class: "sentence" }, sentence)] : []),
        element("pre", { class: "traceback", tabindex: "0", "aria-label": "Python's message" }, error.traceback),
      );
    },
    showChecks(checks) {
      show(headOf(checks), ...messagesOf(checks), element("ul", { class: "checks" }, ...failedFirst(checks.results).map(rowOf)));
    },
  };
}

function merged(pieces) {
  const result = [];
  for (const [kind, piece] of pieces) {
    if (result.at(-1)?.[0] === kind) result.at(-1)[1].push(piece);
    else result.push([kind, [piece]]);
  }
  return result.map(([kind, parts]) => [kind, parts.join("")]);
}

function headOf(checks) {
  const look = checks.success ? { "data-shape": "check", "data-tone": "ok" } : { "data-shape": "half", "data-tone": "warn" };
  return element("h3", { class: "chip", ...look }, tallyOf(checks));
}

export function tallyOf(checks) {
  if (!checks.tests) return checks.success ? "Complete" : "Not complete yet";
  if (checks.success) return checks.tests === 1 ? "The check passed" : `All ${checks.tests} checks passed`;
  return `${checks.successes} of ${checks.tests} checks passed`;
}

function messagesOf(checks) {
  return checks.messages.map((one) => element("p", { class: `message ${one.kind}` }, one.message));
}

function failedFirst(results) {
  return [...results].sort((a, b) => a.passed - b.passed);
}

function rowOf(check) {
  const look = check.passed ? { "data-shape": "check", "data-tone": "ok" } : { "data-shape": "cross", "data-tone": "bad" };
  const row = element("li", {},
    element("span", { class: "chip", ...look }, check.passed ? "passed" : "failed"),
    element("code", { class: "what" }, check.name));
  if (check.passed) return row;
  if (check.expected || check.got) {
    row.append(element("dl", {},
      ...(check.expected ? [element("dt", {}, "expected"), element("dd", {}, element("code", {}, check.expected))] : []),
      element("dt", {}, "got"), element("dd", {}, element("code", {}, check.got || "nothing"))));
  }
  if (check.message) row.append(element("p", {}, check.message));
  return row;
}

function button(text, action) {
  const node = element("button", { type: "button", class: "link" }, text);
  node.addEventListener("click", action);
  return node;
}
