// The pages beside the dashboards: the list of them, and Prometheus' targets, rules and alerts.

import { banner, getJson, header, keepTheme } from "./shell.js";
import { clear, h } from "./dom.js";
import { dateTimeText, durationText } from "./time.js";
import { formatValue } from "./units.js";
import { promGet } from "./query.js";

const BASE = "/prometheus";

function table(headings, rows, empty) {
  if (!rows.length) return h("p", { class: "faint" }, empty);
  return h("div", { class: "table-scroll" }, h("table", { class: "data" }, h("thead", {}, h("tr", {}, headings.map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows)));
}

function labels(map, without = []) {
  return h("span", { class: "labels" }, Object.entries(map).filter(([key]) => !without.includes(key)).map(([key, value]) => h("code", {}, `${key}="${value}"`)));
}

const state = (text, good) => h("strong", { class: `state ${good}` }, text);
const clockOf = (text) => (text && !text.startsWith("0001") ? dateTimeText(Date.parse(text) / 1000, false).slice(11) : "never");
const when = (text) => (text && !text.startsWith("0001") ? dateTimeText(Date.parse(text) / 1000, false) : "never");

async function indexPage() {
  const { dashboards, faults } = await getJson("/api/dashboards");
  return ["Dashboards", faults.length > 0 && h("ul", { class: "error" }, faults.map((text) => h("li", {}, text))),
    dashboards.length ? h("ul", { class: "cards" }, dashboards.map((one) => h("li", {}, h("a", { href: `/d/${encodeURIComponent(one.uid)}` }, h("strong", {}, one.title),
      one.description && h("span", {}, one.description), h("span", { class: "faint" }, `${one.panels} panels · ${(one.tags || []).join(", ")}`)))))
      : h("p", {}, "No dashboard JSON is in the folder that this server was given. Build them first.")];
}

const HEALTH = { up: ["good", 2], unknown: ["warn", 1], down: ["bad", 0] };

function targetRow(target) {
  const url = new URL(target.scrapeUrl);
  const families = url.searchParams.size ? h("div", { class: "faint" }, [...url.searchParams.values()].join(", ")) : null;
  return h("tr", {}, h("td", {}, state(target.health, (HEALTH[target.health] || HEALTH.down)[0])), h("td", {}, target.labels.job),
    h("td", {}, h("code", { class: "wrap" }, `${url.origin}${url.pathname}`), families, target.lastError ? h("div", { class: "error" }, target.lastError) : null),
    h("td", {}, labels(target.labels, ["job", "instance", "cluster"])), h("td", { class: "number" }, clockOf(target.lastScrape)), h("td", { class: "number" }, formatValue(target.lastScrapeDuration, "s")));
}

async function targetsPage() {
  const { activeTargets } = await promGet(BASE, "targets", { state: "active" });
  const rank = (one) => (HEALTH[one.health] || HEALTH.down)[1];
  const order = [...activeTargets].sort((a, b) => rank(a) - rank(b) || a.scrapePool.localeCompare(b.scrapePool) || a.scrapeUrl.localeCompare(b.scrapeUrl));
  const count = (health) => order.filter((one) => one.health === health).length;
  const others = [["down", "down"], ["unknown", "not scraped yet"]].filter(([health]) => count(health)).map(([health, text]) => `, ${count(health)} ${text}`);
  return ["Targets", h("p", { class: "lead" }, `${count("up")} of ${order.length} targets are up${others.join("")}.`),
    table(["State", "Job", "Address", "Labels", "Last scrape", "Took"], order.map(targetRow), "Prometheus has no target.")];
}

function ruleRow(rule) {
  const kind = rule.type === "alerting" ? state(rule.state, rule.state === "firing" ? "bad" : rule.state === "pending" ? "warn" : "good") : state("recording", "");
  return h("tr", {}, h("td", {}, kind), h("td", {}, h("strong", {}, rule.name), rule.duration ? h("div", { class: "faint" }, `for ${durationText(rule.duration)}`) : null), h("td", {}, h("code", { class: "wrap" }, rule.query)),
    h("td", {}, rule.annotations?.summary || ""), h("td", {}, state(rule.health, rule.health === "ok" ? "good" : "bad"), rule.lastError ? h("div", { class: "error" }, rule.lastError) : null));
}

async function rulesPage() {
  const { groups } = await promGet(BASE, "rules");
  return ["Rules", groups.length === 0 && h("p", {}, "Prometheus has no rules."),
    ...groups.map((group) => h("section", {}, h("h2", {}, group.name, h("span", { class: "faint" }, ` every ${durationText(group.interval)}, took ${formatValue(group.evaluationTime, "s")}`)),
      table(["State", "Rule", "Expression", "Summary", "Health"], group.rules.map(ruleRow), "The group is empty.")))];
}

async function alertsPage() {
  const { alerts } = await promGet(BASE, "alerts");
  const order = [...alerts].sort((a, b) => (a.state === "firing" ? 0 : 1) - (b.state === "firing" ? 0 : 1) || a.activeAt.localeCompare(b.activeAt));
  const firing = order.filter((one) => one.state === "firing").length;
  return ["Alerts", h("p", { class: "lead" }, firing ? `${firing} firing, ${order.length - firing} pending.` : `Nothing is firing${order.length ? `; ${order.length} pending` : ""}.`),
    table(["State", "Alert", "Severity", "Labels", "Since", "Says"], order.map((one) => h("tr", {}, h("td", {}, state(one.state, one.state === "firing" ? "bad" : "warn")), h("td", {}, h("strong", {}, one.labels.alertname)),
      h("td", {}, one.labels.severity || ""), h("td", {}, labels(one.labels, ["alertname", "severity"])), h("td", {}, when(one.activeAt)), h("td", {}, one.annotations.summary || "", one.annotations.description && h("div", { class: "faint" }, one.annotations.description)))), "No alert is active.")];
}

const PAGE = { "/": indexPage, "/targets": targetsPage, "/rules": rulesPage, "/alerts": alertsPage };

/** Draws one of the pages, and again every 15 seconds while it can be seen. */
export async function listPage(root, path, theme) {
  let current = theme;
  const main = h("main", { class: "page" });
  const flip = h("button", { type: "button", "aria-label": "Dark or light", onclick: () => { current = keepTheme(current.name === "dark" ? "light" : "dark"); } }, "◐");
  const draw = async () => {
    try {
      const [title, ...content] = await PAGE[path]();
      document.title = `${title} - preview`;
      clear(main).append(...content.filter(Boolean));
    } catch (error) {
      clear(main).append(h("p", { class: "error", role: "alert" }, error.message));
    }
  };
  clear(root).append(banner("Preview by Warren of what Prometheus knows. This is not Grafana."), header({ "/": "Dashboards" }[path] || path.slice(1)[0].toUpperCase() + path.slice(2), flip), main);
  await draw();
  if (path !== "/") setInterval(() => { if (!document.hidden) draw(); }, 15000);
}
