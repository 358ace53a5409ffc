// The Run button and one run from its press to its last check: what the student sees of it, and when the server is told.

import { byId, setText } from "./dom.js";
import { createOutputView, tallyOf } from "./output_view.js";
import { createRunner } from "./runner.js";

const SAY_AFTER_SECONDS = 3;
const PYTHON = {
  loading: "Python is loading…",
  ready: "",
  unavailable: "Python could not be loaded. Trying again…",
};

// `onRun()` is called when Run is pressed: it saves, and answers the code to run, or null while there is none.
export function createRunControl({ page, editor, tabs, report, onRun }) {
  const button = byId("run");
  const output = createOutputView({ onAnswer: answer, onLine: showLine });
  const runner = createRunner({ workerUrl: page.worker_url, pyodideUrl: page.pyodide_url, onPython });
  let onRunScript = "";
  let running = null; // {phase, since, printed, outcome, checks}
  let clock = null;

  button.addEventListener("click", () => (running ? runner.stop() : run()));

  function run() {
    if (running) return;
    const code = onRun();
    if (code === null) return;
    editor.clearError();
    output.clear();
    tabs.showOnPhone("output");
    tabs.mark("");
    running = { phase: "waiting", since: 0, printed: "", outcome: null, checks: null };
    setButton(true);
    say(runner.ready() ? "Running…" : "Your program starts as soon as Python is ready.");
    runner.run(code, onRunScript, { onStarted, onOutput, onInput, onEnded, onChecked, onFinished });
    clock = setInterval(tick, 1000);
  }

  function onStarted() {
    enter("running");
    say("Running…");
    report.begin();
  }

  function onOutput(kind, text) {
    if (kind === "cut") return output.cut();
    if (kind === "out") running.printed = (running.printed + text).slice(0, 20_000);
    return output.write(kind, text);
  }

  function onInput() {
    enter("asking");
    output.askForInput();
    say("The program waits for your input.");
  }

  function answer(text) {
    if (running?.phase !== "asking") return;
    enter("running");
    say("Running…");
    runner.answer(text);
  }

  function onEnded(outcome, checking) {
    running.outcome = outcome;
    output.ended();
    report.ended(outcome);
    if (outcome.kind !== "ok") {
      report.failed(outcome, onRunScript.trim() !== "");
      output.showError(outcome.error);
      if (outcome.error.line) editor.markError(outcome.error.line, `${outcome.error.type}: ${outcome.error.text}`);
    } else if (checking) {
      enter("checking");
      say("Checking…");
    } else {
      report.unchecked();
    }
  }

  function onChecked(checks) {
    running.checks = checks;
    if (checks.crash) {
      report.checksFailed(checks.crash);
      output.showNote("The checks could not run. This is not your fault; tell your teacher.", checks.crash);
    } else {
      report.checked(checks);
      output.showChecks(checks);
    }
  }

  function onFinished(reason) {
    const { phase, outcome, checks, printed } = running;
    clearInterval(clock);
    running = null;
    setButton(false);
    setText(byId("run-clock"), "");
    output.ended();
    if (reason === "finished") {
      say(endWords(outcome, checks));
      tabs.mark(markFor(outcome, checks));
    } else {
      const words = reason === "stopped" ? "Stopped." : "Python broke down and has been started again.";
      if (phase === "checking") {
        const where = "The checks did not come to an end: one of your functions may run without stopping.";
        report.checksFailed(`${words} ${where}`, reason === "stopped" ? "Stopped" : "Internal Error");
        output.showNote(words, where);
      } else if (phase !== "waiting") {
        report.ended({ kind: "ok", inputs: [], outputs: printed ? printed.replace(/\n$/, "").split("\n") : [] }, { stopped: true });
      }
      say(words);
    }
  }

  function enter(phase) {
    running.phase = phase;
    running.since = performance.now();
    setText(byId("run-clock"), "");
  }

  // Nothing is ended by itself: a long run only says how long it has been going.
  function tick() {
    if (running.phase !== "running" && running.phase !== "checking") return;
    const seconds = Math.floor((performance.now() - running.since) / 1000);
    const words = running.phase === "checking" ? "still checking" : "still running";
    setText(byId("run-clock"), seconds >= SAY_AFTER_SECONDS ? `${words}, ${seconds} s` : "");
  }

  function setButton(isRunning) {
    setText(button, isRunning ? "Stop" : "Run");
    button.classList.toggle("stop", isRunning);
    button.title = isRunning ? "Stop the program" : "Run the program (Ctrl+Enter)";
  }

  function onPython(state) {
    setText(byId("python-state"), PYTHON[state]);
  }

  function showLine(number) {
    tabs.showOnPhone("code");
    editor.goToLine(number);
  }

  return {
    run,
    begin(onRunOfAssignment) {
      onRunScript = onRunOfAssignment;
      runner.start();
    },
  };
}

function say(text) {
  setText(byId("run-state"), text);
}

function endWords(outcome, checks) {
  if (outcome.kind !== "ok") return outcome.error.line ? `${outcome.error.type} on line ${outcome.error.line}.` : `${outcome.error.type}.`;
  if (checks?.crash) return "The checks could not run.";
  return checks ? `${tallyOf(checks)}.` : "The program has ended.";
}

function markFor(outcome, checks) {
  if (outcome.kind !== "ok") return "error";
  return checks?.tests ? `${checks.successes}/${checks.tests}` : "";
}
