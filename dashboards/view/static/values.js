// What the single-value panels share: series (or table rows) reduced to named values.

import { displayNameOf, displayValue, fieldConfigOf } from "./fields.js";
import { reduce } from "./reduce.js";

/** [{name, value, shown, config, series}]: one for each series and calculation, or one for each row where all values are wanted. */
export function reducedValues({ series, panel, ctx }) {
  const options = panel.options.reduceOptions || {};
  const calcs = options.calcs?.length ? options.calcs : ["lastNotNull"];
  const out = [];
  for (const one of series) {
    const config = fieldConfigOf(panel.fieldConfig, one);
    const name = displayNameOf(one, config);
    const numbers = options.values ? one.values : calcs.map((calc) => reduce(one.values, calc));
    for (const value of numbers) out.push({ name, value, config, series: one, shown: displayValue(value, config, ctx.theme()) });
  }
  return options.limit ? out.slice(0, options.limit) : out;
}

const OLD_S = 60; // and four steps: so long may a value be the last one before a reader must be told

/** Seconds since the last value of a series over a range, where that is long enough to be said; else null. */
export function ageOf({ times, values }, reducer) {
  if (!/^last/.test(reducer || "lastNotNull") || times.length < 2) return null;
  const last = values.findLastIndex((value) => value !== null && value !== undefined && !Number.isNaN(value));
  const age = times.at(-1) - times[last];
  return last >= 0 && age > Math.max(OLD_S, 4 * (times[1] - times[0])) ? age : null;
}

/** The scale of bars and gauges where a panel sets no min and max: all its values together. */
export function sharedBounds(values) {
  const numbers = values.map(({ value }) => value).filter((value) => value !== null && Number.isFinite(value));
  return { min: Math.min(0, ...numbers), max: Math.max(...numbers, 0) || 100 };
}

export function partsText({ prefix, text, suffix }) {
  return prefix + text + suffix;
}
