// One panel on the page: heading, state (loading, no data, error, each saying why), and the drawing inside.

import { bounded, mostSeries } from "./limits.js";
import { clear, h, keepFocus, svg } from "./dom.js";
import { drawBarGauge } from "./bargauge.js";
import { drawGauge } from "./gauge.js";
import { drawHeatmap } from "./heatmap.js";
import { drawStat } from "./stat.js";
import { drawTable } from "./table.js";
import { drawText, markdown, once } from "./text.js";
import { drawTimeline } from "./timeline.js";
import { drawTimeseries } from "./timeseries.js";
import { interpolator } from "./interpolate.js";
import { linksOf } from "./links.js";
import { scoped, titleOf } from "./dashboard.js";
import { toSeries, toTable } from "./frames.js";
import { transform } from "./transforms.js";

const MOST_QUERIES = 2; // of those that found nothing: the panel says which, and its inspector has all

const DRAW = { timeseries: drawTimeseries, stat: drawStat, gauge: drawGauge, bargauge: drawBarGauge, table: drawTable,
  "state-timeline": drawTimeline, "status-history": drawTimeline, heatmap: drawHeatmap, text: drawText };

/**
 * ctx: {variables(), range(), theme(), utc(), marks(), zoom(from, to), syncKey, query(panel, scope, signal), scrapeS, inspect({panel, title, answers}),
 *       place(scope): what links take along, view(key)? for one panel over the whole page}.
 * Returns {el, key, load(), redraw(), inspect(), destroy()}.
 */
export function createPanel(panel, ctx) {
  const title = titleOf(panel, ctx.variables());
  const key = String(panel.key ?? panel.id);
  const inspect = () => ctx.inspect({ panel, title, answers: state.answers });
  const parts = frameOf(panel, title, key, ctx, inspect);
  const state = { panel, ctx, ...parts, handle: null, answers: [], abort: null, loaded: false };
  const observer = new ResizeObserver(() => state.handle?.resize());
  observer.observe(parts.body);
  return {
    el: parts.el, panel, key, inspect,
    get loaded() { return state.loaded; },
    load: () => load(state),
    redraw: () => keepFocus(parts.body, () => redraw(state)),
    destroy: () => { observer.disconnect(); state.abort?.abort(); drop(state); },
  };
}

function frameOf(panel, title, key, ctx, inspect) {
  const badge = h("button", { type: "button", class: "panel-badge", hidden: true, onclick: inspect });
  const body = h("div", { class: "panel-body" });
  const note = h("div", { class: "panel-note", role: "status", hidden: true });
  const cut = h("span", { class: "panel-cut", hidden: true });
  const description = panel.description
    ? h("details", { class: "panel-info" }, h("summary", { "aria-label": `About ${title}`, title: panel.description }, "i"), h("div", { class: "panel-about" }, markdown(panel.description, ctx.place(panel.scope) ? [] : null))) : null;
  const query = panel.targets.length ? h("button", { type: "button", class: "panel-query", "aria-label": `Queries of ${title}`, title: "Show the queries (i)", onclick: inspect }, "{ }") : null;
  const view = ctx.view && h("button", { type: "button", class: "panel-view", "aria-label": `${title} over the whole page, and back`, title: "Over the whole page, and back (v)", onclick: () => ctx.view(key) }, corners());
  const el = h("section", { class: `panel panel-${panel.type}${panel.transparent ? " transparent" : ""}${panel.gridPos.w <= 6 ? " narrow" : ""}`, "aria-label": title || panel.type, tabindex: "-1" },
    h("header", { class: title ? "panel-head" : "panel-head untitled" }, h("h3", {}, title), description, panelLinks(panel, title, ctx), badge, cut, h("span", { class: "panel-tools" }, query, view)), note, body);
  place(el, panel.gridPos);
  return { el, body, note, badge, cut };
}

/** Four corners, drawn: the sign for it is in few fonts. */
function corners() {
  return svg("svg", { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" },
    svg("path", { d: "M1 4 V1 H4 M8 1 H11 V4 M11 8 V11 H8 M4 11 H1 V8", fill: "none", stroke: "currentColor", "stroke-width": 1.4 }));
}

/** The panel's own links, to its runbook and to other dashboards; made anew when they are opened, since time and variables go along. */
function panelLinks(panel, title, ctx) {
  if (!panel.links?.length || !ctx.place(panel.scope)) return null;
  const items = h("ul", { class: "link-list" });
  const fill = () => clear(items).append(...linksOf(panel.links, ctx.place(panel.scope)).map(({ title: text, href, text: address }) =>
    h("li", {}, href ? h("a", { href }, text) : h("span", {}, `${text}: `, h("code", {}, address)))));
  fill();
  return h("details", { class: "panel-info panel-links", ontoggle: fill }, h("summary", { "aria-label": `Links of ${title}`, title: "Links" }, "↗"), h("div", { class: "panel-about" }, items));
}

function place(el, { x, y, w, h: rows }) {
  el.style.setProperty("--column", `${x + 1} / span ${w}`);
  el.style.setProperty("--row", `${y + 1} / span ${rows}`);
  el.style.setProperty("--rows", rows);
}

/** Gone even where it cannot end: it must not be asked to again at each refresh. */
function drop(state) {
  const { handle } = state;
  state.handle = null;
  handle?.destroy();
}

/** A panel that cannot be drawn says so; the others after it are drawn all the same. */
function redraw(state) {
  try {
    drop(state);
    show(state);
  } catch (error) {
    fail(state, error.message);
  }
}

/** Asks for the data and draws it. The picture that was there stays until the new one can be drawn. */
async function load(state) {
  const { panel, ctx } = state;
  state.abort?.abort();
  const abort = new AbortController();
  state.abort = abort;
  state.el.classList.add("loading");
  try {
    const { from, to } = ctx.range();
    const scope = { from, to, points: Math.max(60, Math.round(state.body.clientWidth || 600)), scrapeS: ctx.scrapeS, variables: scoped(ctx.variables(), panel.scope) };
    const answers = panel.targets.length ? await ctx.query(panel, scope, abort.signal) : [];
    if (abort.signal.aborted) return;
    state.answers = answers;
    state.loaded = true;
    show(state);
  } catch (error) {
    if (error.name !== "AbortError") fail(state, error.message);
  } finally {
    if (state.abort === abort) state.el.classList.remove("loading");
  }
}

function viewOf(state) {
  const { panel, ctx, answers } = state;
  const good = answers.filter(({ answer }) => !answer.error);
  const asTable = panel.type === "table";
  const size = { width: state.body.clientWidth, height: state.body.clientHeight };
  const found = asTable ? [] : good.flatMap(({ target, answer }) => toSeries(target, answer));
  const { series, said } = bounded(found, mostSeries(panel, size), panel.type);
  const made = asTable ? transform(good.map(({ target, answer }) => toTable(target, answer, panel.targets.length > 1)), panel.transformations)
    : { tables: [], unknown: (panel.transformations || []).map(({ id }) => id) };
  const fill = interpolator(scoped(ctx.variables(), panel.scope), {}, { plain: true });
  return { panel, ctx, series, said: said || panel.said, tables: made.tables, unknown: made.unknown, interpolate: fill, place: () => ctx.place(panel.scope), ...size };
}

function show(state) {
  const { panel } = state;
  const draw = DRAW[panel.type];
  const errors = state.answers.filter(({ answer }) => answer.error);
  if (!draw) return fail(state, `This preview does not draw panels of type "${panel.type}". Grafana does.`);
  state.body.hidden = false; // its size is measured for the view
  const view = viewOf(state);
  const empty = panel.targets.length > 0 && (panel.type === "table" ? !view.tables[0]?.rows.length : !view.series.length);
  if (errors.length && empty) return fail(state, once(errors.map(({ target, answer }) => [target.refId, answer.error])).join("\n"), "The query failed");
  badge(state, errors, view);
  state.cut.hidden = !view.said;
  state.cut.textContent = view.said || "";
  if (empty) return noData(state);
  state.note.hidden = true;
  state.el.classList.remove("failed");
  if (state.handle) keepFocus(state.body, () => state.handle.update(view));
  else state.handle = draw(clear(state.body), view);
  return undefined;
}

/** A part of the panel that could not be drawn is said on the panel, beside the part that could. */
function badge(state, errors, view) {
  const said = [...errors.map(({ target, answer }) => `Query ${target.refId}: ${answer.error}`), ...view.unknown.map((id) => `Transformation "${id}" is not carried out in this preview`)];
  state.badge.hidden = said.length === 0;
  state.badge.textContent = "!";
  state.badge.title = said.join("\n");
  state.badge.setAttribute("aria-label", said.join("; "));
}

function message(state, heading, detail, failed, large = false) {
  drop(state);
  state.body.hidden = true;
  state.note.hidden = false;
  state.el.classList.toggle("failed", failed);
  state.note.classList.toggle("large", large);
  clear(state.note).append(h("strong", {}, heading), detail && h("p", {}, detail));
}

function fail(state, text, heading = "Not drawn") {
  state.badge.hidden = true;
  state.cut.hidden = true;
  message(state, heading, text, true);
}

function noData(state) {
  const { description, fieldConfig: { defaults }, type } = state.panel;
  const word = defaults.noValue;
  if (word && ["stat", "gauge"].includes(type)) return message(state, word, "", false, true); // what the panel says of nothing stands where its figure would
  if (word) return message(state, `No data: ${word}`, description, false);
  const queries = [...new Set(state.answers.map(({ answer }) => answer.query))];
  return message(state, "No data", [description && h("span", { class: "no-data-about" }, description),
    h("span", {}, queries.length === 1 ? "Prometheus answered this query with no series: " : "Prometheus answered these queries with no series: ", h("code", {}, queries.slice(0, MOST_QUERIES).join("\n")),
      queries.length > MOST_QUERIES && ` and ${queries.length - MOST_QUERIES} more`)], false);
}
