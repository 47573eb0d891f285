// How much of a panel is drawn where there is more than a page, or a reader, can take. What is left out is said on the panel.

export const MOST_SERIES = 100;
const ABOVE_AND_BELOW = 86; // of a timeline's rows: marks and their names, the time axis, the legend

/** How many series a panel of this size can show so that each can still be told from the others. */
export function mostSeries({ type, options }, { width, height }) {
  if (type === "stat") {
    const across = options.orientation === "vertical" || (options.orientation !== "horizontal" && width >= height);
    return Math.max(1, Math.floor(across ? width / 64 : height / 24));
  }
  if (type === "state-timeline" || type === "status-history") return Math.max(4, Math.floor((height - ABOVE_AND_BELOW) / 12));
  return type === "heatmap" ? Infinity : MOST_SERIES; // a heat map's series are its rows, and few
}

function peak({ values }) {
  return values.reduce((most, value) => (Number.isFinite(value) && value > most ? value : most), -Infinity);
}

function changes({ values }) {
  return values.reduce((count, value, at) => count + (at > 0 && value !== null && values[at - 1] !== null && value !== values[at - 1] ? 1 : 0), 0);
}

/**
 * {series, said}: the series to draw, in their order, and a sentence where some are left out, else null. Each query keeps its share,
 * so that a limit that is drawn beside what it limits does not push that out. States are ranked by how often they changed.
 */
export function bounded(series, most, type) {
  if (series.length <= most) return { series, said: null };
  const timeline = type === "state-timeline" || type === "status-history";
  const rank = timeline ? changes : peak;
  const groups = new Map();
  for (const one of series) groups.set(one.refId, [...(groups.get(one.refId) || []), one]);
  const ranked = [...groups.values()].map((group) => group.map((one) => [rank(one), one]).sort((a, b) => b[0] - a[0]).map(([, one]) => one));
  const kept = new Set();
  for (let place = 0; kept.size < most; place += 1) for (const group of ranked) if (group[place] && kept.size < most) kept.add(group[place]);
  return { series: series.filter((one) => kept.has(one)), said: `${most} of ${series.length} series, ${timeline ? "those that changed most" : "the highest"}` };
}
