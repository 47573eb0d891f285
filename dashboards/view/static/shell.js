// What every page of the preview has: the banner, the way to the other pages, the theme.

import { ask } from "./ask.js";
import { h } from "./dom.js";
import { THEMES } from "./theme.js";

export const PAGES = [["/", "Dashboards"], ["/targets", "Targets"], ["/rules", "Rules"], ["/alerts", "Alerts"], ["/runbooks", "Runbooks"]];

/** "dark" or "light": the URL's, else the one chosen before, else the system's. */
export function startTheme() {
  const asked = new URLSearchParams(location.search).get("theme") || stored();
  const name = THEMES[asked] ? asked : matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  return applyTheme(name);
}

function stored() {
  try {
    return localStorage.getItem("warren-theme");
  } catch {
    return null; // a file:// page or a strict browser has no storage
  }
}

export function applyTheme(name) {
  document.documentElement.dataset.theme = name;
  return THEMES[name];
}

export function keepTheme(name) {
  try {
    localStorage.setItem("warren-theme", name);
  } catch {
    // not kept, then
  }
  return applyTheme(name);
}

export function banner(text) {
  return h("p", { class: "banner", role: "note" }, text);
}

export function header(title, ...controls) {
  const here = location.pathname;
  return h("header", { class: "top" }, h("div", { class: "top-line" },
    h("nav", { "aria-label": "Pages" }, PAGES.map(([path, text]) => h("a", { href: path, "aria-current": path === here ? "page" : null }, text))), h("h1", {}, title)),
  h("div", { class: "controls" }, controls));
}

/** The way back to what is at the top, where a page on a phone is as long as a dozen screens. */
export function toTop() {
  const button = h("button", { type: "button", class: "to-top", hidden: true, title: "To the top", "aria-label": "To the top", onclick: () => scrollTo({ top: 0 }) }, "↑");
  addEventListener("scroll", () => { button.hidden = scrollY < innerHeight; }, { passive: true });
  return button;
}

/** Begins one of a kind; the function returned says whether none has begun since. An answer that comes late must not undo what came after its question. */
export function latest(begun, kind) {
  const mine = (begun[kind] || 0) + 1;
  begun[kind] = mine;
  return () => begun[kind] === mine;
}

export async function getJson(path) {
  const response = await ask(path);
  const answer = await response.json().catch(() => ({ error: `HTTP ${response.status}` }));
  if (!response.ok) throw new Error(answer.error || `HTTP ${response.status}`);
  return answer;
}
