// The page of one dashboard: its state in the URL, its clock, its keys.

import { annotationMarks, definitionsOf } from "./annotations.js";
import { baseOf, sourcesOf } from "./sources.js";
import { banner, getJson, header, keepTheme, latest, toTop } from "./shell.js";
import { chosen, fromAddress, rangeQuery, remember } from "./address.js";
import { clear, h, keepFocus } from "./dom.js";
import { closeOnClick, closeOr, listenToKeys, openHelp } from "./keys.js";
import { createBoard } from "./board.js";
import { linksOf } from "./links.js";
import { namedColor, paletteByName } from "./theme.js";
import { once } from "./text.js";
import { openInspector } from "./inspect.js";
import { parseDuration, resolveRange } from "./time.js";
import { refreshSelect, renderTimePicker, renderVariables } from "./controls.js";
import { resolveVariables } from "./variables.js";
import { runTargets } from "./query.js";
import { scoped } from "./dashboard.js";

const HELP = [["r", "refresh now"], ["z", "zoom out"], ["[ ]", "earlier, later"], ["v", "the panel under the pointer (or the focused one) over the whole page, and back"],
  ["i", "its queries: what was asked, how long it took, what came"], ["j k", "next, previous panel"], ["← →", "in a focused chart: move through time (Shift: by ten)"],
  ["drag", "on a chart: zoom every panel"], ["click", "on a name in a legend: that series alone, and back (Ctrl: hide it)"], ["Esc", "close; back out of a panel or a zoom"],
  ["t", "dark or light"], ["g", "all dashboards"], ["a", "alerts"], ["?", "this help"]];

export async function dashboardPage(root, uid, theme) {
  const [{ dashboard }, settings, { dashboards }] = await Promise.all([`dashboards/${encodeURIComponent(uid)}`, "settings", "dashboards"].map((path) => getJson(`/api/${path}`)));
  document.title = `${dashboard.title} - preview`;
  const off = new Set(definitionsOf(dashboard).filter(({ enable }) => enable === false).map(({ name }) => name));
  const state = { dashboard, settings, theme, ...fromAddress(dashboard), variables: [], marks: [], off, begun: {}, due: false, depth: history.state?.depth ?? 0, resolved: null, timer: null };
  const parts = layout(root, state);
  state.resolved = resolveRange(state.range, Date.now() / 1000);
  await readVariables(state);
  state.board = createBoard(parts.board, dashboard, contextOf(state, parts));
  if (state.viewed) state.board.solo(state.viewed);
  refreshControls(state, parts);
  boardLinks(parts.links, state, dashboards);
  markToggles(state, parts);
  keys(state, parts);
  addEventListener("popstate", () => travel(state, parts));
  await update(state, parts, { quiet: true });
  schedule(state, parts);
}

function layout(root, state) {
  const parts = { variables: h("div", { class: "variables" }), times: h("div"), refresh: h("span"), errors: h("p", { class: "error", role: "alert", hidden: true }),
    links: h("nav", { class: "board-links", "aria-label": "Linked dashboards" }), marks: h("div", { class: "marks", role: "group", "aria-label": "Marks on the charts" }),
    board: h("main", {}), updated: h("span", { class: "faint updated" }) };
  const press = (text, label, key, act) => h("button", { type: "button", title: `${label} (${key})`, "aria-label": label, onclick: act }, text);
  parts.back = h("button", { type: "button", hidden: true, title: "Back to what was before (Esc)", "aria-label": "Back", onclick: () => history.back() }, "↩");
  clear(root).append(banner("Preview of the Grafana dashboard's JSON, drawn by Warren. This is not Grafana: layout, colours and units follow it, details differ."),
    header(state.dashboard.title, parts.variables, h("div", { class: "buttons" }, parts.back, press("‹", "Earlier", "[", () => shift(state, parts, -0.5)), parts.times, press("›", "Later", "]", () => shift(state, parts, 0.5)),
      press("−", "Zoom out", "z", () => zoomOut(state, parts)), press("↻", "Refresh", "r", () => update(state, parts)), parts.refresh, press("◐", "Dark or light", "t", () => flip(state, parts)), press("?", "Keys", "?", () => openHelp(HELP))), parts.updated),
    parts.errors, h("div", { class: "under" }, parts.links, parts.marks), parts.board, toTop());
  if (state.dashboard.description) parts.board.before(h("p", { class: "faint lead" }, state.dashboard.description));
  return parts;
}

/** The dashboard's own links: to dashboards by tag, and others that stay on this server. Time and variables go along. */
function boardLinks(host, state, dashboards) {
  const all = (state.dashboard.links || []).flatMap((link) => (link.type === "dashboards"
    ? dashboards.filter(({ uid, tags }) => uid !== state.dashboard.uid && (link.tags || []).every((tag) => tags.includes(tag))).map(({ uid, title }) => ({ ...link, url: `/d/${encodeURIComponent(uid)}`, title }))
    : [link]));
  const made = (link) => linksOf([link], place(state))[0];
  const shown = all.filter((link) => link.url && made(link).href);
  host.hidden = shown.length === 0;
  const fresh = (link) => (event) => { event.currentTarget.href = made(link).href; };
  clear(host).append(...shown.map((link) => h("a", { href: made(link).href, onpointerdown: fresh(link), onclick: fresh(link) }, link.title)));
}

/** What links take along: the range as it is written, and the variables. */
function place(state, scope) {
  return { variables: scoped(chosen(state.variables), scope), range: rangeQuery(state.range) };
}

function contextOf(state, parts) {
  return { syncKey: "page", color: paletteByName(), scrapeS: state.settings.scrape_interval_s, variables: () => state.variables, range: () => state.resolved, theme: () => state.theme,
    utc: () => state.dashboard.timezone === "utc", marks: () => state.marks, zoom: (from, to) => setRange(state, parts, { from: stamp(from), to: stamp(Math.max(to, from + 5)) }),
    place: (scope) => place(state, scope), view: (key) => view(state, parts, state.viewed === key ? null : key),
    query: (panel, scope, signal) => runTargets(baseOf(state.variables, sourcesOf(state.settings)), panel, scope, signal), inspect: ({ panel, title, answers }) => openInspector({ panel, title, answers, theme: state.theme }) };
}

async function readVariables(state) {
  const wanted = latest(state.begun, "variables");
  const asked = { ...state.asked, ...Object.fromEntries(state.variables.map(({ name, value }) => [name, value])) };
  const variables = await resolveVariables(state.dashboard, { range: state.resolved, asked, previous: state.variables, sources: sourcesOf(state.settings) });
  if (!wanted()) return;
  state.variables = variables;
  state.readAt = Date.now();
}

const VARIABLES_EVERY_MS = 30000;

/** What may be chosen, asked again now and then, and at once where it could not be had: queues come, and Prometheus comes back. */
async function freshVariables(state, parts) {
  const failed = state.variables.some(({ error }) => error);
  if (!failed && Date.now() - state.readAt < VARIABLES_EVERY_MS) return;
  const face = (key) => JSON.stringify(state.variables.map((one) => [one.value, key === "all" && [one.options, one.error]]));
  const [all, values] = [face("all"), face("values")];
  await readVariables(state);
  if (face("all") !== all) showVariables(state, parts); // and not the picker, in which somebody may be writing
  if (face("values") !== values || failed) state.board.rebuild();
}

function showVariables(state, parts) {
  renderVariables(parts.variables, state.variables, (variable, value) => choose(state, parts, variable, value));
}

function refreshControls(state, parts) {
  showVariables(state, parts);
  renderTimePicker(parts.times, { range: state.range, utc: state.dashboard.timezone === "utc", onRange: (range) => setRange(state, parts, range) });
  clear(parts.refresh).append(refreshSelect(state.refresh, (value) => { state.refresh = value; remember(state); schedule(state, parts); }));
  parts.back.hidden = state.depth === 0;
}

async function choose(state, parts, { name }, value) {
  state.variables = state.variables.map((one) => (one.name === name ? { ...one, value } : one));
  await readVariables(state);
  remember(state);
  await rebuilt(state, parts);
}

/** Everything anew after the variables changed. */
async function rebuilt(state, parts) {
  refreshControls(state, parts);
  state.board.rebuild();
  await update(state, parts, { quiet: true });
}

const stamp = (seconds) => String(Math.round(seconds * 1000));

/** A step that the browser's way back undoes; `entered` is noted where it gave one panel the page. */
function step(state, entered = false) {
  state.depth += 1;
  remember(state, { depth: state.depth, entered });
}

function setRange(state, parts, range) {
  if (range.from === state.range.from && range.to === state.range.to) return update(state, parts);
  state.range = range;
  state.readAt = 0; // what there was to choose then may be other than now
  step(state);
  refreshControls(state, parts);
  return update(state, parts);
}

/** One panel over the whole page, or all again (null): the way back, where nothing happened in between. */
function view(state, parts, key) {
  if (!key && history.state?.entered) { history.back(); return; }
  state.viewed = key;
  if (key) step(state, true); else remember(state);
  refreshControls(state, parts);
  state.board.solo(key);
}

/** The browser went back, or on: the address says to what. */
async function travel(state, parts) {
  const { asked, range, viewed } = fromAddress(state.dashboard);
  state.depth = history.state?.depth ?? 0;
  Object.assign(state, { range, viewed });
  const changed = chosen(state.variables).some(({ name, value }) => asked[name] && String(asked[name]) !== String([].concat(value)));
  state.board.solo(viewed);
  if (changed) {
    state.variables = state.variables.map((one) => ({ ...one, value: asked[one.name] ?? one.value }));
    await readVariables(state);
    await rebuilt(state, parts);
    return;
  }
  refreshControls(state, parts);
  await update(state, parts);
}

function zoomOut(state, parts) {
  const { from, to } = state.resolved;
  const half = (to - from) / 2;
  return setRange(state, parts, { from: stamp(from - half), to: stamp(Math.min(Date.now() / 1000, to + half)) });
}

function shift(state, parts, share) {
  const { from, to } = state.resolved;
  const by = (to - from) * share;
  return setRange(state, parts, { from: stamp(from + by), to: stamp(to + by) });
}

function flip(state, parts) {
  state.theme = keepTheme(state.theme.name === "dark" ? "light" : "dark");
  markToggles(state, parts);
  state.board.redraw();
}

/** A switch for each kind of mark: faults, alerts, runs. */
function markToggles(state, parts) {
  const toggle = (name) => { if (!state.off.delete(name)) state.off.add(name); markToggles(state, parts); return update(state, parts, { quiet: true }); };
  const button = ({ name, iconColor }) => h("button", { type: "button", "aria-pressed": String(!state.off.has(name)), title: `Marks on the charts: ${name}`, onclick: () => toggle(name) },
    h("span", { class: "swatch", style: { "--swatch": namedColor(iconColor || "red", state.theme) } }), name);
  keepFocus(parts.marks, () => clear(parts.marks).append(...definitionsOf(state.dashboard).filter(({ hide }) => !hide).map(button)));
}

/** Everything that shows time; what went wrong is said on the page, and ends nothing: the next refresh may go well. */
async function update(state, parts, how) {
  try {
    await drawAll(state, parts, how);
  } catch (error) {
    parts.errors.hidden = false;
    parts.errors.textContent = `This page could not be brought up to date: ${error.message}`;
  }
}

/** All in one go: marks first, since panels paint them. */
async function drawAll(state, parts, { quiet = false } = {}) {
  const wanted = latest(state.begun, "update");
  state.due ||= !quiet;
  state.resolved = resolveRange(state.range, Date.now() / 1000);
  await freshVariables(state, parts);
  const scope = { ...state.resolved, scrapeS: state.settings.scrape_interval_s, variables: state.variables };
  const { marks, errors } = await annotationMarks(state.dashboard, baseOf(state.variables, sourcesOf(state.settings)), scope, { off: state.off }).catch((error) => ({ marks: state.marks, errors: [["marks", error.message]] }));
  if (!wanted()) return;
  state.marks = marks;
  const said = once([...state.variables.filter(({ error }) => error).map(({ label, error }) => [label, error]), ...errors]);
  parts.errors.hidden = said.length === 0;
  parts.errors.textContent = said.join("\n");
  const due = state.due;
  state.due = false;
  if (due) await state.board.load(); else state.board.redraw();
  parts.updated.textContent = `${said.length ? "tried" : "updated"} ${new Date().toLocaleTimeString("en-GB")}`;
}

const MOST_WAIT_MS = 60000; // a browser may wait for an answer for ever

function schedule(state, parts) {
  clearTimeout(state.timer);
  const every = parseDuration(state.refresh);
  if (!every) return;
  state.timer = setTimeout(async () => {
    const shown = !document.hidden && state.range.to.startsWith("now");
    if (shown) await Promise.race([update(state, parts), new Promise((done) => { setTimeout(done, MOST_WAIT_MS); })]);
    schedule(state, parts);
  }, every * 1000);
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
  const here = () => state.board.panelOf(document.querySelector(".panel:hover")) || state.board.panelOf(document.activeElement);
  const panel = () => here() || state.board.panelOf(document.querySelector(".panel.solo"));
  listenToKeys({ r: () => update(state, parts), z: () => zoomOut(state, parts), t: () => flip(state, parts), "?": () => openHelp(HELP), "[": () => shift(state, parts, -0.5), "]": () => shift(state, parts, 0.5),
    j: () => focusPanel(state, 1), k: () => focusPanel(state, -1), g: () => { location.href = "/"; }, a: () => { location.href = "/alerts"; }, i: () => panel()?.inspect(),
    v: () => { const one = panel(); if (one) view(state, parts, state.viewed === one.key ? null : one.key); }, Escape: () => closeOr(() => back(state, parts)) });
  closeOnClick();
  document.addEventListener("visibilitychange", () => { if (!document.hidden && parseDuration(state.refresh) && state.range.to.startsWith("now")) update(state, parts); });
}

/** Out of the one panel first, then out of a zoom. */
function back(state, parts) {
  if (state.viewed) view(state, parts, null);
  else if (state.depth > 0) history.back();
}
