// Numbers as Grafana prints them: unit id -> text. Each family is one function (value, decimals) -> parts.

const SHORT = ["", "K", "Mil", "Bil", "Tri", "Quadr", "Quint", "Sext", "Sept"];
const COUNT = ["", "K", "M", "B", "T"];
const SI_UP = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
const SI_DOWN = ["", "m", "µ", "n", "p", "f"];
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
const MINUTE = 60, HOUR = 3600, DAY = 86400, WEEK = 604800, MONTH = 2628000, YEAR = 31536000;

/** Fixed text; without `decimals`, three significant digits and none for whole numbers. */
export function toFixed(value, decimals) {
  if (value === null || value === undefined) return "";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  if (decimals === null || decimals === undefined || decimals === "") decimals = autoDecimals(value);
  return value.toFixed(Math.min(20, Math.max(0, decimals)));
}

function autoDecimals(value) {
  if (value % 1 === 0) return 0;
  return Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
}

function plain(suffix) {
  return (value, decimals) => ({ text: toFixed(value, decimals), suffix });
}

function steps(value, factor, names) {
  const size = Math.abs(value);
  let index = size === 0 || !Number.isFinite(size) ? 0 : Math.floor(Math.log(size) / Math.log(factor) + 1e-12);
  index = Math.min(Math.max(index, 0), names.length - 1);
  return [value / factor ** index, names[index]];
}

function short(value, decimals) {
  const [scaled, name] = steps(value, 1000, SHORT);
  return { text: toFixed(scaled, decimals), suffix: name ? ` ${name}` : "" };
}

function count(unit) {
  return (value, decimals) => {
    const [scaled, name] = steps(value, 1000, COUNT);
    return { text: toFixed(scaled, decimals), suffix: `${name} ${unit}` };
  };
}

function si(unit, offset = 0) {
  return (raw, decimals) => {
    const value = raw * 1000 ** offset;
    const size = Math.abs(value);
    if (size > 0 && size < 1) {
      const down = Math.min(SI_DOWN.length - 1, Math.ceil(-Math.log10(size) / 3 - 1e-12));
      return { text: toFixed(value * 1000 ** down, decimals), suffix: ` ${SI_DOWN[down]}${unit}` };
    }
    const [scaled, name] = steps(value, 1000, SI_UP);
    return { text: toFixed(scaled, decimals), suffix: ` ${name}${unit}` };
  };
}

function binary(unit, offset = 0) {
  return (value, decimals) => {
    const [scaled, name] = steps(value * 1024 ** offset, 1024, BINARY);
    return { text: toFixed(scaled, decimals), suffix: ` ${name}${unit}` };
  };
}

function plural(value, decimals, word) {
  const text = toFixed(value, decimals);
  return { text, suffix: text === "1" ? ` ${word}` : ` ${word}s` };
}

function seconds(value, decimals) {
  const size = Math.abs(value);
  if (size === 0) return { text: toFixed(0, decimals), suffix: " s" };
  if (size < 1e-6) return { text: toFixed(value * 1e9, decimals), suffix: " ns" };
  if (size < 1e-3) return { text: toFixed(value * 1e6, decimals), suffix: " µs" };
  if (size < 1) return { text: toFixed(value * 1e3, decimals), suffix: " ms" };
  if (size < MINUTE) return { text: toFixed(value, decimals), suffix: " s" };
  if (size < HOUR) return plural(value / MINUTE, decimals, "min");
  if (size < DAY) return plural(value / HOUR, decimals, "hour");
  if (size < WEEK) return plural(value / DAY, decimals, "day");
  if (size < YEAR) return plural(value / WEEK, decimals, "week");
  return yearText(value / YEAR, decimals);
}

function yearText(value, decimals) {
  return plural(value, decimals, "year");
}

function milliseconds(value, decimals) {
  const size = Math.abs(value);
  if (size < 1000) return { text: toFixed(value, decimals), suffix: " ms" };
  if (size < MINUTE * 1e3) return { text: toFixed(value / 1e3, decimals), suffix: " s" };
  if (size < HOUR * 1e3) return plural(value / 1e3 / MINUTE, decimals, "min");
  if (size < DAY * 1e3) return plural(value / 1e3 / HOUR, decimals, "hour");
  if (size < YEAR * 1e3) return plural(value / 1e3 / DAY, decimals, "day");
  return yearText(value / 1e3 / YEAR, decimals);
}

const WORDS = [["year", YEAR], ["month", MONTH], ["week", WEEK], ["day", DAY], ["hour", HOUR],
  ["minute", MINUTE], ["second", 1], ["millisecond", 0.001]];

/** "2 minutes, 38 seconds": as many parts as decimals + 1, whole numbers only. */
function durationWords(value, decimals) {
  if (value === 0) return { text: "0", suffix: " seconds" };
  let rest = Math.abs(value);
  const parts = [];
  for (const [word, size] of WORDS) {
    const whole = Math.floor(rest / size + 1e-9);
    if (!whole) continue;
    rest -= whole * size;
    parts.push(`${whole} ${word}${whole === 1 ? "" : "s"}`);
    if (parts.length > (decimals || 0)) break;
  }
  return { text: parts.join(", "), suffix: value < 0 && parts.length ? " ago" : "" };
}

function clock(value) {
  const size = Math.floor(Math.abs(value));
  const two = (number) => String(number).padStart(2, "0");
  const days = Math.floor(size / DAY);
  const text = `${two(Math.floor(size / HOUR) % 24)}:${two(Math.floor(size / MINUTE) % 60)}:${two(size % 60)}`;
  return { text: `${value < 0 ? "-" : ""}${days ? `${days} d ` : ""}${text}`, suffix: "" };
}

function locale(value, decimals) {
  const digits = decimals === null || decimals === undefined ? { maximumFractionDigits: 3 }
    : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return { text: value.toLocaleString("en-US", digits), suffix: "" };
}

function choice(yes, no) {
  return (value) => ({ text: value ? yes : no, suffix: "" });
}

function iso(value) {
  const text = new Date(value).toISOString();
  return { text: text.slice(0, 19).replace("T", " "), suffix: "" };
}

function ago(value) {
  const past = (Date.now() - value) / 1000;
  const parts = durationWords(Math.floor(Math.abs(past)), 0);
  return { text: past >= 0 ? `${parts.text}${parts.suffix} ago` : `in ${parts.text}${parts.suffix}`, suffix: "" };
}

const UNITS = {
  none: plain(""), string: plain(""), short, locale,
  percent: plain("%"), percentunit: (v, d) => ({ text: toFixed(v * 100, d), suffix: "%" }),
  bytes: binary("B"), kbytes: binary("B", 1), mbytes: binary("B", 2), gbytes: binary("B", 3), bits: binary("b"),
  decbytes: si("B"), deckbytes: si("B", 1), decmbytes: si("B", 2), decgbytes: si("B", 3), decbits: si("b"),
  Bps: si("B/s"), KBs: si("B/s", 1), MBs: si("B/s", 2), binBps: binary("B/s"), bps: si("b/s"), binbps: binary("b/s"),
  pps: si("p/s"), hertz: si("Hz"), watt: si("W"), celsius: plain(" °C"), cores: plain(" cores"),
  ops: count("ops/s"), reqps: count("req/s"), rps: count("rd/s"), wps: count("wr/s"), iops: count("io/s"),
  cps: count("c/s"), eps: count("evt/s"), mps: count("msg/s"), recps: count("rec/s"), rowsps: count("rows/s"),
  opm: count("ops/m"), rpm: count("rd/m"), wpm: count("wr/m"),
  ns: (v, d) => seconds(v / 1e9, d), µs: (v, d) => seconds(v / 1e6, d), ms: milliseconds, s: seconds,
  m: (v, d) => seconds(v * MINUTE, d), h: (v, d) => seconds(v * HOUR, d), d: (v, d) => seconds(v * DAY, d),
  dtdurations: durationWords, dtdurationms: (v, d) => durationWords(v / 1000, d),
  dthms: clock, clocks: clock, clockms: (v) => clock(v / 1000),
  bool: choice("True", "False"), bool_yes_no: choice("Yes", "No"), bool_on_off: choice("On", "Off"),
  dateTimeAsIso: iso, dateTimeAsSystem: iso, dateTimeAsIsoNoDateIfToday: iso, dateTimeFromNow: ago,
};

function formatter(unit) {
  if (!unit) return UNITS.none;
  if (Object.hasOwn(UNITS, unit)) return UNITS[unit];
  const colon = unit.indexOf(":");
  const [kind, rest] = colon > 0 ? [unit.slice(0, colon), unit.slice(colon + 1)] : ["", unit];
  if (kind === "prefix") return (v, d) => ({ prefix: rest, text: toFixed(v, d), suffix: "" });
  if (kind === "count") return count(rest);
  if (kind === "si") return si(rest);
  return plain(` ${rest}`); // an unknown id is printed as a suffix, as Grafana does
}

/** {prefix, text, suffix} of a number in a unit; non-finite numbers carry no unit. */
export function formatParts(value, unit, decimals) {
  if (value === null || value === undefined) return { prefix: "", text: "", suffix: "" };
  if (!Number.isFinite(value)) return { prefix: "", text: toFixed(value), suffix: "" };
  return { prefix: "", ...formatter(unit)(value, decimals) };
}

export function formatValue(value, unit, decimals) {
  const { prefix, text, suffix } = formatParts(value, unit, decimals);
  return prefix + text + suffix;
}
