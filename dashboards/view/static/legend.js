// Legends: a list of buttons, or a real table where values are asked for. A click shows one series alone, ctrl-click hides one.

import { clear, h, keepFocus } from "./dom.js";
import { displayText } from "./fields.js";
import { aboutSeries, arrows, linksOf } from "./links.js";
import { reduce, reducerLabel } from "./reduce.js";

const MOST_IN_ORDER = 8;

/** entries: [{name, color, values, config, hidden, dashed}]; onToggle(name, alone); place() is what links take along. */
export function renderLegend(host, drawn) {
  keepFocus(host, () => fillLegend(host, drawn));
}

function fillLegend(host, { entries, options, theme, place, onToggle }) {
  clear(host);
  if (!entries.length || options.showLegend === false || options.displayMode === "hidden") { host.hidden = true; return; }
  host.hidden = false;
  const shown = entries.length > MOST_IN_ORDER ? byPeak(entries) : entries;
  const calcs = options.calcs || [];
  const label = (entry) => [button(entry, onToggle), entry.config.links?.length > 0 && arrows(linksOf(entry.config.links, place(), aboutSeries(entry, reduce(entry.values, "lastNotNull"))))];
  host.append(options.displayMode === "table" ? asTable(shown, calcs, theme, label) : asList(shown, calcs, theme, label));
}

/** So many that only the first can be seen at once: the highest first. */
function byPeak(entries) {
  const peak = new Map(entries.map((entry) => [entry, reduce(entry.values, "max") ?? -Infinity]));
  return [...entries].sort((a, b) => peak.get(b) - peak.get(a));
}

function button(entry, onToggle) {
  return h("button", { type: "button", class: "legend-name", "aria-pressed": String(!entry.hidden),
    title: `${entry.name}: click to show alone, Ctrl-click to hide`,
    onclick: (event) => onToggle(entry.name, !(event.ctrlKey || event.metaKey)) },
  h("span", { class: entry.dashed ? "swatch dashed" : "swatch", style: { "--swatch": entry.color } }), h("span", { class: "legend-text" }, entry.name));
}

function valueText(entry, calc, theme) {
  return displayText(reduce(entry.values, calc), { ...entry.config, mappings: [], noValue: "-" }, theme);
}

function asList(entries, calcs, theme, label) {
  return h("ul", { class: "legend-list" }, entries.map((entry) => h("li", { class: entry.hidden ? "off" : null }, label(entry),
    calcs.map((calc) => h("span", { class: "legend-calc" }, `${reducerLabel(calc)}: ${valueText(entry, calc, theme)}`)))));
}

function asTable(entries, calcs, theme, label) {
  return h("table", { class: "legend-table" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Name"), calcs.map((calc) => h("th", { scope: "col", class: "number" }, reducerLabel(calc))))),
    h("tbody", {}, entries.map((entry) => h("tr", { class: entry.hidden ? "off" : null }, h("th", { scope: "row" }, label(entry)),
      calcs.map((calc) => h("td", { class: "number" }, valueText(entry, calc, theme)))))));
}
