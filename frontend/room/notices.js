// What the server says about the room as a whole, as one calm line.

import { clock, millis } from "./words.js";

const BEHIND_SECONDS = 5;
const SAME_DROP_MS = 60_000;

/** The notices that still hold. */
function current(notices, now) {
  return notices.filter((notice) => !notice.until || millis(notice.until) > now);
}

/** The line's words; "" when there is nothing to say. */
export function bannerWords(notices, behindSeconds, now) {
  const words = current(notices, now).map((notice) => (notice.kind === "mass_drop" ? `${clock(notice.at)}: ${notice.message}` : notice.message));
  if (behindSeconds > BEHIND_SECONDS && !notices.some((notice) => notice.kind === "counts_behind")) {
    words.push(`The counts are ${Math.round(behindSeconds)} s behind; who is here is up to date.`);
  }
  return [...new Set(words)].join(" ");
}

/** Whether the line tells of the drop that happened at `since` already. */
export function tellsOfDrop(notices, since, now) {
  return current(notices, now).some((notice) => notice.kind === "mass_drop" && Math.abs(millis(notice.at) - millis(since)) <= SAME_DROP_MS);
}
