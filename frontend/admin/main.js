// The admin pages: times in the reader's own words, and recalculations where the page has them.

import { setText } from "../room/dom.js";
import { ago, exact } from "../room/words.js";

function passTime() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-ago]")) {
    setText(time, ago(time.dateTime, now));
    time.title = exact(time.dateTime);
  }
}

passTime();
setInterval(passTime, 1_000);
// The page of the jobs has no question to ask, and nothing to follow.
if (document.getElementById("recalculate")) import("./recalculations.js");
