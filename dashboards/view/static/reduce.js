// Reducers: one number out of a series, by Grafana's names for them.

const numbers = (values) => values.filter((value) => value !== null && value !== undefined && !Number.isNaN(value));
const sum = (values) => values.reduce((total, value) => total + value, 0);

function increases(values) {
  const known = numbers(values);
  return known.reduce((total, value, at) => {
    if (at === 0) return 0;
    return total + (value >= known[at - 1] ? value - known[at - 1] : value); // a counter that fell was reset
  }, 0);
}

const REDUCERS = {
  last: (values) => values[values.length - 1],
  lastNotNull: (values) => numbers(values).at(-1),
  first: (values) => values[0],
  firstNotNull: (values) => numbers(values)[0],
  min: (values) => least(numbers(values), 1),
  max: (values) => least(numbers(values), -1),
  mean: (values) => { const known = numbers(values); return known.length ? sum(known) / known.length : null; },
  sum: (values) => (numbers(values).length ? sum(numbers(values)) : null),
  count: (values) => values.length,
  range: (values) => (numbers(values).length ? REDUCERS.max(values) - REDUCERS.min(values) : null),
  delta: increases,
  diff: (values) => { const known = numbers(values); return known.length ? known.at(-1) - known[0] : null; },
  median: (values) => quantile(values, 0.5),
  variance: (values) => { const known = numbers(values); const m = sum(known) / known.length; return sum(known.map((v) => (v - m) ** 2)) / known.length; },
  stdDev: (values) => Math.sqrt(REDUCERS.variance(values)),
};

function least(values, sign) {
  if (!values.length) return null;
  return values.reduce((best, value) => (sign * value < sign * best ? value : best));
}

function quantile(values, share) {
  const sorted = numbers(values).sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : null;
}

export const REDUCER_LABELS = { last: "Last", lastNotNull: "Last *", first: "First", firstNotNull: "First *", min: "Min",
  max: "Max", mean: "Mean", sum: "Total", count: "Count", range: "Range", delta: "Delta", diff: "Difference",
  median: "Median", variance: "Variance", stdDev: "StdDev" };

/** A number or null. Accepts "p95" beside the names above; an unknown name counts as lastNotNull. */
export function reduce(values, name) {
  const percentile = /^p(\d{1,2})$/.exec(name || "");
  if (percentile) return quantile(values, Number(percentile[1]) / 100);
  const result = (REDUCERS[name] || REDUCERS.lastNotNull)(values);
  return result === undefined || Number.isNaN(result) ? null : result;
}

export function reducerLabel(name) {
  return REDUCER_LABELS[name] || name;
}
