// The result's seconds as Grafana panels, grouped by the unit in each key's ending, so that a new key gets a chart too.

import { namedByLabels } from "./frames.js";

const GROUPS = [
  { ends: "_per_s", title: "Rates", unit: "mps", about: "Messages in each second.", options: { min: 0 } },
  { ends: "_s", title: "Latency", unit: "s", about: "Percentiles of each second, from the intended time of sending. The scale is logarithmic: a step up is ten times longer.", log: true },
  { ends: "_bytes", title: "Memory", unit: "bytes", about: "", options: { min: 0 } },
  { ends: "_ratio", title: "Shares", unit: "percentunit", about: "", options: { min: 0 } },
  { ends: "", title: "Counts", unit: "short", about: "", options: { min: 0 } },
];

const ORDER = ["published_per_s", "confirmed_per_s", "consumed_per_s"];

/** "end_to_end_p99_s" -> "end to end p99". */
export function seriesLabel(key, ends) {
  return key.slice(0, key.length - ends.length).replace(/_/g, " ").replace("p9999", "p99.99").replace("p999", "p99.9");
}

/** Panels with their data: {…Grafana panel, answers: [{target, query, series}]}. */
export function panelsOf({ series, started_s: began }) {
  const times = series.t_s.map((at) => began + at);
  const left = new Set(Object.keys(series.columns));
  const panels = [];
  for (const group of GROUPS) {
    const keys = [...left].filter((key) => key.endsWith(group.ends)).sort((a, b) => place(a) - place(b));
    keys.forEach((key) => left.delete(key));
    if (!keys.length || !times.length) continue;
    const lines = keys.map((key) => ({ name: seriesLabel(key, group.ends), refId: "A", labels: {}, times, values: group.log ? series.columns[key].map((value) => value || null) : series.columns[key] }));
    panels.push(chart(panels.length, group, lines, `series of the result: ${keys.join(", ")}`));
  }
  return panels;
}

function place(key) {
  return ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length;
}

function chart(at, group, lines, query) {
  const target = { refId: "A", expr: "" };
  return { id: at, type: "timeseries", title: group.log ? `${group.title} (logarithmic scale)` : group.title, description: group.about, targets: [target], transformations: [],
    gridPos: { x: 0, y: at * 10, w: 24, h: 10 }, answers: [{ target, query, series: lines }],
    fieldConfig: { defaults: { unit: group.unit, ...(group.options || {}), color: { mode: "palette-classic" },
      custom: { lineWidth: 1.5, fillOpacity: 0, ...(group.log ? { scaleDistribution: { type: "log", log: 10 } } : {}) } }, overrides: [] },
    options: { legend: { displayMode: "table", placement: "bottom", calcs: ["median", "max"] }, tooltip: { mode: "multi", sort: "none" } } };
}

/** A recording's panels by dashboard, two in a line: [{title, panels}]. */
export function recordedBoards(recording) {
  const boards = new Map();
  for (const { dashboard = "", panel, results } of recording?.panels || []) {
    const panels = boards.get(dashboard) || [];
    boards.set(dashboard, panels);
    panels.push({ transformations: [], options: {}, targets: [], ...panel, id: `${dashboard}-${panels.length}`,
      fieldConfig: { defaults: {}, overrides: [], ...panel.fieldConfig }, gridPos: { x: (panels.length % 2) * 12, y: Math.floor(panels.length / 2) * 9, w: 12, h: 9 },
      said: saidOf(Object.values(results)), answers: (panel.targets || []).filter(({ refId }) => results[refId]).map((target) => answerOf(target, results[target.refId])) });
  }
  return [...boards].map(([title, panels]) => ({ title, panels }));
}

/** What of a panel's series was not recorded, where some were not. */
function saidOf(results) {
  const [kept, found] = results.reduce(([a, b], { series, found: all }) => [a + series.length, b + (all ?? series.length)], [0, 0]);
  return kept < found ? `${kept} of ${found} series, the highest` : null;
}

function answerOf(target, { query, start_s: start, step_s: step, series }) {
  return { target, query, series: series.map((one) => ({ name: one.name, named: namedByLabels(target), kind: target.legendFormat, refId: target.refId, labels: one.labels || {}, values: one.values, times: one.values.map((_, at) => start + at * step) })) };
}
