// One uPlot chart: crosshair shared over the page, drag to zoom every panel, marks, a tooltip, and the arrow keys.

import { timeAxis, valueAxis, valueScale } from "./axes.js";
import { paintMarks, paintThresholds, roomAbove } from "./paint.js";
import { hideTooltip } from "./tooltip.js";

const LEAST_WIDTH = 180; // of what is drawn while it is hidden, too: uPlot fails where its axes leave nothing for the plot

/**
 * spec: {times, columns, series: [uPlot series + scale], scales: {key: settings}, range: () => ({from, to}),
 *        bands, thresholds, marks: () => [...], theme, utc, syncKey, onZoom(from, to), onCursor(u, index, point),
 *        underlay(u), which paints areas of its own}
 * Returns {plot, setData(times, columns), resize(width, height), destroy()}.
 */
export function createChart(host, spec) {
  const state = { hovered: false, dragging: false, keyed: false };
  const plot = new uPlot(optionsOf(host, spec, state), [spec.times, ...spec.columns], host);
  const stop = listen(host, plot, spec, state);
  return {
    plot,
    setData: (times, columns) => plot.setData([times, ...columns]),
    resize: (width, height) => { if (width > 0 && height > 0) plot.setSize({ width, height }); },
    destroy: () => { stop(); if (state.hovered || state.keyed) hideTooltip(); plot.destroy(); },
  };
}

function optionsOf(host, spec, state) {
  return {
    width: Math.max(LEAST_WIDTH, host.clientWidth), height: Math.max(60, host.clientHeight),
    padding: [(u) => roomAbove(spec.marks?.() || [], u.height), 22, 0, 0], legend: { show: false },
    tzDate: (seconds) => (spec.utc ? uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : new Date(seconds * 1000)),
    cursor: { sync: { key: spec.syncKey, setSeries: false, scales: ["x", null] }, focus: { prox: 24 },
      drag: { x: true, y: false, setScale: false }, points: { size: 7, width: 1 } },
    focus: { alpha: spec.fade ? 0.3 : 1 },
    series: [{}, ...spec.series], bands: spec.bands || [],
    scales: { x: { time: true, range: () => [spec.range().from, spec.range().to] }, ...scalesOf(spec) },
    axes: axesOf(spec),
    hooks: hooksOf(spec, state),
  };
}

function scalesOf(spec) {
  return Object.fromEntries(Object.entries(spec.scales).map(([key, settings]) => [key, settings.fixed
    ? { range: () => settings.fixed } : valueScale(settings)]));
}

function axesOf(spec) {
  const shown = Object.entries(spec.scales).filter(([, settings]) => settings.show !== false); // uPlot stops at a hidden axis
  const values = shown.map(([key, settings]) =>
    (settings.axis ? settings.axis(key) : valueAxis(key, spec.theme, settings)));
  return [timeAxis(spec.theme, spec.utc), ...values];
}

function hooksOf(spec, state) {
  return {
    drawAxes: [(u) => (spec.thresholds || []).forEach((one) => paintThresholds(u, one, spec.theme)), (u) => spec.underlay?.(u)],
    draw: [(u) => paintMarks(u, spec.marks?.() || [], spec.theme, { wash: !spec.underlay })],
    setCursor: [(u) => {
      if (!state.hovered && !state.keyed) return;
      const inside = u.cursor.left >= 0 && u.cursor.idx !== null && u.cursor.idx !== undefined;
      if (inside) spec.onCursor?.(u, u.cursor.idx, pointOf(u));
      else hideTooltip();
    }],
    setSelect: [(u) => {
      const { left, width } = u.select;
      u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      const mine = state.dragging; // the charts in sync were dragged along, and only clear themselves
      state.dragging = false;
      if (mine && width >= 4) spec.onZoom?.(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
    }],
  };
}

function pointOf(u) {
  const over = u.root.querySelector(".u-over").getBoundingClientRect();
  return { x: over.left + u.cursor.left, y: over.top + Math.max(0, u.cursor.top) };
}

/** Pointer and keyboard state; the synced copies of these events must not open a tooltip or zoom twice. */
function listen(host, plot, spec, state) {
  const over = plot.root.querySelector(".u-over");
  const leave = () => { state.hovered = false; hideTooltip(); };
  const key = (event) => moveByKey(event, plot, state);
  const blur = () => { if (state.keyed) { state.keyed = false; plot.setCursor({ left: -10, top: -10 }, true, true); hideTooltip(); } };
  over.addEventListener("mouseenter", () => { state.hovered = true; });
  over.addEventListener("mouseleave", leave);
  over.addEventListener("mousedown", () => { state.dragging = true; });
  host.addEventListener("keydown", key);
  host.addEventListener("blur", blur);
  return () => { host.removeEventListener("keydown", key); host.removeEventListener("blur", blur); };
}

/** Left and right move the crosshair by a point, with shift by ten; Home and End go to the ends. */
function moveByKey(event, plot, state) {
  const times = plot.data[0];
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const jump = { Home: 0, End: times.length - 1 }[event.key];
  if ((step === undefined && jump === undefined) || !times.length) return;
  event.preventDefault();
  event.stopPropagation();
  state.keyed = true;
  const now = plot.cursor.left >= 0 ? plot.cursor.idx ?? 0 : step < 0 ? times.length : -1;
  const next = jump ?? Math.min(times.length - 1, Math.max(0, now + step * (event.shiftKey ? 10 : 1)));
  plot.setCursor({ left: plot.valToPos(times[next], "x"), top: plot.bbox.height / devicePixelRatio / 3 }, true, true);
}
