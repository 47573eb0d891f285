// The query inspector: what was asked, as written and as sent, how long it took, what came back, and why it failed.

import { displayText, fieldConfigOf } from "./fields.js";
import { h } from "./dom.js";
import { openDialog } from "./controls.js";
import { reduce } from "./reduce.js";
import { toSeries } from "./frames.js";

const MOST_ROWS = 50;

function copyButton(text) {
  if (!globalThis.navigator?.clipboard) return null;
  return h("button", { type: "button", onclick: async (event) => {
    const { currentTarget } = event;
    currentTarget.textContent = await navigator.clipboard.writeText(text).then(() => "Copied", () => "The browser refused");
  } }, "Copy");
}

function outcome({ target, answer }) {
  if (answer.error) return h("p", { class: "error" }, answer.error);
  const kind = answer.resultType === "series" ? "" : target.instant ? ", at one moment" : `, a point every ${answer.grid?.step ?? "?"} s`;
  const took = answer.took_ms === undefined ? "" : `, took ${Math.round(answer.took_ms)} ms`;
  const count = answer.result.length;
  return h("p", { class: "faint" }, `${count || "no"} series${kind}${took}`);
}

function valuesOf(panel, { target, answer }, theme) {
  if (answer.error || !answer.result.length) return null;
  const series = toSeries(target, answer);
  const rows = series.slice(0, MOST_ROWS).map((one) => {
    const config = { ...fieldConfigOf(panel.fieldConfig, one), mappings: [] };
    const cells = ["lastNotNull", "min", "max"].map((calc) => h("td", { class: "number" }, displayText(reduce(one.values, calc), config, theme)));
    return h("tr", {}, h("th", { scope: "row" }, one.name), cells);
  });
  const head = h("thead", {}, h("tr", {}, ["Series", "Last", "Min", "Max"].map((text, at) => h("th", { scope: "col", class: at ? "number" : null }, text))));
  return h("details", {}, h("summary", {}, "Values ▾"), h("div", { class: "table-scroll" }, h("table", { class: "data" }, head, h("tbody", {}, rows))),
    series.length > MOST_ROWS && h("p", { class: "faint" }, `and ${series.length - MOST_ROWS} more`));
}

/** A dialog over a panel's queries; `written` is false where the template and the query sent are one. */
export function openInspector({ panel, title, answers, theme }) {
  const sections = answers.map((one) => {
    const { target, answer } = one;
    const template = target.expr && target.expr !== answer.query && h("details", {}, h("summary", {}, "As written in the dashboard ▾"), h("pre", {}, target.expr));
    return h("section", { class: "inspected" }, h("header", {}, h("h3", {}, `Query ${target.refId}`), copyButton(answer.query)), h("pre", {}, answer.query), outcome(one), template, valuesOf(panel, one, theme));
  });
  return openDialog(`Queries of ${title || "this panel"}`, ...(sections.length ? sections : [h("p", {}, panel.targets.length ? "Not asked yet." : "This panel asks nothing.")]));
}
