// What the pages beside the dashboards are made of: tables, labels, states, moments, and a filter over their rows.

import { clear, h, keepFocus } from "./dom.js";
import { dateTimeText } from "./time.js";

/** One table over all groups, so that their columns agree: headings [[text, width in percent]], groups [{head, rows: [[cell]]}]. */
export function table(headings, groups) {
  const head = h("thead", {}, h("tr", {}, headings.map(([text, width]) => h("th", { scope: "col", style: { width: `${width}%` } }, text))));
  const body = (group) => h("tbody", {}, group.head && h("tr", { class: "group" }, h("th", { scope: "rowgroup", colspan: headings.length }, group.head)),
    group.rows.map((cells) => h("tr", {}, cells.map((cell, at) => h("td", { "data-heading": headings[at][0] }, cell)))));
  return h("div", { class: "table-scroll" }, h("table", { class: "data even cards-when-narrow" }, head, groups.map(body)));
}

export function labels(map, without = []) {
  const shown = Object.entries(map).filter(([key]) => !without.includes(key));
  return shown.length === 0 ? null : h("span", { class: "labels" }, shown.map(([key, value]) => h("code", {}, `${key}="${value}"`)));
}

export const state = (text, good) => h("strong", { class: `state ${good}` }, text);

const known = (text) => Boolean(text) && !text.startsWith("0001");

/** Epoch seconds of an API's moment; null where it never came. */
export function secondsOf(text) {
  return known(text) ? Date.parse(text) / 1000 : null;
}

/** "4 s ago", or "never". */
export function ago(text, now) {
  return known(text) ? `${lasting(now - secondsOf(text))} ago` : "never";
}

/** The moment itself, with how long it was before `now` beneath. */
export function since(text, now) {
  if (!known(text)) return "never";
  return [dateTimeText(secondsOf(text), false), h("div", { class: "faint" }, lasting(now - secondsOf(text)))];
}

/** "for 12 min": minutes as soon as there are some, days as soon as there are some. */
export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor((whole % 86400) / 3600), Math.floor((whole % 3600) / 60)];
  const parts = days ? [`${days} d`, hours && `${hours} h`] : hours ? [`${hours} h`, minutes && `${minutes} min`] : [minutes ? `${minutes} min` : `${whole} s`];
  return parts.filter(Boolean).join(" ");
}

/** Whether all words of `sought` are somewhere in the texts. */
export function holds(sought, ...texts) {
  const all = texts.join(" ").toLowerCase();
  return sought.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

/** A field for words and a choice of `kinds` [[value, text]], kept in the address; onChange() when either changes. Returns {el, words(), kind(), focus()}. */
export function filterBar(kinds, onChange) {
  const url = new URLSearchParams(location.search);
  const words = h("input", { type: "search", placeholder: "Search (/)", "aria-label": "Search", value: url.get("q") || "" });
  const kind = h("select", { "aria-label": "Show" }, kinds.map(([value, text]) => h("option", { value, selected: value === url.get("show") }, text)));
  const value = (field) => field.value ?? "";
  const keep = () => {
    const next = new URLSearchParams([["q", value(words)], ["show", value(kind)]].filter(([, text]) => text));
    history.replaceState(null, "", `${location.pathname}?${next}`);
    onChange();
  };
  words.addEventListener("input", keep);
  kind.addEventListener("change", keep);
  return { el: h("div", { class: "filters" }, words, kinds.length > 1 && kind), words: () => value(words), kind: () => value(kind), focus: () => words.focus() };
}

export function fill(host, content) {
  keepFocus(host, () => clear(host).append(...content.flat().filter(Boolean)));
}
