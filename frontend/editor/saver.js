// Keeps the student's code: a draft in the browser from the first keystroke, a save a second after the last one, and one
// honest line about both.

const AFTER_MS = 1000;

export function createSaver({ api, storage, outbox, userId, getCode, onLine, onOtherTab }) {
  let key = null;
  let submissionId = null;
  let acknowledged = null; // the code the server is known to have
  let savedAt = null;
  let refusal = null;
  let timer = null;
  let queued = null; // the code of the newest save still on its way
  let way = { trouble: null, waiting: 0, stored: true };

  // Decides what the student sees after loading: the server's code, or newer work this browser still keeps.
  function begin(submission) {
    submissionId = submission.id;
    key = `blockpy:draft:${userId}:${submissionId}`;
    acknowledged = submission.code;
    savedAt = Date.parse(submission.date_modified) || null;
    const draft = storage.get(key);
    const older = storage.get(`${key}:older`);
    if (typeof draft?.code !== "string" || draft.code === submission.code) {
      storage.remove(key);
      return { code: submission.code, offer: older };
    }
    const serverHasNotMoved = draft.base === fingerprint(submission.code);
    if (serverHasNotMoved || (savedAt && draft.timestamp > savedAt)) {
      return { code: draft.code, restoredFrom: draft.timestamp, offer: older };
    }
    // Put aside, so that typing on does not overwrite what has not been decided about.
    if (storage.set(`${key}:older`, draft)) storage.remove(key);
    return { code: submission.code, offer: draft };
  }

  function dropOlder() {
    storage.remove(`${key}:older`);
  }

  function changed() {
    keepDraft();
    clearTimeout(timer);
    timer = setTimeout(saveIfChanged, AFTER_MS);
    tell();
  }

  function keepDraft() {
    const code = getCode();
    if (code === acknowledged) storage.remove(key);
    else storage.set(key, { code, timestamp: Date.now(), base: fingerprint(acknowledged) });
  }

  // Restored work is sent at once, unless an earlier page's save of it is still on its way.
  function saveRestored() {
    if (outbox.has((entry) => isOurSave(entry) && entry.fields.code === getCode())) queued = getCode();
    else saveNow();
  }

  function saveIfChanged() {
    if (key !== null && getCode() !== (queued ?? acknowledged)) saveNow();
  }

  // Save whatever is in the editor, changed or not: a run is always a run of what the server has.
  function saveNow() {
    clearTimeout(timer);
    queued = getCode();
    refusal = null;
    if (queued !== acknowledged) keepDraft();
    const fields = api.fields({ filename: "answer.py", code: queued });
    outbox.put("saveFile", fields, { replaces: isOurSave });
    tell();
  }

  function isOurSave(entry) {
    return entry.call === "saveFile" && entry.fields.submission_id === String(submissionId);
  }

  function settled(entry, answer) {
    if (!isOurSave(entry)) return;
    if (entry.fields.code === queued) queued = null;
    if (answer.success) {
      acknowledged = entry.fields.code;
      savedAt = Date.now();
      if (storage.get(key)?.code === acknowledged) storage.remove(key);
    } else {
      refusal = answer.message || "the server refused it";
    }
    tell();
  }

  function wayChanged(state) {
    way = state;
    tell();
  }

  function tell() {
    if (key !== null) onLine(line());
  }

  function line() {
    const clean = getCode() === acknowledged && queued === null;
    const kept = way.stored ? "kept in this browser" : "keep this page open";
    if (way.trouble === "logged_out") {
      const work = way.stored ? "your work is kept here" : "keep this page open";
      return { tone: "bad", text: `you are logged out, log in again in another tab; ${work}` };
    }
    if (way.trouble === "other_user") {
      return { tone: "bad", text: `somebody else is logged in now; your work is ${kept === "keep this page open" ? "only on this page" : kept}` };
    }
    if (refusal && !clean) return { tone: "bad", text: `not saved: ${refusal}; ${kept}` };
    if (clean && way.trouble && way.waiting) return { tone: "warn", text: `${savedText()}; ${results(way.waiting)}` };
    if (clean && !savedAt) return { tone: "muted", shape: "dash", text: savedText() };
    if (clean) return { tone: "ok", text: savedText() };
    if (way.trouble === "offline") return { tone: "warn", text: `not saved, offline, ${kept}` };
    if (way.trouble) return { tone: "warn", text: `not saved, the server has a problem, ${kept}` };
    return { tone: "muted", text: "saving…" };
  }

  function savedText() {
    return savedAt ? `saved ${clock(savedAt)}` : "nothing to save yet";
  }

  addEventListener("storage", (event) => {
    if (key !== null && event.key === key && event.newValue) onOtherTab();
  });
  // Leaving: the pending second is over. What is on its way is sent once more by the browser itself.
  addEventListener("pagehide", () => {
    saveIfChanged();
    outbox.lastCall();
  });
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && saveIfChanged());

  return { begin, changed, saveNow, saveIfChanged, saveRestored, dropOlder, settled, wayChanged };
}

function results(count) {
  return count === 1 ? "1 result waits for the network" : `${count} results wait for the network`;
}

function clock(time) {
  const date = new Date(time);
  const pad = (number) => String(number).padStart(2, "0");
  const hours = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  if (date.toDateString() === new Date().toDateString()) return hours;
  return `${date.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${hours.slice(0, 5)}`;
}

// A short stand-in for a text, enough to see that it is still the same one (FNV-1a and the length).
export function fingerprint(text) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return `${text.length}-${hash >>> 0}`;
}
