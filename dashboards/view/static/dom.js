// Small constructors for HTML and SVG elements. Text always goes in as text nodes, never as markup,
// so that a label or an error message from a server cannot become script.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [name, text] of Object.entries(value)) node.style.setProperty(name, text);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element: attributes, `on…` listeners, `style` as an object set through CSSOM (no inline style). */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element, same conventions as h(). */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

export function clear(node) {
  node.replaceChildren();
  return node;
}

const FOCUSABLE = "a, button, input, select, summary, [tabindex]";

const kindOf = (node) => [node.tagName, node.getAttribute("class"), node.parentElement?.getAttribute("class")].join();

/** Draws anew what is in `host`. The focus goes to its like of the same text, or in the same place: who works by keyboard is not sent back to the top of the page. */
export function keepFocus(host, draw) {
  const was = document.activeElement;
  if (!was || !host.contains(was)) { draw(); return; }
  const kind = kindOf(was);
  const all = () => [...host.querySelectorAll(FOCUSABLE)].filter((node) => kindOf(node) === kind);
  const at = all().indexOf(was);
  draw();
  if (host.contains(was)) return;
  const like = (node) => node?.textContent === was.textContent;
  const now = all();
  const next = like(now[at]) ? now[at] : now.find(like) || now[at];
  next?.focus({ preventScroll: true });
  if (typeof was.selectionStart === "number") next?.setSelectionRange?.(was.selectionStart, was.selectionEnd);
}
