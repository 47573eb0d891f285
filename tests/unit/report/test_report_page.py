"""The page of a run: complete, alone, safe against its own data, the same each time."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from report import recording
from report.cli import report
from report.columns import columns_of
from report.page import data_json, render, write_report
from report.words import figure, label, seconds
from warren.errors import BadInputError, NotReadyError

from .run_page import Page, page_of, result

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
LARGEST_BYTES = 1_000_000


def test_verdict_comes_first_with_its_reasons() -> None:
    words = page_of(result(verdict="failed", reasons=["3 messages are lost"])).words
    assert words.index("Failed") < words.index("3 messages are lost") < words.index("Ledger")


@pytest.mark.parametrize("verdict", ["passed", "failed", "inconclusive"])
def test_each_verdict_is_said_in_words_and_not_by_colour_alone(verdict: str) -> None:
    page = page_of(result(verdict=verdict))
    assert verdict.capitalize() in page.words
    assert ("h1", {"class": f"verdict {verdict}"}) in page.tags


def test_interrupted_run_says_so() -> None:
    assert "was interrupted" in page_of(result(interrupted=True)).words


def test_every_part_of_the_result_is_on_the_page() -> None:
    words = page_of(result()).words
    for text in (
        "kill rmq2", "+28.0 s", "11.5 s", "pid 4211", "25,000", "dead lettered: rejected", "2,511", "21.5 ms",
        "done or dead lettered", "22,380", "not judged", "several consumers were active", "2.04 s",
        "67.9 MiB",
        "publishers[0].name", "123456", "warren load run work --rate 500 --duration 50s --seed 123456",
    ):  # fmt: skip
        assert text in words, text


def test_what_explains_a_difference_to_the_brokers_counts_is_on_the_page() -> None:
    counters = {"received": {"broker": 5, "ledger_least": 3, "ledger_most": 3, "agrees": False}}
    found = {"counters": counters, "explained": ["rmq2 restarted", "other clients were connected"]}
    page = render(result(reconciliation=found), None)
    assert all(f"Explained: {reason}." in page for reason in found["explained"])


def test_lost_messages_are_marked_where_they_are_counted() -> None:
    page = page_of(result(ledger={"published": 10, "lost": 3}))
    assert ("strong", {"class": "bad"}) in page.tags
    assert ("dd", {"class": "bad"}) in page.tags
    assert ("strong", {"class": "bad"}) not in page_of(result()).tags


def test_tables_are_real_tables_with_captions_and_scopes() -> None:
    tags = page_of(result()).tags
    assert sum(tag == "table" for tag, _ in tags) == sum(tag == "caption" for tag, _ in tags) == 6
    assert all(attributes.get("scope") in {"row", "col"} for tag, attributes in tags if tag == "th")


@pytest.mark.parametrize("key", ["run_id", "profile", "reasons", "params", "faults", "oracles", "ledger"])
def test_text_of_a_result_never_becomes_markup(key: str) -> None:
    fault = {**result()["faults"][0], "name": EVIL, "evidence": EVIL}
    evil: Any = {
        "reasons": [EVIL], "params": {EVIL: EVIL}, "faults": [fault],
        "oracles": {EVIL: {"passed": False, "why": EVIL, EVIL: EVIL}}, "ledger": {EVIL: 1},
    }.get(key, EVIL)  # fmt: skip
    page = page_of(result(**{key: evil}))
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 2
    assert not any(tag == "img" for tag, _ in page.tags)
    assert "<" not in page.data


def test_hostile_series_key_stays_inside_the_data() -> None:
    content = result(series=[{"t_s": 0.0, EVIL: 1}])
    page = page_of(content)
    assert EVIL in json.loads(page.data)["series"]["columns"]


def test_page_asks_for_nothing() -> None:
    text = render(result(), None)
    page = Page(text)
    assert not any(attributes.get("src") or attributes.get("href") for _, attributes in page.tags)
    assert not re.search(r"@import|url\(", text)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src" not in policy


def test_same_result_gives_the_same_bytes() -> None:
    assert render(result(), None) == render(copy.deepcopy(result()), None)


@pytest.mark.parametrize("length", [0, 60, 24 * 3600])
def test_page_stays_below_a_megabyte(length: int) -> None:
    assert len(render(result(length), None).encode()) < LARGEST_BYTES


class FullPrometheus:
    """Every query finds as many series as are kept, none at rest: the most that a recording can hold."""

    def query_range(
        self, expression: str, *, start: float, end: float, step_s: float
    ) -> list[dict[str, Any]]:
        count = round((end - start) / step_s) + 1
        return [
            {
                "metric": {"cluster": "warren", "vhost": "/orders", "queue": f"orders.notifications-{name}"},
                "values": [
                    [start + at * step_s, str(1234.5 + at * 0.7071 * (name + 1))] for at in range(count)
                ],
            }
            for name in range(recording.MOST_SERIES)
        ]


def test_hours_run_with_every_panel_of_the_boards_stays_below_a_megabyte(checkout_root: Path) -> None:
    folder = checkout_root / "dashboards" / "generated"
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    full = result(3600)
    for row in full["series"]:
        row |= {
            f"{name}_s": 0.001234 + row["t_s"] / 77
            for name in ("confirm_p50", "end_to_end_p50", "end_to_end_p99")
        }
        row |= {f"{name}_per_s": 1234.5 + row["t_s"] / 7 for name in ("confirmed", "consumed")}
    span = recording.span_of(0, 3600, 5)
    values = {"cluster": "warren", "run": "r1"}
    taken = recording.record(boards, client=FullPrometheus(), span=span, values=values, scrape_interval_s=5)
    page = render(full, taken)
    assert len(page.encode()) < LARGEST_BYTES
    assert len(page.encode()) > LARGEST_BYTES / 2  # the test holds the limit to something
    assert taken["left_out"]


def test_long_run_keeps_the_peak_of_a_latency_and_the_mean_of_a_rate() -> None:
    rows = [{"t_s": float(at), "published_per_s": float(at % 2), "confirm_p99_s": 0.01} for at in range(100)]
    rows[57]["confirm_p99_s"] = 3.0
    made = columns_of(rows, most=10)
    assert made["seconds_per_point"] == 10
    assert max(made["columns"]["confirm_p99_s"]) == 3
    assert set(made["columns"]["published_per_s"]) == {0.5}


def test_second_without_a_measurement_is_a_gap() -> None:
    data = json.loads(data_json(result(), None))
    assert data["series"]["columns"]["confirm_p99_s"][3] is None
    assert data["started_s"] == 1795327262


def test_fault_that_was_not_healed_says_so() -> None:
    fault = {**result()["faults"][0], "healed_at": None}
    page = page_of(result(faults=[fault]))
    assert "not healed when the run ended" in page.words
    page = page_of(result(faults=[{**fault, "healing_at": "2026-11-22T06:01:40.000Z"}]))
    assert "being healed when the run ended" in page.words
    assert json.loads(page.data)["faults"][0]["to"] is None


def test_recording_goes_along() -> None:
    recording = {"schema": 1, "panels": [{"panel": {"title": EVIL}, "results": {}}]}
    assert json.loads(page_of(result(), recording).data)["recording"] == recording


def test_page_is_written_whole_beside_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "new" / "report.html"
    assert write_report(result(), out=out, recording=None) == out
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


@pytest.mark.parametrize("change", [{"schema": 2}, {"verdict": "perhaps"}, {"run_id": None}])
def test_other_forms_are_refused_and_nothing_is_written(tmp_path: Path, change: dict[str, Any]) -> None:
    content = {key: value for key, value in result(**change).items() if value is not None}
    with pytest.raises(BadInputError):
        write_report(content, out=tmp_path / "report.html", recording=None)
    assert list(tmp_path.iterdir()) == []


def test_recording_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="recording"):
        write_report(result(), out=tmp_path / "report.html", recording={"schema": 9})


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NotReadyError, match="cannot be written"):
        write_report(result(), out=tmp_path / "file" / "report.html", recording=None)


def put(folder: Path, run: str) -> Path:
    place = folder / "warren" / "runs" / run
    place.mkdir(parents=True)
    (place / "result.json").write_text(json.dumps(result(run_id=run)), encoding="utf-8")
    return place


@pytest.mark.parametrize("name", ["work-1", "last", "folder", "file"])
def test_run_is_found_by_id_folder_or_file(tmp_path: Path, name: str) -> None:
    place = put(tmp_path, "work-1")
    run = {"folder": str(place), "file": str(place / "result.json")}.get(name, name)
    outcome = CliRunner(env={"WARREN_STATE": str(tmp_path)}).invoke(report, [run])
    assert outcome.exit_code == 0, outcome.output
    assert (place / "report.html").is_file()


def test_unknown_run_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    put(tmp_path, "work-1")
    outcome = CliRunner(env={"WARREN_STATE": str(tmp_path)}).invoke(report, ["work-2"])
    assert isinstance(outcome.exception, BadInputError)
    assert "work-1" in str(outcome.exception)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (1.5e-7, "150 ns"),
        (0.00012, "120 µs"),
        (0.0215, "21.5 ms"),
        (9.876, "9.88 s"),
        (158.4, "2 min 38 s"),
    ],
)
def test_seconds_read_well(value: float, text: str) -> None:
    assert seconds(value) == text


def test_figures_take_their_unit_from_the_key() -> None:
    assert figure("rate_per_s", 1234.56) == "1,234.6 /s"
    assert figure("seed", 1234567) == "1234567"
    assert figure("x", {"a_s": 1.0, "b": None}) == "a 1 s, b -"
    assert label("confirm_gap_max_s") == "confirm gap max"


def phase(name: str, low: float, high: float, **changes: Any) -> dict[str, Any]:
    times = {"t_from_s": 0.0, "t_to_s": 10.0}
    latencies = {
        "confirm_p50_s": 0.004,
        "confirm_p99_s": 0.02,
        "end_to_end_p50_s": None,
        "end_to_end_p99_s": 0.5,
    }
    return {
        "name": name,
        **times,
        "rate_from_per_s": low,
        "rate_to_per_s": high,
        "published": 3000,
        **latencies,
        **changes,
    }


def test_phases_have_their_table_and_are_not_repeated_as_parameters() -> None:
    params = {"rate_per_s": 500.0, "duration_s": 20.0, "phases": [{"name": "up", "segments": [{"for_s": 7}]}]}
    found = [phase("up", 100, 500), phase("<plateau>", 500, 500)]
    page = page_of(result(phases=found, params=params))
    assert "Phases" in page.words
    assert "up 0 to 10 s 100 to 500/s 3,000" in page.words
    assert "<plateau> 0 to 10 s 500/s" in page.words
    assert "segments" not in page.words
    assert "--rate 500" in page.words
    assert "--duration" not in page.words


def test_one_phase_is_the_run_and_has_no_table() -> None:
    assert "Phases" not in page_of(result(phases=[phase("steady", 500, 500)])).words


def test_parts_of_a_composite_have_a_table_with_their_verdicts() -> None:
    ledger = {"published": 10, "confirmed": 10, "received": 9, "lost": 1, "unexpected": 0}
    about = {"profile": "work", "ledger": ledger}
    parts = [
        {**about, "name": "work", "run_id": "day-work", "verdict": "failed", "reasons": ["1 <lost>"]},
        {**about, "name": "mail", "run_id": "day-mail", "verdict": "passed", "reasons": ["all is well"]},
    ]
    words = page_of(result(parts=parts)).words
    assert "Parts" in words
    assert "work Failed 10 10 9 1 0 1 <lost> day-work" in words
    assert "mail Passed 10 10 9 1 0 day-mail" in words
    assert "Parts" not in page_of(result()).words


def test_game_day_stands_first_with_all_that_it_rests_on() -> None:
    day = {
        "experiment": "leader-killed",
        "title": f"Leader killed {EVIL}",
        "run_id": "leader-killed-1",
        "seed": 77,
        "started_at": "2026-11-22T06:00:58.000Z",
        "ended_at": "2026-11-22T06:03:00.000Z",
        "verdict": "hang",
        "reasons": ["the gate after it: rmq2: does not see rmq3 running"],
        "expectations": [
            {"name": "confirm_gap_s", "value": 2.04, "low": 0.1, "high": 5, "source": "", "held": "within"},
            {"name": "redundancy_s", "value": None, "low": None, "high": 60, "held": "unknown"},
        ],
        "checks": [{"name": "sac-wedge", "passed": None, "why": "nobody looked", "figures": {"queues": 3}}],
        "alerts": [{"name": "WarrenNodeDown", "fired_at": "2026-11-22T06:01:50+00:00", "cleared_at": None}],
        "fired": [
            {"name": "WarrenNodeDown", "fired_at": "2026-11-22T06:01:50+00:00", "cleared_at": None},
            {"name": "WarrenQueueLag", "fired_at": "2026-11-22T06:02:10+00:00", "cleared_at": None},
        ],
        "events": [{"t_s": 32.1, "kind": "fault", "what": "kill of rmq2 is proven"}],
        "settings": {"failure_detector_poll_ms": 5000},
        "versions": {"rabbitmq": "4.3.6"},
    }
    text = render(result(), None, day)
    page = Page(text)
    assert EVIL not in text
    words = page.words.replace("\N{NO-BREAK SPACE}", " ")
    assert words.index("Hung") < words.index("does not see rmq3 running") < words.index("Passed")
    for said in (
        "seed 77", "2.04", "0.1 to 5", "within", "not measured", "up to 60",
        "sac-wedge", "not judged",
        "queues 3", "WarrenNodeDown", "06:01:50", "not seen", "WarrenQueueLag", "06:02:10",
        "32.1 s", "kill of rmq2 is proven", "5000", "4.3.6",
    ):  # fmt: skip
        assert said in words, said
    assert words.count("WarrenNodeDown") == 1


def test_figures_of_a_game_day_have_their_units() -> None:
    day = {
        "schema": 1, "run_id": "d", "title": "Leader killed", "verdict": "passed", "reasons": [], "seed": 1,
        "started_at": "2026-11-22T06:01:00+00:00", "ended_at": "2026-11-22T06:02:00+00:00",
        "expectations": [
            {"name": "confirm_gap_s", "low": 4.0, "high": 21.0, "value": 7.425, "held": "within"},
            {"name": "failed_publishes", "low": None, "high": 3.0, "value": 0, "held": "within"},
        ],
        "checks": [{"name": "gaps", "passed": True, "why": "", "figures": {"delivery_gap_s": 11.061}}],
    }  # fmt: skip
    words = Page(render(result(), None, day)).words
    for said in ("7.42 s", "4 to 21 s", "up to 3 ", "delivery gap 11.1 s"):
        assert said in words.replace("\N{NO-BREAK SPACE}", " "), said
