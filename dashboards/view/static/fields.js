// A field's configuration: the panel's defaults with its overrides applied, and what a value looks like under it.

import { formatParts } from "./units.js";
import { continuousColor, namedColor } from "./theme.js";

function pattern(text) {
  const match = /^\/(.*)\/([a-z]*)$/s.exec(text);
  try {
    return match ? new RegExp(match[1], match[2]) : new RegExp(text);
  } catch {
    return null;
  }
}

function matches(matcher, field) {
  const want = matcher?.options;
  switch (matcher?.id) {
    case "byName": return field.name === want;
    case "byRegexp": case "byRegex": return Boolean(pattern(want)?.test(field.name));
    case "byNames": return (want?.names || []).includes(field.name) !== (want?.mode === "exclude");
    case "byFrameRefID": return field.refId === want;
    case "byType": return (field.type || "number") === want;
    default: return false;
  }
}

function assign(config, path, value) {
  const keys = path.split(".");
  const last = keys.pop();
  let at = config;
  for (const key of keys) at = at[key] = typeof at[key] === "object" && at[key] !== null ? at[key] : {};
  at[last] = value;
}

function copy(json) {
  return json === undefined ? undefined : JSON.parse(JSON.stringify(json));
}

/** The configuration of one field: {unit, decimals, min, max, custom: {…}, thresholds, mappings, color, …}. */
export function fieldConfigOf(fieldConfig, field) {
  const config = copy(fieldConfig?.defaults || {});
  config.custom = config.custom || {};
  for (const override of fieldConfig?.overrides || []) {
    if (!matches(override.matcher, field)) continue;
    for (const { id, value } of override.properties || []) assign(config, id, copy(value));
  }
  return config;
}

/** The name to show: an override's displayName, with ${__field.labels.x} filled in, or the series' own. */
export function displayNameOf(field, config) {
  if (!config.displayName) return field.name;
  return config.displayName
    .replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => field.labels?.[label] ?? "")
    .replace(/\$\{__field\.(?:display)?[nN]ame\}/g, () => field.name)
    .replace(/\$\{__series\.name\}/g, () => field.name);
}

/** Thresholds as [{from, color}], lowest first; grafanalib's empty or textual forms are accepted. */
export function thresholdSteps(thresholds, { min = 0, max = 100 } = {}) {
  const steps = Array.isArray(thresholds?.steps) ? thresholds.steps : [];
  const share = thresholds?.mode === "percentage";
  return steps.map((step) => {
    const bare = step.value === null || step.value === undefined || step.value === "null";
    const value = bare ? -Infinity : Number(step.value);
    return { from: share && !bare ? min + ((max - min) * value) / 100 : value, color: step.color };
  }).sort((a, b) => a.from - b.from);
}

export function thresholdColor(value, config, theme) {
  let color = null;
  for (const step of thresholdSteps(config.thresholds, bounds(config))) {
    if (value !== null && value !== undefined && value >= step.from) color = step.color;
  }
  return color ? namedColor(color, theme) : null;
}

function bounds(config) {
  return { min: config.min ?? 0, max: config.max ?? 100 };
}

function mappingOf(value, mappings) {
  for (const mapping of mappings || []) {
    const options = mapping.options || {};
    if (mapping.type === "value" && Object.hasOwn(options, String(value))) return options[String(value)];
    if (mapping.type === "range" && typeof value === "number" && value >= (options.from ?? -Infinity)
      && value <= (options.to ?? Infinity)) return options.result || {};
    if (mapping.type === "regex" && pattern(options.pattern || "(?!)")?.test(String(value))) return options.result || {};
    if (mapping.type === "special" && special(options.match, value)) return options.result || {};
  }
  return null;
}

function special(match, value) {
  const missing = value === null || value === undefined;
  const nan = typeof value === "number" && Number.isNaN(value);
  return { null: missing, nan, "null+nan": missing || nan, empty: value === "", true: value === true, false: value === false }[match] || false;
}

/** Share of the way from min to max, 0..1. */
export function shareOf(value, config, fallback = { min: 0, max: 100 }) {
  const min = config.min ?? fallback.min;
  const max = config.max ?? fallback.max;
  return max > min ? Math.min(1, Math.max(0, (value - min) / (max - min))) : 0;
}

/** How a value shows: {text, prefix, suffix, color, mapped}. `color` is null where nothing decides it. */
export function displayValue(value, config, theme) {
  const mapped = mappingOf(value, config.mappings);
  const known = value !== null && value !== undefined;
  let parts = { prefix: "", suffix: "" };
  if (mapped?.text) parts.text = mapped.text;
  else if (!known) parts.text = config.noValue ?? "-";
  else if (typeof value !== "number") parts.text = String(value);
  else parts = formatParts(value, config.unit, config.decimals);
  return { ...parts, mapped: Boolean(mapped?.text), color: valueColor(value, mapped, config, theme) };
}

function valueColor(value, mapped, config, theme) {
  if (mapped?.color) return namedColor(mapped.color, theme);
  const mode = config.color?.mode || "thresholds";
  if (mode === "fixed") return namedColor(config.color.fixedColor, theme);
  if (mode.startsWith("continuous")) return continuousColor(mode, shareOf(value, config), theme);
  return thresholdColor(value, config, theme);
}

export function displayText(value, config, theme) {
  const { prefix, text, suffix } = displayValue(value, config, theme);
  return prefix + text + suffix;
}
