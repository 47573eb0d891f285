// The one tooltip of a page: shown by the chart under the pointer (or the focused one), never by those it is synced with.

import { clear, h } from "./dom.js";

let box = null;

function theBox() {
  if (!box) {
    box = h("div", { class: "tooltip", role: "status", "aria-live": "off", hidden: true });
    document.body.append(box);
  }
  return box;
}

export function hideTooltip() {
  if (box) box.hidden = true;
}

/** rows: [{name, text, color, strong}]; x, y in viewport pixels. */
export function showTooltip({ heading, rows, more, x, y }) {
  const at = clear(theBox());
  at.append(h("div", { class: "tooltip-time" }, heading), h("table", {}, h("tbody", {}, rows.map((row) =>
    h("tr", { class: row.strong ? "strong" : null },
      h("td", {}, h("span", { class: "swatch", style: { background: row.color } })),
      h("th", { scope: "row" }, row.name), h("td", { class: "number" }, row.text))))));
  if (more) at.append(h("div", { class: "faint" }, more));
  at.hidden = false;
  place(at, x, y);
}

function place(at, x, y) {
  const { offsetWidth: width, offsetHeight: height } = at;
  const left = x + 14 + width > innerWidth - 8 ? x - 14 - width : x + 14;
  at.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  at.style.top = `${Math.max(8, Math.min(y + 14, innerHeight - height - 8))}px`;
}
