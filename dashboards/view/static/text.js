// Text panels, descriptions and runbooks: a small part of Markdown (headings, lists, tables, emphasis, code, links), built as
// elements, never as markup.

import { h } from "./dom.js";
import { pathOf } from "./links.js";

const INLINE = /(\*\*[^*]+\*\*|__[^_]+__|\*[^*\s][^*]*\*|`[^`]+`|\[[^\]]+\]\([^)\s]+\)|\b[a-z0-9][a-z0-9-]*\.md\b)/;
const FENCE = /^\s*```/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^\s*(?:[-*]|(\d+)[.)])\s+(.*)$/;
const RULE_ROW = /^\s*\|?\s*:?-{3,}:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

/** Where a link of Markdown leads: on this server, or null. A bare `name.md` is a runbook's neighbour; without names there is no server. */
function target(address, runbooks) {
  if (!runbooks) return null;
  const bare = /^(?:\.\/)?([a-z0-9-]+)\.md$/.exec(address);
  if (bare) return runbooks.has(bare[1]) ? `/runbooks/${bare[1]}` : null;
  return /^#/.test(address) ? address : pathOf(address);
}

function inline(text, runbooks) {
  return text.split(INLINE).filter(Boolean).map((part) => {
    if (/^(\*\*|__)/.test(part) && part.length > 4) return h("strong", {}, part.slice(2, -2));
    if (/^`.+`$/.test(part)) return h("code", {}, part.slice(1, -1));
    const link = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part) || (/^[a-z0-9-]+\.md$/.test(part) && [part, part.slice(0, -3), part]);
    if (link) {
      const href = target(link[2], runbooks);
      return href ? h("a", { href }, link[1]) : link[1] === part.slice(0, -3) ? part : `${link[1]} (${link[2]})`;
    }
    return /^\*[^*]+\*$/.test(part) ? h("em", {}, part.slice(1, -1)) : part;
  });
}

/** Sentences of [[who, message]], each message once, with all whom it is about. */
export function once(pairs) {
  const by = new Map();
  for (const [who, message] of pairs) by.set(message, [...(by.get(message) || []), who]);
  return [...by].map(([message, all]) => `${all.join(", ")}: ${message}`);
}

/** Lines from `at` on for which `more` holds. */
function run(lines, at, more) {
  let end = at;
  while (end < lines.length && more(lines[end], end)) end += 1;
  return lines.slice(at, end);
}

function fenced(lines, at) {
  const code = run(lines, at + 1, (line) => !FENCE.test(line));
  return [h("pre", {}, code.join("\n")), at + code.length + 2];
}

function listed(lines, at, runbooks) {
  const taken = run(lines, at, (line, place) => ITEM.test(line) || (place > at && /^\s+\S/.test(line)));
  const items = [];
  for (const line of taken) {
    const item = ITEM.exec(line);
    if (item) items.push(item[2]); else items.push(`${items.pop()} ${line.trim()}`);
  }
  return [h(ITEM.exec(lines[at])[1] ? "ol" : "ul", {}, items.map((text) => h("li", {}, inline(text, runbooks)))), at + taken.length];
}

function tabled(lines, at, runbooks) {
  const rows = run(lines, at, (line) => line.includes("|"));
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((text) => inline(text.trim(), runbooks));
  const table = h("table", { class: "data" }, h("thead", {}, h("tr", {}, cells(rows[0]).map((cell) => h("th", { scope: "col" }, cell)))),
    h("tbody", {}, rows.slice(2).map((row) => h("tr", {}, cells(row).map((cell) => h("td", {}, cell))))));
  return [h("div", { class: "table-scroll" }, table), at + rows.length];
}

function block(lines, at, runbooks) {
  if (FENCE.test(lines[at])) return fenced(lines, at);
  const heading = HEADING.exec(lines[at]);
  if (heading) return [h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2], runbooks)), at + 1];
  if (ITEM.test(lines[at])) return listed(lines, at, runbooks);
  if (lines[at].includes("|") && RULE_ROW.test(lines[at + 1] || "")) return tabled(lines, at, runbooks);
  const taken = run(lines, at, (line, place) => place === at || (line.trim() && !FENCE.test(line) && !HEADING.test(line) && !ITEM.test(line)));
  return [h("p", {}, inline(taken.join(" "), runbooks)), at + taken.length];
}

/** Elements of a Markdown text; links lead nowhere but to this server. `runbooks` are the names of those that it has, null where there is no server. */
export function markdown(text, runbooks = []) {
  const lines = text.replace(/\r/g, "").split("\n");
  const names = runbooks && new Set(runbooks);
  const out = [];
  for (let at = 0; at < lines.length;) {
    if (!lines[at].trim()) { at += 1; continue; }
    const [element, next] = block(lines, at, names);
    out.push(element);
    at = next;
  }
  return out;
}

export function drawText(host, view) {
  const content = view.interpolate(view.panel.options.content || "");
  const plain = view.panel.options.mode === "html" || view.panel.options.mode === "code";
  host.append(h("div", { class: "text-panel" }, plain ? h("pre", {}, content.replace(/<[^>]*>/g, "")) : markdown(content)));
  return { update: (next) => { host.replaceChildren(); drawText(host, next); }, resize: () => {}, destroy: () => host.replaceChildren() };
}
