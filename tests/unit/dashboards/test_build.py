"""The JSON: what Grafana 12 reads, the same every time, and what is committed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dashboards import build, mend
from dashboards.cli import dashboards
from dashboards.house import Board
from dashboards.mend import Json

from .conftest import panels_of

LEGACY = {
    "rows", "style", "hideControls", "sharedCrosshair", "gnetId", "__inputs", "span", "height",
    "cacheTimeout", "maxDataPoints", "isNew", "error", "renderer", "intervalFactor",
}  # fmt: skip


def nulls(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from nulls(each, f"{path}.{key}")
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from nulls(each, f"{path}[{place}]")
    elif value is None:
        yield path


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from keys(each)


def test_committed_json_is_what_the_code_writes(checkout_root: Path) -> None:
    assert build.differences(checkout_root / build.GENERATED) == ()


def test_output_is_the_same_every_time() -> None:
    assert build.texts() == build.texts()


def test_check_names_what_differs_and_fails(tmp_path: Path) -> None:
    build.write(tmp_path)
    (tmp_path / "warren-load.json").write_text("{}")
    (tmp_path / "warren-queues.json").unlink()
    (tmp_path / "stray.json").write_text("{}")
    result = CliRunner().invoke(dashboards, ["check", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    for line in ("stray.json is of no board", "warren-load.json differs", "warren-queues.json is missing"):
        assert line in result.output


def test_build_removes_json_of_no_board(tmp_path: Path) -> None:
    (tmp_path / "stray.json").write_text("{}")
    CliRunner().invoke(dashboards, ["build", "--folder", str(tmp_path)], catch_exceptions=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(build.texts())


def test_model_is_the_last_of_its_kind(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        assert dashboard["schemaVersion"] == 42
        assert dashboard["graphTooltip"] == 1
        assert dashboard["id"] is None
        assert dashboard["refresh"] == "5s"


def test_uids_are_stable(dashboards_json: list[Json]) -> None:
    assert [dashboard["uid"] for dashboard in dashboards_json] == [
        "warren-chaos",
        "warren-cluster",
        "warren-load",
        "warren-nodes",
        "warren-queues",
        "warren-raft",
        "warren-streams",
        "warren-tls",
    ]


def test_nothing_legacy_is_left(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        assert not LEGACY & set(keys(dashboard)), dashboard["uid"]


def test_nothing_is_null_but_the_base_of_a_threshold(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        for path in nulls(dashboard, dashboard["uid"]):
            assert path.endswith((".steps[0].value", f"{dashboard['uid']}.id")), path


def test_thresholds_have_a_base_and_rise(panels: list[tuple[str, Json]]) -> None:
    for where, panel in panels:
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps")
        if steps is not None:
            values = [step["value"] for step in steps]
            assert values[0] is None, where
            assert values[1:] == sorted(values[1:]), where


def test_panels_fit_the_grid_and_do_not_overlap(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert place["x"] + place["w"] <= 24
            assert not cells & taken, f"{dashboard['uid']}: {panel['title']}"
            taken |= cells


def test_panel_numbers_are_unique(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        numbers = [panel["id"] for panel in dashboard["panels"]]
        assert len(numbers) == len(set(numbers))


def test_tables_and_figures_without_a_line_ask_for_the_present_alone(panels: list[tuple[str, Json]]) -> None:
    for where, panel in panels:
        alone = panel["type"] == "table" or panel["options"].get("graphMode") == "none"
        for target in panel["targets"]:
            assert target["instant"] is alone, where
            assert target["range"] is not target["instant"], where


def test_every_heading_holds_panels(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        kinds = [panel["type"] for panel in dashboard["panels"]]
        assert kinds[0] == "row"
        assert ("row", "row") not in pairwise(kinds)
        assert len(panels_of(dashboard)) > 10


@pytest.mark.parametrize(
    ("before", "after"),
    [({"a": None}, {}), ({"a": {"b": None, "c": 0}}, {"a": {"c": 0}}), ({"a": []}, {"a": []})],
)
def test_nulls_go_and_noughts_stay(before: Json, after: Json) -> None:
    panel = {"type": "stat", "targets": [], "options": before}
    assert mend.panel(panel)["options"] == after


def test_column_of_a_table_is_found_by_the_name_that_grafana_gives_it(panels: list[tuple[str, Json]]) -> None:
    """``Value`` where there is one query, ``Value #A`` and so on where there are several."""
    for where, panel in panels:
        if panel["type"] != "table":
            continue
        names = panel["transformations"][1]["options"]["renameByName"]
        refs = [target["refId"] for target in panel["targets"]]
        values = ["Value"] if len(refs) == 1 else [f"Value #{ref}" for ref in refs]
        assert [name for name in names if name.startswith("Value")] == values, where


def test_rows_begin_with_the_worst_by_a_column_that_is_there(panels: list[tuple[str, Json]]) -> None:
    sorted_by = {
        where: panel["options"]["sortBy"][0]["displayName"]
        for where, panel in panels
        if panel["type"] == "table" and "sortBy" in panel["options"]
    }
    assert sorted_by["warren-queues: Queues"] == "Of lag objective"
    for where, panel in panels:
        if where in sorted_by:
            named = panel["transformations"][1]["options"]["renameByName"].values()
            assert sorted_by[where] in named, where


def test_panel_that_may_be_empty_says_why_in_grafana_too(
    all_boards: tuple[Board, ...], panels: list[tuple[str, Json]]
) -> None:
    may = {f"{board.uid}: {panel.title}": panel.emptiness for board in all_boards for panel in board.panels}
    assert may["warren-load: In flight"].startswith("no load ran")
    for where, panel in panels:
        if panel["type"] == "table":  # where it would stand in each cell that is empty
            assert "noValue" not in panel["fieldConfig"]["defaults"], where
            assert may[where] in panel["description"], where
        else:
            assert panel["fieldConfig"]["defaults"].get("noValue", "") == may[where], where
