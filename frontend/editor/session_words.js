// What a student is told about the session: one chip, one sentence, and the time that is left.

import { clock } from "./dom.js";

const LAST_MINUTES = 5;
const SOON = { shape: "triangle", tone: "warn" };
const GOING_ON = { shape: "disc", tone: "ok" };

// How much is left of a limited session: {minutes, isLast, isOver} in whole minutes, or null where nothing is limited.
export function timeLeft(session, now) {
  const started = Date.parse(session.started_at);
  if (session.status !== "IN_PROGRESS" || !session.time_limit_minutes || Number.isNaN(started)) return null;
  const seconds = started / 1000 + session.time_limit_minutes * 60 - now / 1000;
  return { minutes: Math.max(0, Math.ceil(seconds / 60)), isLast: seconds <= LAST_MINUTES * 60, isOver: seconds <= 0 };
}

export function chipOf(session, now) {
  const left = timeLeft(session, now);
  if (left?.isOver) return { text: "Time is up", ...SOON };
  if (left) return { text: `${minutes(left.minutes)} left`, ...(left.isLast ? SOON : GOING_ON) };
  return {
    SCHEDULED: { text: "Not open yet", shape: "ring", tone: "muted" },
    WAITING_FOR_STUDENTS: { text: "About to start", shape: "half", tone: "info" },
    IN_PROGRESS: { text: `In progress${since(session, now)}`, ...GOING_ON },
    COMPLETED: { text: "Finished", shape: "check", tone: "muted" },
    CANCELLED: { text: "Cancelled", shape: "cross", tone: "muted" },
  }[session.status] ?? { text: session.status, shape: "ring", tone: "muted" };
}

// What stands large above the task while there is something to wait for or to know: {title, text}, or null.
export function noticeOf(session, now) {
  const teacher = session.teacher_name || "Your teacher";
  return {
    SCHEDULED: {
      title: `${teacher} has not opened this session yet`,
      text: `${session.assignment_name}, with ${session.class_name}${planned(session, now)}. You need to do nothing: this page `
        + "goes on by itself. You can read the task and try things out meanwhile.",
    },
    WAITING_FOR_STUDENTS: {
      title: `You are in; ${session.teacher_name || "your teacher"} starts soon`,
      text: `${session.assignment_name}, with ${session.class_name}. This page goes on by itself. Read the task meanwhile; `
        + "what you write already is kept.",
    },
    COMPLETED: {
      title: "The session is over",
      text: "Your program stays here and you can go on with it. The line under the editor says whether all of it is saved.",
    },
    CANCELLED: {
      title: `${teacher} has cancelled this session`,
      text: "Nothing of yours is lost: your program stays here and you can go on with it. The line under the editor says "
        + "whether all of it is saved.",
    },
  }[session.status] ?? null;
}

// What a screen reader is told when the state changes.
export function newsOf(session, now) {
  const notice = noticeOf(session, now);
  return session.status === "IN_PROGRESS" ? "The session has started." : notice ? `${notice.title}.` : "";
}

export function minutes(count) {
  return count === 1 ? "1 minute" : `${count} minutes`;
}

function since(session, now) {
  const started = Date.parse(session.started_at);
  return Number.isNaN(started) ? "" : `, ${Math.max(0, Math.floor((now - started) / 60_000))} min`;
}

function planned(session, now) {
  const at = new Date(session.scheduled_at);
  if (Number.isNaN(at.getTime()) || Math.abs(at - now) < 60_000) return "";
  const isToday = at.toDateString() === new Date(now).toDateString();
  const day = isToday ? "today" : at.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" });
  return `, planned for ${day}, ${clock(at)}`;
}
