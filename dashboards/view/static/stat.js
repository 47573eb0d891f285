// The stat panel: large values, with a spark line of where they came from.

import { alpha, inkOn, namedColor } from "./theme.js";
import { clear, h, svg } from "./dom.js";
import { aboutSeries, linked, linksOf } from "./links.js";
import { ageOf, partsText, reducedValues } from "./values.js";
import { lasting } from "./listing.js";

export function drawStat(host, view) {
  const root = h("div", { class: "stat" });
  host.append(root);
  const state = { view };
  const redraw = () => render(root, state.view);
  redraw();
  return { update: (next) => { state.view = next; redraw(); }, resize: redraw, destroy: () => clear(host) };
}

function render(root, view) {
  const values = reducedValues(view);
  const width = root.clientWidth;
  const height = root.clientHeight;
  const across = view.panel.options.orientation === "vertical" ? true : view.panel.options.orientation === "horizontal" ? false : width >= height;
  clear(root);
  root.classList.toggle("down", !across);
  const tile = across ? { width: width / values.length, height } : { width, height: height / values.length };
  root.append(...values.map((value) => tileOf(value, tile, view, values.length)));
}

function nameShown({ textMode }, several) {
  return textMode === "value_and_name" || textMode === "name" || ((!textMode || textMode === "auto") && several);
}

function tileOf(value, tile, { panel, ctx, place }, count) {
  const options = panel.options;
  const theme = ctx.theme();
  const color = value.shown.color || namedColor("text", theme);
  const background = ["background", "background_solid"].includes(options.colorMode);
  const named = nameShown(options, count > 1);
  const face = options.textMode === "name" ? { prefix: "", text: value.name, suffix: "" } : value.shown;
  const spark = options.graphMode !== "none" && value.series.values.length > 2 && tile.height > 70;
  const size = fontSize(partsText(face), tile, named, spark);
  const ink = background ? inkOn(color) : options.colorMode === "none" ? theme.text : color;
  const age = ageOf(value.series, options.reduceOptions?.calcs?.[0]);
  return h("div", { class: spark ? "stat-tile with-spark" : "stat-tile", style: background ? { background: color } : {} },
    named && options.textMode !== "name" && h("div", { class: "stat-name", style: { color: background ? ink : theme.text } }, value.name),
    options.textMode !== "none" && h("div", { class: "stat-value", style: { color: ink, "font-size": `${size}px` } },
      linked(linksOf(value.config.links, place(), aboutSeries(value.series, value.value)), [face.prefix, face.text, face.suffix && h("span", { class: "stat-unit" }, face.suffix)])),
    age !== null && h("div", { class: "stat-age", style: { color: background ? ink : theme.text }, title: "The query has found nothing since" }, `${lasting(age)} ago`),
    spark && sparkline(value.series.values, background ? ink : color, value.config));
}

function fontSize(text, tile, named, spark) {
  const byWidth = (tile.width - 24) / Math.max(2, text.length * 0.56);
  const byHeight = (tile.height - (named ? 22 : 0)) * (spark ? 0.42 : 0.55);
  return Math.round(Math.max(14, Math.min(byWidth, byHeight, 72)));
}

function sparkline(values, color, config) {
  const known = values.filter((value) => value !== null && Number.isFinite(value));
  const min = config.min ?? Math.min(...known);
  const max = config.max ?? Math.max(...known);
  const span = max - min || 1;
  const runs = [[]]; // a gap in the data is a gap in the line
  values.forEach((value, at) => {
    if (value === null || !Number.isFinite(value)) { if (runs.at(-1).length) runs.push([]); return; }
    runs.at(-1).push([((at / (values.length - 1)) * 100).toFixed(2), (38 - ((value - min) / span) * 34).toFixed(2)]);
  });
  const drawn = runs.filter((run) => run.length > 1);
  if (!drawn.length) return null;
  const text = (run) => run.map((point) => point.join(",")).join(" ");
  return svg("svg", { class: "spark", viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawn.map((run) => [svg("polygon", { points: `${run[0][0]},40 ${text(run)} ${run.at(-1)[0]},40`, fill: alpha(color, 0.18) }),
      svg("polyline", { points: text(run), fill: "none", stroke: color, "stroke-width": 1.2, "vector-effect": "non-scaling-stroke" })]));
}
