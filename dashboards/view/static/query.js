// The Prometheus HTTP API, asked through this server's read-only proxy, and a panel's targets run against it.

import { ask } from "./ask.js";
import { chooseStep, interpolator, queryBuiltins } from "./interpolate.js";
import { parseDuration } from "./time.js";

const MOST_POINTS = 10000; // Prometheus refuses a range query of more than 11,000 points

/** An error to show to the reader: what was asked and what the server said. */
export class QueryError extends Error {
  constructor(message, query = "") {
    super(message);
    this.name = "QueryError";
    this.query = query;
  }
}

async function body(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new QueryError(`the server answered ${response.status} without JSON: ${text.slice(0, 200)}`);
  }
}

async function asked(address, signal, query) {
  try {
    return await ask(address, signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new QueryError(`no answer from this preview's server (${error.message}); is it still running?`, query);
  }
}

/** GET base + path; returns the answer's `data`. Throws QueryError with Prometheus' own words. */
export async function promGet(base, path, params, signal) {
  const url = new URLSearchParams();
  for (const [key, value] of Object.entries(params || {})) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null) url.append(key, one);
  }
  const response = await asked(`${base}/api/v1/${path}?${url}`, signal, params?.query);
  const answer = await body(response);
  if (answer.status !== "success") throw new QueryError(answer.error || `HTTP ${response.status}`, params?.query);
  return answer.data;
}

/** Step and built-in variables of one target. `scope` is {from, to, points, scrapeS}. */
export function targetPlan(target, panel, scope) {
  const minimum = parseDuration(target.interval) ?? parseDuration(panel.interval) ?? scope.scrapeS;
  const range = scope.to - scope.from;
  const step = Math.max(chooseStep(range, panel.maxDataPoints || scope.points, minimum), range / MOST_POINTS);
  const stepS = step >= 1 ? Math.ceil(step) : step;
  return { stepS, builtins: queryBuiltins({ ...scope, stepS, scrapeS: minimum }) };
}

async function runTarget(base, target, panel, scope, signal) {
  const { stepS, builtins } = targetPlan(target, panel, scope);
  const query = interpolator(scope.variables, builtins)(target.expr);
  const began = Date.now();
  const took = () => ({ took_ms: Date.now() - began });
  try {
    if (target.instant) {
      return { query, ...(await promGet(base, "query", { query, time: scope.to }, signal)), ...took() };
    }
    const start = Math.floor(scope.from / stepS) * stepS;
    const end = Math.floor(scope.to / stepS) * stepS;
    const data = await promGet(base, "query_range", { query, start, end, step: stepS }, signal);
    return { query, ...data, grid: { start, end, step: stepS }, ...took() };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { query, error: error.message, ...took() };
  }
}

/** Runs a panel's visible targets: [{target, answer}], an answer being {query, resultType, result, grid} or {query, error}. */
export async function runTargets(base, panel, scope, signal) {
  const targets = (panel.targets || []).filter((target) => !target.hide && target.expr);
  return Promise.all(targets.map(async (target) => ({ target, answer: await runTarget(base, target, panel, scope, signal) })));
}
