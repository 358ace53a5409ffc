// The worker in which Python lives: loads Pyodide once, then runs one program at a time and tells the page what happens.
// Stopping a program is the page's business: it ends this whole worker.

import checks from "./checks.py";
import harness from "./harness.py";
import values from "./values.py";

const HOME = "/blockpy";
const loading = new Promise((resolve) => {
  self.addEventListener("message", ({ data }) => data.type === "load" && resolve(load(data.pyodideUrl)), { once: true });
});
let answerInput = null;

self.addEventListener("message", ({ data }) => {
  if (data.type === "run") run(data);
  if (data.type === "answer") answerInput?.(data.text);
});

// A file that does not arrive leaves Pyodide's promise open for ever and shows up only here.
function loadingFailed(event) {
  const { reason } = event;
  event.preventDefault?.(); // the page is told, and tries again
  self.postMessage({ type: "unavailable", message: String(reason?.message ?? reason) });
}

async function load(pyodideUrl) {
  self.addEventListener("unhandledrejection", loadingFailed);
  try {
    const base = new URL(pyodideUrl, self.location.href).href;
    const { loadPyodide } = await import(`${base}pyodide.mjs`);
    const pyodide = await loadPyodide({ indexURL: base });
    pyodide.FS.mkdir(HOME);
    pyodide.FS.writeFile(`${HOME}/pedal.py`, checks);
    pyodide.FS.writeFile(`${HOME}/pedal_values.py`, values);
    pyodide.FS.writeFile(`${HOME}/blockpy_harness.py`, harness);
    pyodide.runPython(`import sys; sys.path.append("${HOME}")`);
    const python = pyodide.pyimport("blockpy_harness");
    self.removeEventListener("unhandledrejection", loadingFailed);
    self.postMessage({ type: "ready" });
    return python;
  } catch (error) {
    loadingFailed({ reason: error });
    return null;
  }
}

async function run({ id, code, onRun }) {
  const python = await loading;
  const tell = (type, more) => self.postMessage({ id, type, ...more });
  const emit = (kind, text) => tell("output", { kind, text });
  const ask = () => {
    tell("input");
    return new Promise((resolve) => { answerInput = resolve; });
  };
  const current = python.Run(emit, ask);
  try {
    tell("started");
    const outcome = JSON.parse(await inPython(current.program, code));
    const check = outcome.kind === "ok" && onRun.trim() !== "";
    tell("ended", { outcome, checking: check });
    if (check) tell("checked", { checks: JSON.parse(await inPython(current.checks, onRun)) });
    tell("finished");
  } catch (error) {
    // Whatever comes here is not the student's exception but Python itself that has broken down.
    tell("crashed", { message: String(error?.message ?? error) });
  } finally {
    answerInput = null;
    current.destroy();
  }
}

// Only a call made in this way may wait for input(); browsers without stack switching take the plain one.
function inPython(method, argument) {
  return "Suspending" in WebAssembly ? method.callPromising(argument) : method(argument);
}
