// Template variables: their options asked from Prometheus, their present values, and what the URL says of them.

import { baseOf } from "./sources.js";
import { interpolator } from "./interpolate.js";
import { metricText, sampleNumber } from "./frames.js";
import { promGet } from "./query.js";

const ALL = "$__all";

function queryText(definition) {
  const query = definition.query;
  return typeof query === "string" ? query : query?.query || definition.definition || "";
}

/** What a variable query asks for: {path, params, pick} with pick(data) -> [text]. */
export function variableRequest(text, range) {
  const query = text.trim();
  const time = { start: range.from, end: range.to };
  let match = /^label_names\((.*)\)$/s.exec(query);
  if (match) return { path: "labels", params: { ...time, "match[]": match[1].trim() || undefined }, pick: (data) => data };
  match = /^label_values\((?:(.+),)?\s*([A-Za-z_]\w*)\s*\)$/s.exec(query);
  if (match) {
    return { path: `label/${match[2]}/values`, params: { ...time, "match[]": match[1]?.trim() || undefined }, pick: (data) => data };
  }
  match = /^metrics\((.*)\)$/s.exec(query);
  if (match) {
    const wanted = new RegExp(match[1].trim());
    return { path: "label/__name__/values", params: time, pick: (data) => data.filter((name) => wanted.test(name)) };
  }
  match = /^query_result\((.*)\)$/s.exec(query);
  if (match) return { path: "query", params: { query: match[1], time: range.to }, pick: resultTexts };
  return { path: "series", params: { ...time, "match[]": query }, pick: (data) => data.map(metricText) };
}

function resultTexts(data) {
  if (data.resultType !== "vector") return [];
  return data.result.map(({ metric, value }) => `${metricText(metric)} ${sampleNumber(value[1])} ${value[0] * 1000}`);
}

/** Options after the variable's own regex (first group, or the whole match) and its sort order. */
export function refineOptions(options, definition) {
  let texts = options;
  const match = /^\/(.*)\/([a-z]*)$/s.exec(definition.regex || "");
  if (definition.regex) {
    const wanted = new RegExp(match ? match[1] : definition.regex, match ? match[2].replace("g", "") : "");
    texts = texts.flatMap((text) => { const found = wanted.exec(text); return found ? [found[1] ?? found[0]] : []; });
  }
  texts = [...new Set(texts)];
  const sorts = { 1: ["text", 1], 2: ["text", -1], 3: ["number", 1], 4: ["number", -1], 5: ["base", 1], 6: ["base", -1] };
  const [kind, sign] = sorts[definition.sort] || [];
  if (!kind) return texts;
  const by = kind === "number" ? (a, b) => parseFloat(a) - parseFloat(b)
    : (a, b) => a.localeCompare(b, "en", { sensitivity: kind === "base" ? "base" : "variant" });
  return texts.sort((a, b) => sign * by(a, b));
}

function fixedOptions(definition) {
  const fromList = (definition.options || []).map(({ value }) => value).filter((value) => value !== ALL);
  if (definition.type === "custom" || definition.type === "interval") {
    return fromList.length ? fromList : queryText(definition).split(",").map((text) => text.trim().split(" : ").at(-1)).filter(Boolean);
  }
  if (definition.type === "constant" || definition.type === "textbox") return [queryText(definition)];
  return null;
}

function savedValue(definition) {
  const saved = definition.current?.value;
  const listed = [].concat(saved ?? []).filter((value) => value !== null && value !== "" && value !== undefined);
  if (!listed.length) return null;
  return listed.includes(ALL) || listed.includes("All") ? ALL : listed;
}

/** The value to use: asked for (URL or earlier choice), else saved in the JSON, else All, else the first option. */
export function chooseValue(variable, asked, saved) {
  const allowed = (values) => values.filter((value) => variable.free || value === ALL || variable.options.includes(value));
  for (const wish of [asked, saved]) {
    const values = allowed([].concat(wish ?? []));
    if (values.includes(ALL) && variable.includeAll) return ALL;
    const named = values.filter((value) => value !== ALL);
    if (named.length) return variable.multi ? named : named[0];
  }
  if (variable.includeAll) return ALL;
  return variable.multi ? variable.options.slice(0, 1) : variable.options[0] ?? "";
}

/** One variable resolved against those before it. `error` says why its options could not be had. */
export async function resolveVariable(definition, before, context) {
  const base = { name: definition.name, label: definition.label || definition.name, hide: definition.hide || 0, type: definition.type,
    multi: Boolean(definition.multi), includeAll: Boolean(definition.includeAll), allValue: definition.allValue || "",
    free: definition.type === "textbox", options: [], error: null };
  const fixed = fixedOptions(definition);
  try {
    if (definition.type === "datasource") base.options = Object.keys(context.sources);
    else if (fixed) base.options = fixed;
    else {
      const request = variableRequest(interpolator(before)(queryText(definition)), context.range);
      base.options = refineOptions(request.pick(await promGet(baseOf(before, context.sources), request.path, request.params, context.signal)), definition);
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return unanswered({ ...base, error: error.message }, context, savedValue(definition));
  }
  if (definition.type === "query" && !base.options.length) return asAsked(base, context, savedValue(definition));
  base.value = chooseValue(base, context.asked[definition.name], savedValue(definition));
  return base;
}

/** A variable whose options could not be had: as it was before, else as it was asked for, so that no choice is lost while Prometheus is away. */
function unanswered(variable, context, saved) {
  const before = context.previous?.find(({ name, options }) => name === variable.name && options.length);
  return before ? { ...before, error: variable.error } : asAsked(variable, context, saved);
}

/** Whatever was asked for, though it is no option: a zoom to a time when there was nothing to choose must not lose the choice. */
function asAsked(variable, { asked }, saved) {
  const wish = asked[variable.name] ?? saved ?? (variable.includeAll ? ALL : []);
  const values = [].concat(wish);
  return { ...variable, value: values.includes(ALL) ? ALL : variable.multi ? values : values[0] ?? "" };
}

/** All variables of a dashboard, in order: a later one may use an earlier one in its query. */
export async function resolveVariables(dashboard, context) {
  const resolved = [];
  for (const definition of dashboard.templating?.list || []) {
    resolved.push(await resolveVariable(definition, resolved, context));
  }
  return resolved;
}
