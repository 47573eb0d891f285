// The charts of a report: the dashboards' own panels over the run's data, zoomed together, nothing asked from outside.

import { clear, h } from "./dom.js";
import { createPanel } from "./panel.js";
import { applyTheme, keepTheme, startTheme } from "./shell.js";
import { panelsOf, recordedBoards } from "./charts.js";
import { openInspector } from "./inspect.js";
import { paletteByName } from "./theme.js";

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const host = document.getElementById("charts");
  const full = { from: data.started_s, to: Math.max(data.ended_s, data.started_s + 1) };
  const state = { theme: startTheme(), range: full, panels: [] };
  const own = panelsOf(data);
  const boards = [{ title: "", panels: own }, ...recordedBoards(data.recording)];
  document.getElementById("charts-note").textContent = noteOf(data, own);
  const tools = toolsOf(state, full);
  state.changed = () => { tools.show(); state.panels.forEach((panel) => panel.load()); };
  const ctx = contextOf(state, data, full);
  const [first, ...others] = boards.map((board) => boardOf(board, state, ctx));
  clear(host).append(tools.el, first);
  document.getElementById("boards").append(...others, leftOut(data.recording));
  state.changed();
  printLight(state);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) { state.range = full; state.changed(); }
  });
}

function boardOf({ title, panels }, state, ctx) {
  const drawn = panels.map((model) => createPanel(model, ctx));
  state.panels.push(...drawn);
  return h("div", {}, title && h("h2", { class: "board-title" }, `${title}, over the run`), h("div", { class: "grid" }, drawn.map(({ el }) => el)));
}

function leftOut(recording) {
  const names = Array.isArray(recording?.left_out) ? recording.left_out : [];
  if (!recording?.left_out || (!names.length && recording.left_out !== true)) return "";
  return h("p", { class: "faint" }, names.length ? `Left out to keep this page small: ${names.join("; ")}.` : "Further panels were left out to keep this page small.");
}

/** Paper is white: the charts are drawn light for printing, and as they were afterwards. */
function printLight(state) {
  const dress = (theme) => { state.theme = theme; state.panels.forEach((panel) => panel.redraw()); };
  let before = null;
  addEventListener("beforeprint", () => { before = state.theme; dress(applyTheme("light")); });
  addEventListener("afterprint", () => { if (before) dress(applyTheme(before.name)); });
}

function noteOf(data, own) {
  if (!own.length) return "This run was over before a second was measured: there is nothing to draw.";
  const size = data.series.seconds_per_point;
  const joined = size > 1 ? ` Each point joins ${size} seconds: the mean of rates, the largest of latencies.` : "";
  return `Times are UTC. Drag on a chart to zoom all of them; shaded spans are faults.${joined}`;
}

function toolsOf(state, full) {
  const reset = h("button", { type: "button", hidden: true, onclick: () => { state.range = full; state.changed(); } }, "Show the whole run (Esc)");
  const flip = h("button", { type: "button", onclick: () => {
    state.theme = keepTheme(state.theme.name === "dark" ? "light" : "dark");
    state.panels.forEach((panel) => panel.redraw());
  } }, "Dark or light");
  return { el: h("p", { class: "tools" }, flip, reset), show: () => { reset.hidden = state.range === full; } };
}

/** Points of the range and one beyond each end, so that lines run to the edge. */
function clipped(series, { from, to }) {
  const first = Math.max(0, series.times.findIndex((at) => at >= from) - 1);
  const after = series.times.findIndex((at) => at > to);
  const last = after < 0 ? series.times.length : after + 1;
  return { ...series, times: series.times.slice(first, last), values: series.values.slice(first, last) };
}

function contextOf(state, data, full) {
  const marks = data.faults.map((fault) => ({ ...fault, to: fault.to ?? full.to, color: "red" }));
  return { syncKey: "report", color: paletteByName(), scrapeS: 1, variables: () => [], range: () => state.range, theme: () => state.theme, utc: () => true, marks: () => marks,
    zoom: (from, to) => { state.range = { from, to }; state.changed(); },
    query: async (panel) => panel.answers.map(({ target, query, series }) => ({ target, answer: { resultType: "series", query, result: series.map((one) => clipped(one, state.range)) } })),
    place: () => null, inspect: ({ panel, title, answers }) => openInspector({ panel, title, answers, theme: state.theme }) };
}

start();
