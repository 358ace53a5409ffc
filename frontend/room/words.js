// How the room says things: a word and a shape for each state, times near now in short words. No page, no clock.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const TYPING_MS = 10 * SECOND;

const SESSION = {
  SCHEDULED: { word: "planned", shape: "dots", tone: "muted" },
  WAITING_FOR_STUDENTS: { word: "open, not started", shape: "half", tone: "info" },
  IN_PROGRESS: { word: "in progress", shape: "disc", tone: "ok" },
  COMPLETED: { word: "ended", shape: "check", tone: "muted" },
  CANCELLED: { word: "cancelled", shape: "cross", tone: "muted" },
};

const WORK = {
  OK: { word: "working", shape: "disc", tone: "muted" },
  ERRORS: { word: "errors", shape: "triangle", tone: "warn" },
  STUCK: { word: "stuck", shape: "diamond", tone: "bad" },
  HAND: { word: "hand up", shape: "up", tone: "accent" },
  DONE: { word: "done", shape: "check", tone: "ok" },
};

const EVENTS = {
  "File.Edit": "edited",
  "File.Create": "started a file",
  "Run.Program": "ran the program",
  "Compile": "pressed Run",
  "Compile.Error": "could not run",
  "Intervention": "got feedback",
  "Submit": "submitted",
  "Session.Start": "opened the assignment",
  "Submission.Create": "began the assignment",
  "X-Editor.Paste": "pasted",
  "X-File.Reset": "reset the program",
  "X-File.Upload": "uploaded a file",
  "X-View.Change": "changed the view",
  "X-System.Error": "checks failed to run",
  "Resource.View": "read",
  "X-Submission.Update": "got a score",
  "X-Submission.Status": "handed in or took back",
  "submission_graded": "got a score",
  "participant_joined": "joined",
  "attempt_started": "began",
  "help_raised": "raised a hand",
  "help_lowered": "lowered the hand",
};

export const millis = (iso) => (iso ? Date.parse(iso) : null);

/** "now", "40 s", "2 min", "3 h", "2 d". */
export function span(ms) {
  const passed = Math.max(0, ms);
  if (passed < SECOND) return "now";
  if (passed < MINUTE) return `${Math.floor(passed / SECOND)} s`;
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)} min`;
  if (passed < 24 * HOUR) return `${Math.floor(passed / HOUR)} h`;
  return `${Math.floor(passed / (24 * HOUR))} d`;
}

export function since(iso, now) {
  return iso ? span(now - millis(iso)) : "";
}

export function ago(iso, now) {
  if (!iso) return "";
  const words = since(iso, now);
  return words === "now" ? words : `${words} ago`;
}

/** The reader's own clock, with the date: for the hover. */
export function exact(iso) {
  return iso ? new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : "";
}

export function clock(iso) {
  return iso ? new Date(iso).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" }) : "";
}

/** The time of day to the second. */
export function clockSeconds(iso) {
  return iso ? new Date(iso).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" }) : "";
}

/** Seconds of work: "14 min". */
export function worked(seconds) {
  if (!seconds) return "0 min";
  if (seconds < 60) return "< 1 min";
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function count(number, word) {
  return `${number.toLocaleString()} ${word}${number === 1 ? "" : "s"}`;
}

export function sessionChip(status) {
  return SESSION[status] ?? { word: status, shape: "disc", tone: "muted" };
}

/** "in progress 18 min of 45": the state and since when. */
export function sessionWords(session, now) {
  const { word } = sessionChip(session.status);
  if (session.status === "IN_PROGRESS" && session.started_at) {
    const limit = session.time_limit_minutes ? ` of ${session.time_limit_minutes}` : "";
    const passed = millis(session.started_at) > now - MINUTE ? "since just now" : since(session.started_at, now);
    return `${word} ${passed}${limit}`;
  }
  if (session.status === "SCHEDULED" && session.scheduled_at) return `${word} for ${clock(session.scheduled_at)}`;
  if (session.completed_at) return `${word} at ${clock(session.completed_at)}`;
  return word;
}

/** How the work goes. Who is not at work and needs nothing shows nothing: no word would be true. */
export function workChip(row) {
  if (row.work === "OK" && row.state !== "CONNECTED" && row.state !== "UNSTABLE") return { word: "", shape: "none", tone: "muted" };
  return WORK[row.work] ?? { word: row.work ?? "", shape: "disc", tone: "muted" };
}

/** Where a participant is, in words: presence first, then attention. */
export function hereChip(row, now) {
  switch (row.state) {
    case "EXPECTED":
      return { word: "not here yet", shape: "dots", tone: "muted" };
    case "UNSTABLE":
      return { word: "shaky line", shape: "half", tone: "warn" };
    case "LOST":
      return { word: `lost ${since(row.since, now)}`, shape: "cross", tone: "bad" };
    case "LEFT":
      return { word: "left", shape: "out", tone: "muted" };
    case "FINISHED":
      return { word: "finished", shape: "check", tone: "muted" };
    case "REMOVED":
      return { word: "removed", shape: "dash", tone: "muted" };
    default:
      return attentionChip(row, now);
  }
}

function attentionChip(row, now) {
  if (row.attention === "IDLE") return { word: `idle ${since(row.attention_since, now)}`, shape: "half", tone: "muted" };
  if (row.attention === "AWAY") return { word: `away ${since(row.attention_since, now)}`, shape: "ring", tone: "muted" };
  const typing = row.last_event_type === "File.Edit" && now - millis(row.last_activity) < TYPING_MS;
  return { word: typing ? "typing" : "here", shape: "disc", tone: "ok" };
}

/** A client without a socket: nothing tells reading from gone, so the row says so. */
export function hasNoLine(row) {
  return row.state === "CONNECTED" && row.tabs === 0;
}

export function errorWords({ syntax_errors: syntax, runtime_errors: runtime }) {
  return {
    short: syntax || runtime ? [syntax && `${syntax} s`, runtime && `${runtime} r`].filter(Boolean).join(" ") : "0",
    long: `${count(syntax, "syntax error")}, ${count(runtime, "runtime error")}`,
  };
}

/** The best score so far, which the server tells from 0 to 1. */
export function progressWords(row) {
  return row.submission_id === null || row.score === null ? "–" : `${Math.round(row.score * 100)} %`;
}

export function eventWords(type) {
  return EVENTS[type] ?? type;
}

/** Why a lost learner matters: what was going on when the connection went. */
export function lostReason(row) {
  if (row.work_reason && row.work !== "OK") return row.work_reason;
  if (row.last_event_type === "File.Edit") return "was typing when the connection went";
  if (row.last_event_type) return `${eventWords(row.last_event_type)} before the connection went`;
  return "the connection went";
}

/** Who is on it, as "you" or by name; "" for a row that nobody claimed. */
export function claimant(row, { staff, viewerId }) {
  if (row.claimed_by === null || row.claimed_by === undefined) return "";
  return row.claimed_by === viewerId ? "you" : staff[row.claimed_by] ?? "a colleague";
}

/** "You are on it", "Ms Hall is on it". */
export function claimWords(row, room) {
  const who = claimant(row, room);
  return who && (who === "you" ? "You are on it" : `${who[0].toUpperCase()}${who.slice(1)} is on it`);
}
