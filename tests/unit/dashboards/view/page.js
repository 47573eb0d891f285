// As much of a browser as the renderer asks for: a tree of elements, a canvas that forgets, a chart that calls its hooks.
// What the real ones do is looked at in a real browser; here only our own code runs, to its last line.

class Node {
  constructor(tag) {
    Object.assign(this, { tagName: String(tag).toUpperCase(), children: [], attributes: {}, listeners: {}, hidden: false, scrollTop: 0,
      clientWidth: 600, clientHeight: 300, offsetWidth: 100, offsetHeight: 50, dataset: {}, parent: null });
    const style = {};
    this.style = Object.assign(style, { setProperty: (name, value) => { style[name] = value; } });
    const names = new Set();
    this.classList = { add: (name) => names.add(name), remove: (name) => names.delete(name), contains: (name) => names.has(name),
      toggle: (name, on) => ((on ?? !names.has(name)) ? names.add(name) : names.delete(name)) };
  }

  append(...nodes) {
    for (const node of nodes.flat()) { if (node instanceof Node) node.parent = this; this.children.push(node); }
  }

  get parentElement() { return this.parent; }
  before(...nodes) { this.parent.append(...nodes); }
  replaceChildren(...nodes) { this.children = []; this.append(...nodes); }
  remove() { if (this.parent) this.parent.children = this.parent.children.filter((node) => node !== this); }
  setAttribute(name, value) { this.attributes[name] = value; if (name === "hidden") this.hidden = true; }
  removeAttribute(name) { delete this.attributes[name]; }
  getAttribute(name) { return this.attributes[name] ?? null; }
  addEventListener(name, act) { (this.listeners[name] ||= []).push(act); }
  removeEventListener(name, act) { this.listeners[name] = (this.listeners[name] || []).filter((one) => one !== act); }
  dispatch(name, event = {}) { for (const act of this.listeners[name] || []) act({ target: this, currentTarget: this, preventDefault() {}, stopPropagation() {}, ...event }); }
  contains(node) { return node === this || this.children.some((child) => child instanceof Node && child.contains(node)); }
  getBoundingClientRect() { return { left: 0, top: 0, width: 600, height: 300 }; }
  getContext() { return new Proxy({}, { get: (_, name) => (name === "measureText" ? (text) => ({ width: text.length * 6 }) : () => {}), set: () => true }); }
  focus() { document.activeElement = this; }
  close() { this.dispatch("close"); }
  showModal() {}
  scrollIntoView() {}
  querySelector(selector) { return this.querySelectorAll(selector)[0] || null; }
  /** Of selectors those of a tag, a class or an attribute, and lists of them. */
  matches(selector) {
    return selector.split(", ").some((one) => {
      const [, tag, css, name] = /^(\w*)(?:\.([\w-]+))?(?:\[([\w-]+)\])?$/.exec(one) || [null, one];
      return (!tag || this.tagName === tag.toUpperCase()) && (!css || (this.attributes.class || "").split(" ").includes(css)) && (!name || name in this.attributes);
    });
  }
  querySelectorAll(selector) {
    return this.children.filter((child) => child instanceof Node).flatMap((child) => [...(child.matches(selector) ? [child] : []), ...child.querySelectorAll(selector)]);
  }

  get textContent() { return this.children.map((child) => (child instanceof Node ? (child.hidden ? "" : child.textContent) : String(child))).join(" "); }
  set textContent(text) { this.children = [text]; }
}

const listeners = {};
const elements = {};
const root = new Node("html");
const byId = (id) => (elements[id] ||= new Node("div"));
const document = { documentElement: root, body: new Node("body"), activeElement: null, hidden: false, title: "", getElementById: byId,
  createElement: (tag) => new Node(tag), createElementNS: (_, tag) => new Node(tag), addEventListener: (name, act) => { (listeners[name] ||= []).push(act); },
  querySelector: () => null, querySelectorAll: () => [] };
const devicePixelRatio = 2;
const innerWidth = 1440;
const innerHeight = 900;
const location = { origin: "https://here", search: "", pathname: "/d/sample", href: "" };
const past = [{ state: null, search: "" }];
const go = ({ search }) => { location.search = search; for (const act of listeners.popstate || []) act({}); };
const history = { get state() { return past.at(-1).state; }, back: () => { past.pop(); go(past.at(-1)); },
  replaceState: (state, _title, url) => { location.search = url.slice(url.indexOf("?")); Object.assign(past.at(-1), { state, search: location.search }); },
  pushState: (state, _title, url) => { past.push({}); history.replaceState(state, "", url); } };
const localStorage = { getItem: () => null, setItem() {} };
const matchMedia = () => ({ matches: false });
const addEventListener = (name, act) => { (listeners[name] ||= []).push(act); };
const CSS = { escape: (text) => text };
class ResizeObserver { observe() {} disconnect() {} }
class IntersectionObserver { constructor(act) { this.act = act; } observe(target) { this.act([{ target, isIntersecting: true }]); } unobserve() {} disconnect() {} }
class AbortController { constructor() { this.signal = { aborted: false }; } abort() { this.signal.aborted = true; } }
class URLSearchParams {
  constructor(from = "") {
    this.pairs = typeof from === "string" ? from.replace(/^\?/, "").split("&").filter(Boolean).map((pair) => pair.split("=").map(decodeURIComponent))
      : Array.isArray(from) ? [...from] : Object.entries(from).map(([key, value]) => [key, String(value)]);
  }
  append(key, value) { this.pairs.push([key, String(value)]); }
  set(key, value) { this.pairs = this.pairs.filter(([name]) => name !== key); this.append(key, value); }
  get(key) { return this.pairs.find(([name]) => name === key)?.[1] ?? null; }
  getAll(key) { return this.pairs.filter(([name]) => name === key).map(([, value]) => value); }
  keys() { return this.pairs.map(([key]) => key); }
  values() { return this.pairs.map(([, value]) => value); }
  get size() { return this.pairs.length; }
  [Symbol.iterator]() { return this.pairs[Symbol.iterator](); }
  toString() { return this.pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&"); }
}
class URL { constructor(text) { const found = /^(\w+:\/\/[^/]+)([^?]*)\??(.*)$/.exec(text); [, this.origin, this.pathname] = found; this.searchParams = new URLSearchParams(found[3]); } }

const charts = [];
class uPlot {
  constructor(options, data, host) {
    Object.assign(this, { options, data, width: options.width, height: options.height, bbox: { left: 10, top: 10, width: 500, height: 200 },
      cursor: { left: 50, top: 20, idx: Math.min(1, data[0].length - 1) }, select: { left: 10, width: 100 }, series: options.series.map((one) => ({ ...one })), root: new Node("div") });
    this.ctx = new Node("canvas").getContext();
    const over = new Node("div");
    over.setAttribute("class", "u-over");
    this.root.append(over);
    host.append(this.root);
    charts.push(this);
    this.draw();
  }
  draw() {
    for (const axis of this.options.axes) {
      const splits = typeof axis.splits === "function" ? axis.splits() : [0, 1, 2];
      const texts = axis.values(this, splits, 0, 50, 1);
      if (typeof axis.size === "function") axis.size(this, texts, 0, 0);
      if (typeof axis.space === "function") axis.space(this, 0, 0, 600, 500);
    }
    for (const scale of Object.values(this.options.scales)) if (scale.range) scale.range(this, 0, 10);
    this.series.slice(1).forEach((one, at) => { if (typeof one.points?.show === "function") one.points.show(this, at + 1); });
    this.fire("drawAxes");
    this.fire("draw");
  }
  fire(name) { for (const act of this.options.hooks[name] || []) act(this); }
  hover() { this.root.querySelector(".u-over").dispatch("mouseenter"); this.fire("setCursor"); }
  drag() { this.root.querySelector(".u-over").dispatch("mousedown"); this.fire("setSelect"); }
  setData(data) { this.data = data; this.draw(); }
  setSize() { this.draw(); }
  setSelect() {}
  setCursor() { this.fire("setCursor"); }
  valToPos(value) { return value % 500; }
  posToVal(position) { return 1000 + position; }
  destroy() { charts.splice(charts.indexOf(this), 1); }
}
uPlot.paths = new Proxy({}, { get: () => () => null });
uPlot.rangeLog = (low, high) => [low, high];
uPlot.tzDate = (date) => date;

const asked = [];
let fetch = null;

/** Prometheus and our server, by the end of a path: `answers` as they are, samples set to the range that is asked for. */
function serve(answers) {
  fetch = (whole) => {
    // As a browser whose page's own address has an account in it: one that is relative would inherit that.
    if (!whole.startsWith(location.origin)) throw new TypeError("a URL that includes credentials");
    const address = whole.slice(location.origin.length);
    asked.push(decodeURIComponent(address));
    const [path, query] = address.split("?");
    const failing = address.includes("broken");
    const key = Object.keys(answers).find((end) => path.endsWith(end));
    const start = Number(new URLSearchParams(query).get("start"));
    if (key === "/query_range") for (const one of answers[key].data.result) one.values = [0, 5, 10].map((after) => [start + after, "9"]);
    const body = failing ? { status: "error", error: "parse error: unclosed" } : answers[key];
    return Promise.resolve({ ok: !failing, status: failing ? 400 : 200, text: async () => JSON.stringify(body), json: async () => body });
  };
}

/** Lets what was begun come to its end. */
const settle = () => new Promise((done) => { setTimeout(done, 30); });

/** Presses a key on the page. */
function press(key) {
  for (const act of listeners.keydown) act({ key, target: { tagName: "BODY" }, preventDefault() {} });
}

const tooltips = () => document.body.children.filter((node) => node.attributes.class === "tooltip").map((node) => node.textContent);
const titles = () => byId("app").querySelectorAll(".panel-badge").map((badge) => badge.title || "");
const legend = () => byId("app").querySelectorAll(".legend-name")[0];
const columns = () => charts.map((one) => one.data.length);
