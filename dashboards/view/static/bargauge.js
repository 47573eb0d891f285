// The bar gauge panel: one bar for each value, on one scale.

import { alpha, namedColor } from "./theme.js";
import { clear, h } from "./dom.js";
import { aboutSeries, linked, linksOf } from "./links.js";
import { displayValue, shareOf } from "./fields.js";
import { partsText, reducedValues, sharedBounds } from "./values.js";

const CELLS = 40;

export function drawBarGauge(host, view) {
  const root = h("div", { class: "bars" });
  host.append(root);
  const render = (next) => {
    const values = reducedValues(next);
    const bounds = sharedBounds(values);
    const upright = next.panel.options.orientation === "vertical";
    root.classList.toggle("upright", upright);
    clear(root).append(...values.map((value) => barOf(value, bounds, next, upright)));
  };
  render(view);
  return { update: render, resize: () => {}, destroy: () => clear(host) };
}

function barOf(value, bounds, { panel, ctx, place }, upright) {
  const theme = ctx.theme();
  const color = value.shown.color || namedColor("green", theme);
  const share = value.value === null ? 0 : shareOf(value.value, value.config, bounds);
  const mode = panel.options.displayMode || "gradient";
  const text = partsText(value.shown);
  const track = h("div", { class: "bar-track" }, mode === "lcd" ? cells(share, value, bounds, theme)
    : h("div", { class: "bar-fill", style: { [upright ? "height" : "width"]: `${(share * 100).toFixed(1)}%`,
      background: mode === "gradient" ? `linear-gradient(${upright ? 0 : 90}deg, ${alpha(color, 0.3)}, ${color})` : alpha(color, 0.35),
      [upright ? "border-top" : "border-right"]: `2px solid ${color}` } }));
  return h("div", { class: "bar", role: "img", "aria-label": `${value.name}: ${text}` },
    h("div", { class: "bar-name" }, linked(linksOf(value.config.links, place(), aboutSeries(value.series, value.value)), value.name)), track, h("div", { class: "bar-value", style: { color } }, text));
}

function cells(share, value, bounds, theme) {
  const low = value.config.min ?? bounds.min;
  const high = value.config.max ?? bounds.max;
  return h("div", { class: "bar-cells" }, Array.from({ length: CELLS }, (_, at) => {
    const color = displayValue(low + ((high - low) * (at + 0.5)) / CELLS, value.config, theme).color || namedColor("green", theme);
    return h("i", { style: { background: at / CELLS < share ? color : alpha(color, 0.13) } });
  }));
}
