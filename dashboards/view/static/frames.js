// Prometheus answers -> series ({name, refId, labels, times, values}) and tables ({refId, fields, rows}).

/** A sample's text as a number: "NaN", "+Inf" and "-Inf" included. */
export function sampleNumber(text) {
  if (text === "+Inf" || text === "Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}

/** up{job="x"}: how Prometheus itself would write the series. */
export function metricText(labels) {
  const { __name__: name = "", ...rest } = labels;
  const pairs = Object.entries(rest).map(([key, value]) => `${key}="${value}"`);
  return pairs.length || !name ? `${name}{${pairs.join(", ")}}` : name;
}

function autoName(labels, varying, target) {
  if (varying.length === 1) return labels[varying[0]] ?? "";
  if (Object.keys(labels).length === 0) return target.expr || target.refId;
  return metricText(labels);
}

/** Label keys whose values differ between the series: what a reader needs to tell them apart. */
export function varyingLabels(all) {
  const keys = new Set(all.flatMap((labels) => Object.keys(labels)));
  keys.delete("__name__");
  return [...keys].filter((key) => new Set(all.map((labels) => labels[key])).size > 1);
}

export function seriesName(labels, target, varying) {
  const format = target.legendFormat;
  if (!format || format === "__auto") return autoName(labels, varying, target);
  return format.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, key) => labels[key] ?? "");
}

/** Whether a series is called after its labels alone (a queue, a node), with no word of the panel's own. */
export function namedByLabels({ legendFormat }) {
  return !legendFormat || legendFormat === "__auto" || (/\{\{/.test(legendFormat) && !/\w/.test(legendFormat.replace(/\{\{[^}]*\}\}/g, "")));
}

/** Missing steps become nulls, so that a gap in the data is a gap in the line. */
function onGrid(samples, grid) {
  if (!grid || grid.step <= 0) return { times: samples.map(([at]) => at), values: samples.map(([, text]) => sampleNumber(text)) };
  const size = Math.floor((grid.end - grid.start) / grid.step + 1e-6) + 1;
  const values = new Array(size).fill(null);
  for (const [at, text] of samples) {
    const place = Math.round((at - grid.start) / grid.step);
    if (place >= 0 && place < size) values[place] = sampleNumber(text);
  }
  return { times: Array.from(values, (_, place) => grid.start + place * grid.step), values };
}

/** answer: {resultType, result, grid?: {start, end, step}} as query.js returns it. */
export function toSeries(target, answer) {
  if (answer.resultType === "series") return answer.result; // of a report: series already
  if (answer.resultType === "scalar" || answer.resultType === "string") {
    return [{ name: target.legendFormat || target.expr, refId: target.refId, labels: {}, times: [answer.result[0]], values: [sampleNumber(answer.result[1])] }];
  }
  const varying = varyingLabels(answer.result.map((row) => row.metric));
  return answer.result.map((row) => {
    const points = answer.resultType === "matrix" ? onGrid(row.values, answer.grid)
      : { times: [row.value[0]], values: [sampleNumber(row.value[1])] };
    return { name: seriesName(row.metric, target, varying), named: namedByLabels(target), kind: target.legendFormat, refId: target.refId, labels: row.metric, ...points };
  });
}

/** A table of an instant vector: Time, one column per label, and the value (named by refId where there are several). */
export function toTable(target, answer, severalTargets) {
  const rows = answer.resultType === "vector" ? answer.result.map((row) => [row.metric, row.value])
    : answer.resultType === "matrix" ? answer.result.filter((row) => row.values.length).map((row) => [row.metric, row.values.at(-1)])
      : [[{}, answer.result]];
  const keys = [...new Set(rows.flatMap(([labels]) => Object.keys(labels)))].sort();
  const valueName = severalTargets ? `Value #${target.refId}` : "Value";
  const fields = [{ name: "Time", type: "time" }, ...keys.map((name) => ({ name, type: "string" })),
    { name: valueName, type: "number", refId: target.refId }];
  return { refId: target.refId, fields,
    rows: rows.map(([labels, [at, text]]) => [at * 1000, ...keys.map((key) => labels[key] ?? null), sampleNumber(text)]) };
}

/** All series on one time axis: {times, columns}. null is a gap; undefined (another query's grid) is none. */
export function align(series) {
  const first = series[0]?.times || [];
  const same = series.every(({ times }) => times.length === first.length && times[0] === first[0] && times.at(-1) === first.at(-1));
  if (same) return { times: first, columns: series.map(({ values }) => values.map(drawable)) };
  const times = [...new Set(series.flatMap((one) => one.times))].sort((a, b) => a - b);
  const place = new Map(times.map((at, index) => [at, index]));
  const columns = series.map((one) => {
    const column = new Array(times.length).fill(undefined);
    one.times.forEach((at, index) => { column[place.get(at)] = drawable(one.values[index]); });
    return column;
  });
  return { times, columns };
}

/** undefined stays what it is: a place that a line runs over. */
function drawable(value) {
  return value === undefined || Number.isFinite(value) ? value : null;
}
