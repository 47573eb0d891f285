// Stacked series: values added up from below, and the bands between neighbours.

const groupOf = (entry) => {
  const stacking = entry.config.custom.stacking || {};
  return stacking.mode && stacking.mode !== "none" ? `${stacking.mode}:${stacking.group || "A"}` : null;
};

/** {columns, bands, order}: columns as drawn, uPlot bands by series number, and whether each series is stacked. */
export function stack(entries, columns) {
  const groups = new Map();
  entries.forEach((entry, at) => {
    const group = groupOf(entry);
    if (group) groups.set(group, [...(groups.get(group) || []), at]);
  });
  const drawn = [...columns];
  const bands = [];
  for (const [group, members] of groups) {
    const known = columns[members[0]].map((_, index) => members.some((at) => typeof columns[at][index] === "number"));
    const totals = group.startsWith("percent") ? sums(members.map((at) => columns[at])) : null;
    let below = null;
    members.forEach((at, place) => {
      drawn[at] = columns[at].map((value, index) => {
        if (!known[index]) return value; // a gap, as in Grafana, and not nought
        const share = totals ? (totals[index] ? (value ?? 0) / totals[index] : 0) : value ?? 0;
        return share + (below ? below[index] : 0);
      });
      below = drawn[at];
      if (place > 0) bands.push({ series: [at + 1, members[place - 1] + 1] });
    });
  }
  return { columns: drawn, bands, order: entries.map((entry) => groupOf(entry) !== null) };
}

function sums(columns) {
  return columns[0].map((_, index) => columns.reduce((total, column) => total + (column[index] ?? 0), 0));
}
