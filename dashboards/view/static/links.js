// Grafana's data links: the address that a cell leads to. Only those to a dashboard of this server are followed.

import { interpolator } from "./interpolate.js";

const FIELD = /\$\{__data\.fields(?:\["([^"]+)"\]|\.(\w+))(?::percentencode)?\}/g;
const OWN = /^\/d\/[\w-]+/;

/** The time range as the page's own address has it, so that "now" stays now. */
function rangeText(search) {
  return search.replace(/^\?/, "").split("&").filter((pair) => /^(from|to|refresh)=/.test(pair)).join("&");
}

/**
 * {href, title} of the first link of a cell that leads to a dashboard here, or null.
 * `values` maps the row's headings to what stands there; `search` is the query of the page's address.
 */
export function cellLink(links, values, variables, search) {
  const link = (links || []).find(({ url }) => OWN.test(url || ""));
  if (!link) return null;
  const filled = link.url.replace(/\$\{__url_time_range\}/g, rangeText(search))
    .replace(FIELD, (_, quoted, bare) => encodeURIComponent(values[quoted ?? bare] ?? ""));
  return { href: interpolator(variables, {}, { plain: true })(filled).replace("?&", "?"), title: link.title || "" };
}
