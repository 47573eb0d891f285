// The entry: which page the address asks for.

import { banner, header, startTheme } from "./shell.js";
import { dashboardPage } from "./page.js";
import { clear, h } from "./dom.js";
import { listPage } from "./pages.js";

async function start() {
  const root = document.getElementById("app");
  const theme = startTheme();
  const uid = /^\/d\/([^/]+)/.exec(location.pathname)?.[1];
  try {
    if (uid) await dashboardPage(root, decodeURIComponent(uid), theme);
    else await listPage(root, location.pathname, theme);
  } catch (error) {
    clear(root).append(banner("Preview by Warren. This is not Grafana."), header("Not to be drawn"), h("p", { class: "error", role: "alert" }, `This page could not be drawn: ${error.message}`));
  }
}

start();
