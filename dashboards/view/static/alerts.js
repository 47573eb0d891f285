// The page of active alerts: Prometheus says which and since when, Alertmanager who hears of them, and which are silenced.

import { ask } from "./ask.js";
import { dateTimeText } from "./time.js";
import { formatValue } from "./units.js";
import { h } from "./dom.js";
import { holds, labels, lasting, secondsOf, since, state, table } from "./listing.js";
import { promGet } from "./query.js";
import { runbook, severity } from "./rules.js";
import { sampleNumber } from "./frames.js";

export const ALERT_KINDS = [["", "Firing and pending"], ["firing", "Firing"], ["loud", "Firing, not silenced"], ["critical", "Critical"]];

const COLUMNS = [["State", 8], ["Labels", 24], ["Since", 14], ["Value", 7], ["Says", 27], ["Heard", 20]];
const SILENCE_COLUMNS = [["State", 8], ["Matches", 34], ["Why", 28], ["By", 12], ["Ends", 18]];
const MOST_ROWS = 500;
const GRAVITY = { critical: 0, page: 0, warning: 1, info: 2 };

/** GET of Alertmanager's API through this server. Throws its words. */
async function managerGet(path) {
  const response = await ask(`/alertmanager/api/v2/${path}`);
  const answer = await response.json().catch(() => ({ error: `HTTP ${response.status}` }));
  if (!response.ok) throw new Error(answer.error || String(answer));
  return answer;
}

/** {known, alerts, silences, error}: what Alertmanager has; without one, or where it does not answer, the page goes on without. */
async function managerState(configured) {
  if (!configured) return { known: false, alerts: [], silences: [], error: null };
  try {
    const [alerts, silences] = await Promise.all([managerGet("alerts"), managerGet("silences")]);
    return { known: true, alerts, silences, error: null };
  } catch (error) {
    return { known: false, alerts: [], silences: [], error: error.message };
  }
}

const INDEXES = new WeakMap();

/** The alert as Alertmanager has it: it carries Prometheus' external labels besides, so of those that fit it is the one with the fewest. */
export function counterpart(alert, others) {
  const keys = Object.keys(alert.labels).sort();
  const face = (has) => JSON.stringify(keys.map((key) => has[key]));
  if (!INDEXES.has(others)) INDEXES.set(others, new Map());
  const index = INDEXES.get(others); // there may be thousands of alerts, and few kinds of them
  const kind = JSON.stringify(keys);
  if (!index.has(kind)) {
    const fewestLast = [...others].sort((a, b) => Object.keys(b.labels).length - Object.keys(a.labels).length);
    index.set(kind, new Map(fewestLast.map((one) => [face(one.labels), one])));
  }
  return index.get(kind).get(face(alert.labels));
}

/** Whether an alert is heard: {text, good}. */
export function heard(alert, manager) {
  if (alert.state !== "firing") return { text: "not sent before it fires", kind: "pending" };
  if (!manager.known) return { text: "not known", kind: "unknown" };
  const found = counterpart(alert, manager.alerts);
  if (!found) return { text: "Alertmanager does not have it", kind: "missing" };
  const silences = found.status.silencedBy.map((id) => manager.silences.find((one) => one.id === id)).filter(Boolean);
  if (found.status.silencedBy.length) {
    const said = silences.map(({ endsAt, createdBy, comment }) => `until ${dateTimeText(secondsOf(endsAt), false)}, by ${createdBy}: ${comment}`);
    return { text: ["silenced", ...said].join(" "), kind: "silenced" };
  }
  if (found.status.inhibitedBy.length) return { text: "inhibited: another alert explains it", kind: "inhibited" };
  return { text: `sent to ${found.receivers.map(({ name }) => name).join(", ")}`, kind: "sent" };
}

const MARK = { missing: "bad", silenced: "warn", inhibited: "faint", unknown: "faint", pending: "faint", sent: "" };

function cells(alert, manager, now) {
  const { text, kind } = heard(alert, manager);
  return [state(alert.state, alert.state === "firing" ? "bad" : "warn"), labels(alert.labels, ["alertname", "severity"]), since(alert.activeAt, now),
    alert.value === undefined ? "" : formatValue(sampleNumber(alert.value), "short"), alert.annotations.description || "", h("span", { class: MARK[kind] }, text)];
}

function group([name, alerts, shown], manager, now) {
  const firing = alerts.filter((one) => one.state === "firing").length;
  const [{ labels: first, annotations }] = alerts;
  const counted = [firing && `${firing} firing`, alerts.length - firing && `${alerts.length - firing} pending`].filter(Boolean).join(", ");
  return { head: [h("strong", {}, name), " ", severity(first.severity), h("span", { class: "faint" }, ` ${counted}`), h("div", { class: "plain" }, annotations.summary || ""), runbook(annotations.runbook_url)],
    rows: shown.map((one) => cells(one, manager, now)) };
}

function matcherText({ name, value, isRegex, isEqual }) {
  const operator = isEqual === false ? (isRegex ? "!~" : "!=") : isRegex ? "=~" : "=";
  return `${name}${operator}"${value}"`;
}

function silenceCells({ status, matchers, createdBy, comment, endsAt }, now) {
  return [state(status.state, "warn"), h("span", { class: "labels" }, matchers.map((one) => h("code", {}, matcherText(one)))), comment, createdBy,
    [dateTimeText(secondsOf(endsAt), false), h("div", { class: "faint" }, `${lasting(secondsOf(endsAt) - now)} left`)]];
}

function silenceSection({ known, silences }, now) {
  const active = silences.filter(({ status }) => status.state !== "expired");
  if (!known) return null;
  return h("section", {}, h("h2", {}, "Silences"), active.length ? table(SILENCE_COLUMNS, [{ rows: active.map((one) => silenceCells(one, now)) }]) : h("p", { class: "faint" }, "Nothing is silenced."),
    h("p", { class: "faint" }, "This preview only reads. Silences are made with amtool, or through Alertmanager's API: docs/dashboards-preview.md says how."));
}

function notice({ known, error }) {
  if (known) return null;
  return h("p", { class: error ? "error" : "faint", role: error ? "alert" : null }, error ? `Whether alerts are silenced is not known: ${error}` : "This preview was given no Alertmanager: whether alerts are silenced is not known.");
}

function wanted(alert, { words, kind }, manager) {
  const firing = () => alert.state === "firing";
  const fits = { firing, loud: () => firing() && !["silenced", "inhibited"].includes(heard(alert, manager).kind), critical: () => (GRAVITY[alert.labels.severity] ?? 1) === 0 };
  return (!kind || fits[kind]()) && holds(words, ...Object.values(alert.labels), ...Object.values(alert.annotations));
}

/** [[name, its alerts, those of them for which there is room]]. */
function groupsOf(alerts) {
  const groups = new Map();
  for (const one of alerts) {
    const { alertname, severity: grave = "" } = one.labels;
    const key = `${alertname} ${grave}`; // the same alert may wake somebody for one window and not for another
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(one);
  }
  let room = MOST_ROWS;
  return [...groups.values()].map((all) => {
    const shown = all.slice(0, room);
    room -= shown.length;
    return [all[0].labels.alertname, all, shown];
  });
}

export async function alertsPage({ base, filter, now, settings }) {
  const [{ alerts }, manager] = await Promise.all([promGet(base, "alerts"), managerState(settings.alertmanager)]);
  const order = [...alerts].sort((a, b) => (a.state === "firing" ? 0 : 1) - (b.state === "firing" ? 0 : 1)
    || (GRAVITY[a.labels.severity] ?? 1) - (GRAVITY[b.labels.severity] ?? 1) || a.activeAt.localeCompare(b.activeAt));
  const firing = order.filter((one) => one.state === "firing").length;
  const shown = order.filter((one) => wanted(one, filter, manager));
  const groups = groupsOf(shown);
  const more = shown.length - MOST_ROWS;
  return [h("p", { class: firing ? "lead bad" : "lead" }, `${firing ? `${firing} firing, ${order.length - firing} pending.` : `Nothing is firing${order.length ? `; ${order.length} pending` : ""}.`}${shown.length < order.length ? ` ${shown.length} shown.` : ""}`),
    notice(manager), shown.length > 0 && table(COLUMNS, groups.map((one) => group(one, manager, now))), more > 0 && h("p", { class: "faint" }, `and ${more} more: search for them`), !shown.length && h("p", { class: "faint" }, order.length ? "No alert is like that." : "No alert is active."), silenceSection(manager, now)];
}
