// Hints from the teacher: a new one is shown at once and told politely, all of them stay in a list that opens on demand.

import { byId, clock, element, setText } from "./dom.js";

const MOST_OPEN = 2; // more of them would push the task off the screen; the older ones wait in the list

// `onSeen(hintId)`: a hint that the server does not know as seen was on a visible page.
export function createHints({ sessionId, onSeen }) {
  const known = new Map(); // hint_id -> {hint, note}
  const list = byId("hint-list");
  let isLoaded = false;

  // What was sent before this page was there: what has been seen goes into the list, the rest is new.
  async function load() {
    if (isLoaded) return;
    const response = await fetch(`/api/sessions/${sessionId}/hints`, { credentials: "same-origin" }).catch(() => null);
    const told = response?.ok ? await response.json().catch(() => null) : null;
    if (!told) return;
    isLoaded = true;
    for (const hint of [...told.items].reverse()) take(hint);
  }

  function take(hint) {
    if (known.has(hint.hint_id)) return; // they come again after each reconnection until they were seen
    known.set(hint.hint_id, { hint, note: null });
    paintList();
    if (hint.seen_at) return;
    show(hint);
    whenVisible(() => onSeen(hint.hint_id));
  }

  function show(hint) {
    const dismiss = element("button", { type: "button", class: "quiet small" }, "Got it");
    const note = element("div", { class: "notice hint", "data-tone": "info" },
      element("p", {}, element("strong", {}, `${hint.from || "Your teacher"}: `),
        element("span", { class: "hint-text" }, hint.message)),
      dismiss);
    dismiss.addEventListener("click", () => fold(hint.hint_id));
    known.get(hint.hint_id).note = note;
    byId("hints").prepend(note);
    const open = [...known.values()].filter((one) => one.note);
    for (const old of open.slice(0, -MOST_OPEN)) fold(old.hint.hint_id);
  }

  function fold(hintId) {
    const one = known.get(hintId);
    one.note.remove();
    one.note = null;
  }

  function paintList() {
    const hints = [...known.values()].map((one) => one.hint).sort((a, b) => b.hint_id - a.hint_id);
    list.hidden = hints.length === 0;
    setText(byId("hint-count"), hints.length === 1 ? "1 hint" : `${hints.length} hints`);
    byId("hint-items").replaceChildren(...hints.map(lineOf));
  }

  document.addEventListener("click", (event) => {
    if (list.open && !list.contains(event.target)) list.open = false;
  });
  list.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !list.open) return;
    list.open = false;
    byId("hint-count").focus();
  });

  return { load, take };
}

function lineOf(hint) {
  return element("li", {},
    element("p", { class: "muted small" }, `${hint.from || "Your teacher"}, `,
      element("time", { datetime: hint.at, title: new Date(hint.at).toLocaleString() }, clock(hint.at))),
    element("p", { class: "hint-text" }, hint.message));
}

function whenVisible(action) {
  if (document.visibilityState === "visible") return action();
  const listen = () => {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", listen);
    action();
  };
  return document.addEventListener("visibilitychange", listen);
}
