"""Panels over a run's time: asked once, kept small, gaps kept as gaps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from report import recording
from report.recording import Span, fill, record, span_of
from warren.errors import BadInputError


class FakePrometheus:
    """Answers each query with two samples of two series; nothing for a query that says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def query_range(
        self, expression: str, *, start: float, end: float, step_s: float
    ) -> list[dict[str, Any]]:
        self.asked.append(expression)
        if "nothing" in expression:
            return []
        samples = [[start, "1.23456"], [start + 2 * step_s, "NaN"], [end, "4"], [end + step_s, "9"]]
        return [{"metric": {"__name__": "m", "queue": name}, "values": samples} for name in ("a", "b")]


def panel(expr: str, kind: str = "timeseries", **more: Any) -> dict[str, Any]:
    target = {"refId": "A", "expr": expr, "legendFormat": "{{ queue }} depth", **more}
    return {"type": kind, "title": "T", "targets": [target], "gridPos": {"x": 1}, "id": 7}


SPAN = Span(start_s=100, end_s=120, step_s=5)
BOARDS = Path(__file__).parents[3] / "dashboards" / "generated"


def taken(*panels: dict[str, Any], client: FakePrometheus | None = None) -> dict[str, Any]:
    return record(
        [{"title": "Board", "panels": list(panels)}],
        client=client or FakePrometheus(),
        span=SPAN,
        values={"run": "r1"},
        scrape_interval_s=5,
    )


def test_samples_go_on_a_grid_with_gaps_and_four_digits() -> None:
    kept = taken(panel("m"))["panels"][0]
    assert kept["dashboard"] == "Board"
    assert kept["results"]["A"]["series"][0]["values"] == [1.235, None, None, None, 4]
    assert kept["results"]["A"]["series"][1]["name"] == "b depth"


def test_variables_are_filled_and_the_rate_window_is_four_scrapes() -> None:
    client = FakePrometheus()
    taken(panel('rate(m{run_id=~"$run",queue=~"${queue}"}[$__rate_interval])'), client=client)
    assert client.asked == ['rate(m{run_id=~"r1",queue=~".+"}[20s])']


def test_unknown_built_in_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="__from"):
        fill("m offset $__from", {})


@pytest.mark.parametrize("path", sorted(BOARDS.glob("*.json")), ids=lambda path: path.stem)
def test_every_panel_of_our_boards_can_be_recorded(path: Path) -> None:
    client = FakePrometheus()
    board = json.loads(path.read_text(encoding="utf-8"))
    values = {"cluster": "warren", "job": "rabbitmq", "run": "r1"}
    record([board], client=client, span=SPAN, values=values, scrape_interval_s=5)
    assert client.asked
    assert not [query for query in client.asked if "$" in query]


def test_panels_without_data_or_that_are_not_drawn_over_time_are_left_out() -> None:
    inside = {"type": "row", "panels": [panel("m")]}
    kept = taken(panel("nothing"), panel("m", "stat"), panel("m", hide=True), inside)["panels"]
    assert len(kept) == 1


def test_recording_stops_growing_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    one = len(json.dumps(taken(panel("m"))["panels"][0], separators=(",", ":")))
    monkeypatch.setattr(recording, "MOST_CHARACTERS", one + one // 2)
    made = taken(panel("m"), panel("m"), panel("m", hide=True))
    assert len(made["panels"]) == 1
    assert made["left_out"] == ["Board: T"]


def test_panel_that_fits_is_kept_after_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    small = len(json.dumps(taken(panel("m"))["panels"][0], separators=(",", ":")))
    monkeypatch.setattr(recording, "MOST_CHARACTERS", small)
    made = taken({**panel("m"), "title": "long " * 100}, panel("m"))
    assert [one["panel"]["title"] for one in made["panels"]] == ["T"]


def test_highest_series_of_a_query_are_kept_and_how_many_there_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_SERIES", 1)

    class Rising(FakePrometheus):
        def query_range(self, *arguments: Any, **more: Any) -> list[dict[str, Any]]:
            low, high = super().query_range(*arguments, **more)
            return [low, {**high, "values": [[at, f"{float(text) * 2}"] for at, text in high["values"]]}]

    answer = taken(panel("m"), client=Rising())["panels"][0]["results"]["A"]
    assert ([one["name"] for one in answer["series"]], answer["found"]) == (["b depth"], 2)


@pytest.mark.parametrize(("length_s", "step_s"), [(30, 5), (3600, 16), (86400, 361)])
def test_step_grows_with_the_run(length_s: float, step_s: float) -> None:
    span = span_of(1000, 1000 + length_s, 5)
    assert span.step_s == step_s
    assert span.points <= recording.MOST_POINTS + 3
    assert span.start_s <= 985
    assert span.end_s >= 1015 + length_s
