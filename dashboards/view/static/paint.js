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

/** Marks are {from, to, text, color}: a band with its edges dashed and its name at the top, where there is room. */
export function paintMarks(u, marks, theme) {
  if (!marks.length) return;
  clipped(u, (ctx, bbox) => {
    const placed = [...marks].sort((a, b) => a.from - b.from)
      .map((mark) => ({ mark, left: u.valToPos(mark.from, "x", true), right: u.valToPos(mark.to ?? mark.from, "x", true) }))
      .filter(({ left, right }) => right >= bbox.left && left <= bbox.left + bbox.width);
    for (const { color, left, right } of united(placed)) paintBand(ctx, bbox, left, right, namedColor(color, theme));
    let taken = -Infinity; // names last: a later band must not strike through an earlier name
    for (const { mark, left } of placed) taken = paintName(ctx, bbox, Math.max(left, bbox.left), mark, taken, theme);
  });
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

function paintBand(ctx, bbox, left, right, color) {
  ctx.fillStyle = alpha(color, 0.1);
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.strokeStyle = color;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const x of right - left < 1 ? [left] : [left, right]) {
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
}

function paintName(ctx, bbox, left, mark, taken, theme) {
  ctx.font = FONT.replace("12px", `${11 * devicePixelRatio}px`);
  ctx.textBaseline = "top";
  const width = ctx.measureText(mark.text).width;
  const room = bbox.left + bbox.width - left;
  const inward = room < width + 8 * devicePixelRatio;
  const x = inward ? left - 4 * devicePixelRatio : left + 4 * devicePixelRatio;
  const start = inward ? x - width : x;
  if (start < taken || start < bbox.left) return taken;
  ctx.fillStyle = alpha(theme.panel, 0.85);
  ctx.fillRect(start - 2 * devicePixelRatio, bbox.top + devicePixelRatio, width + 4 * devicePixelRatio, 14 * devicePixelRatio);
  ctx.textAlign = "left"; // the axes leave their own alignment behind
  ctx.fillStyle = theme.text;
  ctx.fillText(mark.text, start, bbox.top + 3 * devicePixelRatio);
  return start + width + 6 * devicePixelRatio;
}
