// A dashboard's annotation queries (faults among them) as marks: {from, to, text, color}.

import { interpolator, queryBuiltins, chooseStep } from "./interpolate.js";
import { parseDuration } from "./time.js";
import { promGet } from "./query.js";

/** Runs of samples above zero, which is what counts in Grafana too: a gap of more than one step ends a mark. */
export function marksOf(result, definition, stepS) {
  const format = definition.titleFormat || definition.textFormat || definition.name || "";
  return result.flatMap(({ metric, values }) => {
    const text = format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? "") || definition.name;
    const marks = [];
    for (const [at, value] of values) {
      if (!(Number(value) > 0)) continue;
      const last = marks.at(-1);
      if (last && at - last.to <= stepS * 1.5) last.to = at;
      else marks.push({ from: at, to: at, text, color: definition.iconColor || "red" });
    }
    return marks;
  });
}

const MOST_MARKS = 200;

/** Marks of one text that overlap become one: several series may say the same. By their end, the last one last. */
export function joined(marks) {
  const out = [];
  for (const mark of [...marks].sort((a, b) => a.from - b.from)) {
    const same = out.findLast(({ text, to }) => text === mark.text && mark.from <= to);
    if (same) same.to = Math.max(same.to, mark.to); else out.push({ ...mark });
  }
  return out.sort((a, b) => a.to - b.to);
}

/** The annotations that ask Prometheus, the query as an object (or beside the rest, as it once was); Grafana's own, of its database, are none. */
export function definitionsOf(dashboard) {
  return (dashboard.annotations?.list || []).map((one) => ({ ...one, expr: one.target?.expr || one.expr, step: one.target?.interval || one.step })).filter(({ expr }) => expr);
}

/** {marks, errors: [[name, message]]}: the annotations of the dashboard over the range, but for those that are switched `off`. */
export async function annotationMarks(dashboard, base, scope, { off, signal } = {}) {
  const definitions = definitionsOf(dashboard).filter(({ name, enable }) => (off ? !off.has(name) : enable !== false));
  const marks = [];
  const errors = [];
  for (const definition of definitions) {
    const stepS = Math.ceil(Math.max(parseDuration(definition.step) ?? scope.scrapeS, chooseStep(scope.to - scope.from, 1000, 1)));
    const query = interpolator(scope.variables, queryBuiltins({ ...scope, stepS }))(definition.expr);
    try {
      const start = Math.floor(scope.from / stepS) * stepS;
      const data = await promGet(base, "query_range", { query, start, end: Math.floor(scope.to / stepS) * stepS, step: stepS }, signal);
      const made = joined(marksOf(data.result, definition, stepS));
      if (made.length > MOST_MARKS) errors.push([definition.name, `${made.length} marks, of which the last ${MOST_MARKS} are shown`]);
      marks.push(...made.slice(-MOST_MARKS));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      errors.push([definition.name, error.message]);
    }
  }
  return { marks, errors };
}
