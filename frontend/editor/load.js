// Loads the assignment and the student's work, with patience, and puts the task on the page.

import markdownit from "markdown-it";
import { Unreachable } from "./api.js";
import { byId, element, setText } from "./dom.js";

const RETRY_MS = [1000, 2000, 4000, 5000];

// Answers {assignment, submission}; says what is wrong and goes on trying as long as it takes.
export async function loadAssignment(api) {
  for (let failures = 0; ; failures += 1) {
    try {
      const answer = await api.post("loadAssignment", api.fields());
      if (answer.success) {
        setText(byId("load-trouble"), "");
        return answer;
      }
      await refused(answer.message);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      setText(byId("load-trouble"), error.status === 401
        ? "You are logged out. Log in again in another tab; this page goes on by itself."
        : "The task cannot be loaded right now. Trying again…");
      await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] * (0.5 + Math.random()));
      if (error.status === 401) await api.renewLogin().catch(() => {});
    }
  }
}

function refused(message) {
  return new Promise((resolve) => {
    const again = element("button", { type: "button", class: "quiet small" }, "Try again");
    again.addEventListener("click", resolve);
    byId("load-trouble").replaceChildren(message || "The server refused to open this task.", " ", again);
  });
}

function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    addEventListener("online", resolve, { once: true });
  });
}

export function showTask(assignment) {
  const markdown = markdownit({ html: false, linkify: false, typographer: false });
  const plain = markdown.renderer.rules.link_open ?? ((tokens, i, options, _, self) => self.renderToken(tokens, i, options));
  markdown.renderer.rules.link_open = (tokens, i, ...more) => {
    tokens[i].attrSet("target", "_blank");
    tokens[i].attrSet("rel", "noopener noreferrer");
    return plain(tokens, i, ...more);
  };
  setText(byId("task-name"), assignment.name);
  document.title = `${assignment.name} · BlockPy Live`;
  byId("task-text").innerHTML = assignment.instructions.trim()
    ? markdown.render(assignment.instructions)
    : "<p class=\"muted\">There are no instructions.</p>";
}
