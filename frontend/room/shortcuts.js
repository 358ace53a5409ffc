// Keys for the whole page. They are silent while somebody types and while a dialog is open.

const WRITES = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]";
const ROWS = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };

/** Whether a key belongs to what has the focus, and not to the page. */
function isTaken(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  if (document.querySelector("dialog[open]")) return true;
  const { target } = event;
  if (target.matches?.(WRITES)) return true;
  // Arrows move sliders, radio buttons and what scrolls.
  return event.key.startsWith("Arrow") && target !== document.body && !target.closest?.(".picture");
}

/**
 * `keys`: `step(by)`, `first()`, `help()`, `find()`, `projector()`, `hintAll()`, `leave()`, and with the id of the student who is meant:
 * `claim`, `snooze`, `answer`, `hint`; `student()` answers that id or undefined.
 */
export function listen(keys) {
  const ofStudent = { c: keys.claim, s: keys.snooze, a: keys.answer, h: keys.hint };
  const ofPage = { "?": keys.help, "/": keys.find, p: keys.projector, n: keys.first, H: keys.hintAll, Escape: keys.leave };
  document.addEventListener("keydown", (event) => {
    if (isTaken(event)) return;
    const { key } = event;
    if (key in ROWS) keys.step(ROWS[key]);
    else if (key in ofPage) ofPage[key]();
    else if (key in ofStudent && keys.student() !== undefined) ofStudent[key](keys.student());
    else return;
    event.preventDefault();
  });
}
