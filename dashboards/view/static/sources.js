// Whose series the boards draw: Prometheus', or those of a store that keeps them for longer. Both are asked through this server.

/** The path of each source by its name; the first is taken where nothing is chosen. */
export function sourcesOf(settings) {
  return settings.long_term ? { prometheus: "/prometheus", "long-term": "/long-term" } : { prometheus: "/prometheus" };
}

/** The path of the source that the variables name. */
export function baseOf(variables, sources) {
  const named = variables.find(({ type }) => type === "datasource")?.value;
  return sources[named] || Object.values(sources)[0];
}

/** Whether a reader chooses this variable: a source that is the only one is the server's own affair. */
export function isChoice({ type, options }) {
  return type !== "datasource" || options.length > 1;
}
