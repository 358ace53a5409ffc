// Numbers and times as a teacher reads them.

import { clock } from "../editor/dom.js";

export function many(count, one, more = `${one}s`) {
  return `${count} ${count === 1 ? one : more}`;
}

export function percent(share) {
  return share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`;
}

export function length(seconds) {
  if (seconds < 60) return seconds > 0 ? "under 1 min" : "0 min";
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// When it was, in the teacher's own time: "Thu 12 March, 10:05 to 10:47 (42 min)".
export function whenOf(session) {
  const start = session.started_at ?? session.scheduled_at;
  if (!start) return "";
  const day = new Date(start).toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "long" });
  if (!session.started_at) return `${day}, ${clock(start)}`;
  if (!session.completed_at) return `${day}, since ${clock(start)}`;
  const seconds = (Date.parse(session.completed_at) - Date.parse(start)) / 1000;
  return `${day}, ${clock(start)} to ${clock(session.completed_at)} (${length(seconds)})`;
}
