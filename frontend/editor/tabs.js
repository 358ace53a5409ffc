// Task, code and output side by side; on a phone one at a time, behind three tabs.

import { byId, setText } from "./dom.js";

const NAMES = ["task", "code", "output"];

export function createTabs({ onShow }) {
  const bench = byId("workbench");
  const bar = byId("tabs");
  const phone = matchMedia("(max-width: 699px)");
  const tabs = NAMES.map((name) => byId(`tab-${name}`));

  function show(name, { focus = false } = {}) {
    bench.dataset.tab = name;
    for (const tab of tabs) {
      const chosen = tab.dataset.shows === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      if (chosen && focus) tab.focus();
    }
    onShow(name);
  }

  // A panel is a tab's panel only where there are tabs.
  function adapt() {
    for (const name of NAMES) {
      const panel = byId(`panel-${name}`);
      if (phone.matches) panel.setAttribute("role", "tabpanel");
      else panel.removeAttribute("role");
    }
  }

  for (const tab of tabs) tab.addEventListener("click", () => show(tab.dataset.shows));
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (NAMES.indexOf(bench.dataset.tab) + step + NAMES.length) % NAMES.length;
    show(NAMES[next], { focus: true });
    event.preventDefault();
  });
  phone.addEventListener("change", adapt);
  adapt();

  return {
    show,
    showOnPhone: (name) => phone.matches && show(name),
    mark: (text) => setText(byId("tab-output-mark"), text),
  };
}
