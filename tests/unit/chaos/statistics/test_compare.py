"""Two sides of game days: what differs, what that is worth, and what must not be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chaos.record import GameDay, Verdict
from chaos.statistics import compare, compared
from chaos.statistics.store import Content, Turn
from warren import stats
from warren.errors import BadInputError

MakeDay = Callable[..., GameDay]
SLOW, FAST = [6.1, 6.4, 7.0, 8.2, 9.9], [1.2, 1.9, 2.1, 2.6, 3.0]
DOCUMENT = {"title": "pause", "load": {"rate": 200}, "method": [{"fault": "pause"}], "presumes": {"poll": 5}}


@pytest.fixture
def content(make_day: MakeDay) -> Callable[..., Content]:
    def make(
        name: str,
        gaps: Sequence[float],
        *,
        poll_ms: int = 5000,
        document: dict[str, Any] | None = None,
        cell: str = "pause-work",
        measured_ms: int | None = None,
        failed: int = 0,
        lost: int = 0,
        version: str = "4.3.6",
        planned: str = "4.3.6",
    ) -> Content:
        days = {}
        for number, gap_s in enumerate(gaps):
            days[Turn(cell=cell, repeat=number, seed=number)] = make_day(
                f"{name}-{number}",
                confirm=gap_s,
                verdict=Verdict.FAILED if number < failed else Verdict.PASSED,
                lost=1 if number < lost else 0,
                settings={"failure_detector_poll_ms": measured_ms or poll_ms},
                versions={"rabbitmq": version},
            )
        facts = {"nodes": 3, "poll_ms": poll_ms, "broker_version": planned}
        plan = {"facts": facts, "experiments": {cell: document or DOCUMENT}}
        return Content(plan=plan, days=days)

    return make


MakeContent = Callable[..., Content]


def sides(*contents: Content) -> list[compare.Side]:
    return [compare.side(name, [(name, each)]) for name, each in zip("ab", contents, strict=True)]


def test_five_against_five_parted_wholly_is_significant(content: MakeContent) -> None:
    found = compare.compare(*sides(content("a", SLOW), content("b", FAST, poll_ms=1000)))
    (cell,) = found.cells
    row = next(each for each in cell.rows if each.figure == "confirm_gap_s")
    assert (row.a.median, row.b.median, row.meaning) == (7.0, 2.1, "better")
    assert row.p == pytest.approx(2 / 252)
    assert row.change == pytest.approx(2.1 / 7.0 - 1)


def test_the_other_way_round_is_worse_and_alike_is_nothing(content: MakeContent) -> None:
    found = compare.compare(*sides(content("a", FAST), content("b", SLOW)))
    assert found.cells[0].rows[0].meaning == "worse"
    same = compare.compare(*sides(content("a", SLOW), content("b", [6.2, 6.3, 7.1, 8.0, 9.8])))
    assert same.cells[0].rows[0].meaning == ""


def test_what_differs_is_said(content: MakeContent) -> None:
    found = compare.compare(*sides(content("a", SLOW), content("b", FAST, poll_ms=1000)))
    assert found.differ == {"failure_detector_poll_ms": (5000, 1000), "poll_ms": (5000, 1000)}
    text = compared.text(found)
    assert "they differ in poll_ms: 5000 / 1000" in text
    assert "confirm_gap_s" in text
    same = compare.compare(*sides(content("a", SLOW), content("b", FAST)))
    assert any("repeats of each other" in each for each in same.notes)


def test_two_versions_differ_in_one_thing(content: MakeContent) -> None:
    """What the topology says of the version and what the brokers say of it are one and the same."""
    a, b = content("a", SLOW), content("b", FAST, version="4.0.5", planned="4.0.5")
    found = compare.compare(*sides(a, b))
    assert found.differ == {"rabbitmq": ("4.3.6", "4.0.5")}
    assert not any("things differ" in each for each in found.notes)


def test_election_is_compared_where_it_was_seen_and_says_of_how_many_days(content: MakeContent) -> None:
    """It does not hang on whether a client was connected to the node that was struck, as gaps do."""

    def seen(made: Content, after_s: Sequence[float | None]) -> Content:
        days = {
            turn: replace(day, faults=({**day.faults[0], "evidence": {"leader_seen_after_s": each}},))
            for (turn, day), each in zip(made.days.items(), after_s, strict=True)
        }
        return replace(made, days=days)

    a = seen(content("a", SLOW), [9.1, 9.7, None, 12.7, 7.4])
    b = seen(content("b", SLOW), [2.1, 3.0, 2.2, 4.0, 1.9])
    found = compare.compare(*sides(a, b))
    row = next(each for each in found.cells[0].rows if each.figure == "election_s")
    assert (row.a.count, row.b.count, row.b.median, row.meaning) == (4, 5, 2.2, "better")
    assert "(7.4 to 12.7), 4 of 5" in compared.text(found)
    plain = compare.compare(*sides(content("a", SLOW), content("b", FAST)))
    assert "election_s" not in {each.figure for each in plain.cells[0].rows}


def test_too_few_runs_cannot_show_anything_and_say_so(content: MakeContent) -> None:
    found = compare.compare(*sides(content("a", SLOW[:3]), content("b", FAST[:3])))
    assert any("3 and 3 days cannot show significance (p is at least 0.1)" in each for each in found.notes)
    one = compare.compare(*sides(content("a", SLOW[:1]), content("b", FAST)))
    assert one.cells[0].rows[0].p is None
    assert any("one day on a side" in each for each in one.notes)


def test_more_days_than_the_test_takes_are_said(content: MakeContent) -> None:
    many = [5 + number / 10 for number in range(21)]
    found = compare.compare(*sides(content("a", many), content("b", many[:4])))
    assert any("first 20 days" in each for each in found.notes)


def test_failed_and_lossy_days_are_compared_by_fisher(content: MakeContent) -> None:
    found = compare.compare(*sides(content("a", SLOW, failed=5, lost=4), content("b", FAST)))
    failed, lossy = found.cells[0].shares
    assert (failed.a, failed.of_a, failed.b, failed.of_b) == (5, 5, 0, 5)
    assert failed.p == pytest.approx(stats.fisher_p(5, 5, 0, 5))
    assert failed.meaning == "better"
    assert (lossy.a, lossy.b) == (4, 0)


@pytest.mark.parametrize("key", ["load", "method"])
def test_experiments_that_are_not_alike_are_refused_by_what_differs(content: MakeContent, key: str) -> None:
    other = {**DOCUMENT, key: {"other": 1}}
    with pytest.raises(BadInputError, match=f"differ in {key}"):
        compare.compare(*sides(content("a", SLOW), content("b", FAST, document=other)))


@pytest.mark.parametrize("key", ["title", "expectations", "presumes", "alerts"])
def test_what_is_said_and_expected_may_follow_the_setting(content: MakeContent, key: str) -> None:
    other = {**DOCUMENT, key: {"other": 1}}
    compare.compare(*sides(content("a", SLOW), content("b", FAST, document=other)))


def test_nothing_in_common_is_refused(content: MakeContent) -> None:
    with pytest.raises(BadInputError, match="no game day in common with a: kill-work / pause-work"):
        compare.compare(*sides(content("a", SLOW), content("b", FAST, cell="kill-work")))


def test_what_one_side_has_alone_is_said(content: MakeContent) -> None:
    more = compare.side("b", [("x", content("b", FAST)), ("y", content("c", FAST, cell="kill-work"))])
    found = compare.compare(sides(content("a", SLOW), content("z", FAST))[0], more)
    assert found.only["b"] == ("kill-work",)
    assert "only b has kill-work" in compared.text(found)


def test_side_of_two_settings_is_refused(content: MakeContent) -> None:
    with pytest.raises(BadInputError, match="has poll_ms 1000, and others of the same side 5000"):
        compare.side("a", [("x", content("x", SLOW)), ("y", content("y", FAST, poll_ms=1000))])
    with pytest.raises(BadInputError, match="failure_detector_poll_ms"):
        compare.side("a", [("x", content("x", SLOW)), ("y", content("y", FAST, measured_ms=1000))])


def test_record_given_twice_is_refused(content: MakeContent) -> None:
    with pytest.raises(BadInputError, match="holds x-0"):
        compare.side("a", [("x", content("x", SLOW)), ("y", content("x", SLOW))])
    with pytest.raises(BadInputError, match="is on both sides"):
        compare.compare(*sides(content("x", SLOW), content("x", SLOW)))


def test_two_files_of_one_setting_are_one_side(content: MakeContent) -> None:
    side = compare.side("a", [("x", content("x", SLOW)), ("y", content("y", FAST))])
    assert len(side.days["pause-work"]) == 10


def test_day_whose_fault_did_not_bite_is_no_value(content: MakeContent, make_day: MakeDay) -> None:
    a = content("a", SLOW)
    spoiled = make_day("spoiled", confirm=0.0, proven=False, settings={"failure_detector_poll_ms": 5000},
                       versions={"rabbitmq": "4.3.6"})  # fmt: skip
    a = Content(plan=a.plan, days={**a.days, Turn(cell="pause-work", repeat=9, seed=9): spoiled})
    found = compare.compare(*sides(a, content("b", FAST)))
    assert found.cells[0].rows[0].a.count == 5


def test_comparison_is_json_and_markdown(content: MakeContent) -> None:
    found = compare.compare(*sides(content("a", SLOW), content("b", FAST, poll_ms=1000)))
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["cells"][0]["rows"][0]["meaning"] == "better"
    assert plain["cells"][0]["shares"][0]["p"] == 1.0
    assert (
        "| confirm_gap_s | 7 (6.1 to 9.9) | 2.1 (1.2 to 3) | -70.0% | 0.0079 | better |"
        in compared.markdown(found)
    )
