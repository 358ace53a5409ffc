// Calls to /api: JSON in, JSON out; a refusal becomes an error that carries the server's sentence.

export class ApiError extends Error {
  constructor(status, { error, message } = {}) {
    super(message || `The server answered ${status}.`);
    this.status = status;
    this.code = error;
  }
}

export async function call(method, path, { body, csrf, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (csrf) headers["X-CSRFToken"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: "offline", message: "The server cannot be reached." });
  }
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(answer.status, json);
  return json;
}
