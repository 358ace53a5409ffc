// Who needs the teacher, in which order, and how the table is ordered. Pure functions over rows.

import { tellsOfDrop } from "./notices.js";
import { isHere, isOver, participants } from "./picture.js";
import { clock, lostReason, millis } from "./words.js";

export const MASS_DROP = 5;
const MASS_DROP_MS = 20_000;

const NEED_RANK = { hand: 0, stuck: 1, lost: 2 };
const OVER = new Set(["FINISHED", "REMOVED"]);
const NOT_HERE = new Set(["EXPECTED", "LEFT"]);
const WORK_RANK = { HAND: 3, STUCK: 3, ERRORS: 3, OK: 4, DONE: 5 };

/**
 * The kind of need of one row, or null. A hand counts for as long as it is up, whatever the connection does; who is done
 * and drops out is not missed.
 */
export function kindOf(row) {
  if (OVER.has(row.state)) return null;
  if (row.work === "HAND") return "hand";
  if (NOT_HERE.has(row.state)) return null;
  if (row.state === "LOST") return row.work === "DONE" ? null : "lost";
  return row.work === "STUCK" ? "stuck" : null;
}

export function isSnoozed(row, now) {
  return Boolean(row.snoozed_until) && millis(row.snoozed_until) > now;
}

/** The kind of need that waits for a teacher now: not one that was put off. */
function needOf(row, now) {
  return isSnoozed(row, now) ? null : kindOf(row);
}

/**
 * The lines of NEEDS YOU, most urgent first; within a kind what a colleague is on comes last, and else the oldest first.
 * Learners who were lost together are one line (`rows` many): a network that fails is one thing to know, not nine. When
 * the server's own notice tells of it, they are none.
 */
export function needsYou(picture, now) {
  if (isOver(picture.session)) return [];
  const lines = [];
  for (const row of participants(picture)) {
    const kind = needOf(row, now);
    if (kind) lines.push(line(kind, row));
  }
  return mergeDrops(lines, (since) => tellsOfDrop(picture.notices, since, now)).sort(
    (a, b) => NEED_RANK[a.kind] - NEED_RANK[b.kind] || isClaimed(a.row) - isClaimed(b.row) || millis(a.since) - millis(b.since) || byName(a.row, b.row),
  );
}

/** The rows whose need was put off, soonest back first. */
export function snoozedRows(picture, now) {
  if (isOver(picture.session)) return [];
  return participants(picture)
    .filter((row) => isSnoozed(row, now) && kindOf(row))
    .sort((a, b) => millis(a.snoozed_until) - millis(b.snoozed_until) || byName(a, b));
}

/** How many lines wait for somebody, and how many of them are hands. */
export function waiting(lines) {
  const open = lines.filter((one) => !isClaimed(one.row));
  return { all: open.length, hands: open.filter((one) => one.kind === "hand").length };
}

function isClaimed(row) {
  return row.claimed_by !== null && row.claimed_by !== undefined;
}

function needSince(row) {
  return kindOf(row) === "lost" ? row.since : row.work_since ?? row.since;
}

function line(kind, row) {
  const since = needSince(row);
  const reason = kind === "lost" ? lostReason(row) : row.work_reason ?? "";
  return { key: `${kind}:${row.user_id}`, kind, row, since, reason };
}

function mergeDrops(lines, isTold) {
  const lost = lines.filter((one) => one.kind === "lost").sort((a, b) => millis(a.since) - millis(b.since));
  const merged = lines.filter((one) => one.kind !== "lost");
  for (let start = 0; start < lost.length; ) {
    let end = start + 1;
    while (end < lost.length && millis(lost[end].since) - millis(lost[start].since) <= MASS_DROP_MS) end += 1;
    const group = lost.slice(start, end);
    if (group.length < MASS_DROP) merged.push(...group);
    else if (!isTold(group[0].since)) merged.push(massDrop(group));
    start = end;
  }
  return merged;
}

function massDrop(group) {
  const [first] = group;
  return {
    key: `drop:${first.since}`,
    kind: "lost",
    row: { ...first.row, claimed_by: null },
    rows: group.map((one) => one.row),
    since: first.since,
    title: `${group.length} students lost the network at ${clock(first.since)}`,
    reason: "all at once: probably the room's network, not they",
  };
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byName = (a, b) => collator.compare(a.name, b.name) || a.user_id - b.user_id;

function needRank(row, now) {
  const kind = needOf(row, now);
  if (kind) return NEED_RANK[kind];
  if (isHere(row)) return WORK_RANK[row.work] ?? 4;
  return { LOST: 6, FINISHED: 6, LEFT: 7, EXPECTED: 8 }[row.state] ?? 8;
}

function byNeed(now) {
  const ranks = new Map();
  const rankOf = (row) => {
    if (!ranks.has(row)) ranks.set(row, [needRank(row, now), isClaimed(row), millis(needSince(row))]);
    return ranks.get(row);
  };
  return (a, b) => {
    const [rank, claimed, at] = rankOf(a);
    const [otherRank, otherClaimed, otherAt] = rankOf(b);
    if (rank !== otherRank) return rank - otherRank;
    return (rank <= WORK_RANK.ERRORS ? claimed - otherClaimed || at - otherAt : 0) || byName(a, b);
  };
}

const byProgress = (a, b) =>
  Number(b.correct ?? false) - Number(a.correct ?? false) || (b.score ?? -1) - (a.score ?? -1) || byName(a, b);

const ORDERS = { need: byNeed, name: () => byName, progress: () => byProgress };

/** The ids to show, in order: `sort` is need, name or progress; `find` a part of a name; `onlyHere` a switch. */
export function layout(picture, { sort, find, onlyHere }, now) {
  const wanted = find.trim().toLocaleLowerCase();
  return participants(picture)
    .filter((row) => (!onlyHere || isHere(row)) && (!wanted || row.name.toLocaleLowerCase().includes(wanted)))
    .sort(ORDERS[sort](now))
    .map((row) => row.user_id);
}

/** How many rows must come, go or move to get from one order to another: all but the longest run that may stay. */
export function moves(shown, wanted) {
  const place = new Map(wanted.map((id, index) => [id, index]));
  const kept = shown.filter((id) => place.has(id)).map((id) => place.get(id));
  const tails = [];
  for (const value of kept) {
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tails[middle] < value) low = middle + 1;
      else high = middle;
    }
    tails[low] = value;
  }
  const gone = shown.length - kept.length;
  return gone + wanted.length - tails.length;
}
