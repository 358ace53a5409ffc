// A small menu under a button: shut by Escape, by a click elsewhere, and by what is chosen in it.

export function menu(button, list) {
  const isOpen = () => !list.hidden;
  const toggle = (open) => {
    list.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  };
  button.addEventListener("click", () => toggle(!isOpen()));
  document.addEventListener("click", (event) => {
    if (isOpen() && !button.contains(event.target) && !event.target.closest("[data-stays]")) toggle(false);
  });
  for (const node of [button, list]) {
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !isOpen()) return;
      event.stopPropagation();
      toggle(false);
      button.focus();
    });
  }
  list.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !list.contains(event.relatedTarget) && event.relatedTarget !== button) toggle(false);
  });
  toggle(false);
}
