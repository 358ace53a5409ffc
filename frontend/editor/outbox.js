// The one outgoing queue: everything the server must learn, in order, kept in the browser until the server has it.
// Each entry has its own storage key, so that two tabs of one person cannot overwrite each other's.

import { Unreachable, uuid } from "./api.js";
import { backoff } from "./backoff.js";

const SLOW_MS = 15_000;
const BATCH = 100;
const PATIENCE = 5; // so often may the server break on one entry before those behind it go first
const ADOPT_AFTER_MS = 30_000;
const KEEPALIVE_BYTES = 50_000; // a browser sends at most 64 kB after a page is gone
const MAY_PASS = [401, 403, 429, 503]; // nothing is wrong with the entry itself
const TOO_LARGE = 413;

// `live()` gives the way through the live room's socket, or null. `onSettled(entry, answer)` is told of each entry that
// the server has taken or refused, `onGone(entry)` of one that another page has taken care of, `onState(state)` of
// {trouble, waiting, stored}.
export function createOutbox({ api, storage, userId, live, onSettled, onGone, onState }) {
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

  function put(call, fields, { replaces = () => false } = {}) {
    const last = entries.at(-1);
    const replaced = last?.own && !inFlight.includes(last) && replaces(last) ? last : null;
    const entry = { key: `${prefix}${String(api.stamp()).padStart(15, "0")}-${tab}`, call, fields, breaks: 0, own: true };
    keep(entry);
    entries.push(entry);
    if (replaced) forget(replaced); // only now: what was kept stays kept until its successor is
    keepTheRest();
    tell();
    pump();
    return entry;
  }

  function keep(entry) {
    entry.stored = storage.set(entry.key, { call: entry.call, fields: entry.fields });
  }

  // A full storage may have room again.
  function keepTheRest() {
    for (const entry of entries) if (!entry.stored) keep(entry);
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
    storage.remove(entry.key);
  }

  async function pump() {
    if (running || timer !== null) return;
    running = true;
    try {
      while (entries.length) await sendNext();
    } catch (error) {
      failed(error instanceof Unreachable ? error : new Unreachable(0, String(error)));
      if (!(error instanceof Unreachable)) throw error; // told to the console, and tried again all the same
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
      onGone(head);
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
      if (error.status === TOO_LARGE) return settle(entry, { success: false, message: "it is too long" });
      if (error.status >= 400 && ++entry.breaks >= PATIENCE && !MAY_PASS.includes(error.status)) {
        entry.breaks = 0;
        entries = [...entries.filter((one) => one !== entry), entry];
      }
      throw error;
    }
    return null;
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
    timer = setTimeout(kick, slow ? SLOW_MS * (0.5 + Math.random()) : backoff(failures - 1));
    keepTheRest();
  }

  function kick() {
    clearTimeout(timer);
    timer = null;
    pump();
  }

  function tell() {
    onState({ trouble, waiting: entries.length, stored: entries.every((entry) => entry.stored) });
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

  return { put, adopt, kick, lastCall, tell, has: (test) => entries.some(test) };
}
