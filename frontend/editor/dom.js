// The three lines of DOM help that the editor's views share.

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
