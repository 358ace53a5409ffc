// How a program came to be: the steps of a student's history, and the code of each, fetched when it is looked at.

import { call } from "./api.js";

export const OK = "ok";
export const CHECKS = "checks";
export const FAILED = "failed";
const AROUND = 50;
const SLOTS = 100;
const WORST = { [OK]: 0, [CHECKS]: 1, [FAILED]: 2 };

/** The steps to scrub through: each new code and each run; what the checks said belongs to the run before it. */
export function stepsOf(items) {
  const steps = [];
  let codeId = null;
  for (const item of items) {
    const isNewCode = item.code_state_id !== null && item.code_state_id !== codeId;
    codeId = item.code_state_id ?? codeId;
    if (item.tests && !item.run) attachTests(steps, item.tests);
    else if (isNewCode || item.run) steps.push({ seq: item.seq, at: item.at, codeId, run: item.run, tests: item.tests });
  }
  return steps;
}

function attachTests(steps, tests) {
  const run = steps.findLast((step) => step.run);
  if (run) run.tests = tests;
}

/** How a step's run went: ok, checks (it ran, and a check failed), failed; null where nothing ran. */
export function outcome(step) {
  if (!step?.run) return null;
  if (!step.run.ok) return FAILED;
  return step.tests && step.tests.successes < step.tests.tests ? CHECKS : OK;
}

/** Where to draw marks: at most one per slot of the slider, the worst that lies in it. `[{place: 0..1, outcome}]`. */
export function runMarks(steps) {
  const slots = new Map();
  const last = Math.max(1, steps.length - 1);
  steps.forEach((step, index) => {
    const found = outcome(step);
    if (!found) return;
    const slot = Math.round((index / last) * SLOTS);
    const known = slots.get(slot);
    if (!known || WORST[found] >= WORST[known.outcome]) slots.set(slot, { place: index / last, outcome: found });
  });
  return [...slots.values()];
}

/** The ids of the codes around a step that are not known yet, at most fifty. */
export function idsAround(steps, index, known) {
  const from = Math.max(0, Math.min(index - AROUND / 2, steps.length - AROUND));
  const ids = new Set(steps.slice(from, from + AROUND).map((step) => step.codeId));
  return [...ids].filter((id) => id !== null && !known.has(id));
}

/** One student's history as far as it is known here. */
export class History {
  constructor(sessionId, userId) {
    this.url = `/api/sessions/${sessionId}/students/${userId}`;
    this.steps = [];
    this.codes = new Map();
    this.abort = new AbortController();
  }

  async refresh() {
    const { items } = await call("GET", `${this.url}/history`, { signal: this.abort.signal });
    this.steps = stepsOf(items);
  }

  /** The code at a step; undefined while it is not known. */
  code(index) {
    const { codeId } = this.steps[index];
    return codeId === null ? "" : this.codes.get(codeId);
  }

  async load(index) {
    const ids = idsAround(this.steps, index, this.codes);
    if (!ids.length) return;
    const { items } = await call("GET", `${this.url}/code?ids=${ids.join(",")}`, { signal: this.abort.signal });
    for (const { code_state_id: id, code } of items) this.codes.set(id, code);
    // What the server does not have any more is not asked for again.
    for (const id of ids) if (!this.codes.has(id)) this.codes.set(id, null);
  }

  forget() {
    this.abort.abort();
  }
}
