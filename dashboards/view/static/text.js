// The text panel: a small part of Markdown (headings, lists, emphasis, code, links), built as elements, never as markup.

import { h } from "./dom.js";

const INLINE = /(\*\*[^*]+\*\*|__[^_]+__|\*[^*]+\*|`[^`]+`|\[[^\]]+\]\([^)\s]+\))/;

function inline(text) {
  return text.split(INLINE).filter(Boolean).map((part) => {
    if (/^(\*\*|__)/.test(part) && part.length > 4) return h("strong", {}, part.slice(2, -2));
    if (/^`.+`$/.test(part)) return h("code", {}, part.slice(1, -1));
    const link = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part);
    if (link) return /^(\/(?!\/)|#)/.test(link[2]) ? h("a", { href: link[2] }, link[1]) : `${link[1]} (${link[2]})`;
    return /^\*[^*]+\*$/.test(part) ? h("em", {}, part.slice(1, -1)) : part;
  });
}

function block(text) {
  const lines = text.split("\n");
  const heading = /^(#{1,6})\s+(.*)$/.exec(lines[0]);
  if (heading) return [h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2])), ...(lines.length > 1 ? block(lines.slice(1).join("\n")) : [])];
  if (lines.every((line) => /^\s*[-*]\s+/.test(line))) return [h("ul", {}, lines.map((line) => h("li", {}, inline(line.replace(/^\s*[-*]\s+/, "")))))];
  return [h("p", {}, inline(lines.join(" ")))];
}

/** Elements of a Markdown text; links lead nowhere but to this server. */
export function markdown(text) {
  return text.trim().split(/\n\s*\n/).flatMap(block);
}

export function drawText(host, view) {
  const content = view.interpolate(view.panel.options.content || "");
  const plain = view.panel.options.mode === "html" || view.panel.options.mode === "code";
  host.append(h("div", { class: "text-panel" }, plain ? h("pre", {}, content.replace(/<[^>]*>/g, "")) : markdown(content)));
  return { update: (next) => { host.replaceChildren(); drawText(host, next); }, resize: () => {}, destroy: () => host.replaceChildren() };
}
