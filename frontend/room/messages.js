// What events say, made readable: a program's output, an error, a grader's feedback. Everything becomes plain text.

const LONGEST = 4000;

function parsed(message) {
  try {
    const value = JSON.parse(message);
    return value && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

/** Text of HTML feedback. The parser runs no script and loads nothing, and only its text is shown. */
function plain(html) {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  body.querySelectorAll("script, style").forEach((node) => node.remove());
  body.querySelectorAll("li").forEach((node) => node.prepend("• "));
  body.querySelectorAll("p, div, li, pre, br, h1, h2, h3, h4, tr").forEach((node) => node.after("\n"));
  return body.textContent.replace(/\n{2,}/g, "\n").trim();
}

function short(text) {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}\n…` : text;
}

/** The last feedback of the checks: `{event, text}`, or null. */
export function lastFeedback(events) {
  const event = events.find((one) => one.event_type === "Intervention" || one.event_type === "X-System.Error");
  if (!event) return null;
  const message = event.message ?? "";
  return { event, text: short(plain(parsed(message)?.message ?? message) || event.label || "") };
}

/** One line for the list of events: what the message says, if it says something short. */
export function detail(event) {
  if (event.event_type === "Intervention") return event.label || event.category || "";
  if (event.event_type === "Compile.Error" || event.category === "ProgramErrorOutput") return (event.message ?? "").split("\n").at(-1);
  if (event.event_type === "File.Edit" || event.event_type === "Run.Program") return "";
  return event.label || "";
}
