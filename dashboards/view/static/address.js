// What of a dashboard's state stands in its address, so that a reload, a bookmark and the browser's way back bring it again.

import { isChoice } from "./sources.js";

/** {asked: variables' values by name, refresh, range, viewed} of the present address, the dashboard's own where it says nothing. */
export function fromAddress(dashboard) {
  const url = new URLSearchParams(location.search);
  const asked = {};
  for (const key of url.keys()) if (key.startsWith("var-")) asked[key.slice(4)] = url.getAll(key);
  return { asked, refresh: url.get("refresh") ?? (dashboard.refresh || ""), viewed: url.get("viewPanel"),
    range: { from: url.get("from") || dashboard.time?.from || "now-15m", to: url.get("to") || dashboard.time?.to || "now" } };
}

/** "from=…&to=…", which links take along. */
export function rangeQuery(range) {
  return String(new URLSearchParams({ from: range.from, to: range.to }));
}

/** The variables that a link or an address names. */
export function chosen(variables) {
  return variables.filter(isChoice);
}

/** Writes the state into the address; with `step`, what is noted of a new step, the browser's way back leads to what was before. */
export function remember(state, step = null) {
  const url = new URLSearchParams({ from: state.range.from, to: state.range.to });
  if (state.refresh !== (state.dashboard.refresh || "")) url.set("refresh", state.refresh);
  if (state.viewed) url.set("viewPanel", state.viewed);
  for (const { name, value } of chosen(state.variables)) for (const one of [].concat(value)) url.append(`var-${name}`, one);
  const address = `${location.pathname}?${url}`;
  if (step) history.pushState(step, "", address); else history.replaceState(history.state, "", address);
}
