// The pages beside the dashboards: the list of them, Prometheus' targets, rules and alerts, and the runbooks.

import { ALERT_KINDS, alertsPage } from "./alerts.js";
import { RULE_KINDS, rulesPage } from "./rules.js";
import { TARGET_KINDS, targetsPage } from "./targets.js";
import { banner, getJson, header, keepTheme, latest, toTop } from "./shell.js";
import { clear, h } from "./dom.js";
import { closeOnClick, listenToKeys, openHelp } from "./keys.js";
import { fill, filterBar, holds } from "./listing.js";
import { markdown } from "./text.js";

const BASE = "/prometheus";
const EVERY_S = 15;
const LONGEST_PAUSE_S = 240;
const MOST_WAIT_MS = 60000; // a browser may wait for an answer for ever

const HELP = [["/", "search"], ["r", "ask again (every 15 seconds by itself)"], ["t", "dark or light"], ["g", "all dashboards"], ["a", "alerts"], ["?", "this help"]];

async function indexPage({ filter }) {
  const { dashboards, faults } = await getJson("/api/dashboards");
  const shown = dashboards.filter(({ title, description, tags }) => holds(filter.words, title, description, ...(tags || [])));
  const card = (one) => h("li", {}, h("a", { href: `/d/${encodeURIComponent(one.uid)}` }, h("strong", {}, one.title), one.description && h("span", {}, one.description),
    h("span", { class: "faint" }, `${one.panels} panels · ${(one.tags || []).join(", ")}`)));
  if (!dashboards.length) return [h("p", {}, "No dashboard JSON is in the folder that this server was given. Build them first.")];
  return [faults.length > 0 && h("ul", { class: "error" }, faults.map((text) => h("li", {}, text))), h("ul", { class: "cards" }, shown.map(card)), !shown.length && h("p", { class: "faint" }, "No dashboard is like that.")];
}

async function runbooksPage({ filter }) {
  const { runbooks } = await getJson("/api/runbooks");
  const shown = runbooks.filter((name) => holds(filter.words, name));
  return [h("p", { class: "lead" }, runbooks.length ? "What to do when an alert fires." : "This preview was given no runbooks."), h("ul", { class: "columns" }, shown.map((name) => h("li", {}, h("a", { href: `/runbooks/${name}` }, name))))];
}

async function runbookPage({ name }) {
  const { runbook, runbooks } = await getJson(`/api/runbooks/${encodeURIComponent(name)}`);
  return [h("p", { class: "faint" }, h("a", { href: "/runbooks" }, "All runbooks")), h("article", { class: "text-panel" }, markdown(runbook, runbooks))];
}

const PAGE = {
  "/": { title: "Dashboards", draw: indexPage, kinds: [["", ""]], still: true },
  "/targets": { title: "Targets", draw: targetsPage, kinds: TARGET_KINDS },
  "/rules": { title: "Rules", draw: rulesPage, kinds: RULE_KINDS },
  "/alerts": { title: "Alerts", draw: alertsPage, kinds: ALERT_KINDS },
  "/runbooks": { title: "Runbooks", draw: runbooksPage, kinds: [["", ""]], still: true },
};

function pageOf(path) {
  const name = /^\/runbooks\/([a-z0-9-]+)$/.exec(path)?.[1];
  return name ? { title: name, draw: (scope) => runbookPage({ ...scope, name }), still: true } : PAGE[path];
}

/** Seconds before a page is drawn anew: never less than it took last, so that what is slow gets room, and twice as long for each time in a row that failed. */
export function pauseS(tookS, failures) {
  return Math.min(LONGEST_PAUSE_S, Math.max(EVERY_S, tookS) * 2 ** Math.min(failures, 8));
}

/** Draws anew while the page can be seen, one time after another and never two at once. `show` says whether it went well, as `well` does of the first time. */
function goOn(show, well) {
  let failures = well ? 0 : 1;
  let tookS = 0;
  const turn = async () => {
    if (!document.hidden) {
      const began = Date.now();
      const done = await Promise.race([show(), new Promise((end) => { setTimeout(() => end(false), MOST_WAIT_MS); })]);
      failures = done ? 0 : failures + 1;
      tookS = (Date.now() - began) / 1000;
    }
    setTimeout(turn, pauseS(tookS, failures) * 1000);
  };
  setTimeout(turn, pauseS(tookS, failures) * 1000);
}

/** Draws one of the pages, and those that change again every 15 seconds while they can be seen, less often where that fails or takes longer. */
export async function listPage(root, path, theme) {
  const { title, draw, kinds, still } = pageOf(path);
  const settings = await getJson("/api/settings");
  const main = h("main", { class: "page" });
  const updated = h("span", { class: "faint updated" });
  let current = theme;
  const begun = {};
  const show = async () => {
    const wanted = latest(begun, "show");
    try {
      const content = await draw({ base: BASE, settings, now: Date.now() / 1000, filter: { words: filter?.words() ?? "", kind: filter?.kind() ?? "" } });
      if (!wanted()) return true;
      fill(main, content);
      updated.textContent = still ? "" : `updated ${new Date().toLocaleTimeString("en-GB")}`;
      return true;
    } catch (error) {
      if (wanted()) fill(main, [h("p", { class: "error", role: "alert" }, error.message)]);
      return false;
    }
  };
  const filter = kinds && filterBar(kinds, show);
  const flip = () => { current = keepTheme(current.name === "dark" ? "light" : "dark"); };
  const press = (text, label, key, act) => h("button", { type: "button", title: `${label} (${key})`, "aria-label": label, onclick: act }, text);
  document.title = `${title} - preview`;
  clear(root).append(banner("Preview by Warren of what Prometheus and Alertmanager know. This is not Grafana, and it only reads."),
    header(title, filter?.el, h("div", { class: "buttons" }, !still && press("↻", "Ask again", "r", show), press("◐", "Dark or light", "t", flip), press("?", "Keys", "?", () => openHelp(HELP))), updated), main, toTop());
  listenToKeys({ "/": () => filter?.focus(), r: show, t: flip, g: () => { location.href = "/"; }, a: () => { location.href = "/alerts"; }, "?": () => openHelp(HELP) });
  closeOnClick();
  const well = await show();
  if (!still) goOn(show, well);
}
