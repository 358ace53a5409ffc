// The last minutes of one student as a small drawing: bars for edits, a dot where a program ran, a cross where it failed.

const NAME_SPACE = "http://www.w3.org/2000/svg";
const STEP = 7;
const HEIGHT = 24;
const MOST_EDITS = 60;
const MARK_Y = 5;

/** The three paths for `[[edits, runs, failed], ...]`, oldest minute first. */
export function stripPaths(minutes) {
  const paths = { edits: "", ran: "", failed: "" };
  minutes.forEach(([edits, runs, failed], index) => {
    const x = index * STEP + 1;
    if (edits) {
      const height = Math.round(2 + 10 * Math.min(1, Math.log1p(edits) / Math.log1p(MOST_EDITS)));
      paths.edits += `M${x} ${HEIGHT}v-${height}h5v${height}z`;
    }
    if (failed) paths.failed += `M${x} ${MARK_Y - 2.5}l5 5m0-5l-5 5`;
    else if (runs) paths.ran += `M${x} ${MARK_Y}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0z`;
  });
  return paths;
}

/** The same in words. */
export function stripWords(minutes) {
  const [edits, runs, failed] = [0, 1, 2].map((index) => minutes.reduce((sum, one) => sum + one[index], 0));
  if (!edits && !runs) return `last ${minutes.length} minutes: nothing`;
  const quiet = [...minutes].reverse().findIndex(([some, ran]) => some || ran);
  const words = [`${edits} ${edits === 1 ? "edit" : "edits"}`, `${runs} ${runs === 1 ? "run" : "runs"}`];
  if (failed) words.push(`${failed} failed`);
  if (quiet > 1) words.push(`nothing for ${quiet} min`);
  return `last ${minutes.length} minutes: ${words.join(", ")}`;
}

export class Strip {
  constructor(minutes) {
    this.node = document.createElementNS(NAME_SPACE, "svg");
    this.node.setAttribute("class", "strip");
    this.node.setAttribute("aria-hidden", "true");
    this.node.setAttribute("viewBox", `0 0 ${minutes * STEP} ${HEIGHT}`);
    this.paths = Object.fromEntries(["edits", "ran", "failed"].map((name) => {
      const path = document.createElementNS(NAME_SPACE, "path");
      path.setAttribute("class", name);
      this.node.append(path);
      return [name, path];
    }));
    this.shown = {};
  }

  show(minutes) {
    for (const [name, path] of Object.entries(stripPaths(minutes))) {
      if (this.shown[name] !== path) this.paths[name].setAttribute("d", path);
      this.shown[name] = path;
    }
  }
}
