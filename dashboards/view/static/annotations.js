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

/** {marks, errors}: all enabled annotations of the dashboard over the range. */
export async function annotationMarks(dashboard, base, scope, signal) {
  const definitions = (dashboard.annotations?.list || []).filter(({ enable, expr }) => enable !== false && expr);
  const marks = [];
  const errors = [];
  for (const definition of definitions) {
    const stepS = Math.ceil(Math.max(parseDuration(definition.step) ?? scope.scrapeS, chooseStep(scope.to - scope.from, 1000, 1)));
    const query = interpolator(scope.variables, queryBuiltins({ ...scope, stepS }))(definition.expr);
    try {
      const start = Math.floor(scope.from / stepS) * stepS;
      const data = await promGet(base, "query_range", { query, start, end: Math.floor(scope.to / stepS) * stepS, step: stepS }, signal);
      marks.push(...marksOf(data.result, definition, stepS));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      errors.push(`annotation ${definition.name}: ${error.message}`);
    }
  }
  return { marks, errors };
}
