// The bar over a dashboard: variables, time range, refresh, theme.

import { clear, h, keepFocus } from "./dom.js";
import { dateTimeText, parseTime, PRESETS, rangeText, REFRESHES } from "./time.js";
import { isChoice } from "./sources.js";

const ALL = "$__all";
const MOST_OPTIONS = 200;
const SEARCHED_FROM = 12;

function faceOf(variable) {
  const values = [].concat(variable.value);
  if (values.includes(ALL)) return "All";
  return values.length > 2 ? `${values.length} selected` : values.join(" + ") || "none";
}

function single(variable, onChange) {
  const options = [...(variable.includeAll ? [ALL] : []), ...variable.options];
  return h("select", { onchange: (event) => onChange(variable, event.target.value), disabled: options.length === 0 },
    options.length === 0 && h("option", {}, "no values"),
    options.map((value) => h("option", { value, selected: variable.value === value }, value === ALL ? "All" : value)));
}

function multiple(variable, onChange, sought) {
  const chosen = new Set([].concat(variable.value));
  const pick = (value, on) => {
    if (value === ALL) return onChange(variable, ALL);
    const next = new Set([...chosen].filter((one) => one !== ALL));
    if (on) next.add(value); else next.delete(value);
    return onChange(variable, next.size ? [...next] : variable.includeAll ? ALL : []);
  };
  const box = (value, text) => h("label", {}, h("input", { type: "checkbox", checked: chosen.has(value), onchange: (event) => pick(value, event.target.checked) }), text);
  return h("details", { class: "multi", "data-variable": variable.name }, h("summary", {}, faceOf(variable)),
    h("div", { class: "multi-list", role: "group", "aria-label": variable.label }, variable.includeAll && box(ALL, "All"), optionsOf(variable, chosen, box, sought)));
}

/** The options, those chosen first and so many as can be read; a long list has a field to search it. */
function optionsOf({ options, label }, chosen, box, sought) {
  const list = h("div", {});
  const fill = (text) => {
    const found = options.filter((value) => value.toLowerCase().includes(text.toLowerCase()));
    const shown = [...found.filter((value) => chosen.has(value)), ...found.filter((value) => !chosen.has(value))].slice(0, MOST_OPTIONS);
    clear(list).append(...shown.map((value) => box(value, value)));
    if (found.length > shown.length) list.append(h("p", { class: "faint" }, `${found.length - shown.length} more: type to find them`));
  };
  fill(sought);
  if (options.length <= SEARCHED_FROM) return list;
  return [h("input", { type: "search", placeholder: "Search", "aria-label": `Search ${label}`, value: sought, oninput: (event) => fill(event.target.value) }), list];
}

/** Draws the variables; onChange(variable, value). An open list stays open over a redraw, and what was searched in it. */
export function renderVariables(host, variables, onChange) {
  keepFocus(host, () => fillVariables(host, variables, onChange));
}

function fillVariables(host, variables, onChange) {
  const open = host.querySelector("details[open]")?.dataset.variable;
  const sought = host.querySelector("details[open] input[type=search]")?.value || "";
  clear(host).append(...variables.filter((one) => one.hide !== 2 && one.type !== "constant" && isChoice(one)).map((variable) => {
    const input = variable.free ? h("input", { type: "text", value: variable.value, onchange: (event) => onChange(variable, event.target.value) })
      : variable.multi ? multiple(variable, onChange, variable.name === open ? sought : "") : single(variable, onChange);
    const label = h(variable.multi ? "div" : "label", { class: "variable" }, variable.hide !== 1 && h("span", { class: "variable-name" }, variable.label), input);
    if (variable.error) label.append(h("span", { class: "error", title: variable.error }, variable.options.length ? "may be old" : "no values"));
    return label;
  }));
  if (open) host.querySelector(`details[data-variable="${CSS.escape(open)}"]`)?.setAttribute("open", "");
}

/** A field in which local or UTC time is typed as "2026-11-22 06:00:00" or "now-2h". */
function typed(label, value) {
  return h("label", {}, label, h("input", { type: "text", value, size: 20, spellcheck: "false" }));
}

function stamp(text, utc) {
  const plain = /^\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?$/.test(text);
  return parseTime(plain ? text.replace(" ", "T") + (text.length === 10 ? "T00:00" : "") + (utc ? "Z" : "") : text, Date.now() / 1000);
}

export function renderTimePicker(host, { range, utc, onRange }) {
  const shown = (value) => (/^\d+$/.test(value) ? dateTimeText(Number(value) / 1000, utc) : value);
  const from = typed("From", shown(range.from));
  const to = typed("To", shown(range.to));
  const wrong = h("p", { class: "error", role: "alert", hidden: true });
  const value = (field) => field.querySelector("input").value.trim();
  const edge = (text) => (text.startsWith("now") ? text : String(Math.round(stamp(text, utc) * 1000)));
  const apply = (event) => {
    event.preventDefault();
    const [start, end] = [stamp(value(from), utc), stamp(value(to), utc)];
    wrong.hidden = start !== null && end !== null && end > start;
    wrong.textContent = start === null || end === null ? 'Write a time as "2026-11-22 06:00:00" or "now-2h".' : "The end must be after the start.";
    if (wrong.hidden) onRange({ from: edge(value(from)), to: edge(value(to)) });
  };
  clear(host).append(h("details", { class: "times" }, h("summary", { "aria-label": `Time range: ${rangeText(range, utc)}` }, rangeText(range, utc)),
    h("div", { class: "times-box" }, h("form", { onsubmit: apply }, from, to, wrong, h("button", { type: "submit" }, "Apply")),
      h("ul", {}, PRESETS.map(([start, text]) => h("li", {}, h("button", { type: "button", "aria-pressed": String(range.from === start && range.to === "now"), onclick: () => onRange({ from: start, to: "now" }) }, text)))))));
}

export function refreshSelect(value, onChange) {
  const options = REFRESHES.includes(value) ? REFRESHES : [...REFRESHES, value];
  return h("select", { "aria-label": "Refresh every", title: "Refresh every", onchange: (event) => onChange(event.target.value) },
    options.map((text) => h("option", { value: text, selected: text === value }, text || "Off")));
}

/** A dialog that closes with Esc or its button. */
export function openDialog(title, ...content) {
  const dialog = h("dialog", { "aria-label": title }, h("header", {}, h("h2", {}, title), h("button", { type: "button", onclick: () => dialog.close() }, "Close")), ...content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
