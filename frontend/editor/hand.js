// The raised hand: ask with a question, see that it is up, take it down; the teacher may take it down too.

import { byId, setText } from "./dom.js";

const ANSWER_MS = 10_000;
const TOKEN_MAY_BE_OLD = [400, 401, 403];

// `say(text)` is read out, `trouble(text)` stands beside the button.
export function createHand({ api, sessionId, raised: isUp, say, trouble }) {
  const button = byId("hand");
  const dialog = byId("hand-dialog");
  const message = byId("hand-message");
  let raised = isUp;
  let busy = false;

  paint();

  button.addEventListener("click", () => {
    if (raised) change("DELETE");
    else dialog.showModal();
  });
  byId("hand-cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "raise") change("POST", { message: message.value.trim() || null });
    dialog.returnValue = "";
  });

  // What was asked stays in the field until it has reached the teacher: a network's own login page answers 200 too.
  async function change(method, body) {
    busy = true;
    paint();
    const response = await send(method, body);
    const told = await response?.json().catch(() => null);
    busy = false;
    const arrived = method === "POST" ? Boolean(response?.ok && told?.raised_at) : response?.status === 204;
    if (arrived) {
      raised = method === "POST";
      message.value = "";
      say(raised ? "Your hand is up." : "Your hand is down.");
    }
    trouble(arrived ? "" : reasonOf(response, told));
    paint();
  }

  async function send(method, body) {
    const first = await request(method, body);
    if (!TOKEN_MAY_BE_OLD.includes(first?.status)) return first;
    const login = await api.renewLogin().catch(() => null);
    return login === "logged_in" ? request(method, body) : first;
  }

  function request(method, body) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": api.csrfToken(), "X-Requested-With": "XMLHttpRequest" };
    const options = { method, headers, body: body && JSON.stringify(body), credentials: "same-origin",
      signal: AbortSignal.timeout(ANSWER_MS) };
    return fetch(`/api/sessions/${sessionId}/help`, options).catch(() => null);
  }

  // The server's word, when the page joins or the teacher has lowered it.
  function told(isUpNow) {
    if (busy || isUpNow === raised) return;
    if (raised) say("Your teacher has seen your hand and lowered it.");
    raised = isUpNow;
    paint();
  }

  function paint() {
    button.disabled = busy;
    button.setAttribute("aria-pressed", String(raised));
    setText(button, raised ? "Lower hand" : "Raise hand");
    byId("hand-state").hidden = !raised;
  }

  return { told, isUp: () => raised, show: (isShown) => { button.parentElement.hidden = !isShown; } };
}

function reasonOf(response, told) {
  if (!response) return "That did not reach your teacher. Try again when you are online.";
  return (!response.ok && told?.message) || "That did not reach your teacher. Try again.";
}
