// Who needs the teacher, in which order, and how the table is ordered. Pure functions over rows.

import { isHere, isOver, participants } from "./picture.js";
import { clock, lostReason, millis } from "./words.js";

export const MASS_DROP = 5;
const MASS_DROP_MS = 20_000;

const NEED_RANK = { hand: 0, stuck: 1, lost: 2 };
const NO_STATE_NEEDS = new Set(["EXPECTED", "LEFT", "FINISHED", "REMOVED"]);
const WORK_RANK = { ERRORS: 3, OK: 4, DONE: 5 };

/**
 * The kind of need of one row, or null. A hand counts for as long as it is up, whatever the connection does; who is done
 * and drops out is not missed.
 */
export function needOf(row) {
  if (NO_STATE_NEEDS.has(row.state)) return null;
  if (row.work === "HAND") return "hand";
  if (row.state === "LOST") return row.work === "DONE" ? null : "lost";
  return row.work === "STUCK" ? "stuck" : null;
}

/**
 * The lines of NEEDS YOU, most urgent first, oldest first within a kind. Learners who were lost together are one line
 * (`user_id` null, `rows` many): a network that fails is one thing to know, not nine.
 */
export function needsYou(picture) {
  if (isOver(picture.session)) return [];
  const lines = [];
  for (const row of participants(picture)) {
    const kind = needOf(row);
    if (kind) lines.push(line(kind, row));
  }
  return mergeDrops(lines).sort(
    (a, b) => NEED_RANK[a.kind] - NEED_RANK[b.kind] || millis(a.since) - millis(b.since) || byName(a.row, b.row),
  );
}

function needSince(row) {
  return needOf(row) === "lost" ? row.since : row.work_since ?? row.since;
}

function line(kind, row) {
  const since = needSince(row);
  const reason = kind === "lost" ? lostReason(row) : row.work_reason ?? "";
  return { key: `${kind}:${row.user_id}`, kind, row, since, reason };
}

function mergeDrops(lines) {
  const lost = lines.filter((one) => one.kind === "lost").sort((a, b) => millis(a.since) - millis(b.since));
  const merged = lines.filter((one) => one.kind !== "lost");
  for (let start = 0; start < lost.length; ) {
    let end = start + 1;
    while (end < lost.length && millis(lost[end].since) - millis(lost[start].since) <= MASS_DROP_MS) end += 1;
    const group = lost.slice(start, end);
    if (group.length >= MASS_DROP) merged.push(massDrop(group));
    else merged.push(...group);
    start = end;
  }
  return merged;
}

function massDrop(group) {
  const [first] = group;
  return {
    key: `drop:${first.since}`,
    kind: "lost",
    row: first.row,
    rows: group.map((one) => one.row),
    since: first.since,
    title: `${group.length} students lost the network at ${clock(first.since)}`,
    reason: "all at once: probably the room's network, not they",
  };
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byName = (a, b) => collator.compare(a.name, b.name) || a.user_id - b.user_id;

function needRank(row) {
  const kind = needOf(row);
  if (kind) return NEED_RANK[kind];
  if (isHere(row)) return WORK_RANK[row.work] ?? 4;
  return { FINISHED: 6, LEFT: 7, EXPECTED: 8 }[row.state] ?? 8;
}

const byNeed = (a, b) => {
  const rank = needRank(a);
  const difference = rank - needRank(b);
  if (difference) return difference;
  const waited = rank <= WORK_RANK.ERRORS ? millis(needSince(a)) - millis(needSince(b)) : 0;
  return waited || byName(a, b);
};

const byProgress = (a, b) =>
  Number(b.correct ?? false) - Number(a.correct ?? false) || (b.score ?? -1) - (a.score ?? -1) || byName(a, b);

const ORDERS = { need: byNeed, name: byName, progress: byProgress };

/** The ids to show, in order: `sort` is need, name or progress; `find` a part of a name; `onlyHere` a switch. */
export function layout(picture, { sort, find, onlyHere }) {
  const wanted = find.trim().toLocaleLowerCase();
  return participants(picture)
    .filter((row) => (!onlyHere || isHere(row)) && (!wanted || row.name.toLocaleLowerCase().includes(wanted)))
    .sort(ORDERS[sort])
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
