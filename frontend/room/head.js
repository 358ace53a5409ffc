// The room's head line: what runs here, since when, how old the picture is, who is here, and the session's commands.

import { call } from "./api.js";
import { ask, el, setAttribute, setChip, setText } from "./dom.js";
import { isHere, isOver, participants } from "./picture.js";
import { clock, sessionChip, sessionWords } from "./words.js";

const BEHIND_SECONDS = 5;

const COMMANDS = {
  SCHEDULED: ["open", "cancel"],
  WAITING_FOR_STUDENTS: ["start", "cancel"],
  IN_PROGRESS: ["complete", "cancel"],
};

const WORDS = {
  open: { label: "Open for students" },
  start: { label: "Start" },
  complete: { label: "End …", quiet: true, ask: { title: "End the session?", yes: "End it", no: "Go on", text: "All programs are kept and count as submitted. A session that has ended cannot be started again." } },
  cancel: { label: "Cancel …", quiet: true, ask: { title: "Cancel the session?", yes: "Cancel the session", no: "Keep it", danger: true, text: "It is closed for everyone and does not count as done. What the students wrote is kept. This cannot be undone." } },
};

/** The age of the picture in words: `{word, tone, shape}`. */
export function ageChip({ line, silentMs, stale, over, hasPicture, refused }) {
  if (refused) return { word: "not watching any more", tone: "bad", shape: "cross" };
  if (over && hasPicture) return { word: "the last picture", tone: "muted", shape: "box" };
  if (!hasPicture && line === "connecting") return { word: "connecting …", tone: "muted", shape: "dots" };
  if (!hasPicture) return { word: "no connection yet, trying again", tone: "bad", shape: "cross" };
  if (stale) return { word: `no news for ${Math.floor(silentMs / 1000)} s, reconnecting`, tone: "bad", shape: "cross" };
  return { word: `live, ${(silentMs / 1000).toFixed(1)} s old`, tone: "ok", shape: "disc" };
}

export class Head {
  /** `answered(session)` is called with what a command answered. */
  constructor(parts, { sessionId, csrf, answered }) {
    this.parts = parts;
    this.sessionId = sessionId;
    this.csrf = csrf;
    this.answered = answered;
  }

  show(session, picture, now) {
    setChip(this.parts.status, { ...sessionChip(session.status), word: sessionWords(session, now) });
    if (picture) {
      const everyone = participants(picture);
      const over = isOver(session);
      const counted = everyone.filter(over ? (row) => row.joined_at : isHere).length;
      setText(this.parts.here, `${counted} of ${everyone.length} ${over ? "took part" : "here"}`);
    }
    this.#buttons(session.status);
    const over = isOver(session);
    this.parts.ended.hidden = !over;
    this.parts.needs.hidden = over;
    if (over) {
      const how = session.status === "CANCELLED" ? "was cancelled" : "has ended";
      setText(this.parts.ended, `This session ${how}${session.completed_at ? ` at ${clock(session.completed_at)}` : ""}. Below is its last picture.`);
    }
  }

  passTime(session, age, now) {
    setText(this.parts.status, sessionWords(session, now));
    setChip(this.parts.age, ageChip(age));
    this.parts.age.classList.toggle("filled", age.stale && !age.over);
    // Said once when the line goes and once when it is back, not with every second of its age.
    const line = age.over ? "" : age.stale && age.hasPicture ? "The picture is old. Reconnecting." : this.wasStale ? "Live again." : "";
    if (age.hasPicture) {
      if (line) setText(this.parts.lineSay, line);
      this.wasStale = age.stale || (this.wasStale && !line);
    }
  }

  notices(picture, behindSeconds) {
    const words = picture.notices.filter((notice) => notice.kind !== "mass_drop").map((notice) => notice.message);
    if (behindSeconds > BEHIND_SECONDS && !picture.notices.some((notice) => notice.kind === "counts_behind")) {
      words.push(`The counts are ${Math.round(behindSeconds)} s behind; who is here is up to date.`);
    }
    setText(this.parts.notice, words.join(" "));
    this.parts.notice.hidden = words.length === 0;
  }

  say(problem) {
    setText(this.parts.problem, problem);
    this.parts.problem.hidden = !problem;
  }

  #buttons(status) {
    if (this.status === status) return;
    this.status = status;
    this.parts.commands.replaceChildren(...(COMMANDS[status] ?? []).map((name) => {
      const { label, quiet } = WORDS[name];
      return el("button", { type: "button", class: quiet ? "quiet" : null, "data-command": name, onclick: (event) => this.#command(name, event.currentTarget) }, label);
    }));
  }

  async #command(name, button) {
    const question = WORDS[name].ask;
    if (question && !(await ask(question))) return;
    setAttribute(button, "aria-disabled", "true");
    this.say("");
    try {
      this.answered(await call("POST", `/api/sessions/${this.sessionId}/${name}`, { body: {}, csrf: this.csrf }));
    } catch (error) {
      this.say(error.message);
    } finally {
      setAttribute(button, "aria-disabled", null);
    }
  }
}
