// A dashboard's JSON as sections of panels ready to lay out: rows opened, repeats multiplied, nulls made safe.

import { interpolator, variableValue } from "./interpolate.js";

/** Panel JSON with what the renderer relies on always present. */
export function normalisePanel(panel) {
  const options = { ...(panel.options || {}) };
  const fieldConfig = { defaults: { ...(panel.fieldConfig?.defaults || {}) }, overrides: panel.fieldConfig?.overrides || [] };
  const legacy = options.fieldOptions;
  if (legacy && !options.reduceOptions) {
    options.reduceOptions = { calcs: legacy.calcs || ["lastNotNull"], values: Boolean(legacy.values) };
    fieldConfig.defaults = { ...Object.fromEntries(Object.entries(legacy.defaults || {}).filter(([, value]) => value !== null)), ...fieldConfig.defaults };
  }
  for (const [key, value] of Object.entries(fieldConfig.defaults)) if (value === null) delete fieldConfig.defaults[key];
  return { ...panel, title: panel.title || "", options, fieldConfig, targets: panel.targets || [],
    transformations: panel.transformations || [], gridPos: { x: 0, y: 0, w: 12, h: 8, ...(panel.gridPos || {}) } };
}

/** Sections in page order: {row, panels}; the first may have no row. A collapsed row carries its panels inside. */
export function sectionsOf(dashboard) {
  const sections = [{ row: null, panels: [] }];
  const panels = [...(dashboard.panels || [])].sort((a, b) => (a.gridPos?.y ?? 0) - (b.gridPos?.y ?? 0) || (a.gridPos?.x ?? 0) - (b.gridPos?.x ?? 0));
  for (const panel of panels) {
    if (panel.type === "row") sections.push({ row: panel, panels: (panel.panels || []).map(normalisePanel) });
    else sections.at(-1).panels.push(normalisePanel(panel));
  }
  return sections.filter(({ row, panels: inside }) => row || inside.length).map(fromTop);
}

/** Grid rows counted from the section's own top, so that a closed section above leaves no hole. */
function fromTop(section) {
  const top = Math.min(...section.panels.map(({ gridPos }) => gridPos.y), Infinity);
  const shifted = section.panels.map((panel) => ({ ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y - top } }));
  return { ...section, panels: shifted };
}

function valuesOf(variables, name) {
  const variable = variables.find((one) => one.name === name);
  if (!variable) return null;
  const all = [].concat(variable.value).includes("$__all");
  return all ? variable.options : [].concat(variableValue(variable).value);
}

/** Variables as one repetition sees them: the repeated one holds a single value. */
export function scoped(variables, scope) {
  if (!scope) return variables;
  return variables.map((variable) => (Object.hasOwn(scope, variable.name) ? { ...variable, value: scope[variable.name] } : variable));
}

function repeatPanel(panel, variables) {
  const values = panel.repeat ? valuesOf(variables, panel.repeat) : null;
  if (!values || !values.length) return [panel];
  const vertical = panel.repeatDirection === "v";
  const perRow = vertical ? 1 : Math.min(panel.maxPerRow || 4, values.length);
  const { x, y, h } = panel.gridPos;
  const w = vertical ? panel.gridPos.w : Math.floor(24 / perRow);
  return values.map((value, at) => ({ ...panel, key: `${panel.id}:${value}`, scope: { ...panel.scope, [panel.repeat]: value },
    gridPos: { x: vertical ? x : (at % perRow) * w, y: y + Math.floor(at / perRow) * h, w, h } }));
}

/** Panels below a repeated one move down by the rows it gained. */
function repeatPanels(panels, variables) {
  const out = [];
  let shift = 0;
  for (const panel of panels) {
    const moved = { ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y + shift } };
    const copies = repeatPanel(moved, variables);
    out.push(...copies);
    const lowest = Math.max(...copies.map(({ gridPos }) => gridPos.y + gridPos.h));
    if (copies.length > 1) shift += lowest - (moved.gridPos.y + moved.gridPos.h);
  }
  return out;
}

/** Sections with row and panel repeats carried out for the variables' present values. */
export function expandRepeats(sections, variables) {
  return sections.flatMap((section) => {
    const values = section.row?.repeat ? valuesOf(variables, section.row.repeat) : null;
    if (!values) return [{ ...section, panels: repeatPanels(section.panels, variables) }];
    return values.map((value) => {
      const scope = { [section.row.repeat]: value };
      return { row: { ...section.row, scope }, panels: repeatPanels(section.panels.map((panel) => ({ ...panel, scope, key: `${panel.id}:${value}` })), variables) };
    });
  });
}

/** A panel's or row's title with its variables filled in. */
export function titleOf(item, variables) {
  return interpolator(scoped(variables, item.scope), {}, { plain: true })(item.title);
}
