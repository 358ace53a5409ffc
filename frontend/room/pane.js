// A student's pane beside the table: the program now and how it came to be, the last run, what was told, a hint to write.

import { call } from "./api.js";
import { CodeView, changedLines } from "./code_view.js";
import { chip, el, setChip, setText } from "./dom.js";
import { deed, nameDeed } from "./need_line.js";
import { isSnoozed, kindOf } from "./needs.js";
import { ChecksSection, Events, Figures, RunSection, passTimes } from "./pane_parts.js";
import { Scrubber } from "./scrubber.js";
import { Composer, Told } from "./told.js";
import { claimWords, clock, hasNoLine, hereChip, since, workChip } from "./words.js";

const REFRESH_MS = 1_000;

export class Pane {
  /** `room`: sessionId, commands, staff, viewerId, speaker, session(); `onClose()` gets the focus back where it was. */
  constructor(node, room, { onClose }) {
    this.node = node;
    this.room = room;
    this.onClose = onClose;
    this.drafts = new Map();
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
  }

  get isOpen() {
    return this.userId !== undefined;
  }

  open(row, now) {
    if (this.userId !== row.user_id) {
      this.#forget();
      this.userId = row.user_id;
      this.#build(row);
      this.node.hidden = false;
      this.node.scrollTop = 0;
      this.show(row, now);
    }
    this.heading.focus();
  }

  close() {
    if (!this.isOpen) return;
    this.#forget();
    this.node.hidden = true;
    this.onClose();
  }

  /** To the field for a hint. */
  focusHint() {
    this.composer.field.focus();
  }

  /** The student's row as the picture has it now; a new version means that there is something to fetch. */
  show(row, now) {
    setText(this.heading, row.name);
    this.passTime(row, now);
    this.noLine.hidden = !hasNoLine(row);
    this.#showDeeds(row, now);
    this.told.show(row);
    this.composer.show(row, this.room.session());
    const key = `${row.version}:${row.code_version}`;
    if (key === this.key) return;
    this.key = key;
    this.#fetchSoon();
    this.scrubber.news();
  }

  passTime(row, now) {
    this.row = row;
    this.now = now;
    setChip(this.here, hereChip(row, now));
    setChip(this.work, workChip(row));
    const flagged = kindOf(row) !== "lost" && row.work_reason;
    setText(this.reason, flagged ? `${row.work_reason}${row.work_since ? ` · ${since(row.work_since, now)}` : ""}` : "");
    this.reason.hidden = !flagged;
    passTimes(this.content, now);
  }

  /** News of a hint; what a hint to all came to for this student is asked for, since the news count everybody. */
  hint(hint) {
    if (!this.isOpen) return;
    if (hint.user_id === null) this.#fetchSoon();
    else if (hint.user_id === this.userId) this.told.take([hint], this.row);
  }

  #showDeeds(row, now) {
    const kind = kindOf(row);
    const claimed = claimWords(row, this.room);
    const snoozed = isSnoozed(row, now);
    setText(this.claimed, [claimed, snoozed && `snoozed till ${clock(row.snoozed_until)}`].filter(Boolean).join(", "));
    this.claim.hidden = !kind && !claimed;
    nameDeed(this.claim, claimed ? "Release" : "I'm on it", row.name);
    this.snooze.hidden = !kind;
    nameDeed(this.snooze, snoozed ? "Wake" : "5 min", row.name);
    this.lower.hidden = kind !== "hand";
    nameDeed(this.lower, "Answered", row.name);
  }

  #forget() {
    clearTimeout(this.timer);
    this.timer = null;
    this.request?.abort();
    this.scrubber?.forget();
    this.userId = undefined;
    this.key = undefined;
    this.student = undefined;
    this.liveCode = undefined;
    this.fetchedAt = -Infinity;
  }

  #build(row) {
    const { sessionId, commands } = this.room;
    this.#buildHead(row, commands);
    this.codeTitle = el("h3", {}, "Program");
    this.codeEmpty = el("p", { class: "muted" }, "Loading the program …");
    this.codeView = new CodeView("Program, read only");
    this.codeView.node.hidden = true;
    this.scrubber = new Scrubber(sessionId, row.user_id, { show: (past) => this.#showPast(past), live: () => this.#showLive() });
    this.run = new RunSection();
    this.checks = new ChecksSection();
    this.told = new Told();
    this.figures = new Figures();
    this.events = new Events();
    this.composer = new Composer(row.user_id, { drafts: this.drafts, send: (userId, message) => this.#send(userId, message) });
    this.content = el("div", { class: "pane-content", "aria-busy": "true" },
      this.codeTitle, this.codeEmpty, this.codeView.node, this.scrubber.node,
      this.run.node, this.checks.node, this.told.node, this.figures.node, this.events.node);
    this.node.replaceChildren(this.head, this.problem, this.content, this.composer.node);
  }

  #buildHead(row, commands) {
    this.heading = el("h2", { id: "pane-title", tabindex: "-1" }, row.name);
    this.here = chip();
    this.work = chip();
    this.noLine = el("span", { class: "muted" }, "no live line");
    this.claimed = el("span", { class: "need-claimed" });
    this.claim = deed("", () => (this.row.claimed_by === null ? commands.claim(this.row) : commands.release(this.row)));
    this.snooze = deed("", () => (isSnoozed(this.row, this.now) ? commands.wake(this.row) : commands.snooze(this.row)));
    this.lower = deed("", () => commands.lowerHand(this.row));
    this.reason = el("p", { class: "pane-reason" });
    this.problem = el("p", { class: "notice", "data-tone": "warn", hidden: true });
    this.head = el("header", { class: "pane-head" },
      el("div", { class: "pane-title" }, this.heading, el("button", { type: "button", class: "quiet small", onclick: () => this.close() }, "Close")),
      el("p", { class: "pane-state" }, this.here, this.work, this.noLine, el("span", { class: "need-deeds" }, this.claimed, this.claim, this.snooze, this.lower)),
      this.reason);
  }

  #fetchSoon() {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.#fetch();
    }, Math.max(0, this.fetchedAt + REFRESH_MS - Date.now()));
  }

  async #fetch() {
    const { userId } = this;
    this.request?.abort();
    this.request = new AbortController();
    this.fetchedAt = Date.now();
    try {
      const student = await call("GET", `/api/sessions/${this.room.sessionId}/students/${userId}`, { signal: this.request.signal });
      if (userId === this.userId) this.#fill(student);
    } catch (error) {
      if (error.name === "AbortError" || userId !== this.userId) return;
      this.problem.hidden = false;
      this.problem.replaceChildren(`Not up to date: ${error.message} `, el("button", { type: "button", class: "link", onclick: () => this.#fetch() }, "Try again"));
    }
  }

  #fill(student) {
    this.problem.hidden = true;
    this.student = student;
    this.content.removeAttribute("aria-busy");
    this.figures.show(student.counts);
    this.events.show(student.events, this.now);
    if (student.hints) this.told.take(student.hints, this.row);
    if (this.scrubber.isLive) this.#showLive();
    passTimes(this.content, this.now);
  }

  #showLive() {
    if (!this.student) return;
    const code = this.student.code ?? "";
    const isReturn = this.isPast;
    this.isPast = false;
    setText(this.codeTitle, "Program");
    if (isReturn) this.codeView.clearMark();
    this.#showCode(code, isReturn ? null : changedLines(this.liveCode, code));
    this.liveCode = code;
    this.run.show(this.student.last_run, this.now);
    this.checks.show(this.student.events, this.now);
  }

  #showPast({ step, run, code, before }) {
    this.isPast = true;
    this.checks.node.hidden = true;
    setText(this.codeTitle, "Program, as it was");
    this.content.toggleAttribute("data-loading", code === undefined);
    if (code === undefined) return;
    this.codeView.clearMark();
    this.#showCode(code ?? "", changedLines(before, code ?? ""), code === null && "This version is not kept any more.");
    this.run.show(run && { at: run.at, ...run.run }, this.now, run === step ? "This run" : "The run before this");
  }

  #showCode(code, changed, instead) {
    const isEmpty = !code.trim();
    this.content.removeAttribute("data-loading");
    setText(this.codeEmpty, instead || "Nothing written yet.");
    this.codeEmpty.hidden = !isEmpty;
    this.codeView.node.hidden = isEmpty;
    this.codeView.show(code, changed);
  }

  async #send(userId, message) {
    const hint = await this.room.commands.hint(userId, message);
    this.hint(hint);
    this.room.speaker.say("hint", "Hint sent.");
  }
}
