// What a student was told: the hints with their fate, and the field to write the next one.

import { el, setAttribute, setText } from "./dom.js";
import { clock, exact, hasNoLine } from "./words.js";

const LONGEST = 2000;
const NOT_HERE = new Set(["LOST", "LEFT", "EXPECTED"]);
const OPEN = new Set(["WAITING_FOR_STUDENTS", "IN_PROGRESS"]);

/** What became of a hint as far as one student is concerned: the numbers of a hint in a pane are only about him. */
export function fateWords(hint, row) {
  const to = hint.user_id === null ? "to all, " : "";
  if (hint.seen) return `${to}seen${hint.seen_at ? ` ${clock(hint.seen_at)}` : ""}`;
  if (hint.delivered) return `${to}delivered, not seen yet`;
  if (hasNoLine(row)) return `${to}not delivered: no live line`;
  return `${to}${NOT_HERE.has(row.state) ? "not delivered: not here now" : "sent, not delivered yet"}`;
}

/** The later of two words about one hint: what was delivered or seen stays so, and an answer may come after the news. */
export function later(known, hint) {
  return known && known.hint_id === hint.hint_id && known.delivered + known.seen > hint.delivered + hint.seen ? known : hint;
}

export function canHint(session) {
  return OPEN.has(session.status);
}

/** Ctrl+Enter in a field sends, as it does everywhere else. */
export function sendsOnCtrlEnter(field, send) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  });
}

/** The list of hints in the pane. */
export class Told {
  constructor() {
    this.heading = el("h3", {}, "What we told");
    this.list = el("ol", { class: "told" });
    this.empty = el("p", { class: "muted" }, "Nothing yet.");
    this.node = el("section", {}, this.heading, this.empty, this.list);
    this.hints = new Map();
  }

  /** Take what is known of hints. */
  take(hints, row) {
    for (const hint of hints) this.hints.set(hint.hint_id, later(this.hints.get(hint.hint_id), hint));
    this.show(row);
  }

  show(row) {
    const newest = [...this.hints.values()].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
    this.empty.hidden = newest.length > 0;
    const { children } = this.list;
    while (children.length > newest.length) this.list.lastElementChild.remove();
    newest.forEach((hint, index) => {
      if (!children[index]) this.list.append(el("li", {}, el("span", { class: "told-message" }), el("span", { class: "muted" })));
      const [message, fate] = children[index].children;
      setText(message, hint.message);
      setText(fate, `${clock(hint.at)}, ${hint.from}, ${fateWords(hint, row)}`);
      setAttribute(fate, "title", exact(hint.at));
    });
  }
}

/** The field under the pane. What is written stays with its student while other panes are open. */
export class Composer {
  /** `send(userId, message)` raises what the server refuses. */
  constructor(userId, { drafts, send }) {
    this.userId = userId;
    this.drafts = drafts;
    this.deliver = send;
    this.field = el("textarea", { id: "hint-field", rows: "1", maxlength: String(LONGEST), "aria-keyshortcuts": "Control+Enter" });
    this.field.value = drafts.get(userId) ?? "";
    this.label = el("label", { class: "visually-hidden", for: "hint-field" });
    this.button = el("button", { type: "submit", title: "Ctrl+Enter" }, "Send");
    this.problem = el("p", { class: "composer-problem", role: "alert", hidden: true });
    this.node = el("form", { class: "composer" }, this.problem, this.label, this.field, this.button);
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.field.addEventListener("input", () => drafts.set(userId, this.field.value));
    sendsOnCtrlEnter(this.field, () => this.send());
  }

  show(row, session) {
    const isOpen = canHint(session);
    setText(this.label, `Hint to ${row.name}`);
    this.field.placeholder = isOpen ? `Hint to ${row.name}` : "Hints go out while the session is open.";
    this.field.disabled = !isOpen;
    this.button.disabled = !isOpen;
  }

  async send() {
    const message = this.field.value.trim();
    if (!message || this.isSending) return;
    this.isSending = true;
    this.#say("");
    try {
      await this.deliver(this.userId, message);
      this.drafts.delete(this.userId);
      this.field.value = "";
      this.field.focus();
    } catch (error) {
      this.#say(`Not sent: ${error.message}`);
    } finally {
      this.isSending = false;
    }
  }

  #say(problem) {
    setText(this.problem, problem);
    this.problem.hidden = !problem;
  }
}
