// The state timeline: one row for each series, coloured by the state it was in; and the status history likewise.

import { FONT, shortened, textWidth } from "./axes.js";
import { clear, h } from "./dom.js";
import { createChart } from "./chart.js";
import { dateTimeText } from "./time.js";
import { displayNameOf, displayValue, fieldConfigOf } from "./fields.js";
import { aboutSeries, arrows, linksOf } from "./links.js";
import { inkOn, namedColor, paletteByName } from "./theme.js";
import { partsText } from "./values.js";
import { showTooltip } from "./tooltip.js";

export function drawTimeline(host, view) {
  const plotHost = h("div", { class: "plot", tabindex: "0", role: "img" });
  const legendHost = h("ul", { class: "legend legend-list" });
  host.append(h("div", { class: "chart" }, plotHost, legendHost));
  const state = { color: paletteByName(), chart: null };
  const redraw = (next) => {
    state.view = next;
    state.rows = rowsOf(state);
    state.chart?.destroy();
    clear(plotHost).setAttribute("aria-label", spoken(state));
    legend(legendHost, state);
    state.chart = createChart(plotHost, specOf(state));
  };
  redraw(view);
  return { update: redraw, resize: () => state.chart.resize(plotHost.clientWidth, plotHost.clientHeight), destroy: () => { state.chart.destroy(); clear(host); } };
}

/** Rows top to bottom with their runs of one state: [{name, runs: [{from, to, text, color}], at(time)}]. */
function rowsOf(state) {
  const { series, panel, ctx } = state.view;
  const theme = ctx.theme();
  return series.map((one) => {
    const config = fieldConfigOf(panel.fieldConfig, one);
    const face = (value) => {
      const shown = displayValue(value, config, theme);
      const text = partsText(shown);
      return { text, color: shown.color || state.color(text, theme) };
    };
    const name = displayNameOf(one, config);
    const links = config.links?.length ? linksOf(config.links, state.view.place(), aboutSeries({ ...one, name }, one.values.at(-1))) : [];
    return { name, links, runs: runsOf(one, face), values: one.values };
  });
}

/** Neighbouring samples of one state joined; a gap in the data stays a gap. */
export function runsOf({ times, values }, face) {
  const runs = [];
  const step = times.length > 1 ? times[1] - times[0] : 15;
  values.forEach((value, at) => {
    if (value === null || Number.isNaN(value)) return;
    const shown = face(value);
    const last = runs.at(-1);
    const to = at + 1 < times.length ? times[at + 1] : times[at] + step;
    if (last && last.text === shown.text && last.color === shown.color && last.to >= times[at]) last.to = to;
    else runs.push({ from: times[at], to, ...shown });
  });
  return runs;
}

function states(rows) {
  return [...new Map(rows.flatMap(({ runs }) => runs.map((run) => [run.text, run.color]))).entries()];
}

function legend(host, { rows, view }) {
  const hidden = view.panel.options.legend?.showLegend === false;
  const leading = rows.filter(({ links }) => links.length).map(({ name, links }) => h("li", {}, name, arrows(links)));
  clear(host).append(...(hidden ? [] : states(rows).map(([text, color]) => h("li", {}, h("span", { class: "swatch", style: { "--swatch": color } }), text))), ...leading);
}

function spoken({ rows, view }) {
  const parts = rows.slice(0, 8).map(({ name, runs }) => `${name} ${runs.at(-1)?.text ?? "no state"} after ${Math.max(0, runs.length - 1)} changes`);
  return `${view.panel.title}: states over time. ${parts.join(", ")}`;
}

function specOf(state) {
  const { ctx, panel } = state.view;
  const theme = ctx.theme();
  const times = [...new Set(state.view.series.flatMap((one) => one.times))].sort((a, b) => a - b);
  return { times, columns: [times.map(() => null)], series: [{ scale: "rows", points: { show: false } }], theme, utc: ctx.utc(), syncKey: ctx.syncKey,
    scales: { rows: { fixed: [0, Math.max(1, state.rows.length)], axis: (scale) => rowAxis(scale, state, theme) } },
    range: () => ctx.range(), marks: () => ctx.marks(), onZoom: ctx.zoom,
    underlay: (u) => paintRows(u, state, panel.options.rowHeight ?? 0.9, panel.options.showValue !== "never"),
    onCursor: (u, index, point) => tip(state, u, times[index], point) };
}

function rowAxis(scale, { rows, view }, theme) {
  const most = Math.max(90, view.width * (view.width < 500 ? 0.45 : 0.35)) - 14;
  const names = rows.map(({ name }) => shortened(name, most));
  const size = textWidth(names) + 14;
  const every = (u) => Math.max(1, Math.ceil((rows.length * 11) / Math.max(40, u.bbox.height ? u.bbox.height / devicePixelRatio : view.height - 46)));
  const middles = rows.map((_, at) => rows.length - at - 0.5);
  return { scale, side: 3, stroke: theme.faint, font: FONT, gap: 6, size: () => size, splits: () => middles,
    values: (u) => names.map((name, at) => (at % every(u) === 0 ? name : "")), grid: { show: false }, ticks: { show: false } };
}

function paintRows(u, { rows, view }, share, named) {
  const { ctx, bbox } = u;
  const height = bbox.height / Math.max(1, rows.length);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = FONT.replace("12px", `${11 * devicePixelRatio}px`);
  ctx.textAlign = "left"; // the axes leave their own alignment behind
  ctx.textBaseline = "middle";
  rows.forEach(({ runs }, at) => runs.forEach((run) => {
    const left = Math.max(bbox.left, u.valToPos(run.from, "x", true));
    const right = Math.min(bbox.left + bbox.width, u.valToPos(run.to, "x", true));
    if (right <= left) return;
    const top = bbox.top + at * height + (height * (1 - share)) / 2;
    ctx.fillStyle = run.color || namedColor("text", view.ctx.theme());
    ctx.fillRect(left, top, right - left, height * share);
    if (!named || ctx.measureText(run.text).width + 8 * devicePixelRatio > right - left) return;
    ctx.fillStyle = inkOn(run.color);
    ctx.fillText(run.text, left + 4 * devicePixelRatio, top + (height * share) / 2);
  }));
  ctx.restore();
}

function tip({ rows, view }, u, time, point) {
  const place = Math.floor((u.cursor.top / (u.bbox.height / devicePixelRatio)) * rows.length);
  const at = (row) => row.runs.find((run) => run.from <= time && time < run.to);
  showTooltip({ ...point, heading: dateTimeText(time, view.ctx.utc()), rows: rows.map((row, number) => ({ row, run: at(row), number })).filter(({ run }) => run)
    .map(({ row, run, number }) => ({ name: row.name, text: run.text, color: run.color, strong: number === place })) });
}
