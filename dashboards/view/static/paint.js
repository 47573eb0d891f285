// What is painted on a chart beside its lines: thresholds below them, faults and other marks above.

import { FONT } from "./axes.js";
import { alpha, namedColor } from "./theme.js";

function clipped(u, paint) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx, bbox);
  ctx.restore();
}

/** Threshold lines and areas on one scale. mode is Grafana's: off, line, dashed, area, line+area, dashed+area. */
export function paintThresholds(u, { mode, steps, scale }, theme) {
  if (!mode || mode === "off") return;
  clipped(u, (ctx, bbox) => {
    steps.forEach((step, at) => {
      const color = namedColor(step.color, theme);
      const y = Number.isFinite(step.from) ? u.valToPos(step.from, scale, true) : bbox.top + bbox.height;
      if (mode.includes("area")) {
        const above = at + 1 < steps.length ? u.valToPos(steps[at + 1].from, scale, true) : bbox.top;
        ctx.fillStyle = alpha(color, 0.1);
        ctx.fillRect(bbox.left, above, bbox.width, y - above);
      }
      if (/line|dashed/.test(mode) && Number.isFinite(step.from)) strokeLine(ctx, bbox, y, color, mode.includes("dashed"));
    });
  });
}

function strokeLine(ctx, bbox, y, color, dashed) {
  ctx.strokeStyle = color;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash(dashed ? [8 * devicePixelRatio, 6 * devicePixelRatio] : []);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
}

const LANE = 4;
const NAMES = 14;
const NAMES_FROM = 130; // of a chart's height: in a lower one they would take from the data, and the tooltip has them

/** The colours of marks, each a lane above the plot, in the order in which the board names its kinds: the gravest first. */
export function lanesOf(marks) {
  return [...new Set(marks.map(({ color }) => color || "red"))];
}

/** CSS pixels that the marks of a chart take above its plot, where they hide no data. */
export function roomAbove(marks, height) {
  const room = marks.length ? lanesOf(marks).length * LANE + (height >= NAMES_FROM ? NAMES : 0) : 0;
  return 8 + Math.min(room, Math.max(0, (height - 34) / 2)); // and half of a low chart is left to its lines
}

/**
 * Marks are {from, to, text, color}. Each colour is a lane of ribbons above the plot, over which stand the names that fit. In the plot a
 * thin line shows where each begins; only the gravest kind is a faint band there, and with `wash` false, where areas have a meaning, none is.
 */
export function paintMarks(u, marks, theme, { wash = true } = {}) {
  if (!marks.length) return;
  const { bbox } = u;
  const lanes = lanesOf(marks);
  const end = bbox.left + bbox.width;
  const placed = [...marks].sort((a, b) => a.from - b.from)
    .map((mark) => ({ mark, left: u.valToPos(mark.from, "x", true), right: u.valToPos(mark.to ?? mark.from, "x", true) }))
    .filter(({ left, right }) => right >= bbox.left && left <= end);
  const bands = united(placed);
  clipped(u, (ctx) => bands.forEach((band) => paintBegin(ctx, bbox, band, namedColor(band.color, theme), wash && band.color === lanes[0])));
  paintLanes(u, bands, lanes, theme);
  if (u.height >= NAMES_FROM) paintNames(u, placed, lanes, theme);
}

/** Bands of one colour that overlap, as one: fifteen alerts at once must not hide what is beneath. In the order of `placed`, by their left edge. */
export function united(placed) {
  const open = new Map();
  const out = [];
  for (const { mark, left, right } of placed) {
    const color = mark.color || "red";
    const last = open.get(color);
    if (last && left <= last.right) { last.right = Math.max(last.right, right); continue; }
    const band = { color, left, right };
    open.set(color, band);
    out.push(band);
  }
  return out;
}

function paintBegin(ctx, bbox, { left, right }, color, wash) {
  if (wash) {
    ctx.fillStyle = alpha(color, 0.1);
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  if (left < bbox.left) return; // it began before
  ctx.strokeStyle = alpha(color, 0.55);
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(left, bbox.top);
  ctx.lineTo(left, bbox.top + bbox.height);
  ctx.stroke();
}

function paintLanes({ ctx, bbox }, bands, lanes, theme) {
  const end = bbox.left + bbox.width;
  ctx.save();
  for (const { color, left, right } of bands) {
    const from = Math.max(left, bbox.left);
    ctx.fillStyle = namedColor(color, theme);
    ctx.fillRect(from, bbox.top - (lanes.length - lanes.indexOf(color)) * LANE * devicePixelRatio, Math.max(2 * devicePixelRatio, Math.min(right, end) - from), (LANE - 1) * devicePixelRatio);
  }
  ctx.restore();
}

/** Names over the ribbons, the gravest first: one for which there is no room beside those is left to the tooltip. */
function paintNames({ ctx, bbox }, placed, lanes, theme) {
  const end = bbox.left + bbox.width;
  const taken = [];
  ctx.save();
  ctx.font = FONT.replace("12px", `${11 * devicePixelRatio}px`);
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left"; // the axes leave their own alignment behind
  ctx.fillStyle = theme.text;
  for (const { mark, left } of [...placed].sort((a, b) => lanes.indexOf(a.mark.color || "red") - lanes.indexOf(b.mark.color || "red") || a.left - b.left)) {
    const width = ctx.measureText(mark.text).width;
    const start = Math.min(Math.max(left, bbox.left), end - width);
    if (start < bbox.left || taken.some(([from, to]) => start < to && start + width > from)) continue;
    ctx.fillText(mark.text, start, bbox.top - (lanes.length * LANE + 1) * devicePixelRatio);
    taken.push([start, start + width + 8 * devicePixelRatio]);
  }
  ctx.restore();
}
