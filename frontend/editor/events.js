// The log events of the editor, in the wire form of the contract (2.7, 3.1), each with its own event_id.

import { uuid } from "./api.js";

const FILE = "answer.py";

export function createEvents({ api, outbox, slug }) {
  function log(eventType, { category = "", label = "", message = "", filePath = FILE, extended } = {}) {
    const fields = api.fields({
      event_type: eventType, category, label, message, file_path: filePath, extended, event_id: uuid(),
    });
    outbox.put("logEvent", fields);
  }

  return {
    log,
    paste: (characters) => log("X-Editor.Paste", { message: JSON.stringify({ characters }) }),
    reset: () => log("X-File.Reset"),
    ipChanged: (old, now) => log("X-IP.Change", { filePath: undefined, message: JSON.stringify({ old, new: now }) }),
    // On every change of visibility, of this tab and not of its focus.
    watchVisibility() {
      document.addEventListener("visibilitychange", () => log("Resource.View", {
        category: "reading", label: "visibility", message: document.visibilityState === "hidden" ? "hidden" : "visible",
        filePath: slug(),
      }));
    },
  };
}
