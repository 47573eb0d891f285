// One dashboard on the page: its sections and panels, refreshed, zoomed and re-themed together.

import { clear, h, keepFocus } from "./dom.js";
import { createPanel } from "./panel.js";
import { expandRepeats, sectionsOf, titleOf } from "./dashboard.js";

/** Panels are asked for only while they are on or near the screen; the others when they come into view. */
export function createBoard(host, dashboard, ctx) {
  const sections = sectionsOf(dashboard);
  const closed = new Set(sections.filter(({ row }) => row?.collapsed).map(({ row }) => row.id));
  const state = { panels: [], near: new Set(), closed, stale: new Set(), solo: null };
  const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => seen(state, entry)), { rootMargin: "300px" });
  const build = () => keepFocus(host, () => {
    demolish(state, watcher);
    fillBoard(host, state, watcher, expandRepeats(sections, ctx.variables()), ctx, build);
    showSolo(host, state);
  });
  build();
  return { rebuild: build, load: () => loadAll(state), redraw: () => state.panels.filter(({ loaded }) => loaded).forEach((panel) => panel.redraw()),
    destroy: () => { demolish(state, watcher); watcher.disconnect(); clear(host); }, elements: () => state.panels.map(({ el }) => el), panelOf: (node) => state.panels.find(({ el }) => node && el.contains(node)),
    solo: (key) => { if (setSolo(state, sections, key)) build(); else showSolo(host, state); } };
}

/** Notes which panel has the page to itself; true where its row must be opened for that. */
function setSolo(state, sections, key) {
  state.solo = key;
  const row = sections.find(({ panels }) => key && panels.some(({ id }) => String(id) === key.split(":")[0]))?.row;
  return Boolean(row) && state.closed.delete(row.id);
}

/** One panel over the whole board, or all; a panel that is not there (any more) hides none. */
function showSolo(host, state) {
  const found = state.panels.some(({ key }) => key === state.solo);
  host.classList.toggle("solo-board", found);
  for (const { el, key } of state.panels) el.classList.toggle("solo", found && key === state.solo);
}

function demolish(state, watcher) {
  for (const panel of state.panels) { watcher.unobserve(panel.el); panel.destroy(); }
  state.panels = [];
  state.near.clear();
  state.stale.clear();
}

function fillBoard(host, state, watcher, sections, ctx, rebuild) {
  clear(host);
  for (const section of sections) {
    const open = !section.row || !state.closed.has(section.row.id);
    const grid = h("div", { class: "grid" });
    host.append(h("div", { class: "section" }, section.row && rowHead(section, open, state, ctx, rebuild), grid));
    if (!open) continue;
    for (const model of section.panels) {
      const panel = createPanel(model, ctx);
      state.panels.push(panel);
      state.stale.add(panel.el);
      grid.append(panel.el);
      watcher.observe(panel.el);
    }
  }
}

function rowHead(section, open, state, ctx, rebuild) {
  const toggle = () => {
    if (open) state.closed.add(section.row.id); else state.closed.delete(section.row.id);
    rebuild();
  };
  const count = section.panels.length;
  return h("h2", { class: "row-head" }, h("button", { type: "button", "aria-expanded": String(open), onclick: toggle },
    h("span", { "aria-hidden": "true" }, open ? "▾ " : "▸ "), titleOf(section.row, ctx.variables()), !open && h("span", { class: "faint" }, ` (${count} panel${count === 1 ? "" : "s"})`)));
}

function seen(state, { target, isIntersecting }) {
  if (!isIntersecting) { state.near.delete(target); return; }
  state.near.add(target);
  if (!state.stale.delete(target)) return;
  state.panels.find(({ el }) => el === target)?.load();
}

/** Reloads what is near the screen; what is not is marked, and loads when it is scrolled to. */
async function loadAll(state) {
  const now = state.panels.filter(({ el }) => state.near.has(el));
  for (const { el } of state.panels) if (!state.near.has(el)) state.stale.add(el);
  await Promise.all(now.map((panel) => panel.load()));
}
