// Time ranges and their text. Everything inside is epoch seconds; Grafana's "now-15m" only at the edges.

const UNIT_S = { s: 1, m: 60, h: 3600, d: 86400, w: 604800, M: 2628000, y: 31536000 };

export const PRESETS = [["now-5m", "Last 5 minutes"], ["now-15m", "Last 15 minutes"], ["now-30m", "Last 30 minutes"],
  ["now-1h", "Last 1 hour"], ["now-3h", "Last 3 hours"], ["now-6h", "Last 6 hours"], ["now-12h", "Last 12 hours"],
  ["now-24h", "Last 24 hours"], ["now-2d", "Last 2 days"], ["now-7d", "Last 7 days"]];

export const REFRESHES = ["", "5s", "10s", "30s", "1m", "5m", "15m"];

/** Seconds of "15s", "1m", "500ms", "2h"; null where the text is no duration. */
export function parseDuration(text) {
  const match = /^>?\s*(\d+(?:\.\d+)?)(ms|s|m|h|d|w|M|y)$/.exec(String(text ?? "").trim());
  if (!match) return null;
  return match[2] === "ms" ? Number(match[1]) / 1000 : Number(match[1]) * UNIT_S[match[2]];
}

/** Text of a duration as PromQL and Grafana write it. */
export function durationText(seconds) {
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))}ms`;
  const whole = Math.round(seconds);
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (whole >= size && whole % size === 0) return `${whole / size}${unit}`;
  }
  return `${whole}s`;
}

/** Epoch seconds of "now", "now-15m", "now/d", epoch milliseconds or an ISO date; null where unreadable. */
export function parseTime(text, now) {
  const match = /^now((?:[-+]\d+[smhdwMy])*)(?:\/([smhdw]))?$/.exec(String(text).trim());
  if (!match) {
    if (/^\d{10,}$/.test(text)) return Number(text) / 1000;
    const parsed = Date.parse(text);
    return Number.isNaN(parsed) ? null : parsed / 1000;
  }
  let at = now;
  for (const part of match[1].matchAll(/([-+])(\d+)([smhdwMy])/g)) {
    at += (part[1] === "-" ? -1 : 1) * Number(part[2]) * UNIT_S[part[3]];
  }
  return match[2] ? Math.floor(at / UNIT_S[match[2]]) * UNIT_S[match[2]] : at;
}

/** {from, to} in epoch seconds; falls back to the last 15 minutes where either end is unreadable. */
export function resolveRange(range, now) {
  const from = parseTime(range.from, now);
  const to = parseTime(range.to, now);
  if (from === null || to === null || to <= from) return { from: now - 900, to: now };
  return { from, to };
}

const two = (number) => String(number).padStart(2, "0");

function parts(seconds, utc) {
  const date = new Date(seconds * 1000);
  return utc
    ? [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    : [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()];
}

/** "2026-11-22 06:05:10", local or UTC. */
export function dateTimeText(seconds, utc) {
  const [year, month, day, hour, minute, second] = parts(seconds, utc);
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}`;
}

/** Labels of a time axis whose ticks are `increment` seconds apart. */
export function tickTexts(splits, increment, utc) {
  return splits.map((at) => {
    if (!Number.isInteger(at) && increment < 1) return ""; // between two whole seconds, whose texts say it
    const [, month, day, hour, minute, second] = parts(at, utc);
    if (increment >= 86400 || (hour === 0 && minute === 0 && second === 0)) return `${two(month)}/${two(day)}`;
    return increment < 60 ? `${two(hour)}:${two(minute)}:${two(second)}` : `${two(hour)}:${two(minute)}`;
  });
}

/** The range in words, for the picker's face. */
export function rangeText(range, utc) {
  const preset = range.to === "now" && PRESETS.find(([from]) => from === range.from);
  if (preset) return preset[1];
  const last = range.to === "now" && /^now-(\d+)([smhd])$/.exec(range.from);
  if (last) return `Last ${last[1]} ${{ s: "second", m: "minute", h: "hour", d: "day" }[last[2]]}${last[1] === "1" ? "" : "s"}`;
  const now = Date.now() / 1000;
  const { from, to } = resolveRange(range, now);
  return `${dateTimeText(from, utc)} to ${range.to === "now" ? "now" : dateTimeText(to, utc)}`;
}
