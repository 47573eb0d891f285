// uPlot axes and scales from field configuration: time and number labels, sides, soft and hard bounds, logarithms.

import { formatParts, formatValue } from "./units.js";
import { tickTexts } from "./time.js";

export const FONT = '12px Inter, "Helvetica Neue", Arial, "Liberation Sans", sans-serif';

const BINARY_UNITS = /^(?:[kmg]?bytes|binBps|bits|binbps)$/;
const BINARY_STEPS = Array.from({ length: 60 }, (_, power) => 2 ** power); // so that ticks read 64, 128, 256 MiB

const SECONDS_UNITS = { s: 1, ms: 1000, µs: 1e6, ns: 1e9, dtdurations: 1, m: 1 / 60, h: 1 / 3600 };
const SMALL_STEPS = Array.from({ length: 27 }, (_, at) => Number(`${[1, 2, 5][at % 3]}e${Math.floor(at / 3) - 9}`));
const TIME_STEPS = [...SMALL_STEPS, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
  1209600, 2592000, 7776000, 31536000, 63072000]; // so that ticks read 30 s, 5 mins, 1 hour

const STEPS = Array.from({ length: 81 }, (_, at) => Number(`${[1, 2, 5][at % 3]}e${Math.floor(at / 3) - 9}`));
const WHOLE_STEPS = STEPS.filter((step) => step >= 1);
const COUNTS = ["", "none", "short", "Bps"];

function stepsOf(unit) {
  if (BINARY_UNITS.test(unit || "")) return BINARY_STEPS;
  return SECONDS_UNITS[unit] ? TIME_STEPS.map((step) => step * SECONDS_UNITS[unit]) : STEPS;
}

/** Whether everything that is drawn on a scale is counted: then half a consumer is no tick. */
export function counted(columns) {
  return columns.length > 0 && columns.every((values) => values.every((value) => value === null || value === undefined || Number.isInteger(value)));
}

let measuring = null;

/** Width in CSS pixels of the widest text, in the axis font. */
export function textWidth(texts) {
  measuring = measuring || document.createElement("canvas").getContext("2d");
  measuring.font = FONT;
  return Math.max(0, ...texts.map((text) => measuring.measureText(String(text)).width));
}

/** A name that fits into so many CSS pixels; what is cut off its end is shown by dots. */
export function shortened(name, most) {
  if (textWidth([name]) <= most) return name;
  let kept = name.length - 1;
  while (kept > 1 && textWidth([`${name.slice(0, kept)}…`]) > most) kept -= 1;
  return `${name.slice(0, kept)}…`;
}

export function timeAxis(theme, utc) {
  return { scale: "x", stroke: theme.faint, font: FONT, size: 26, gap: 4,
    space: (_u, _axis, from, to, pixels) => (((to - from) / pixels) * 46 > 30 ? 46 : 66), // "06:05" or "06:05:30"
    grid: { stroke: theme.grid, width: 1 }, ticks: { show: false },
    values: (_u, splits, _axis, _space, increment) => tickTexts(splits, increment, utc) };
}

/** side 3 is left, 1 is right. The axis is as wide as its widest label. */
export function valueAxis(scale, theme, { unit, decimals, side, label, show, log }) {
  const texts = (_u, splits) => axisTexts(splits, unit, decimals, log);
  const steps = (u) => (COUNTS.includes(unit || "") && counted(u.data.filter((_, at) => at > 0 && u.series[at].scale === scale)) ? WHOLE_STEPS : stepsOf(unit));
  return { scale, side, show, incrs: log ? undefined : steps, label: label || undefined, labelSize: label ? 18 : 0, labelFont: FONT, labelGap: 0,
    stroke: theme.faint, font: FONT, space: (_u, _axis, _from, _to, pixels) => Math.max(26, pixels / 10), gap: 6, values: texts,
    size: (_u, values) => (values ? Math.ceil(textWidth(values)) + 14 : 40),
    grid: { show: side === 3, stroke: theme.grid, width: 1 }, ticks: { show: false } };
}

/** Labels of one axis that share a unit share their decimals, as few as are true: never "2 K" for 1.5 K. */
export function axisTexts(splits, unit, decimals, log) {
  const known = splits.filter((value) => value !== null && value !== undefined);
  const size = unit === "s" && !log && timeUnit(known);
  if (size) return splits.map((value) => (value === null || value === undefined ? "" : `${value / size[1]} ${size[0]}${value === size[1] || size[1] === 1 ? "" : "s"}`));
  if (unit === "s" && log) return splits.map((value) => (value >= 60 && value % 60 ? `${value} s` : value === null || value === undefined ? "" : formatValue(value, unit, decimals)));
  const fixed = log || (decimals !== undefined && decimals !== null);
  const suffix = (value) => formatParts(value, unit, 6).suffix.replace(/s$/, "");
  const alike = (value) => known.filter((other) => suffix(other) === suffix(value));
  const apart = (some, count) => new Set(some.map((other) => formatValue(other, unit, count))).size === some.length;
  const digits = (value) => (fixed ? decimals : [0, 1, 2, 3].find((count) => apart(alike(value), count) && alike(value).every((other) => exact(other, unit, count))) ?? [1, 2, 3, 4, 5].find((count) => apart(alike(value), count)));
  return splits.map((value) => (value === null || value === undefined ? "" : formatValue(value, unit, digits(value))));
}

/** [name, seconds] of the unit in which ticks of seconds are whole and one of which is past a minute: "70 s" and not "1.167 mins". */
function timeUnit(known) {
  if (!known.some((value) => Math.abs(value) >= 60)) return null;
  return [["day", 86400], ["hour", 3600], ["min", 60], ["s", 1]].find(([, size]) => known.every((value) => value % size === 0)) || null;
}

function exact(value, unit, digits) {
  const printed = (count) => Number.parseFloat(formatValue(value, unit, count).replace(/,/g, ""));
  return Math.abs(printed(digits) - printed(6)) <= 1e-3 * Math.abs(printed(6)) || unit === "dtdurations";
}

/** A uPlot scale: hard bounds win, soft bounds hold until the data passes them. */
export function valueScale({ min, max, softMin, softMax, log }) {
  if (log) return { distr: 3, log: log === 2 ? 2 : 10, range: (_u, low, high) => logRange(low, high, log === 2 ? 2 : 10, min, max) };
  return { range: (_u, low, high) => linearRange(low, high, { min, max, softMin, softMax }) };
}

function logRange(low, high, base, min, max) {
  if (low === null || low === undefined || high <= 0) return [1, base];
  const [from, to] = uPlot.rangeLog(low, high, base, true);
  return [min > 0 ? min : from, max > 0 ? max : to];
}

/** [from, to] around the data; an empty or flat chart gets a range that can be read. */
export function linearRange(low, high, { min, max, softMin, softMax }) {
  if (low === null || low === undefined) [low, high] = [0, 1];
  if (low === high) [low, high] = low === 0 ? [0, 1] : low > 0 ? [0, high * 1.2] : [low * 1.2, 0];
  const span = high - low;
  let from = low >= 0 && low <= span ? 0 : low - span * 0.1; // zero belongs to the picture when it is near
  let to = high <= 0 && -high <= span ? 0 : high + span * 0.1;
  if (softMin !== undefined && softMin !== null) from = low >= softMin ? softMin : from;
  if (softMax !== undefined && softMax !== null) to = high <= softMax ? softMax : to;
  if (min !== undefined && min !== null) from = min;
  if (max !== undefined && max !== null) to = max;
  return to > from ? [from, to] : [from, from + 1];
}
