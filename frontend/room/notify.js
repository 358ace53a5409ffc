// A desktop notification of raised hands, for a teacher who asked for it, while the page is hidden. It names nobody.

import { setText } from "./dom.js";
import { count } from "./words.js";

const REMEMBERED = "blockpy-room-notify";
const GATHER_MS = 2_000;

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED) === "on";
  } catch {
    return false;
  }
}

function remember(isOn) {
  try {
    localStorage.setItem(REMEMBERED, isOn ? "on" : "off");
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

export class Notifier {
  /** `button` turns it on and off; `title` heads the notification, `tag` lets a newer one replace the older. */
  constructor(button, { title, tag }) {
    this.button = button;
    this.title = title;
    this.tag = tag;
    this.known = new Set();
    this.isOn = remembered() && this.#permission() === "granted";
    button.hidden = this.#permission() === "none";
    button.addEventListener("click", () => this.#toggle());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.shown?.close();
    });
    this.#paint();
  }

  /** The hands that are up now; new ones are told a moment later, all at once. */
  hands(lines) {
    const keys = new Set(lines.map((line) => `${line.key}:${line.since}`));
    const fresh = [...keys].some((key) => !this.known.has(key));
    this.known = keys;
    if (!fresh || !this.isOn || !document.hidden || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      if (document.hidden && this.known.size) this.#tell(this.known.size);
    }, GATHER_MS);
  }

  #tell(number) {
    try {
      this.shown = new Notification(this.title, { body: `${count(number, "hand")} up`, tag: this.tag, renotify: true });
    } catch {
      // Phones allow it in general and refuse it to pages: the tab's title is what is left.
      return;
    }
    this.shown.onclick = () => {
      window.focus();
      this.shown.close();
    };
  }

  async #toggle() {
    if (this.isOn) this.isOn = false;
    else this.isOn = (await Notification.requestPermission()) === "granted";
    remember(this.isOn);
    this.#paint();
  }

  #permission() {
    return "Notification" in window ? Notification.permission : "none";
  }

  #paint() {
    const isBlocked = this.#permission() === "denied";
    this.button.setAttribute("aria-pressed", String(this.isOn));
    setText(this.button, isBlocked ? "Desktop notices: blocked by the browser" : `Desktop notices of hands: ${this.isOn ? "on" : "off"}`);
  }
}
