"""What grafanalib 0.7.1 writes, made into what Grafana 12 reads: schema 42, no legacy keys, nothing empty.

Pure: JSON in, JSON out. Known defects that are mended here: legacy keys of dashboards (``rows``, ``style``,
…), panels and targets; nulls; ``maxDataPoints: 100``, which makes lines coarse; units of stats and limits as
text; a variable refresh of 1 instead of 2. `tests/grafana_schema` holds the outcome against Grafana's types.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = 42

_LEGACY_DASHBOARD = frozenset(
    {"__inputs", "rows", "style", "hideControls", "gnetId", "sharedCrosshair", "version", "inputs"}
)
_LEGACY_PANEL = frozenset(
    {
        "cacheTimeout", "editable", "error", "height", "hideTimeOverride", "isNew", "maxDataPoints",
        "minSpan", "renderer", "span", "timeFrom", "timeShift", "colors", "repeat", "pageSize", "thresholds",
    }
)  # fmt: skip


def dashboard(json: Json) -> Json:
    """The whole dashboard, keys that Grafana needs added, those that it dropped taken away."""
    mended = {key: value for key, value in json.items() if key not in _LEGACY_DASHBOARD}
    mended["schemaVersion"] = SCHEMA_VERSION
    mended["fiscalYearStartMonth"] = 0
    mended["weekStart"] = ""
    mended["preload"] = False
    mended["id"] = None
    mended["timepicker"] = {"refresh_intervals": json["timepicker"]["refresh_intervals"]}
    mended["panels"] = [panel(each) for each in json["panels"]]
    mended["annotations"] = {"list": [annotation(each) for each in json["annotations"]["list"]]}
    mended["templating"] = {"list": [variable(each) for each in json["templating"]["list"]]}
    return mended


def panel(json: Json) -> Json:
    """One panel: legacy keys and nulls gone, the data source an object, links and transparency explicit."""
    mended = {key: value for key, value in json.items() if key not in _LEGACY_PANEL and value is not None}
    if mended["type"] == "row":
        return {key: mended[key] for key in ("collapsed", "gridPos", "id", "panels", "title", "type")}
    mended["fieldConfig"] = _field_config(mended.get("fieldConfig", {}))
    mended["targets"] = [target(each, mended) for each in json["targets"]]
    mended["options"] = _without_nulls(mended.get("options", {}))
    if "legend" in mended["options"] and mended["type"] != "heatmap":  # whose legend says ``show``
        mended["options"]["legend"] = {"showLegend": True, **mended["options"]["legend"]}
    if mended["fieldConfig"]["defaults"].get("thresholds", {}).get("steps") == []:
        del mended["fieldConfig"]["defaults"]["thresholds"]
    if not mended.get("links"):
        mended.pop("links", None)
    if not mended.get("transformations"):
        mended.pop("transformations", None)
    return mended


def target(json: Json, of_panel: Json) -> Json:
    """One query of a panel, as the query editor of Grafana 12 would save it."""
    instant = bool(json.get("instant"))
    return {
        "datasource": json["datasource"],
        "editorMode": "code",
        "expr": json["expr"],
        "format": {"table": "table", "heatmap": "heatmap"}.get(of_panel["type"], "time_series"),
        "instant": instant,
        "legendFormat": json["legendFormat"] or "__auto",
        "range": not instant,
        "refId": json["refId"],
    }


def annotation(json: Json) -> Json:
    """One kind of mark: its query an object, as Grafana's Prometheus data source saves it."""
    query = {"expr": json["expr"], "interval": json["step"], "refId": "Anno"}
    return {**{key: value for key, value in json.items() if key not in {"expr", "step"}}, "target": query}


def variable(json: Json) -> Json:
    """One variable; queries in the object form, asked again whenever the range changes."""
    kept = (
        "name",
        "label",
        "type",
        "query",
        "datasource",
        "multi",
        "includeAll",
        "allValue",
        "regex",
        "sort",
    )
    mended = {key: json[key] for key in kept if json.get(key) is not None}
    mended |= {"hide": 0, "options": [], "skipUrlSync": False}
    if mended["type"] == "datasource":
        return {**mended, "refresh": 1, "multi": False, "includeAll": False}
    text = mended["query"]
    mended["query"] = {"qryType": 1, "query": text, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
    mended["refresh"] = 2
    if mended.get("includeAll"):
        wanted = json["current"]["value"]
        text, value = (wanted, wanted) if wanted else ("All", "$__all")
        mended["current"] = {"selected": True, "text": [text], "value": [value]}
    return mended


def _field_config(json: Json) -> Json:
    defaults = _without_nulls(json.get("defaults", {}))
    return {"defaults": defaults, "overrides": json.get("overrides", [])}


def _without_nulls(json: Json) -> Json:
    """Nulls gone at every depth, but for the base of a threshold, whose value is null by definition."""
    mended: Json = {}
    for key, value in json.items():
        if key == "thresholds":
            mended[key] = value
        elif isinstance(value, dict):
            mended[key] = _without_nulls(value)
        elif value is not None:
            mended[key] = value
    return mended
