// The timeseries panel: lines, bars or points over time, stacked or not, with axes by unit.

import { alpha, namedColor, panelColors } from "./theme.js";
import { clear, h } from "./dom.js";
import { createChart } from "./chart.js";
import { dateTimeText } from "./time.js";
import { displayNameOf, displayText, displayValue, fieldConfigOf, thresholdSteps } from "./fields.js";
import { align } from "./frames.js";
import { reduce } from "./reduce.js";
import { renderLegend } from "./legend.js";
import { showTooltip } from "./tooltip.js";
import { stack } from "./stack.js";

const MOST_ROWS = 24; // of a tooltip: more would not fit on the page
const MOST_MARKS = 4;

export function drawTimeseries(host, view) {
  const state = { hidden: new Set(), chart: null, signature: "" };
  const plotHost = h("div", { class: "plot", tabindex: "0", role: "img" });
  const legendHost = h("div", { class: "legend" });
  const right = view.panel.options.legend?.placement === "right";
  host.append(h("div", { class: right ? "chart legend-right" : "chart" }, plotHost, legendHost));
  const redraw = () => render(state, plotHost, legendHost, redraw);
  state.view = view;
  redraw();
  return {
    update: (next) => { state.view = next; redraw(); },
    resize: () => state.chart?.resize(plotHost.clientWidth, plotHost.clientHeight),
    destroy: () => { state.chart?.destroy(); clear(host); },
  };
}

/** Fields with configuration, name and colour: what legend, tooltip and lines all draw from. */
function entriesOf({ series, panel, ctx }, state) {
  const colors = panelColors(series, ctx.color, ctx.theme());
  return ofTheirOwn(series.map((one) => {
    const config = fieldConfigOf(panel.fieldConfig, one);
    const custom = config.custom;
    const name = displayNameOf(one, config) || "Value";
    const values = custom.transform === "negative-Y" ? one.values.map((value) => (value === null ? null : -value)) : one.values;
    return { ...one, name, values, config, hidden: state.hidden.has(name), color: colorOf(config, one, colors.get(one.name), ctx.theme()),
      dashed: ["dash", "dot"].includes(custom.lineStyle?.fill) };
  }).filter((entry) => !entry.config.custom.hideFrom?.viz));
}

/** A dashed limit ("orders objective") has the colour of what it limits ("orders"), where that has a line of its own. */
export function ofTheirOwn(entries) {
  const lines = new Map(entries.filter(({ dashed }) => !dashed).map(({ name, color }) => [name, color]));
  return entries.map((entry) => (entry.dashed ? { ...entry, color: lines.get(entry.name.replace(/ \S+$/, "")) || entry.color } : entry));
}

/** Values with gaps no longer than `spanNulls` milliseconds made joinable: undefined, which uPlot draws over, in place of null. */
export function bridged({ values, times, config }) {
  const most = config.custom.spanNulls;
  if (typeof most !== "number") return values;
  let last = -1;
  const out = [...values];
  values.forEach((value, at) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return;
    if (last >= 0 && at > last + 1 && (times[at] - times[last]) * 1000 <= most) out.fill(undefined, last + 1, at);
    last = at;
  });
  return out;
}

function colorOf(config, series, place, theme) {
  const mode = config.color?.mode || "palette-classic";
  if (mode === "fixed" || mode === "shades") return namedColor(config.color.fixedColor, theme);
  if (mode === "thresholds" || mode.startsWith("continuous")) return displayValue(reduce(series.values, "lastNotNull"), config, theme).color || place;
  return place;
}

function toggle(state, entries, name, alone) {
  const others = entries.map((entry) => entry.name).filter((other) => other !== name);
  const isAlone = !state.hidden.has(name) && others.every((other) => state.hidden.has(other));
  if (alone) state.hidden = new Set(isAlone ? [] : others);
  else if (state.hidden.has(name)) state.hidden.delete(name);
  else state.hidden.add(name);
}

function render(state, plotHost, legendHost, redraw) {
  const { panel, ctx } = state.view;
  const entries = entriesOf(state.view, state);
  renderLegend(legendHost, { entries: entries.filter(({ config }) => !config.custom.hideFrom?.legend), options: panel.options.legend || {},
    theme: ctx.theme(), place: state.view.place, onToggle: (name, alone) => { toggle(state, entries, name, alone); redraw(); } });
  const shown = entries.filter(({ hidden }) => !hidden);
  plotHost.setAttribute("aria-label", spoken(panel, shown, ctx));
  const { times, columns } = align(shown.map((entry) => ({ ...entry, values: bridged(entry) })));
  const stacked = stack(shown, columns);
  const signature = JSON.stringify([shown.map(({ name, config, color }) => [name, config, color]), ctx.theme().name, ctx.utc()]);
  state.entries = shown;
  state.columns = columns;
  state.drawn = stacked.columns;
  state.times = times;
  if (state.chart && signature === state.signature) { state.chart.setData(times, stacked.columns); return; }
  state.chart?.destroy();
  clear(plotHost);
  state.signature = signature;
  state.chart = createChart(plotHost, specOf(state, times, stacked));
}

function spoken(panel, entries, ctx) {
  const parts = entries.slice(0, 8).map((entry) => `${entry.name} ${displayText(reduce(entry.values, "lastNotNull"), entry.config, ctx.theme())}`);
  return `${panel.title}: chart of ${entries.length} series, latest values: ${parts.join(", ")}${entries.length > 8 ? ", and more" : ""}. Arrow keys move through time.`;
}

function specOf(state, times, stacked) {
  const { ctx } = state.view;
  const theme = ctx.theme();
  const scales = scalesOf(state.entries, state.view.panel.targets.length);
  const keyOf = (entry) => scaleKey(entry.config);
  return {
    times, columns: stacked.columns, bands: stacked.bands, scales, theme, utc: ctx.utc(), syncKey: ctx.syncKey, fade: state.entries.length > 1,
    series: state.entries.map((entry, at) => seriesOptions(entry, keyOf(entry), stacked.order[at])),
    thresholds: thresholdsOf(state.entries, keyOf), range: () => ctx.range(), marks: () => ctx.marks(),
    onZoom: ctx.zoom, onCursor: (u, index, point) => tip(state, u, index, point),
  };
}

function scaleKey({ unit = "", custom, min, max }) {
  return `y:${unit}:${custom.axisPlacement === "right" ? "right" : ""}:${min ?? ""}:${max ?? ""}`;
}

/** One scale for each unit (and side, and bounds); the first goes left, the others right. */
function scalesOf(entries) {
  const scales = {};
  for (const { config } of entries) {
    const key = scaleKey(config);
    const custom = config.custom;
    const log = custom.scaleDistribution?.type === "log" ? Number(custom.scaleDistribution.log) || 10 : null;
    const right = custom.axisPlacement === "right" || (custom.axisPlacement !== "left" && Object.keys(scales).length > 0 && !scales[key]);
    scales[key] = scales[key] || { unit: config.unit, decimals: config.decimals, min: config.min, max: config.max, log,
      softMin: custom.axisSoftMin, softMax: custom.axisSoftMax, label: custom.axisLabel, side: right ? 1 : 3, show: custom.axisPlacement !== "hidden" };
  }
  return Object.keys(scales).length ? scales : { "y:": { side: 3, show: true } };
}

const PATHS = { smooth: () => uPlot.paths.spline(), stepBefore: () => uPlot.paths.stepped({ align: -1 }), stepAfter: () => uPlot.paths.stepped({ align: 1 }), linear: () => uPlot.paths.linear() };

function seriesOptions(entry, scale, below) {
  const custom = entry.config.custom;
  const style = custom.drawStyle || "line";
  const width = style === "points" ? 0 : custom.lineWidth ?? 1;
  const opacity = (custom.fillOpacity ?? 0) / 100;
  return { label: entry.name, scale, stroke: entry.color, width,
    fill: opacity > 0 ? alpha(entry.color, custom.gradientMode === "opacity" ? opacity * 0.6 : opacity) : undefined,
    dash: dashOf(custom.lineStyle), cap: custom.lineStyle?.fill === "dot" ? "round" : undefined,
    spanGaps: custom.spanNulls === true, points: { show: style === "points" || custom.showPoints === "always" ? true : style === "bars" ? false : lonely, size: custom.pointSize ?? 5, fill: entry.color },
    paths: style === "bars" ? uPlot.paths.bars({ size: [0.7, 60] }) : style === "points" ? () => null : (PATHS[custom.lineInterpolation] || PATHS.linear)(),
    pxAlign: below ? 0 : undefined };
}

/** Points only where a line cannot show them: a series whose samples have no neighbour. A line runs over what is undefined. */
export function lonely(u, seriesIndex) {
  const values = u.data[seriesIndex];
  const gap = (at) => at < 0 || at >= values.length || values[at] === null;
  return values.length <= 2 || values.every((value, at) => value === null || value === undefined || (gap(at - 1) && gap(at + 1)));
}

function dashOf(lineStyle) {
  if (!lineStyle || lineStyle.fill === "solid") return undefined;
  return lineStyle.dash?.length ? lineStyle.dash : lineStyle.fill === "dot" ? [0, 10] : [10, 10];
}

function thresholdsOf(entries, keyOf) {
  const byScale = new Map();
  for (const entry of entries) {
    const mode = entry.config.custom.thresholdsStyle?.mode;
    if (mode && mode !== "off" && !byScale.has(keyOf(entry))) {
      byScale.set(keyOf(entry), { mode, scale: keyOf(entry), steps: thresholdSteps(entry.config.thresholds, { min: entry.config.min ?? 0, max: entry.config.max ?? 100 }) });
    }
  }
  return [...byScale.values()];
}

function tip(state, u, index, point) {
  const { panel, ctx } = state.view;
  const options = panel.options.tooltip || {};
  if (options.mode === "none") return;
  let rows = state.entries.map((entry, at) => ({ entry, value: state.columns[at][index], drawn: state.drawn[at][index] }))
    .filter(({ value, entry }) => value !== null && value !== undefined && !entry.config.custom.hideFrom?.tooltip);
  if (options.sort === "desc" || options.sort === "asc") rows.sort((a, b) => (options.sort === "desc" ? b.value - a.value : a.value - b.value));
  const near = nearest(rows, u);
  if (options.mode === "single" && near) rows = [near];
  const marks = ctx.marks().filter((mark) => state.times[index] >= mark.from && state.times[index] <= (mark.to ?? mark.from));
  showTooltip({ ...point, heading: [dateTimeText(state.times[index], ctx.utc()), ...marksText(marks)].join(" · "),
    rows: rows.slice(0, MOST_ROWS).map((row) => ({ name: row.entry.name, color: row.entry.color, strong: rows.length > 1 && row === near,
      text: displayText(row.value, row.entry.config, ctx.theme()) })),
    more: rows.length > MOST_ROWS ? `and ${rows.length - MOST_ROWS} more` : null });
}

/** The names of the marks at a moment, as many as can be read. */
export function marksText(marks) {
  const names = [...new Set(marks.map(({ text }) => text))];
  return names.length > MOST_MARKS ? [...names.slice(0, MOST_MARKS), `and ${names.length - MOST_MARKS} more marks`] : names;
}

function nearest(rows, u) {
  let best = null;
  for (const row of rows) {
    const distance = Math.abs(u.valToPos(row.drawn, scaleKey(row.entry.config)) - u.cursor.top);
    if (!best || distance < best.distance) best = { row, distance };
  }
  return best?.row || null;
}
