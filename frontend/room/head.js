// The room's head line: what runs here, since when, how old the picture is, who is here, and the session's commands.

import { call } from "./api.js";
import { bannerWords } from "./notices.js";
import { ask, el, setAttribute, setChip, setText } from "./dom.js";
import { isHere, isOver, participants } from "./picture.js";
import { clock, sessionChip, sessionWords } from "./words.js";

const COMMANDS = {
  SCHEDULED: ["open", "cancel"],
  WAITING_FOR_STUDENTS: ["start", "cancel"],
  IN_PROGRESS: ["complete", "cancel"],
};
const IN_MENU = new Set(["cancel"]);

const WORDS = {
  open: { label: "Open for students" },
  start: { label: "Start" },
  complete: { label: "End …", quiet: true, ask: { title: "End the session?", yes: "End it", no: "Go on", text: "All programs are kept and count as submitted. A session that has ended cannot be started again." } },
  cancel: { label: "Cancel the session …", quiet: true, ask: { title: "Cancel the session?", yes: "Cancel the session", no: "Keep it", danger: true, text: "It is closed for everyone and does not count as done. What the students wrote is kept. This cannot be undone." } },
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
  constructor(parts, { sessionId, csrf, speaker, answered }) {
    this.parts = parts;
    this.sessionId = sessionId;
    this.csrf = csrf;
    this.speaker = speaker;
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
    this.#ended(session);
  }

  #ended(session) {
    const over = isOver(session);
    this.parts.ended.hidden = !over;
    this.parts.needs.hidden = over;
    if (!over) return;
    const how = session.status === "CANCELLED" ? "was cancelled" : "has ended";
    setText(this.parts.endedWords, `This session ${how}${session.completed_at ? ` at ${clock(session.completed_at)}` : ""}. Below is its last picture.`);
  }

  passTime(session, age) {
    setText(this.parts.status, sessionWords(session, age.now));
    setChip(this.parts.age, ageChip(age));
    this.parts.age.classList.toggle("filled", age.stale && !age.over);
    if (age.hasPicture && !age.over) this.#sayLine(age.stale);
  }

  /** Said once when the line goes and once when it is back, not with every second of its age. */
  #sayLine(isStale) {
    if (isStale === this.isStale) return;
    const isFirst = this.isStale === undefined;
    this.isStale = isStale;
    if (isFirst && !isStale) return;
    this.speaker.say("line", () => (this.isStale === isStale ? (isStale ? "The picture is old. Reconnecting." : "Live again.") : ""));
  }

  notices(picture, behindSeconds, now) {
    const words = bannerWords(picture.notices, behindSeconds, now);
    this.parts.notice.hidden = !words;
    // How far behind changes with each beat; that there is something to read is told once.
    if (setText(this.parts.notice, words) && words && !this.hadNotice) this.speaker.say("notice", () => this.parts.notice.textContent);
    this.hadNotice = Boolean(words);
  }

  say(problem) {
    setText(this.parts.problem, problem);
    this.parts.problem.hidden = !problem;
  }

  #buttons(status) {
    if (this.status === status) return;
    this.status = status;
    const names = COMMANDS[status] ?? [];
    this.parts.commands.replaceChildren(...names.filter((name) => !IN_MENU.has(name)).map((name) => this.#button(name)));
    this.parts.menuCommands.replaceChildren(...names.filter((name) => IN_MENU.has(name)).map((name) => this.#button(name)));
  }

  #button(name) {
    const { label, quiet } = WORDS[name];
    return el("button", { type: "button", class: quiet ? "quiet" : null, "data-command": name, onclick: (event) => this.#command(name, event.currentTarget) }, label);
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
