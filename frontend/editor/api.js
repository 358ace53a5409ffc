// The editor's HTTP calls (contract 2.1, 2.2): the fields every call carries, one POST, and what its answer means.

const TIMEOUT_MS = 20_000;
const ROUNDED_MS = 999; // the header Date has whole seconds

// "Try again": the network, the server or the login is away. `status` is 0 when nothing was answered at all.
export class Unreachable extends Error {
  constructor(status, message = "") {
    super(message || `status ${status}`);
    this.status = status;
  }
}

export function createApi({ page, onIp = () => {} }) {
  let csrfToken = page.csrf_token;
  let lastStamp = 0;
  let serverAhead = 0;
  const known = { courseId: page.course_id, submissionId: null, version: null, assignmentVersion: null };

  // Strictly rising within the page, so that what happened in one millisecond keeps its order.
  function stamp() {
    lastStamp = Math.max(Date.now(), lastStamp + 1);
    return lastStamp;
  }

  // From here on nothing of ours counts as older than this moment of the server's clock: ours may be minutes behind.
  function catchUp() {
    lastStamp = Math.max(lastStamp, Date.now() + serverAhead);
  }

  function commonFields() {
    return {
      assignment_id: page.assignment_id,
      assignment_group_id: page.assignment_group_id,
      course_id: known.courseId,
      submission_id: known.submissionId,
      user_id: page.user_id,
      version: known.version,
      assignment_version: known.assignmentVersion,
      timestamp: stamp(),
      timezone: new Date().getTimezoneOffset(),
      passcode: "",
      part_id: "",
    };
  }

  async function post(call, fields, { keepalive = false } = {}) {
    const response = await request(page.urls[call], {
      method: "POST",
      body: new URLSearchParams(fields),
      headers: { "X-Requested-With": "XMLHttpRequest", "X-CSRFToken": csrfToken, Accept: "application/json" },
      keepalive,
    });
    serverAhead = (Date.parse(response.headers.get("Date")) + ROUNDED_MS || Date.now()) - Date.now();
    if (!response.ok) throw new Unreachable(response.status, await messageOf(response));
    const answer = await response.json().catch(() => null);
    if (typeof answer?.success !== "boolean") throw new Unreachable(response.status, "an answer that is not ours");
    if (answer.ip) onIp(answer.ip);
    return answer;
  }

  // After a new login the old page's token no longer fits; the page itself, asked again, says who is logged in now.
  async function renewLogin() {
    const response = await request(location.href, { headers: { Accept: "text/html" } });
    if (response.status >= 500) throw new Unreachable(response.status);
    const data = pageDataIn(await textOf(response));
    if (!data?.csrf_token || !("user_id" in data)) return "logged_out";
    if (data.user_id !== page.user_id) return "other_user";
    csrfToken = data.csrf_token;
    return "logged_in";
  }

  return {
    known,
    stamp,
    catchUp,
    post,
    renewLogin,
    csrfToken: () => csrfToken,
    fields: (more) => asForm({ ...commonFields(), ...more }),
  };
}

// Everything becomes the text a form would carry: null is empty, undefined is left out.
export function asForm(fields) {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present.map(([name, value]) => [name, value === null ? "" : String(value)]));
}

// crypto.randomUUID is missing on a page served over plain HTTP.
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function request(url, options) {
  try {
    return await fetch(url, { ...options, credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new Unreachable(0, error.message);
  }
}

async function textOf(response) {
  try {
    return await response.text();
  } catch (error) {
    throw new Unreachable(0, error.message); // the line was cut in the middle of the answer
  }
}

function pageDataIn(html) {
  const place = new DOMParser().parseFromString(html, "text/html").getElementById("page-data");
  try {
    return JSON.parse(place?.textContent ?? "null");
  } catch {
    return null;
  }
}

async function messageOf(response) {
  const answer = await response.json().catch(() => null);
  return typeof answer?.message === "string" ? answer.message : "";
}
