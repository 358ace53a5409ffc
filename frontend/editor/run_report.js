// What one run tells the server: save, Compile, the outcome, the feedback the student saw, and the score (contract 2.9,
// 3.1, 3.3). The order is the contract's; the outbox keeps it.

import { errorText, sentenceFor } from "./errors.js";

const LABELS = { syntax: "Syntax Error", runtime: "Runtime Error", instructor: "Failed Instructor Test",
  complete: "Complete", "no errors": "No errors" };
const NO_TESTS = { tests: 0, successes: 0, feedbacks: 0, feedbackSuccess: 0 };

// `score()` is the highest so far; `raise(score)` lifts it.
export function createRunReport({ events, api, outbox, score, raise }) {
  function begin() {
    events.log("Compile");
  }

  function ended(outcome, { stopped = false } = {}) {
    const { kind, error, inputs, outputs } = outcome;
    if (kind === "ok") {
      const message = stopped ? { inputs, outputs, stopped } : { inputs, outputs };
      events.log("Run.Program", { message: JSON.stringify(message) });
    } else if (kind === "syntax") {
      events.log("Compile.Error", { message: errorText(error) });
    } else {
      events.log("Run.Program", { category: "ProgramErrorOutput", message: errorText(error) });
    }
  }

  // A program that failed gets no checks; the feedback is the error itself.
  function failed({ kind, error }, graded) {
    const label = kind === "syntax" ? LABELS.syntax : titleOf(error.type);
    const html = `<pre>${escape(errorText(error))}</pre><p>${escape(sentenceFor(error))}</p>`;
    intervene(kind, label, html, NO_TESTS);
    if (graded) sendScore(false);
  }

  function unchecked() {
    intervene("no errors", LABELS["no errors"], "<p>No errors.</p>", NO_TESTS);
  }

  function checked(checks) {
    const praise = checks.messages.filter((one) => one.kind === "praise").length;
    const unitTests = { tests: checks.tests, successes: checks.successes, feedbacks: checks.messages.length,
      feedbackSuccess: praise };
    const needs = checks.successes < checks.tests || checks.messages.length > praise;
    const category = checks.success ? "complete" : needs ? "instructor" : "no errors";
    const label = category === "instructor" && checks.successes === checks.tests ? "Feedback" : LABELS[category];
    intervene(category, label, htmlOf(checks), unitTests);
    raise(checks.score);
    sendScore(checks.success);
  }

  function checksFailed(text, label = "Internal Error") {
    events.log("X-System.Error", { category: "internal", label, message: `<pre>${escape(text)}</pre>`,
      filePath: "_instructor.on_run" });
  }

  function intervene(category, label, html, unitTests) {
    const message = { message: html, syntaxError: category === "syntax", runtimeError: category === "runtime", unitTests };
    events.log("Intervention", { category, label, message: JSON.stringify(message), extended: true });
  }

  function sendScore(correct) {
    outbox.put("updateSubmission", api.fields({ score: score(), correct, hidden_override: false, force_update: false,
      image: "" }));
  }

  return { begin, ended, failed, unchecked, checked, checksFailed };
}

function htmlOf(checks) {
  const rows = checks.results.filter((one) => !one.passed).map((one) => {
    const values = one.expected || one.got ? `: expected <code>${escape(one.expected)}</code>, got <code>${escape(one.got)}</code>` : "";
    return `<li><code>${escape(one.name)}</code>${values} ${escape(one.message)}</li>`;
  });
  const tally = checks.tests ? `<p>You passed ${checks.successes}/${checks.tests} tests.</p>` : "";
  const messages = checks.messages.map((one) => `<p>${escape(one.message)}</p>`).join("");
  return `${checks.success ? "<p>Complete.</p>" : ""}${tally}${rows.length ? `<ul>${rows.join("")}</ul>` : ""}${messages}`;
}

function titleOf(type) {
  return type.replace(/([a-z])([A-Z])/g, "$1 $2");
}

function escape(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(text ?? "").replace(/[&<>"]/g, (character) => names[character]);
}
