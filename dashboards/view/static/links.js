// Links of dashboards, panels and values: Grafana's templates filled in. Only what this server has can be followed.

import { h } from "./dom.js";
import { interpolator } from "./interpolate.js";
import { isChoice } from "./sources.js";

const RUNBOOK = /(?:^|\/)docs\/runbooks\/([a-z0-9-]{1,80})\.md$/;
const OWN = /^\/(?:d\/[\w-]+(?:\/[\w-]*)?|targets|rules|alerts|runbooks(?:\/[a-z0-9-]+)?)?(?:[?#].*)?$/;
const ABOUT = /\$\{__(field|value|data|series)((?:\.\w+|\["[^"]*"\]|\[\d+\])+)(?::(\w+))?\}/g;

/** The path on this server that an address stands for (a runbook's too, wherever it is kept), or null where it leads off. */
export function pathOf(address) {
  const text = String(address || "").trim();
  const runbook = RUNBOOK.exec(text.replace(/[?#].*$/, ""));
  if (runbook) return `/runbooks/${runbook[1]}`;
  const path = /^d\//.test(text) ? `/${text}` : text;
  return OWN.test(path) ? path : null;
}

/** What `${__field…}`, `${__value…}` and `${__data…}` stand for, encoded for an address. */
function filled(text, about) {
  return text.replace(ABOUT, (whole, root, path, format) => {
    const keys = [...path.matchAll(/\.(\w+)|\["([^"]*)"\]|\[(\d+)\]/g)].map(([, bare, quoted, place]) => bare ?? quoted ?? place);
    const found = keys.reduce((at, key) => (at !== null && typeof at === "object" ? at[key] : at), about[root]);
    if (found === undefined || found === null) return about[root] ? "" : whole;
    return format === "raw" ? String(found) : encodeURIComponent(String(found));
  });
}

/** What goes along where a link asks for it, as Grafana's `keepTime` and `includeVars` do. */
function carried(link, range, variables) {
  return [link.keepTime && range, link.includeVars && variables].filter(Boolean).join("&");
}

/**
 * links: Grafana's [{title, url}]; place: {variables, range: "from=…&to=…"}; about: {field, value, series, data} of one value.
 * Returns [{title, href, text}]; href is null where the link leads off this server. Without a place, as in a report, there are none.
 */
export function linksOf(links, place, about = {}) {
  if (!place || !links?.length) return [];
  const variables = place.variables.filter(isChoice);
  const all = interpolator(variables)(variables.map(({ name }) => `\${${name}:queryparam}`).join("&"));
  const fill = interpolator(variables, { __url_time_range: place.range, __all_variables: all }, { uri: true });
  const words = interpolator(variables, {}, { plain: true });
  return links.filter(({ url }) => url).map((link) => {
    const text = fill(filled(link.url, about));
    const along = carried(link, place.range, all);
    const path = pathOf(text);
    return { title: words(link.title) || text, text, href: path && along ? path + (path.includes("?") ? "&" : "?") + along : path };
  });
}

/** Content that leads where the first link leads; as it was where there is none, or it leads off this server. */
export function linked(links, content) {
  const link = links.find(({ href }) => href);
  return link ? h("a", { href: link.href, title: link.title }, content) : content;
}

/** The same for links of a value that is drawn by something else: a small arrow for each. */
export function arrows(links) {
  return links.filter(({ href }) => href).map(({ href, title }) => h("a", { class: "arrow", href, title, "aria-label": title }, "↗"));
}

/** What a series tells its links. */
export function aboutSeries(series, value) {
  return { field: { name: series.name, displayName: series.name, labels: series.labels || {} }, series: { name: series.name }, value: { raw: value, numeric: value, text: value, time: series.times?.at(-1) * 1000 } };
}
