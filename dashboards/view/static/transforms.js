// The table transformations that dashboards use. One that is not known is named to the reader, never skipped in silence.

/** Rows of several tables that agree in all shared columns but Time and values become one row. */
function merge(tables) {
  const fields = [];
  for (const table of tables) for (const field of table.fields) {
    if (!fields.some(({ name }) => name === field.name)) fields.push(field);
  }
  const labels = fields.filter(({ type }) => type === "string").map(({ name }) => name);
  const merged = new Map();
  for (const table of tables) {
    const at = new Map(table.fields.map(({ name }, index) => [name, index]));
    for (const row of table.rows) {
      const key = JSON.stringify(labels.map((name) => (at.has(name) ? row[at.get(name)] : null)));
      const into = merged.get(key) || fields.map(() => null);
      fields.forEach(({ name }, index) => { if (at.has(name) && into[index] === null) into[index] = row[at.get(name)]; });
      merged.set(key, into);
    }
  }
  return [{ refId: tables[0]?.refId, fields: labelsFirst(fields), rows: [...merged.values()].map((row) => reorder(row, fields)) }];
}

function labelsFirst(fields) {
  return [...fields.filter(({ type }) => type !== "number"), ...fields.filter(({ type }) => type === "number")];
}

function reorder(row, fields) {
  const ordered = labelsFirst(fields);
  return ordered.map((field) => row[fields.indexOf(field)]);
}

/** Joins on one column; columns of the same name get the table's number, as in Grafana. */
function joinByField(tables, options) {
  const by = options.byField || "Time";
  const fields = [{ name: by, type: by === "Time" ? "time" : "string" }];
  const rows = new Map();
  tables.forEach((table, number) => {
    const key = table.fields.findIndex(({ name }) => name === by);
    const base = fields.length;
    const others = table.fields.map((field, index) => ({ field, index })).filter(({ index }) => index !== key);
    fields.push(...others.map(({ field }) => ({ ...field, name: fields.some(({ name }) => name === field.name) ? `${field.name} ${number + 1}` : field.name })));
    for (const row of table.rows) {
      if (key < 0) continue;
      const into = rows.get(row[key]) || [row[key]];
      others.forEach(({ index }, place) => { into[base + place] = row[index]; });
      rows.set(row[key], into);
    }
  });
  const complete = options.mode === "inner"
    ? [...rows.values()].filter((row) => fields.every((_, index) => row[index] !== undefined)) : [...rows.values()];
  return [{ fields, rows: complete.map((row) => fields.map((_, index) => row[index] ?? null)) }];
}

function select(table, keep) {
  const kept = table.fields.map((field, index) => ({ field, index })).filter(({ field }) => keep(field.name));
  return { ...table, fields: kept.map(({ field }) => field), rows: table.rows.map((row) => kept.map(({ index }) => row[index])) };
}

function organize(tables, options) {
  const exclude = options.excludeByName || {};
  const order = options.indexByName || {};
  const rename = options.renameByName || {};
  return tables.map((table) => {
    const shown = select(table, (name) => !exclude[name]);
    const sequence = shown.fields.map(({ name }, index) => ({ index, place: order[name] ?? 1000 + index })).sort((a, b) => a.place - b.place);
    return { ...shown,
      fields: sequence.map(({ index }) => ({ ...shown.fields[index], name: rename[shown.fields[index].name] || shown.fields[index].name })),
      rows: shown.rows.map((row) => sequence.map(({ index }) => row[index])) };
  });
}

function filterFields(tables, options) {
  const names = options.include?.names;
  const included = options.include?.pattern ? new RegExp(options.include.pattern) : null;
  const excluded = options.exclude?.pattern ? new RegExp(options.exclude.pattern) : null;
  const out = options.exclude?.names || [];
  return tables.map((table) => select(table, (name) => (!names || names.includes(name)) && (!included || included.test(name))
    && (!excluded || !excluded.test(name)) && !out.includes(name)));
}

function sortBy(tables, options) {
  const sort = options.sort?.[0];
  return sort ? tables.map((table) => sortTable(table, sort.field, sort.desc)) : tables;
}

/** A copy sorted by one column; nulls go last either way. */
export function sortTable(table, name, descending) {
  const at = table.fields.findIndex((field) => field.name === name);
  if (at < 0) return table;
  const compare = (a, b) => {
    if (a[at] === null || b[at] === null) return (a[at] === null) - (b[at] === null);
    const order = typeof a[at] === "number" ? a[at] - b[at] : String(a[at]).localeCompare(String(b[at]), "en", { numeric: true });
    return descending ? -order : order;
  };
  return { ...table, rows: [...table.rows].sort(compare) };
}

const TRANSFORMS = { merge, joinByField, seriesToColumns: joinByField, organize, filterFieldsByName: filterFields, sortBy };

/** {tables, unknown}: the tables after all transformations, and the ids that could not be carried out. */
export function transform(tables, transformations) {
  const unknown = [];
  let current = tables;
  for (const { id, options, disabled } of transformations || []) {
    if (disabled) continue;
    if (TRANSFORMS[id]) current = TRANSFORMS[id](current, options || {});
    else unknown.push(id);
  }
  return { tables: current, unknown };
}
