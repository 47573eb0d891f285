// The page of Prometheus' rules: alerts with their state, condition and runbook; recordings; and those that fail.

import { formatValue } from "./units.js";
import { h } from "./dom.js";
import { durationText } from "./time.js";
import { ago, holds, labels, state, table } from "./listing.js";
import { metricText, sampleNumber } from "./frames.js";
import { openDialog } from "./controls.js";
import { pathOf } from "./links.js";
import { promGet } from "./query.js";

export const RULE_KINDS = [["", "All rules"], ["firing", "Firing"], ["pending", "Pending"], ["alerting", "Alerts"], ["recording", "Recordings"], ["bad", "Failing"]];

const COLUMNS = [["State", 8], ["Rule", 21], ["Expression", 37], ["Value", 8], ["Summary", 18], ["Health", 8]];
const SHOWN_VALUES = 3;
const MOST_ROWS = 200;

/** A link to the runbook where this server has it, else its address as text. */
export function runbook(address) {
  if (!address) return null;
  const path = pathOf(address);
  return h("div", {}, path ? h("a", { href: path }, "Runbook") : h("span", { class: "faint" }, `Runbook: ${address}`));
}

/** Severity first among the labels, since it says who is woken. */
export function severity(name) {
  return name ? h("strong", { class: name === "critical" || name === "page" ? "bad" : name === "warning" ? "warn" : "faint" }, name) : null;
}

async function evaluate(base, rule) {
  const body = h("div", {}, "Asking …");
  openDialog(rule.name, h("pre", {}, rule.query), body);
  try {
    const { resultType, result } = await promGet(base, "query", { query: rule.query });
    const rows = resultType === "vector" ? result.map(({ metric, value }) => [h("code", { class: "wrap" }, metricText(metric)), formatValue(sampleNumber(value[1]), "short")])
      : [[h("code", {}, resultType), formatValue(sampleNumber(result[1]), "short")]];
    body.replaceChildren(rows.length ? table([["Series", 80], ["Value", 20]], [{ rows: rows.slice(0, MOST_ROWS) }]) : h("p", {}, rule.type === "alerting" ? "No series: the condition holds nowhere." : "No series."),
      rows.length > MOST_ROWS ? h("p", { class: "faint" }, `and ${rows.length - MOST_ROWS} more`) : "");
  } catch (error) {
    body.replaceChildren(h("p", { class: "error" }, error.message));
  }
}

function face(rule) {
  if (rule.type !== "alerting") return state("recording", "");
  return state(rule.state, rule.state === "firing" ? "bad" : rule.state === "pending" ? "warn" : "good");
}

function valueCell(base, rule) {
  const values = (rule.alerts || []).map(({ value }) => formatValue(sampleNumber(value), "short"));
  const more = values.length > SHOWN_VALUES ? ` and ${values.length - SHOWN_VALUES} more` : "";
  return [values.length ? values.slice(0, SHOWN_VALUES).join(", ") + more : null, h("button", { type: "button", class: "small", onclick: () => evaluate(base, rule) }, "Ask now")];
}

function cells(base, rule, now) {
  const waits = [rule.duration && `for ${durationText(rule.duration)}`, rule.keepFiringFor && `keeps firing for ${durationText(rule.keepFiringFor)}`].filter(Boolean).join(", ");
  return [face(rule), [h("strong", {}, rule.name), " ", severity(rule.labels?.severity), waits && h("div", { class: "faint" }, waits), labels(rule.labels || {}, ["severity", "cluster"])],
    h("code", { class: "wrap" }, rule.query), valueCell(base, rule), [rule.annotations?.summary || "", runbook(rule.annotations?.runbook_url)],
    [state(rule.health, rule.health === "ok" ? "good" : rule.health === "unknown" ? "warn" : "bad"), h("div", { class: "faint" }, ago(rule.lastEvaluation, now)),
      rule.lastError ? h("div", { class: "error" }, rule.lastError) : null]];
}

function wanted(rule, { words, kind }) {
  const fits = { firing: rule.state === "firing", pending: rule.state === "pending", alerting: rule.type === "alerting", recording: rule.type !== "alerting", bad: rule.health !== "ok" };
  return (!kind || fits[kind]) && holds(words, rule.name, rule.query, rule.lastError, rule.annotations?.summary, ...Object.values(rule.labels || {}));
}

/** Groups with what fires or fails before those with what is pending, and both before the rest. */
function urgency(rules) {
  if (rules.some(({ state: is, health }) => is === "firing" || health === "err")) return 0;
  return rules.some(({ state: is }) => is === "pending") ? 1 : 2;
}

export async function rulesPage({ base, filter, now }) {
  const { groups } = await promGet(base, "rules");
  const all = groups.flatMap(({ rules }) => rules);
  const count = (test) => all.filter(test).length;
  const failing = count(({ health }) => health === "err");
  const shown = groups.map((group) => [group, group.rules.filter((rule) => wanted(rule, filter))]).filter(([, rules]) => rules.length)
    .sort((a, b) => urgency(a[1]) - urgency(b[1]));
  const head = (group) => [group.name, h("span", { class: "faint" }, ` every ${durationText(group.interval)}, took ${formatValue(group.evaluationTime, "s")}`)];
  return [h("p", { class: "lead" }, `${count(({ type }) => type === "alerting")} alerts and ${count(({ type }) => type !== "alerting")} recordings in ${groups.length} groups; ${count((rule) => rule.state === "firing")} firing. `,
    h("span", { class: failing ? "bad" : "faint" }, failing ? `${failing} fail.` : "None fails.")),
  shown.length > 0 && table(COLUMNS, shown.map(([group, rules]) => ({ head: head(group), rows: rules.map((rule) => cells(base, rule, now)) }))),
  !shown.length && h("p", { class: "faint" }, all.length ? "No rule is like that." : "Prometheus has no rules.")];
}
