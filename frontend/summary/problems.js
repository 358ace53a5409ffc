// The answer in words: how it went in one sentence, the three things that held most students up, and what to do next.

import { adviceFor } from "./advice.js";
import { length, many } from "./words.js";

const MOST = 3;
const LONG_SECONDS = 600;
const WHOLE_CLASS = 1 / 3; // from this share on it is worth everybody's time

// "18 of 27 finished, 9 did not. 3 of 30 were not there."
export function headline({ totals, session, students }) {
  const { expected, took_part: there } = totals;
  const done = students.filter((one) => one.took_part && one.done).length;
  const missing = expected - there;
  const finished = done === there ? `${there === 1 ? "The one student" : `All ${there}`} finished.` : done === 0
    ? `None of the ${many(there, "student")} finished.`
    : `${done} of ${there} finished, ${there - done} did not.`;
  const away = missing > 0 ? ` ${missing} of ${expected} ${missing === 1 ? "was" : "were"} not there.` : "";
  return `${session.completed_at ? "" : "So far: "}${finished}${away}`;
}

// [{title, detail, whom, advice, students: [{user_id, name}]}], what concerns most students first.
export function problemsOf(summary) {
  const there = summary.students.filter((one) => one.took_part);
  const found = [...errorsOf(summary, there), ...longFailing(there)].sort((a, b) => b.students.length - a.students.length);
  const left = unfinished(summary, there);
  const chosen = left ? [...found.slice(0, MOST - 1), left] : found.slice(0, MOST);
  return chosen.sort((a, b) => b.students.length - a.students.length);
}

function errorsOf(summary, there) {
  const names = new Map(summary.students.map((one) => [one.user_id, one]));
  return summary.errors.map((error) => ({
    title: error.name,
    detail: `${error.students} of ${many(there.length, "student")}, ${many(error.runs, "run")} ended with it`,
    whom: whomOf(error.students, there.length),
    advice: adviceFor(error.name),
    students: error.user_ids.map((id) => names.get(id)).filter(Boolean),
  }));
}

function longFailing(there) {
  const long = there.filter((one) => one.longest_failing_seconds >= LONG_SECONDS)
    .sort((a, b) => b.longest_failing_seconds - a.longest_failing_seconds);
  if (!long.length) return [];
  const [worst] = long;
  return [{
    title: "More than 10 minutes without one good run",
    detail: `${many(long.length, "student")}, ${worst.name} longest with ${length(worst.longest_failing_seconds)}`,
    whom: whomOf(long.length, there.length),
    advice: "Look at what they tried, in their history, and begin with the step before it.",
    students: long,
  }];
}

function unfinished(summary, there) {
  const left = there.filter((one) => !one.done);
  if (!left.length) return null;
  const nobody = left.length === there.length;
  const close = closeness(summary.tests);
  return {
    title: nobody ? "Nobody finished" : "Not finished",
    detail: `${left.length} of ${many(there.length, "student")}${close ? `; ${close}` : ""}`,
    whom: whomOf(left.length, there.length),
    advice: nobody ? "The exercise may be a step too large. Solve its first part together, then let them go on."
      : "Give them time for the rest before something new begins.",
    students: [...left].sort((a, b) => (a.score ?? 0) - (b.score ?? 0)),
  };
}

// What the tests say of those who did not pass all of them; which test it was is not counted.
function closeness(tests) {
  const short = tests.filter((one) => one.successes < one.tests);
  if (!short.length) return tests.length ? "" : "nobody's run reached the tests";
  const most = short.reduce((a, b) => (b.students > a.students ? b : a));
  const nobodyPassed = short.length === tests.length ? "nobody passed all tests, " : "";
  return `${nobodyPassed}${many(most.students, "student")} stopped at ${most.successes} of ${many(most.tests, "test")}`;
}

function whomOf(count, of) {
  if (count >= 3 && count / of >= WHOLE_CLASS) return "For the whole class.";
  return count === 1 ? "For this student." : `For these ${count}.`;
}
