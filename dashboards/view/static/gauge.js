// The gauge panel: an arc of 240 degrees, thresholds around it.

import { aboutSeries, linked, linksOf } from "./links.js";
import { clear, h, svg } from "./dom.js";
import { namedColor } from "./theme.js";
import { partsText, reducedValues } from "./values.js";
import { shareOf, thresholdSteps } from "./fields.js";

const SPAN = (240 * Math.PI) / 180;
const START = -SPAN / 2;

export function drawGauge(host, view) {
  const root = h("div", { class: "gauges" });
  host.append(root);
  const render = (next) => { clear(root).append(...reducedValues(next).map((value) => gaugeOf(value, next))); };
  render(view);
  return { update: render, resize: () => {}, destroy: () => clear(host) };
}

function point(radius, angle) {
  return `${(100 + radius * Math.sin(angle)).toFixed(2)} ${(100 - radius * Math.cos(angle)).toFixed(2)}`;
}

/** A ring segment from share `a` to share `b` of the arc. */
function segment(a, b, inner, outer, fill) {
  const [from, to] = [START + SPAN * a, START + SPAN * Math.max(b, a + 0.002)];
  const large = to - from > Math.PI ? 1 : 0;
  return svg("path", { fill, d: `M ${point(outer, from)} A ${outer} ${outer} 0 ${large} 1 ${point(outer, to)} L ${point(inner, to)} A ${inner} ${inner} 0 ${large} 0 ${point(inner, from)} Z` });
}

function gaugeOf(value, { panel, ctx, place }) {
  const theme = ctx.theme();
  const { config } = value;
  const bounds = { min: config.min ?? 0, max: config.max ?? 100 };
  const steps = thresholdSteps(config.thresholds, bounds);
  const ring = panel.options.showThresholdMarkers === false ? [] : steps.map((step, at) =>
    segment(shareOf(Math.max(step.from, bounds.min), config), at + 1 < steps.length ? shareOf(steps[at + 1].from, config) : 1, 86, 92, namedColor(step.color, theme)));
  const color = value.shown.color || namedColor("green", theme);
  const text = partsText(value.shown);
  return h("figure", { class: "gauge" },
    svg("svg", { viewBox: "0 0 200 160", role: "img", "aria-label": `${value.name}: ${text}` },
      segment(0, 1, 58, 83, theme.raised), value.value !== null && segment(0, shareOf(value.value, config), 58, 83, color), ring,
      svg("text", { x: 100, y: 112, "text-anchor": "middle", fill: color, "font-size": Math.min(32, 190 / Math.max(4, text.length)), "font-weight": 500 }, text)),
    h("figcaption", {}, linked(linksOf(value.config.links, place(), aboutSeries(value.series, value.value)), value.name)));
}
