// The heatmap panel over histogram buckets: time across, buckets up, the count of each cell as its colour.

import { FONT, textWidth } from "./axes.js";
import { clear, h } from "./dom.js";
import { continuousColor } from "./theme.js";
import { createChart } from "./chart.js";
import { dateTimeText } from "./time.js";
import { formatValue } from "./units.js";
import { showTooltip } from "./tooltip.js";

export function drawHeatmap(host, view) {
  const plotHost = h("div", { class: "plot", tabindex: "0", role: "img" });
  const scale = h("p", { class: "legend heat-scale" });
  host.append(h("div", { class: "chart" }, plotHost, scale));
  const state = {};
  const redraw = (next) => {
    state.view = next;
    state.buckets = bucketsOf(next.series);
    state.chart?.destroy();
    showScale(scale, next);
    clear(plotHost).setAttribute("aria-label", `${next.panel.title}: heat map of ${state.buckets.length} buckets over time`);
    state.chart = createChart(plotHost, specOf(state));
  };
  redraw(view);
  return { update: redraw, resize: () => state.chart.resize(plotHost.clientWidth, plotHost.clientHeight), destroy: () => { state.chart.destroy(); clear(host); } };
}

const SCHEMES = { Blues: "continuous-blues", Reds: "continuous-reds", Greens: "continuous-greens", Purples: "continuous-purples" };

/** Colour of a share (0..1) of the fullest cell. Schemes of one hue end with what stands out from the theme's own ground, as in Grafana. */
function heatColor({ panel, ctx }, share) {
  const theme = ctx.theme();
  const scheme = SCHEMES[panel.options.color?.scheme];
  return scheme ? continuousColor(scheme, theme.name === "dark" ? 1 - share : share, theme) : continuousColor("continuous-BlYlRd", share, theme);
}

/** What the colours mean. */
function showScale(host, view) {
  host.hidden = view.panel.options.legend?.show === false;
  const stops = [0.02, 0.25, 0.5, 0.75, 1].map((share) => heatColor(view, share));
  clear(host).append("fewer ", h("span", { class: "swatch", style: { "--swatch": `linear-gradient(90deg, ${stops.join(", ")})` } }), " more");
}

/** Cumulative `le` series, lowest first, made into counts of their own: [{le, times, values}]. */
export function bucketsOf(series) {
  const bound = (one) => (one.labels.le === undefined ? Number(one.name) : one.labels.le === "+Inf" ? Infinity : Number(one.labels.le));
  const sorted = series.map((one) => ({ le: bound(one), times: one.times, values: one.values })).sort((a, b) => a.le - b.le);
  return sorted.map((bucket, at) => ({ ...bucket, values: bucket.values.map((value, index) =>
    (value === null ? null : Math.max(0, value - (at ? sorted[at - 1].values[index] ?? 0 : 0)))) }));
}

function specOf(state) {
  const { ctx } = state.view;
  const times = state.buckets[0]?.times || [];
  return { times, columns: [times.map(() => null)], series: [{ scale: "rows", points: { show: false } }], theme: ctx.theme(), utc: ctx.utc(), syncKey: ctx.syncKey,
    scales: { rows: { fixed: [0, Math.max(1, state.buckets.length)], axis: (scale) => bucketAxis(scale, state) } },
    range: () => ctx.range(), marks: () => ctx.marks(), onZoom: ctx.zoom, underlay: (u) => paint(u, state),
    onCursor: (u, index, point) => tip(state, u, index, point) };
}

function unitOf({ panel }) {
  return panel.options.yAxis?.unit || panel.yAxis?.format || panel.fieldConfig.defaults.unit;
}

function bucketAxis(scale, { buckets, view }) {
  const theme = view.ctx.theme();
  const names = buckets.map(({ le }) => (Number.isFinite(le) ? formatValue(le, unitOf(view)) : "+Inf"));
  const every = Math.max(1, Math.ceil((buckets.length * 16) / Math.max(40, view.height - 40)));
  return { scale, side: 3, stroke: theme.faint, font: FONT, gap: 6, size: () => Math.ceil(textWidth(names)) + 14, splits: () => buckets.map((_, at) => at + 1),
    values: () => names.map((name, at) => (at % every === 0 ? name : "")), grid: { show: false }, ticks: { show: false } };
}

function paint(u, { buckets, view }) {
  const { ctx, bbox } = u;
  const most = buckets.reduce((top, { values }) => values.reduce((so, value) => (value > so ? value : so), top), 0);
  if (!most) return;
  ctx.save();
  buckets.forEach(({ times, values }, row) => {
    const top = u.valToPos(row + 1, "rows", true);
    const height = u.valToPos(row, "rows", true) - top;
    const step = times.length > 1 ? times[1] - times[0] : 15;
    values.forEach((value, at) => {
      if (!value) return;
      const left = Math.max(bbox.left, u.valToPos(times[at] - step, "x", true));
      const right = Math.min(bbox.left + bbox.width, u.valToPos(times[at], "x", true));
      ctx.fillStyle = heatColor(view, Math.sqrt(value / most));
      if (right > left) ctx.fillRect(left, top, Math.ceil(right - left), Math.ceil(height));
    });
  });
  ctx.restore();
}

function tip({ buckets, view }, u, index, point) {
  const row = Math.floor((1 - u.cursor.top / (u.bbox.height / devicePixelRatio)) * buckets.length);
  const bucket = buckets[row];
  if (!bucket) return;
  const below = row ? formatValue(buckets[row - 1].le, unitOf(view)) : "0";
  showTooltip({ ...point, heading: dateTimeText(bucket.times[index], view.ctx.utc()), rows: [{ color: "transparent", name: `${below} to ${formatValue(bucket.le, unitOf(view))}`,
    text: formatValue(bucket.values[index] ?? 0, "short") }] });
}
