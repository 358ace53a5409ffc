// The few lines of help with the page that the editor's views and the summary share.

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Only what has changed is written, so that a live region does not repeat itself.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// A shape, a tone and a word: the site's chip.
export function setChip(node, { shape, tone, text }) {
  node.dataset.shape = shape;
  node.dataset.tone = tone;
  setText(node, text);
}

// "09:05": the hours and minutes of a moment, the same way on every page.
export function clock(at) {
  const date = new Date(at);
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}
