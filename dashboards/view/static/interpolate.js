// Grafana's variables in text: $name, ${name}, ${name:format}, [[name]], and the built-in ones of a query.

import { durationText } from "./time.js";

const PATTERN = /\$(\w+)|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}|\[\[(\w+)(?::(\w+))?\]\]/g;

/** For use inside a quoted PromQL regex: the backslash itself is escaped once more. */
export function promRegexEscape(value) {
  return String(value).replace(/\\/g, "\\\\\\\\").replace(/[$^*{}[\]'+?.()|]/g, "\\\\$&");
}

/** For use inside a quoted PromQL string that is compared, not matched. */
export function promQuoteEscape(value) {
  return String(value).replace(/\\/g, "\\\\").replace(/"/g, '\\"');
}

/** Grafana's ${x:regex}: one backslash, so a dot or slash inside PromQL quotes is refused by Prometheus there too. */
export function regexEscape(value) {
  return String(value).replace(/[\\^$*+?.()|[\]{}/]/g, "\\$&");
}

const list = (value) => (Array.isArray(value) ? value : [value]);
const group = (texts) => (texts.length === 1 ? texts[0] : `(${texts.join("|")})`);

const FORMATS = {
  raw: (value) => list(value).join(","),
  csv: (value) => list(value).join(","),
  pipe: (value) => list(value).join("|"),
  regex: (value) => group(list(value).map(regexEscape)),
  glob: (value) => (list(value).length === 1 ? list(value)[0] : `{${list(value).join(",")}}`),
  json: (value) => JSON.stringify(value),
  doublequote: (value) => list(value).map((text) => `"${String(text).replace(/"/g, '\\"')}"`).join(","),
  singlequote: (value) => list(value).map((text) => `'${String(text).replace(/'/g, "\\'")}'`).join(","),
  percentencode: (value) => encodeURIComponent(list(value).join(",")),
  text: (value) => list(value).join(" + "),
};

/**
 * The value a variable stands for: {value, raw}. `raw` marks an allValue, which goes in as it is.
 * A variable is {name, value, options: [text], multi, includeAll, allValue}; value "$__all" is All.
 */
export function variableValue(variable) {
  const all = list(variable.value).includes("$__all");
  if (!all) return { value: variable.value, raw: false };
  if (variable.allValue) return { value: variable.allValue, raw: true };
  return { value: [...variable.options], raw: false };
}

function promDefault(variable, value) {
  if (!variable.multi && !variable.includeAll) return promQuoteEscape(list(value).join(","));
  return group(list(value).map(promRegexEscape));
}

/** var-name=value for each value, as an address takes them; All goes by its own name. */
function queryParameters({ name, value }) {
  return list(value).map((one) => `var-${name}=${encodeURIComponent(one)}`).join("&");
}

/** Builds text -> text. `builtins` maps names such as __interval to text; unknown names stay as written. `plain` is for reading, `uri` for an address. */
export function interpolator(variables, builtins = {}, { plain = false, uri = false } = {}) {
  const byName = new Map(variables.map((variable) => [variable.name, variable]));
  const one = (whole, name, format) => {
    if (Object.hasOwn(builtins, name)) return builtins[name];
    const variable = byName.get(name);
    if (!variable) return whole;
    if (format === "queryparam") return queryParameters(variable);
    const { value, raw } = variableValue(variable);
    if (raw && format !== "text") return uri ? encodeURIComponent(value) : value;
    if (uri && !format) return FORMATS.percentencode(value);
    if (format === "text" || (plain && !format)) {
      return list(variable.value).includes("$__all") ? "All" : FORMATS.text(value);
    }
    return format && FORMATS[format] ? FORMATS[format](value) : promDefault(variable, value);
  };
  return (text) => String(text ?? "").replace(PATTERN, (whole, bare, braced, _path, format, legacy, legacyFormat) =>
    one(whole, bare || braced || legacy, format || legacyFormat));
}

/** The step Grafana would pick: the range over the points wanted, rounded to a readable number, not below `minimum`. */
const ROUND = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200,
  10800, 21600, 43200, 86400, 604800];

export function chooseStep(rangeS, points, minimumS) {
  const exact = rangeS / Math.max(1, points);
  let best = ROUND[ROUND.length - 1];
  for (let at = 0; at < ROUND.length - 1; at += 1) {
    if (exact <= (ROUND[at] + ROUND[at + 1]) / 2) { best = ROUND[at]; break; }
  }
  return Math.max(best, minimumS);
}

/** Built-ins of one query. scrapeS is the data source's interval (or the target's own minimum step). */
export function queryBuiltins({ from, to, stepS, scrapeS }) {
  const rangeS = Math.max(1, Math.round(to - from));
  return {
    __interval: durationText(stepS),
    __interval_ms: String(Math.round(stepS * 1000)),
    __rate_interval: durationText(Math.max(stepS + scrapeS, 4 * scrapeS)),
    __rate_interval_ms: String(Math.round(Math.max(stepS + scrapeS, 4 * scrapeS) * 1000)),
    __range: durationText(rangeS),
    __range_s: String(rangeS),
    __range_ms: String(rangeS * 1000),
    __from: String(Math.round(from * 1000)),
    __to: String(Math.round(to * 1000)),
  };
}
