// Colours of both themes. Canvas code needs them as values; the style sheet repeats the few it uses.
// A hue is a ramp of seven shades; the light theme takes each named shade one step further down the ramp.

const RAMPS = {
  green: ["#C8F2C2", "#96D98D", "#73BF69", "#56A64B", "#37872D", "#19730E"],
  yellow: ["#FFF899", "#FFEE52", "#FADE2A", "#F2CC0C", "#E0B400", "#CC9D00"],
  blue: ["#C0D8FF", "#8AB8FF", "#5794F2", "#3274D9", "#1F60C4", "#1250B0"],
  orange: ["#FFCB7D", "#FFB357", "#FF9830", "#FF780A", "#FA6400", "#E55400"],
  red: ["#FFA6B0", "#FF7383", "#F2495C", "#E02F44", "#C4162A", "#AD0317"],
  purple: ["#DEB6F2", "#CA95E5", "#B877D9", "#A352CC", "#8F3BB8", "#7C2EA3"],
};
const SHADES = { "super-light": 0, light: 1, "": 2, "semi-dark": 3, dark: 4 };

const PALETTE = ["green", "semi-dark-yellow", "blue", "orange", "red", "purple", "dark-green", "dark-yellow",
  "dark-blue", "dark-orange", "dark-red", "dark-purple", "light-blue", "light-orange", "light-red", "light-purple",
  "light-green", "super-light-blue", "super-light-orange", "super-light-red", "super-light-purple", "super-light-green"];

export const THEMES = {
  dark: { name: "dark", canvas: "#111217", panel: "#181b1f", raised: "#22252b", text: "rgb(204, 204, 220)",
    faint: "rgba(204, 204, 220, 0.65)", grid: "rgba(204, 204, 220, 0.09)", border: "rgba(204, 204, 220, 0.12)" },
  light: { name: "light", canvas: "#fbfbfb", panel: "#ffffff", raised: "#f4f5f5", text: "rgba(36, 41, 46, 1)",
    faint: "rgba(36, 41, 46, 0.75)", grid: "rgba(36, 41, 46, 0.09)", border: "rgba(36, 41, 46, 0.12)" },
};

/** A Grafana colour name ("semi-dark-red", "text", "#ff0000", "rgb(…)") as CSS. */
export function namedColor(name, theme) {
  if (!name) return theme.text;
  if (name === "text") return theme.text;
  if (name === "transparent") return "rgba(0, 0, 0, 0)";
  const match = /^(?:(super-light|light|semi-dark|dark)-)?(green|yellow|blue|orange|red|purple)$/.exec(name);
  if (!match) return name;
  return RAMPS[match[2]][SHADES[match[1] || ""] + (theme.name === "light" ? 1 : 0)];
}

export function paletteColor(index, theme) {
  return namedColor(PALETTE[index % PALETTE.length], theme);
}

/**
 * Colours by name, not by position: a queue that appears later must not repaint the others. Names seen first keep their place for as long
 * as the assignment object lives. Each kind of name (queues, nodes) begins at the first colour: they do not meet in one panel.
 */
export function paletteByName() {
  const places = new Map();
  const kinds = new Map();
  return (name, theme, kind = "") => {
    if (!kinds.has(kind)) kinds.set(kind, new Set());
    const taken = kinds.get(kind);
    if (!places.has(name)) {
      let next = 0;
      while (taken.has(next)) next += 1;
      places.set(name, next);
    }
    taken.add(places.get(name));
    return paletteColor(places.get(name), theme);
  };
}

const natural = (a, b) => a.localeCompare(b, "en", { numeric: true });

/**
 * The colours of one panel's series, [{name, named, kind}] -> Map of name to CSS. Series called after a label (a queue,
 * a node) have one colour on the whole page, from `shared`; the others take what is left, in order.
 */
export function panelColors(series, shared, theme) {
  const called = series.filter(({ named }) => named).sort((a, b) => natural(a.name, b.name)); // and so alike at every loading
  const colors = new Map(called.map(({ name, kind }) => [name, shared(name, theme, kind)]));
  const taken = new Set(colors.values());
  let next = 0;
  for (const { name } of series) {
    if (colors.has(name)) continue;
    while (taken.has(paletteColor(next, theme)) && next < PALETTE.length) next += 1;
    colors.set(name, paletteColor(next, theme));
    next += 1;
  }
  return colors;
}

const CONTINUOUS = {
  "continuous-GrYlRd": ["green", "yellow", "red"], "continuous-RdYlGr": ["red", "yellow", "green"],
  "continuous-BlYlRd": ["dark-blue", "yellow", "dark-red"], "continuous-YlRd": ["super-light-yellow", "dark-red"],
  "continuous-BlPu": ["blue", "purple"], "continuous-YlBl": ["super-light-yellow", "dark-blue"],
  "continuous-blues": ["super-light-blue", "dark-blue"], "continuous-reds": ["super-light-red", "dark-red"],
  "continuous-greens": ["super-light-green", "dark-green"], "continuous-purples": ["super-light-purple", "dark-purple"],
};

/** Colour at `share` (0..1) of a continuous scheme; an unknown scheme is drawn green-yellow-red. */
export function continuousColor(mode, share, theme) {
  const stops = (CONTINUOUS[mode] || CONTINUOUS["continuous-GrYlRd"]).map((name) => namedColor(name, theme));
  const place = Math.min(1, Math.max(0, share || 0)) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(place));
  return mix(stops[low], stops[low + 1], place - low);
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function mix(from, to, share) {
  const [a, b] = [channels(from), channels(to)];
  return `rgb(${a.map((part, at) => Math.round(part + (b[at] - part) * share)).join(", ")})`;
}

/** The colour with another opacity; names outside #rrggbb, rgb() and rgba() stay as they are. */
export function alpha(color, opacity) {
  if (/^#[0-9a-f]{6}$/i.test(color)) return `rgba(${channels(color).join(", ")}, ${opacity})`;
  const match = /^rgba?\(\s*(\d+)[, ]+(\d+)[, ]+(\d+)/.exec(color);
  return match ? `rgba(${match[1]}, ${match[2]}, ${match[3]}, ${opacity})` : color;
}

/** Black or white, whichever reads better on the colour. */
export function inkOn(color) {
  const match = /^#/.test(color) ? channels(color) : (/(\d+)[, ]+(\d+)[, ]+(\d+)/.exec(color) || [0, 0, 0, 0]).slice(1).map(Number);
  const [r, g, b] = match.map((part) => (part / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.3 ? "#000000" : "#ffffff";
}
