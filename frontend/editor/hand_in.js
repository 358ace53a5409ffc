// Handing in and taking back: where the submission stands, and the one button that changes it.

import { byId, setChip, setText } from "./dom.js";

const STATES = {
  in_progress: { text: "In progress", shape: "half", tone: "info" },
  scored: { text: "Not complete yet", shape: "half", tone: "info" },
  submitted: { text: "Handed in", shape: "disc", tone: "accent" },
  completed: { text: "Complete", shape: "check", tone: "ok" },
};

export function createHandIn({ api, outbox, saveIfChanged }) {
  const chip = byId("hand-in-state");
  const button = byId("hand-in");
  let state = "in_progress";
  let waiting = null; // the state asked for and not yet answered
  let message = "";

  button.addEventListener("click", () => {
    const status = state === "submitted" ? "inProgress" : "Submitted";
    saveIfChanged(); // what is handed in is what is on the screen
    waiting = outbox.put("updateSubmissionStatus", api.fields({ status }));
    message = "";
    paint();
  });

  function begin(submission) {
    byId("hand-in-box").hidden = false;
    become(submission.submission_status, submission.grading_status);
  }

  // A run that scored makes the work Submitted too; only what waits for a person has been handed in by the student.
  function become(status, grading) {
    const word = String(status ?? "").toLowerCase();
    state = word in STATES ? word : "in_progress";
    if (state === "submitted" && grading === "Pending") state = "scored";
    paint();
  }

  function settled(entry, answer) {
    if (entry.fields.submission_id !== String(api.known.submissionId)) return;
    if (entry.call === "updateSubmissionStatus") {
      if (waiting?.key === entry.key) waiting = null;
      message = answer.success ? "" : answer.message || "The server refused it.";
      become(answer.submission_status ?? (answer.success ? entry.fields.status : state), answer.grading_status);
    } else if (entry.call === "updateSubmission" && answer.success) {
      if (answer.submission_status) become(answer.submission_status, answer.grading_status);
      else if (entry.fields.correct === "true") become("completed");
    }
  }

  function paint() {
    setChip(chip, waiting ? { ...STATES[state], text: "On its way…" } : STATES[state]);
    setText(byId("hand-in-message"), message);
    setText(button, state === "submitted" ? "Take back" : "Hand in");
    button.hidden = state === "completed";
    button.disabled = waiting !== null;
  }

  return { begin, settled };
}
