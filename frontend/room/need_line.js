// One line of NEEDS YOU: who, since when, why, and what a teacher can do about it. And the lines that were put off.

import { chip, el, setAttribute, setChip, setText } from "./dom.js";
import { claimWords, clock, exact, since } from "./words.js";

const KINDS = {
  hand: { word: "hand", shape: "up", tone: "accent" },
  stuck: { word: "stuck", shape: "diamond", tone: "bad" },
  lost: { word: "lost", shape: "cross", tone: "bad" },
};

/** A small button that says whom it is about, and is not pressed twice while it works. */
export function deed(word, press) {
  const button = el("button", { type: "button", class: "quiet small" }, word);
  button.addEventListener("click", async (event) => {
    event.stopPropagation();
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    await press();
    button.removeAttribute("aria-disabled");
  });
  return button;
}

export function nameDeed(button, word, name) {
  setText(button, word);
  setAttribute(button, "aria-label", `${word}: ${name}`);
}

export class Line {
  /** `room` has `open(userId, from)`, `commands`, `staff` and `viewerId`. */
  constructor(room) {
    const { commands } = room;
    this.room = room;
    this.chip = chip();
    this.since = el("time", { class: "need-since" });
    this.button = el("button", { type: "button", class: "link need-name" });
    this.title = el("span", { class: "need-name" });
    this.reason = el("span", { class: "need-reason" });
    this.claimed = el("span", { class: "need-claimed" });
    this.claim = deed("", () => (this.line.row.claimed_by === null ? commands.claim(this.line.row) : commands.release(this.line.row)));
    this.snooze = deed("", () => commands.snooze(this.line.row));
    this.lower = deed("", () => commands.lowerHand(this.line.row));
    this.deeds = el("span", { class: "need-deeds" }, this.claimed, this.claim, this.snooze, this.lower);
    this.node = el("li", {}, this.chip, this.button, this.title, this.since, this.reason, this.deeds);
    this.button.addEventListener("click", () => room.open(this.line.row.user_id, this.button));
  }

  show(line, now) {
    const { row, kind, title, reason } = line;
    this.line = line;
    setChip(this.chip, KINDS[kind]);
    this.button.hidden = Boolean(title);
    this.title.hidden = !title;
    setText(title ? this.title : this.button, title ?? row.name);
    setAttribute(this.title, "title", line.rows ? line.rows.map((one) => one.name).join(", ") : null);
    setText(this.reason, reason);
    setAttribute(this.reason, "title", reason);
    setAttribute(this.since, "datetime", line.since);
    setAttribute(this.since, "title", exact(line.since));
    this.#showDeeds(line);
    this.passTime(now);
  }

  #showDeeds({ row, kind, title }) {
    const claimed = claimWords(row, this.room);
    const mine = row.claimed_by === this.room.viewerId;
    this.deeds.hidden = Boolean(title);
    setText(this.claimed, claimed);
    this.claimed.hidden = !claimed;
    setAttribute(this.node, "data-user", title ? null : String(row.user_id));
    setAttribute(this.node, "data-claimed", claimed ? (mine ? "mine" : "other") : null);
    nameDeed(this.claim, claimed ? "Release" : "I'm on it", row.name);
    nameDeed(this.snooze, "5 min", row.name);
    setAttribute(this.snooze, "title", "Not now: show it again in five minutes");
    nameDeed(this.lower, "Answered", row.name);
    setAttribute(this.lower, "title", "Lower the hand");
    this.lower.hidden = kind !== "hand";
  }

  passTime(now) {
    setText(this.since, since(this.line.since, now));
  }
}

/** The lines that were put off, each with the way back. */
export class Snoozed {
  constructor(node, { commands }) {
    this.node = node;
    this.commands = commands;
    this.items = new Map();
  }

  show(rows) {
    const keep = new Set(rows.map((row) => row.user_id));
    for (const [id, item] of this.items) {
      if (keep.has(id)) continue;
      item.node.remove();
      this.items.delete(id);
    }
    for (const row of rows) this.#item(row);
    this.node.hidden = rows.length === 0;
  }

  #item(row) {
    let item = this.items.get(row.user_id);
    if (!item) {
      item = { words: el("span"), wake: deed("", () => this.commands.wake(item.row)) };
      item.node = el("li", {}, item.words, " ", item.wake);
      this.items.set(row.user_id, item);
      this.node.append(item.node);
    }
    item.row = row;
    setText(item.words, `${row.name} snoozed till ${clock(row.snoozed_until)}`);
    nameDeed(item.wake, "Wake", row.name);
  }
}
