// The keys of a page, and what they do; the help is made from the same list.

import { h } from "./dom.js";
import { openDialog } from "./controls.js";

const OPEN = ".multi[open], .times[open], .panel-info[open]";

/** rows: [[keys, text]]. */
export function openHelp(rows) {
  openDialog("Keys", h("table", { class: "data" }, h("tbody", {}, rows.map(([key, text]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, text))))));
}

/** acts: {key: act}. Keys typed into a field, with Ctrl or Alt, or over a dialog, are not ours. */
export function listenToKeys(acts) {
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.key !== "Escape";
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  });
}

/** A click elsewhere closes what is open. */
export function closeOnClick() {
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll(OPEN)) if (!open.contains(event.target)) open.removeAttribute("open");
  });
}

/** Closes an open list or description; where there is none, does something else. A focus inside goes to what opened it: it would be lost. */
export function closeOr(otherwise) {
  const open = document.querySelector(OPEN);
  if (!open) { otherwise(); return; }
  if (open.contains(document.activeElement)) open.querySelector("summary").focus();
  open.removeAttribute("open");
}
