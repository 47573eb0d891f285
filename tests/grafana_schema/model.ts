// Grafana's own types, as JSON has them: enumerations by their values, a panel's options and fields where they are known.

import type { DataSourceRef, Dashboard as AnyDashboard, FieldConfig as AnyFieldConfig, Panel as AnyPanel, RowPanel as AnyRow, AnnotationQuery, DashboardLink } from "@grafana/schema";
import type * as bargauge from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type * as gauge from "@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen";
import type * as heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as statetimeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as statushistory from "@grafana/schema/dist/esm/raw/composable/statushistory/panelcfg/x/StatusHistoryPanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as text from "@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/** A type as JSON carries it: the members of an enumeration by their values. */
export type Json<T> = unknown extends T ? T
  : T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends Array<infer Item> ? Array<Json<Item>>
  : T extends object ? { [Key in keyof T]: Json<T[Key]> }
  : T;

/** What Grafana fills in from a plugin's defaults may be left out; what is there must fit. */
type Partly<T> = unknown extends T ? T : T extends Array<infer Item> ? Array<Partly<Item>> : T extends object ? { [Key in keyof T]?: Partly<T[Key]> } : T;

type None = Record<string, never>;

/** Options and fields of the panel types in use. One that is not here fails the check. */
interface Kinds {
  timeseries: [timeseries.Options, timeseries.FieldConfig];
  stat: [stat.Options, None];
  gauge: [gauge.Options, None];
  bargauge: [bargauge.Options, None];
  table: [table.Options, table.FieldConfig];
  "state-timeline": [statetimeline.Options, statetimeline.FieldConfig];
  "status-history": [statushistory.Options, statushistory.FieldConfig];
  heatmap: [heatmap.Options, heatmap.FieldConfig];
  text: [text.Options, None];
}

/** A query as the editor of Grafana's Prometheus data source saves it; its types are in no package. */
export interface Target {
  datasource: DataSourceRef;
  editorMode?: "code" | "builder";
  exemplar?: boolean;
  expr: string;
  format?: "time_series" | "table" | "heatmap";
  hide?: boolean;
  instant?: boolean;
  interval?: string;
  legendFormat?: string;
  range?: boolean;
  refId: string;
}

/** A link of a value, which opens on a click: Grafana's own type is in a package that needs a browser. */
export interface ValueLink {
  oneClick?: boolean;
  targetBlank?: boolean;
  title: string;
  url: string;
}

type Base = Omit<Json<AnyFieldConfig>, "custom" | "links"> & { links?: ValueLink[] };
type Custom<Kind extends keyof Kinds> = Partly<Json<Kinds[Kind][1]>>;

/** One property of an override that is no `custom.` one. */
export type Standard = Base;
/** The `custom` part of a panel's fields. */
export type CustomOf<Kind extends keyof Kinds> = Custom<Kind>;

export type Panel<Kind extends keyof Kinds> = Omit<Json<AnyPanel>, "type" | "options" | "fieldConfig" | "targets" | "links"> & {
  type: Kind;
  options?: Partly<Json<Kinds[Kind][0]>>;
  fieldConfig?: { defaults: Base & { custom?: Custom<Kind> }; overrides: Json<NonNullable<AnyPanel["fieldConfig"]>>["overrides"] };
  targets?: Target[];
  links?: Array<Partial<Json<DashboardLink>> & { title: string; url: string }>;
};

export type Row = Omit<Json<AnyRow>, "panels">;

/** The marks: what the Prometheus data source reads beside Grafana's own keys stands in no package. */
type Annotation = Omit<Json<AnnotationQuery>, "target"> & { target: Omit<Target, "datasource"> & { datasource?: DataSourceRef }; tagKeys?: string; textFormat?: string; titleFormat?: string; useValueForTime?: boolean };

/** A dashboard without its panels, which are checked one by one. */
export type Frame = Omit<Json<AnyDashboard>, "panels" | "annotations" | "schemaVersion"> & { schemaVersion: 42; annotations?: { list?: Annotation[] } };
