// One recalculation on the page: its state, a bar while it runs, and at the end its result or the table of differences.

import { chip, el, setChip, setText } from "../room/dom.js";
import { ago, count, exact } from "../room/words.js";
import { hasEnded, progressWords, requesterWords, resultWords, scopeWords, statusChip, value } from "./jobs.js";

export class JobView {
  /** `stop(job)` is called by the button that is there while the job is not finished. */
  constructor(job, { stop }) {
    this.status = chip();
    this.title = el("strong", {}, `Recalculate ${scopeWords(job)}`);
    this.dry = el("span", { class: "muted" }, "only looking");
    this.who = el("span", { class: "muted small" });
    this.stopButton = el("button", { type: "button", class: "quiet small", onclick: () => stop(this.job) }, "Stop");
    this.bar = el("progress", { "aria-label": `Progress of ${scopeWords(job)}` });
    this.progress = el("p", { class: "job-words" });
    this.result = el("p", { class: "job-words", role: "status" });
    this.differences = el("div");
    this.node = el("li", { class: "job", "data-job": job.id },
      el("div", { class: "job-head" }, this.status, this.title, this.dry, this.who, this.stopButton),
      this.bar, this.progress, this.result, this.differences);
  }

  show(job, now) {
    const before = this.job;
    this.job = job;
    const ended = hasEnded(job);
    setChip(this.status, statusChip(job));
    this.dry.hidden = !job.dry_run;
    this.stopButton.hidden = ended;
    this.bar.hidden = ended;
    this.progress.hidden = ended;
    this.result.hidden = !ended;
    if (job.total) {
      this.bar.max = job.total;
      this.bar.value = job.done;
    } else {
      this.bar.removeAttribute("value");
    }
    this.passTime(now);
    if (ended) setText(this.result, resultWords(job));
    if (before?.differences?.length !== job.differences?.length) this.#showDifferences(job);
  }

  passTime(now) {
    const { job } = this;
    const at = job.finished_at ?? job.started_at;
    const by = requesterWords(job);
    setText(this.who, [by && `by ${by}`, at && ago(at, now)].filter(Boolean).join(", "));
    this.who.title = at ? exact(at) : "";
    if (!hasEnded(job)) setText(this.progress, progressWords(job, now));
  }

  #showDifferences(job) {
    const differences = job.differences ?? [];
    if (!differences.length) {
      this.differences.replaceChildren();
      return;
    }
    const head = ["table", "row", "field", "was", job.dry_run ? "would be" : "is"];
    const numbers = new Set([1, 3, 4]);
    const columns = head.map((name, index) => el("th", { scope: "col", class: numbers.has(index) ? "num" : null }, name));
    const rows = differences.map(({ table, id, field, was, is }) =>
      el("tr", {}, ...[table, id, field, was, is].map((one, index) => el("td", { class: numbers.has(index) ? "num" : null }, value(one)))));
    const more = job.changed > differences.length ? ", the first of them" : "";
    this.differences.replaceChildren(
      el("details", { open: true }, el("summary", {}, `${count(differences.length, "difference")}${more}`),
        el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": `Differences of ${scopeWords(job)}` },
          el("table", {}, el("thead", {}, el("tr", {}, ...columns)), el("tbody", {}, ...rows)))));
  }
}
