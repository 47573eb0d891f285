// Loads the page anew where one of its own files did not come: a browser breaks off what it loads when a network interface comes or goes.

(function watch() {
  const most = 5;
  const began = Date.now();
  let due = false;
  addEventListener("error", (event) => {
    const missing = event.target;
    if (due || !missing || !["SCRIPT", "LINK"].includes(missing.tagName)) return;
    due = true;
    let [count, since] = [0, began];
    try {
      [count, since] = JSON.parse(sessionStorage.getItem("warren-again")) || [0, began];
      if (began - since > 60000) [count, since] = [0, began];
      sessionStorage.setItem("warren-again", JSON.stringify([count + 1, since]));
    } catch {
      return; // without a note of how often, it could go on for ever
    }
    if (count < most) setTimeout(() => location.reload(), 500 * (count + 1));
    else document.getElementById("app").textContent = "This page's own files did not come. Is the preview still running? Load the page again.";
  }, true);
}());
