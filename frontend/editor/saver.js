// Keeps the student's code: a draft in the browser from the first keystroke, a save a second after the last one, and one
// honest line about both.

import { uuid } from "./api.js";
import { saveLine } from "./save_line.js";

const AFTER_MS = 1000;
const SLOW_AFTER_MS = 5000;

// `onOvertaken(where)`: what is in this editor is not the newest any more; "" when it is again.
export function createSaver({ api, storage, outbox, userId, getCode, onLine, onOvertaken }) {
  const tab = uuid().slice(0, 8);
  let key = null;
  let submissionId = null;
  let acknowledged = null; // the code the server is known to have
  let acknowledgedStamp = 0;
  let savedAt = null;
  let refusal = null;
  let timer = null;
  let queued = null; // the code of the newest save still on its way
  let draftStored = true;
  let unsavedSince = null;
  let overtaken = "";
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
    becomeOvertaken("");
    tell();
  }

  // While a save is on its way, the acknowledged code is a change like any other. Another tab's draft is not ours to drop.
  function keepDraft() {
    const code = getCode();
    if (code !== acknowledged || queued !== null) {
      draftStored = storage.set(key, { code, timestamp: Date.now(), base: fingerprint(acknowledged), tab });
    } else {
      draftStored = true;
      if (storage.get(key)?.tab === tab) storage.remove(key);
    }
  }

  // Restored work is sent at once, unless an earlier page's save of it is still on its way.
  function saveRestored() {
    keepDraft();
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

  // What was typed here counts, whatever another device's clock says.
  function insist() {
    becomeOvertaken("");
    api.catchUp();
    saveNow();
  }

  function isOurSave(entry) {
    return entry.call === "saveFile" && entry.fields.submission_id === String(submissionId);
  }

  function settled(entry, answer) {
    if (!isOurSave(entry)) return;
    if (entry.fields.code === queued) queued = null;
    if (answer.success) taken(entry, answer);
    else refusal = answer.message || "the server refused it";
    tell();
  }

  // An older page's save may arrive late: it says nothing about what was saved after it.
  function taken(entry, answer) {
    const stamp = Number(entry.fields.timestamp);
    if (stamp < acknowledgedStamp) return;
    acknowledgedStamp = stamp;
    acknowledged = entry.fields.code;
    savedAt = Date.now();
    if (storage.get(key)?.code === acknowledged && queued === null) storage.remove(key);
    if (answer.current === false && acknowledged === getCode()) becomeOvertaken("on another device or in another tab");
  }

  // Another page has sent what we were waiting for; only an answer of our own proves that the server has it. The same
  // fields again are known there as the same save.
  function gone(entry) {
    if (isOurSave(entry) && entry.fields.code === queued) outbox.put("saveFile", entry.fields);
  }

  function wayChanged(state) {
    way = state;
    tell();
  }

  function becomeOvertaken(where) {
    if (where === overtaken) return;
    overtaken = where;
    onOvertaken(where);
  }

  function isClean() {
    return getCode() === acknowledged && queued === null;
  }

  function isKept() {
    return way.stored && (isClean() || draftStored || queued === getCode());
  }

  function tell() {
    if (key === null) return;
    const clean = isClean();
    if (clean) unsavedSince = null;
    else unsavedSince ??= Date.now();
    const slow = !clean && Date.now() - unsavedSince > SLOW_AFTER_MS;
    onLine(saveLine({ ...way, clean, savedAt, refusal, kept: isKept(), slow, overtaken }));
  }

  addEventListener("storage", (event) => {
    if (key === null || event.key !== key || !event.newValue) return;
    if (storage.get(key)?.code === getCode()) return;
    becomeOvertaken("in your other tab");
    tell();
  });
  // Leaving: the pending second is over. What is on its way is sent once more by the browser itself.
  addEventListener("pagehide", () => {
    saveIfChanged();
    outbox.lastCall();
  });
  addEventListener("beforeunload", (event) => {
    if (key !== null && !isKept()) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && saveIfChanged());
  setInterval(() => unsavedSince !== null && tell(), 1000);

  return { begin, changed, saveNow, saveIfChanged, saveRestored, insist, dropOlder, settled, gone, wayChanged };
}

// A short stand-in for a text, enough to see that it is still the same one (FNV-1a and the length).
export function fingerprint(text) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return `${text.length}-${hash >>> 0}`;
}
