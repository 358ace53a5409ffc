// The room as it was last told, and the client's rule for frames (the live-room contract, section 4). No page, no clock.

export const APPLIED = "applied";
export const IGNORED = "ignored";
export const GAP = "gap";

/** The whole picture, as a `watch` answers it. */
export function fromSnapshot(snapshot) {
  return {
    epoch: snapshot.epoch,
    seq: snapshot.seq,
    session: snapshot.session,
    notices: snapshot.notices ?? [],
    rows: new Map(snapshot.rows.map((row) => [row.user_id, row])),
  };
}

/** Another snapshot of the same room: which rows are new in it, so that only they are marked. */
export function changedBetween(before, after) {
  const changed = new Set();
  for (const [id, row] of after.rows) {
    if (before?.rows.get(id)?.version !== row.version) changed.add(id);
  }
  for (const id of before?.rows.keys() ?? []) {
    if (!after.rows.has(id)) changed.add(id);
  }
  return changed;
}

/**
 * What a frame makes of a picture: `{outcome, picture, changed}`; GAP means that the picture cannot be trusted any more
 * and must be watched again. A frame may span several numbers, but has to begin with the very next one.
 */
export function applyFrame(picture, frame) {
  if (frame.epoch !== picture.epoch) return { outcome: GAP, picture, changed: new Set() };
  if (frame.to <= picture.seq) return { outcome: IGNORED, picture, changed: new Set() };
  if (frame.from !== picture.seq + 1) return { outcome: GAP, picture, changed: new Set() };

  const { rows, changed } = takeRows(picture, frame.rows);
  return {
    outcome: APPLIED,
    changed,
    picture: {
      ...picture,
      rows,
      seq: frame.to,
      session: frame.session ?? picture.session,
      notices: frame.notices ?? picture.notices,
    },
  };
}

/** These rows in a picture's place; a row whose version is not above the known one changes nothing. */
export function takeRows(picture, told) {
  const rows = new Map(picture.rows);
  const changed = new Set();
  for (const row of told) {
    const known = rows.get(row.user_id);
    if (known && !(row.version > known.version)) continue;
    rows.set(row.user_id, row);
    changed.add(row.user_id);
  }
  return { rows, changed };
}

/** Everyone who belongs to the room. */
export function participants(picture) {
  return [...picture.rows.values()].filter((row) => row.state !== "REMOVED");
}

export function isHere(row) {
  return row.state === "CONNECTED" || row.state === "UNSTABLE";
}

export function isOver(session) {
  return session?.status === "COMPLETED" || session?.status === "CANCELLED";
}
