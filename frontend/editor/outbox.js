// The one outgoing queue: everything the server must learn, in order, kept in the browser until the server has it.
// Each entry has its own storage key, so that two tabs of one person cannot overwrite each other's.

import { Unreachable, uuid } from "./api.js";

const BACKOFF_MS = [500, 1000, 2000, 4000, 5000];
const SLOW_MS = 15_000;
const BATCH = 100;
const PATIENCE = 5; // so often may the server break on one entry before those behind it go first
const ADOPT_AFTER_MS = 30_000;
const KEEPALIVE_BYTES = 50_000; // a browser sends at most 64 kB after a page is gone

// `live()` gives the way through the live room's socket, or null. `onSettled(entry, answer)` is told of each entry that
// the server has taken or refused, `onState(state)` of {trouble, waiting, stored}.
export function createOutbox({ api, storage, userId, live, onSettled, onState }) {
  const prefix = `blockpy:out:${userId}:`;
  const tab = uuid().slice(0, 8);
  let entries = [];
  let running = false;
  let failures = 0;
  let trouble = null; // null, "offline", "server", "logged_out", "other_user"
  let loginInDoubt = false;
  let inFlight = [];
  let timer = null;
  let mayUseSocket = true;
  let unstored = 0;

  function put(call, fields, { replaces = () => false } = {}) {
    const last = entries.at(-1);
    if (last && !inFlight.includes(last) && replaces(last)) forget(last);
    const entry = { key: `${prefix}${String(api.stamp()).padStart(15, "0")}-${tab}`, call, fields, breaks: 0, own: true };
    entry.stored = storage.set(entry.key, { call, fields });
    if (!entry.stored) unstored += 1;
    entries.push(entry);
    tell();
    pump();
    return entry;
  }

  // What other pages of this person have left behind: on arrival all of it, later only what has become old.
  function adopt(before = Infinity) {
    const ours = new Set(entries.map((entry) => entry.key));
    const isLeft = (key) => !ours.has(key) && Number(key.slice(prefix.length, prefix.length + 15)) < before;
    const left = storage.keys(prefix).filter(isLeft).map((key) => ({ key, ...storage.get(key), breaks: 0, stored: true }));
    if (!left.length) return;
    entries = [...entries, ...left.filter((entry) => entry.call && entry.fields)];
    entries.sort((a, b) => (a.key < b.key ? -1 : 1));
    tell();
    pump();
  }

  function forget(entry) {
    entries = entries.filter((one) => one !== entry);
    if (!entry.stored) unstored -= 1;
    storage.remove(entry.key);
  }

  async function pump() {
    if (running || timer !== null) return;
    running = true;
    try {
      while (entries.length) await sendNext();
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      failed(error);
    } finally {
      running = false;
      inFlight = [];
      tell();
    }
  }

  async function sendNext() {
    if (loginInDoubt) await confirmLogin();
    const head = entries[0];
    if (!head.own && !storage.has(head.key)) {
      entries.shift(); // another page has delivered it meanwhile
      return;
    }
    const way = head.call === "logEvent" && mayUseSocket ? live() : null;
    if (way) await overSocket(way);
    else await overHttp(head);
    mayUseSocket = true;
    failures = 0;
    trouble = null;
    tell();
  }

  async function overHttp(entry) {
    inFlight = [entry];
    try {
      settle(entry, await api.post(entry.call, entry.fields));
    } catch (error) {
      if (error.status >= 400 && ++entry.breaks >= PATIENCE && ![401, 403, 429, 503].includes(error.status)) {
        entry.breaks = 0;
        entries = [...entries.filter((one) => one !== entry), entry];
      }
      throw error;
    }
  }

  async function overSocket(way) {
    const end = entries.findIndex((entry) => entry.call !== "logEvent");
    inFlight = entries.slice(0, Math.min(end < 0 ? entries.length : end, BATCH));
    mayUseSocket = false; // if this fails, the next try goes over HTTP
    const results = new Map((await way(inFlight.map((entry) => entry.fields))).map((one) => [one.event_id, one]));
    for (const entry of inFlight) {
      const result = results.get(entry.fields.event_id);
      if (result) settle(entry, { ...result, success: result.status !== "rejected" });
    }
    if (!results.size) throw new Unreachable(0, "no event was answered");
  }

  function settle(entry, answer) {
    forget(entry);
    if (!answer.success) console.warn(`The server refused ${entry.call} ${entry.fields.event_type ?? ""}: ${answer.message}`);
    onSettled(entry, answer);
  }

  async function confirmLogin() {
    const state = await api.renewLogin();
    if (state !== "logged_in") throw Object.assign(new Unreachable(401), { login: state });
    loginInDoubt = false;
  }

  function failed(error) {
    failures += 1;
    loginInDoubt ||= [400, 401, 403].includes(error.status); // a 400 or 403 may come from the token of an earlier login
    if (error.status === 401) trouble = error.login ?? "logged_out";
    else trouble = error.status === 0 ? "offline" : "server";
    const slow = error.status === 401 && failures > 1;
    const base = slow ? SLOW_MS : BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1];
    timer = setTimeout(kick, base * (0.5 + Math.random()));
  }

  function kick() {
    clearTimeout(timer);
    timer = null;
    pump();
  }

  function tell() {
    onState({ trouble, waiting: entries.length, stored: storage.available && unstored === 0 });
  }

  // The page is going away: one last try that the browser finishes on its own, also for what is in flight and dies with
  // the page. The entries stay until they are answered; the server knows a repetition.
  function lastCall() {
    let room = KEEPALIVE_BYTES;
    for (const entry of entries) {
      room -= new URLSearchParams(entry.fields).toString().length;
      if (room < 0) return;
      api.post(entry.call, entry.fields, { keepalive: true }).catch(() => {});
    }
  }

  addEventListener("online", kick);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && kick());
  setInterval(() => adopt(Date.now() - ADOPT_AFTER_MS), ADOPT_AFTER_MS);

  return { put, adopt, kick, lastCall, waiting: () => entries.length, has: (test) => entries.some(test) };
}
