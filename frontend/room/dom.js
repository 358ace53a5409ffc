// Small hands for the page: make an element, change a text only when it differs, ask before what cannot be undone.

/** `el("td", {class: "num"}, "3")`; a property that is null or false is left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** True when the text was another one. Comparing first keeps 300 rows from being laid out for nothing. */
export function setText(node, text) {
  const words = String(text);
  if (node.textContent === words) return false;
  node.textContent = words;
  return true;
}

export function setAttribute(node, name, value) {
  if (value === null || value === "") {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

export function chip({ word = "", shape = "disc", tone = "muted" } = {}) {
  return el("span", { class: "chip", "data-shape": shape, "data-tone": tone }, word);
}

export function setChip(node, { word, shape, tone }) {
  setAttribute(node, "data-shape", shape);
  setAttribute(node, "data-tone", tone);
  return setText(node, word);
}

export function pageData() {
  return JSON.parse(document.getElementById("page-data").textContent);
}

const REDUCED = matchMedia("(prefers-reduced-motion: reduce)");
const DARK = matchMedia("(prefers-color-scheme: dark)");
let markColour = "";
DARK.addEventListener("change", () => {
  markColour = "";
});

/** A soft mark that fades in a second: something here is new. */
export function mark(node) {
  if (REDUCED.matches || !node.animate) return;
  // Asked once: asking makes the browser work out every style that is waiting.
  markColour ||= getComputedStyle(document.documentElement).getPropertyValue("--mark");
  // In steps: what fades smoothly is painted 60 times, and this is enough for the eye.
  node.animate([{ backgroundColor: markColour }, { backgroundColor: "transparent" }], { duration: 1000, easing: "steps(8)" });
}

/** A question in the page's own dialog; answers true for yes. */
export function ask({ title, text, yes, no, danger = false }) {
  return new Promise((resolve) => {
    const answer = (value) => () => dialog.close(value);
    const dialog = el("dialog", { "aria-labelledby": "ask-title" },
      el("article", {},
        el("h2", { id: "ask-title" }, title),
        el("p", {}, text),
        el("div", { class: "button-row" },
          el("button", { type: "button", class: "quiet", onclick: answer("no") }, no),
          el("button", { type: "button", class: danger ? "danger" : null, onclick: answer("yes") }, yes))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
