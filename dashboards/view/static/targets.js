// The page of Prometheus' targets: what is scraped, what does not answer and why, how long it takes.

import { ago, holds, labels, state, table } from "./listing.js";
import { parseDuration } from "./time.js";
import { formatValue } from "./units.js";
import { h } from "./dom.js";
import { promGet } from "./query.js";

const HEALTH = { up: ["good", 2], unknown: ["warn", 1], down: ["bad", 0] };
const COLUMNS = [["State", 8], ["Address", 44], ["Labels", 20], ["Last scrape", 10], ["Took", 10], ["Every", 8]];
const SLOW_SHARE = 0.8; // of the interval: a scrape that takes so long is about to be given up

export const TARGET_KINDS = [["", "All targets"], ["bad", "Not up"], ["slow", "Slow"]];

const rank = (one) => (HEALTH[one.health] || HEALTH.down)[1];

function slow({ lastScrapeDuration, scrapeInterval }) {
  return lastScrapeDuration > SLOW_SHARE * (parseDuration(scrapeInterval) || Infinity);
}

function cells(target, now) {
  const url = new URL(target.scrapeUrl);
  const asked = url.searchParams.size ? h("div", { class: "faint" }, [...url.searchParams.values()].join(", ")) : null;
  return [state(target.health, (HEALTH[target.health] || HEALTH.down)[0]),
    [h("code", { class: "wrap" }, `${url.origin}${url.pathname}`), asked, target.lastError ? h("div", { class: "error" }, target.lastError) : null],
    labels(target.labels, ["job", "instance", "cluster"]), ago(target.lastScrape, now), h("span", { class: slow(target) ? "warn" : null }, formatValue(target.lastScrapeDuration, "s")), target.scrapeInterval || ""];
}

function wanted(target, { words, kind }) {
  return holds(words, target.labels.job, target.scrapeUrl, target.lastError, ...Object.values(target.labels))
    && (kind !== "bad" || target.health !== "up") && (kind !== "slow" || slow(target));
}

function poolGroup([pool, targets], now) {
  const up = targets.filter(({ health }) => health === "up").length;
  return { head: [pool, h("span", { class: up < targets.length ? "bad" : "faint" }, ` ${up} of ${targets.length} up`)], rows: targets.map((one) => cells(one, now)) };
}

export async function targetsPage({ base, filter, now }) {
  const { activeTargets } = await promGet(base, "targets", { state: "active" });
  const order = [...activeTargets].sort((a, b) => rank(a) - rank(b) || a.scrapeUrl.localeCompare(b.scrapeUrl));
  const count = (health) => order.filter((one) => one.health === health).length;
  const others = [["down", "down"], ["unknown", "not scraped yet"]].filter(([health]) => count(health)).map(([health, text]) => `, ${count(health)} ${text}`);
  const shown = order.filter((one) => wanted(one, filter));
  const pools = new Map(shown.map(({ scrapePool }) => [scrapePool, shown.filter((one) => one.scrapePool === scrapePool)]));
  const ill = ([, targets]) => (targets.some(({ health }) => health !== "up") ? 0 : 1);
  const groups = [...pools].sort((a, b) => ill(a) - ill(b) || a[0].localeCompare(b[0]));
  return [h("p", { class: count("up") < order.length ? "lead bad" : "lead" }, `${count("up")} of ${order.length} targets are up${others.join("")}.${shown.length < order.length ? ` ${shown.length} shown.` : ""}`),
    shown.length > 0 && table(COLUMNS, groups.map((group) => poolGroup(group, now))), !shown.length && h("p", { class: "faint" }, order.length ? "No target is like that." : "Prometheus has no target.")];
}
