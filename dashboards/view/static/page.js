// The page of one dashboard: its state in the URL, its clock, its keys.

import { annotationMarks } from "./annotations.js";
import { banner, getJson, header, keepTheme } from "./shell.js";
import { createBoard } from "./board.js";
import { clear, h } from "./dom.js";
import { openDialog, openHelp, refreshSelect, renderTimePicker, renderVariables } from "./controls.js";
import { paletteByName } from "./theme.js";
import { parseDuration, resolveRange } from "./time.js";
import { resolveVariables } from "./variables.js";
import { runTargets } from "./query.js";

const BASE = "/prometheus";

function fromUrl(dashboard) {
  const url = new URLSearchParams(location.search);
  const asked = {};
  for (const key of url.keys()) if (key.startsWith("var-")) asked[key.slice(4)] = url.getAll(key);
  return { asked, refresh: url.get("refresh") ?? (dashboard.refresh || ""),
    range: { from: url.get("from") || dashboard.time?.from || "now-15m", to: url.get("to") || dashboard.time?.to || "now" } };
}

export async function dashboardPage(root, uid, theme) {
  const [{ dashboard }, settings, { dashboards }] = await Promise.all([`dashboards/${encodeURIComponent(uid)}`, "settings", "dashboards"].map((path) => getJson(`/api/${path}`)));
  document.title = `${dashboard.title} - preview`;
  const state = { dashboard, settings, theme, ...fromUrl(dashboard), variables: [], marks: [], errors: [], zooms: [], resolved: null, timer: null };
  const parts = layout(root, state);
  state.resolved = resolveRange(state.range, Date.now() / 1000);
  await readVariables(state);
  state.board = createBoard(parts.board, dashboard, contextOf(state, parts));
  refreshControls(state, parts);
  boardLinks(parts.links, state, dashboards);
  keys(state, parts);
  await update(state, parts, { quiet: true });
  schedule(state, parts);
}

function layout(root, state) {
  const parts = { variables: h("div", { class: "variables" }), times: h("div"), refresh: h("span"), errors: h("p", { class: "error", role: "alert", hidden: true }),
    links: h("nav", { class: "board-links", "aria-label": "Linked dashboards" }), board: h("main", {}), updated: h("span", { class: "faint updated" }) };
  const press = (text, label, key, act) => h("button", { type: "button", title: `${label} (${key})`, "aria-label": label, onclick: act }, text);
  clear(root).append(banner("Preview of the Grafana dashboard's JSON, drawn by Warren. This is not Grafana: layout, colours and units follow it, details differ."),
    header(state.dashboard.title, parts.variables, h("div", { class: "buttons" }, parts.times, press("−", "Zoom out", "z", () => zoomOut(state, parts)),
      press("↻", "Refresh", "r", () => update(state, parts)), parts.refresh, press("◐", "Dark or light", "t", () => flip(state)), press("?", "Keys", "?", openHelp)), parts.updated),
    parts.errors, parts.links, parts.board);
  if (state.dashboard.description) parts.board.before(h("p", { class: "faint lead" }, state.dashboard.description));
  return parts;
}

/** The dashboard's own links: to dashboards by tag; what leads off this server is left out. Time and variables go along. */
function boardLinks(host, state, dashboards) {
  const links = (state.dashboard.links || []).flatMap((link) => {
    if (link.type === "dashboards") return dashboards.filter(({ uid, tags }) => uid !== state.dashboard.uid && link.tags.every((tag) => tags.includes(tag)))
      .map(({ uid, title }) => ({ href: `/d/${encodeURIComponent(uid)}`, title, link }));
    return /^\/d\//.test(link.url || "") ? [{ href: link.url, title: link.title, link }] : [];
  });
  host.hidden = links.length === 0;
  const follow = (event, href, { keepTime, includeVars }) => {
    const kept = [...new URLSearchParams(location.search)].filter(([key]) => (keepTime && ["from", "to", "refresh"].includes(key)) || (includeVars && key.startsWith("var-")));
    event.currentTarget.href = `${href}?${new URLSearchParams(kept)}`;
  };
  clear(host).append(...links.map(({ href, title, link }) => h("a", { href, onclick: (event) => follow(event, href, link) }, title)));
}

function contextOf(state, parts) {
  return { syncKey: "page", color: paletteByName(), scrapeS: state.settings.scrape_interval_s, variables: () => state.variables, range: () => state.resolved, theme: () => state.theme,
    utc: () => state.dashboard.timezone === "utc", marks: () => state.marks, zoom: (from, to) => zoom(state, parts, from, to),
    query: (panel, scope, signal) => runTargets(BASE, panel, scope, signal), inspect: (title, answers) => inspect(title, answers) };
}

async function readVariables(state) {
  const asked = { ...state.asked, ...Object.fromEntries(state.variables.map(({ name, value }) => [name, value])) };
  state.variables = await resolveVariables(state.dashboard, { base: BASE, range: state.resolved, asked, datasource: "prometheus" });
}

function refreshControls(state, parts) {
  renderVariables(parts.variables, state.variables, (variable, value) => choose(state, parts, variable, value));
  renderTimePicker(parts.times, { range: state.range, utc: state.dashboard.timezone === "utc", onRange: (range) => setRange(state, parts, range) });
  clear(parts.refresh).append(refreshSelect(state.refresh, (value) => { state.refresh = value; remember(state); schedule(state, parts); }));
}

async function choose(state, parts, variable, value) {
  variable.value = value;
  await readVariables(state);
  remember(state);
  refreshControls(state, parts);
  state.board.rebuild();
  await update(state, parts, { quiet: true });
}

function setRange(state, parts, range) {
  state.range = range;
  remember(state);
  refreshControls(state, parts);
  return update(state, parts);
}

function zoom(state, parts, from, to) {
  state.zooms.push(state.range);
  return setRange(state, parts, { from: String(Math.round(from * 1000)), to: String(Math.round(Math.max(to, from + 5) * 1000)) });
}

function zoomOut(state, parts) {
  const { from, to } = state.resolved;
  const half = (to - from) / 2;
  return setRange(state, parts, { from: String(Math.round((from - half) * 1000)), to: String(Math.round(Math.min(Date.now() / 1000, to + half) * 1000)) });
}

function shift(state, parts, share) {
  const { from, to } = state.resolved;
  const by = (to - from) * share;
  return setRange(state, parts, { from: String(Math.round((from + by) * 1000)), to: String(Math.round((to + by) * 1000)) });
}

function unzoom(state, parts) {
  const before = state.zooms.pop();
  return before && setRange(state, parts, before);
}

function flip(state) {
  state.theme = keepTheme(state.theme.name === "dark" ? "light" : "dark");
  state.board.redraw();
}

/** Everything that shows time, in one go: marks first, since panels paint them. */
async function update(state, parts, { quiet = false } = {}) {
  state.resolved = resolveRange(state.range, Date.now() / 1000);
  const scope = { ...state.resolved, scrapeS: state.settings.scrape_interval_s, variables: state.variables };
  const { marks, errors } = await annotationMarks(state.dashboard, BASE, scope).catch((error) => ({ marks: state.marks, errors: [error.message] }));
  state.marks = marks;
  parts.errors.hidden = errors.length === 0;
  parts.errors.textContent = errors.join("; ");
  if (quiet) state.board.redraw(); else await state.board.load();
  parts.updated.textContent = `updated ${new Date().toLocaleTimeString("en-GB")}`;
}

function schedule(state, parts) {
  clearTimeout(state.timer);
  const every = parseDuration(state.refresh);
  if (!every) return;
  state.timer = setTimeout(async () => {
    if (!document.hidden && state.range.to.startsWith("now")) await update(state, parts);
    schedule(state, parts);
  }, every * 1000);
}

function remember(state) {
  const url = new URLSearchParams({ from: state.range.from, to: state.range.to });
  if (state.refresh) url.set("refresh", state.refresh);
  for (const { name, value, type } of state.variables) if (type !== "datasource") for (const one of [].concat(value)) url.append(`var-${name}`, one);
  history.replaceState(null, "", `${location.pathname}?${url}`);
}

function inspect(title, answers) {
  const rows = answers.map(({ target, answer }) => h("section", {}, h("h3", {}, `Query ${target.refId}`), h("pre", {}, answer.query),
    h("p", { class: answer.error ? "error" : "faint" }, answer.error || `${answer.result.length} series, ${target.instant ? "at one moment" : `a point every ${answer.grid?.step ?? "?"} s`}`)));
  openDialog(title, ...(rows.length ? rows : [h("p", {}, "Not asked yet.")]));
}

function focusPanel(state, by) {
  const all = state.board.elements();
  const now = all.findIndex((el) => el.contains(document.activeElement));
  const next = all[Math.min(all.length - 1, Math.max(0, now + by))];
  if (!next) return;
  next.scrollIntoView({ block: "nearest" });
  (next.querySelector("[tabindex='0']") || next).focus();
}

function keys(state, parts) {
  const acts = { r: () => update(state, parts), z: () => zoomOut(state, parts), t: () => flip(state), "?": openHelp, "[": () => shift(state, parts, -0.5), "]": () => shift(state, parts, 0.5),
    j: () => focusPanel(state, 1), k: () => focusPanel(state, -1), g: () => { location.href = "/"; }, Escape: () => closeOr(() => unzoom(state, parts)) };
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.key !== "Escape";
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  });
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll(".multi[open], .times[open], .panel-info[open]")) if (!open.contains(event.target)) open.removeAttribute("open");
  });
}

function closeOr(otherwise) {
  const open = document.querySelector(".multi[open], .times[open], .panel-info[open]");
  if (open) open.removeAttribute("open");
  else otherwise();
}
