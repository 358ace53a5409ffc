// Owns the workers: one that runs the program, one spare that is already warm, so that Stop can end a worker in the
// middle of `while True: pass` and the next Run need not wait for Python to load again.

const SPARE_AFTER_MS = 1500;
const AGAIN_AFTER_MS = 5000;

// `onPython(state, message)`: "loading", "ready" or "unavailable".
export function createRunner({ workerUrl, pyodideUrl, onPython }) {
  let current = null;
  let spare = null;
  let job = null;
  let jobs = 0;

  function open() {
    const one = { worker: new Worker(workerUrl, { type: "module" }), state: "loading" };
    one.worker.addEventListener("message", ({ data }) => heard(one, data));
    one.worker.addEventListener("error", (event) => broken(one, event.message || "the worker did not start"));
    one.worker.postMessage({ type: "load", pyodideUrl });
    return one;
  }

  function start() {
    current ??= spare ?? open();
    if (current === spare) spare = null;
    onPython(current.state);
    if (current.state === "ready") keepSpare();
    begin();
  }

  function keepSpare() {
    setTimeout(() => {
      if (!spare && current?.state === "ready") spare = open();
    }, SPARE_AFTER_MS);
  }

  function heard(one, data) {
    if (data.type === "ready") {
      one.state = "ready";
      if (one === current) start();
    } else if (data.type === "unavailable") {
      broken(one, data.message);
    } else if (one === current && data.id === job?.id) {
      told(data);
    }
  }

  function told({ type, ...data }) {
    const { handlers } = job;
    if (type === "output") handlers.onOutput(data.kind, data.text);
    if (type === "input") handlers.onInput();
    if (type === "started") handlers.onStarted();
    if (type === "ended") handlers.onEnded(data.outcome, data.checking);
    if (type === "checked") handlers.onChecked(data.checks);
    if (type === "finished") finish("finished");
    if (type === "crashed") {
      console.error(data.message);
      replace("crashed");
    }
  }

  function broken(one, message) {
    if (one.state === "unavailable") return;
    console.error(message);
    one.worker.terminate();
    one.state = "unavailable";
    if (one === spare) spare = null;
    if (one !== current) return;
    current = null;
    onPython("unavailable", message);
    setTimeout(() => current ?? start(), AGAIN_AFTER_MS);
  }

  function begin() {
    if (!job || job.sent || current?.state !== "ready") return;
    job.sent = true;
    current.worker.postMessage({ type: "run", id: job.id, code: job.code, onRun: job.onRun });
  }

  // End the worker, whatever it is doing, and go on with the warm one.
  function replace(reason) {
    current.worker.terminate();
    current = null;
    finish(reason);
    start();
  }

  function finish(reason) {
    const { handlers } = job;
    job = null;
    handlers.onFinished(reason);
  }

  addEventListener("online", () => current ?? start());

  return {
    start,
    // handlers: onStarted, onOutput(kind, text), onInput, onEnded(outcome, checking), onChecked(checks),
    // onFinished("finished" | "stopped" | "crashed"). A run asked for before Python is there starts when it is.
    run(code, onRun, handlers) {
      jobs += 1;
      job = { id: jobs, code, onRun, handlers, sent: false };
      begin();
    },
    stop() {
      if (!job) return;
      if (job.sent) replace("stopped");
      else finish("stopped");
    },
    answer(text) {
      current?.worker.postMessage({ type: "answer", text });
    },
    ready: () => current?.state === "ready",
  };
}
