// The table panel: a real table, sorted by its headings, with cells coloured or drawn as bars where the JSON says so.

import { alpha, inkOn } from "./theme.js";
import { clear, h, keepFocus } from "./dom.js";
import { dateTimeText } from "./time.js";
import { displayNameOf, displayValue, fieldConfigOf, shareOf } from "./fields.js";
import { linked, linksOf } from "./links.js";
import { partsText } from "./values.js";
import { sortTable } from "./transforms.js";

const MOST_ROWS = 200; // drawn anew at each refresh: a thousand would hold up a page for seconds

export function drawTable(host, view) {
  const state = { view, sort: view.panel.options.sortBy?.[0] || null };
  const root = h("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": view.panel.title });
  host.append(root);
  const redraw = () => keepFocus(root, () => render(root, state, redraw));
  redraw();
  return { update: (next) => { state.view = next; redraw(); }, resize: () => {}, destroy: () => clear(host) };
}

function columnsOf(table, panel) {
  return table.fields.map((field, at) => {
    const config = fieldConfigOf(panel.fieldConfig, field);
    return { field, at, config, name: displayNameOf(field, config), numeric: field.type === "number" };
  }).filter(({ config }) => !config.custom.hidden && !config.custom.hideFrom?.viz);
}

function render(root, state, redraw) {
  const { panel, tables, ctx } = state.view;
  const columns = columnsOf(tables[0], panel);
  const wanted = state.sort && columns.find(({ name, field }) => name === (state.sort.displayName ?? state.sort) || field.name === state.sort.displayName);
  const table = wanted ? sortTable(tables[0], wanted.field.name, state.sort.desc) : tables[0];
  const sortOn = (column) => {
    const same = wanted === column || wanted?.name === column.name;
    state.sort = same && state.sort.desc ? null : { displayName: column.name, desc: same };
    redraw();
  };
  const at = root.scrollTop;
  clear(root).append(h("table", { class: "data" },
    panel.options.showHeader !== false && h("thead", {}, h("tr", {}, columns.map((column) => heading(column, wanted, state.sort, sortOn)))),
    h("tbody", {}, table.rows.slice(0, MOST_ROWS).map((row) => rowOf(row, columns, state.view)))));
  if (table.rows.length > MOST_ROWS) root.append(h("p", { class: "faint" }, `${table.rows.length - MOST_ROWS} more rows are not shown${wanted ? `, those after the first ${MOST_ROWS} by ${wanted.name}` : ""}: sort by another column, or choose less above`));
  root.scrollTop = at;
}

function heading(column, wanted, sort, sortOn) {
  const sorted = wanted?.name === column.name ? (sort.desc ? "descending" : "ascending") : "none";
  return h("th", { scope: "col", class: column.numeric ? "number" : null, "aria-sort": sorted },
    h("button", { type: "button", onclick: () => sortOn(column) }, column.name, h("span", { "aria-hidden": "true" }, { descending: " ↓", ascending: " ↑", none: "" }[sorted])));
}

function rowOf(row, columns, view) {
  const linking = columns.some(({ config }) => config.links?.length);
  const fields = linking ? Object.fromEntries([...columns.map(({ field, at }) => [field.name, row[at]]), ...columns.map(({ name, at }) => [name, row[at]]), ...row.entries()]) : null;
  return h("tr", {}, columns.map((column) => {
    const td = cell(row[column.at], column, view.tables[0], view.ctx);
    if (!column.config.links?.length || row[column.at] === null) return td;
    const value = row[column.at];
    const labels = Object.fromEntries(columns.filter(({ numeric }) => !numeric).map(({ field, at }) => [field.name, row[at]]));
    const about = { data: { fields }, value: { raw: value, numeric: value, text: value }, field: { name: column.name, labels } };
    td.replaceChildren(linked(linksOf(column.config.links, view.place(), about), td.textContent));
    return td;
  }));
}

function cell(value, column, table, ctx) {
  if (column.field.type === "time") return h("td", {}, value === null ? "" : dateTimeText(value / 1000, ctx.utc()));
  const shown = displayValue(value, column.config, ctx.theme());
  const kind = column.config.custom.cellOptions?.type || column.config.custom.displayMode || "auto";
  const text = value === null && !shown.mapped && column.config.noValue === undefined ? "" : partsText(shown);
  const css = column.numeric ? "number" : null;
  if (kind.startsWith("color-background") && shown.color) return h("td", { class: css, style: { background: shown.color, color: inkOn(shown.color) } }, text);
  if (kind === "color-text" && shown.color) return h("td", { class: css, style: { color: shown.color } }, text);
  if (/gauge|bar/.test(kind) && typeof value === "number") return barCell(value, column, table, shown, text);
  return h("td", { class: css }, text);
}

function barCell(value, column, table, shown, text) {
  const numbers = table.rows.map((row) => row[column.at]).filter((one) => typeof one === "number" && Number.isFinite(one));
  const share = shareOf(value, column.config, { min: Math.min(0, ...numbers), max: Math.max(...numbers) });
  const color = shown.color || "#73BF69";
  return h("td", { class: "number bar-cell", style: { background: `linear-gradient(90deg, ${alpha(color, 0.35)} ${(share * 100).toFixed(1)}%, transparent 0)` } }, text);
}
