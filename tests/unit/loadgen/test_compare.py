"""Two sides of runs: what changed, what repeats bear out, and what is a regression."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadgen import compare as comparing
from loadgen import runs
from loadgen.compare import Comparison, Row, compare
from warren.errors import BadInputError
from warren.results import Latencies, Ledger, LoadResult, Percentiles, Rates, Resources, Verdict


def result(
    run_id: str, *, p99_s: float = 0.1, rate: float = 500.0, lost: int = 0, **changes: Any
) -> LoadResult:
    fields: dict[str, Any] = {
        "profile": "work",
        "verdict": Verdict.FAILED if lost else Verdict.PASSED,
        "params": {"size_bytes": 200, "notes": [run_id]},
        **changes,
    }
    return LoadResult(
        run_id=run_id,
        started_at="",
        ended_at="",
        ledger=Ledger(published=1000, confirmed=1000, lost=lost),
        rates=Rates(published_per_s=rate),
        latency_s=Latencies(end_to_end=Percentiles(p99=p99_s, count=1000)),
        resources=Resources(client_cpu_s=0.05),
        **fields,
    )


def side(name: str, *p99s: float) -> list[LoadResult]:
    return [result(f"{name}{at}", p99_s=p99) for at, p99 in enumerate(p99s)]


def row(found: Comparison, name: str = "p99_end_to_end_s") -> Row:
    (only,) = [each for each in found.rows if each.figure == name]
    return only


BASE = (0.100, 0.101, 0.102, 0.103, 0.104)
WORSE = (0.150, 0.151, 0.152, 0.153, 0.154)


def test_one_run_each_says_the_change_and_that_nothing_is_proven() -> None:
    found = compare(side("a", 0.1), side("b", 0.2))
    assert row(found).change == pytest.approx(1.0)
    assert row(found).p is None
    assert row(found).meaning == ""
    assert "one run each: no significance can be said" in found.notes
    assert found.exit_code == 0


def test_repeats_that_do_not_overlap_are_significant() -> None:
    found = compare(side("a", *BASE), side("b", *WORSE))
    assert row(found).p == pytest.approx(2 / 252)
    assert row(found).meaning == "worse"
    assert row(compare(side("a", *WORSE), side("b", *BASE))).meaning == "better"


def test_repeats_that_overlap_are_not() -> None:
    found = compare(side("a", *BASE), side("b", 0.1005, 0.1015, 0.1025, 0.1035, 0.0995))
    assert not row(found).significant
    assert row(found).meaning == ""


def test_more_messages_per_second_are_better() -> None:
    slow = [result(f"a{at}", rate=500 + at) for at in range(5)]
    fast = [result(f"b{at}", rate=600 + at) for at in range(5)]
    assert row(compare(slow, fast), "published_per_s").meaning == "better"


def test_too_few_repeats_are_said_to_show_nothing() -> None:
    found = compare(side("a", *BASE[:3]), side("b", *WORSE[:3]))
    assert row(found).p == pytest.approx(0.1)
    assert any("3 and 3 runs cannot show significance" in note for note in found.notes)
    lone = compare(side("a", *BASE), side("b", 0.2))
    assert "one run on a side: no significance can be said" in lone.notes


def test_run_that_is_given_twice_is_no_repeat() -> None:
    one = side("a", *BASE)
    for left, right in (([*one, one[0]], side("b", *WORSE)), (one, [*side("b", *WORSE), one[1]])):
        with pytest.raises(BadInputError, match="given twice"):
            compare(left, right)


def test_run_that_two_patterns_name_is_read_once(tmp_path: Path) -> None:
    for name in ("work-1", "work-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text("{}", encoding="utf-8")
    found = runs.results(f"work-*,work-1,{tmp_path / 'work-2'}", tmp_path)
    assert [path.parent.name for path in found] == ["work-1", "work-2"]


def test_what_the_sides_do_not_share_is_said() -> None:
    other = result("b", lost=2, profile="retry", params={"size_bytes": 4096, "notes": ["else"]})
    notes = compare([result("a")], [other]).notes
    assert "not every run of b passed: failed" in notes
    assert "runs of different profiles: retry, work" in notes
    assert "runs differ in size_bytes: 200 / 4096" in notes
    assert not any("notes" in note.split(":")[0] for note in notes)


@pytest.mark.parametrize(
    ("limit", "crossed", "found"),
    [
        ("p99_end_to_end_s > +10%", True, "+50.0%"),
        ("p99_end_to_end_s > +60%", False, "+50.0%"),
        ("p99_end_to_end_s > +10ms", True, "+0.05"),
        ("p99_end_to_end_s > +60ms", False, "+0.05"),
        ("published_per_s < -5%", False, "+0.0%"),
        ("lost > +0", False, "+0"),
        ("oracles.delays.error > +0", None, "a run has no such figure"),
    ],
)
def test_limit_decides_the_exit_code(limit: str, crossed: bool | None, found: str) -> None:
    judged = compare(side("a", 0.1), side("b", 0.15), fail_if=[limit])
    (only,) = judged.crossings
    assert (only.crossed, only.found) == (crossed, found)
    assert judged.exit_code == (0 if crossed is False else 1)


def test_figure_that_was_nothing_before_crosses_every_relative_limit() -> None:
    judged = compare([result("a")], [result("b", lost=3)], fail_if=["lost > +1000%"])
    assert judged.crossings[0].crossed is True
    assert judged.crossings[0].found == "from 0 to 3"


@pytest.mark.parametrize(
    ("limit", "word"),
    [
        ("p99_end_to_end_s > 10%", "a change with its sign"),
        ("p99_end_to_end_s", "a change with its sign"),
        ("p98_end_to_end_s > +10%", "is no figure"),
        ("lost > +1 parsec", "'parsec' is not known"),
    ],
)
def test_limit_that_cannot_be_read_is_refused(limit: str, word: str) -> None:
    with pytest.raises(BadInputError, match=word):
        compare(side("a", 0.1), side("b", 0.1), fail_if=[limit])


def test_cost_of_a_message_is_compared() -> None:
    assert row(compare(side("a", 0.1), side("b", 0.1)), "client_cpu_us_per_message").a.median == 50.0


def test_table_shows_what_there_is_to_see() -> None:
    shown = comparing.text(compare(side("a", *BASE), side("b", *WORSE), fail_if=["p99_end_to_end_s > +10%"]))
    (line,) = [each for each in shown.splitlines() if each.startswith("p99_end_to_end_s ")]
    assert " ".join(line.split()) == (
        "p99_end_to_end_s 0.102 (0.1 to 0.104) 0.152 (0.15 to 0.154) +49.0% 0.008 worse"
    )
    assert "FAILED  p99_end_to_end_s > +10%  (+49.0%, p = 0.00794)" in shown
    assert "p50_confirm_s" not in shown


def test_comparison_is_json_as_it_stands() -> None:
    plain = json.loads(json.dumps(compare(side("a", *BASE), side("b", *WORSE)).to_dict()))
    (found,) = [each for each in plain["figures"] if each["figure"] == "p99_end_to_end_s"]
    assert (found["significant"], found["meaning"], found["a"]["median"]) == (True, "worse", 0.102)
    assert plain["schema"] == 1
