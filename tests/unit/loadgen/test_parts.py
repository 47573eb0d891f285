"""Parts of a run: said whole or not at all, agreed on marks and start, each with publishers of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadgen import launch, parts, roster, runs
from loadgen.spec import ConsumerRole, LoadSpec, PublisherRole
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputError, NotReadyError

START = "2026-03-01T12:00:00Z"


def spec(part: int | None, of: int) -> LoadSpec:
    return LoadSpec(
        run_id="r",
        nonce=1,
        seed=1,
        profile="none",
        vhost="/",
        endpoints=(Endpoint(name="a", host="a", port=1),),
        ca_pem=None,
        users=(Credentials(username="u", password="p"),),
        publishers=(
            PublisherRole(name="p", user="u", exchange="", routing_key="q", destinations=("q",), count=2),
            PublisherRole(name="o", user="u", exchange="", routing_key="r", destinations=("r",)),
        ),
        consumers=(ConsumerRole(name="c", user="u", queue="q"),),
        folder="",
        part=part,
        parts=of,
    )


def test_nothing_said_is_a_whole_run() -> None:
    assert parts.parse(None, None, None) is None


def test_part_is_read() -> None:
    found = parts.parse("2/3", "big", START)
    assert found is not None
    assert (found.number, found.of, found.run_id) == (2, 3, "big-part2of3")
    assert found.start_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert parts.whole_name(found.run_id) == "big"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (("1/3", None, START), "--run-name: must be given"),
        (("1/3", "big", None), "--start-at: must be given"),
        ((None, "big", START), "--part: must be given"),
        (("1/3", None, None), "--run-name and --start-at: must be given"),
        (("0/3", "big", START), "'0/3' is no part"),
        (("4/3", "big", START), "'4/3' is no part"),
        (("1/999", "big", START), "at most 256"),
        (("first", "big", START), "'first' is no part"),
        (("1/3", "../big", START), "not a valid name"),
        (("1/3", "big", "noon"), "'noon' is not a time"),
        (("1/3", "big", "2026-03-01T12:00:00"), "says no time zone"),
    ],
)
def test_faulty_part_is_refused(given: tuple[str | None, str | None, str | None], word: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parts.parse(*given)
    assert word in str(caught.value)


def test_parts_agree_on_the_mark_and_other_runs_have_another() -> None:
    def mark(part: str, name: str, start_at: str) -> int:
        found = parts.parse(part, name, start_at)
        assert found is not None
        return found.nonce

    assert mark("1/3", "big", START) == mark("3/3", "big", "2026-03-01T13:00:00+01:00")
    others = {
        mark("1/2", "big", START),
        mark("1/3", "small", START),
        mark("1/3", "big", "2026-03-02T12:00:00Z"),
    }
    assert len(others | {mark("1/3", "big", START)}) == 4
    assert 0 <= mark("1/3", "big", START) < 2**32


def test_publishers_of_all_parts_are_those_of_the_whole() -> None:
    each = [publisher for part in range(3) for publisher in roster.publishers(spec(part, 3), "f")]
    assert [publisher.index for publisher in each] == list(range(9))
    assert {publisher.publishers for publisher in each} == {9}
    assert [publisher.routing_key for publisher in each] == ["q", "q", "r"] * 3
    assert len({publisher.name for publisher in each}) == 9


def test_consumers_of_a_part_know_publishers_of_every_part() -> None:
    (only,) = roster.consumers(spec(1, 3), "f")
    assert only.publishers == 9


def test_whole_is_judged_by_where_every_part_publishes() -> None:
    expected = roster.expectation(spec(None, 2))
    assert expected.destinations == {0: ("q",), 1: ("q",), 2: ("r",), 3: ("q",), 4: ("q",), 5: ("r",)}


def test_start_is_the_same_moment_on_every_clock() -> None:
    second = 1_000_000_000
    here = parts.start_ns(1000.5, now_ns=5 * second, clock_offset_ns=990 * second)
    there = parts.start_ns(1000.5, now_ns=70 * second, clock_offset_ns=900 * second)
    assert here == 10_500_000_000
    assert there == 100_500_000_000


def test_start_that_has_passed_is_not_waited_for() -> None:
    with pytest.raises(NotReadyError, match=r"the start was 2\.0 s ago"):
        parts.start_ns(10.0, now_ns=12_000_000_000, clock_offset_ns=0)


def test_part_of_a_name_runs_once_in_a_place(tmp_path: Path) -> None:
    part = parts.parse("1/2", "big", START)
    run_id, folder = launch.new_run(tmp_path, "work", part)
    assert (run_id, folder.name) == ("big-part1of2", "big-part1of2")
    with pytest.raises(BadInputError, match="is there already"):
        launch.new_run(tmp_path, "work", part)


# --- what a user calls runs by


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name in ("big-part1of2", "big-part2of2", "work-1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / runs.RESULT).write_text("{}")
    return tmp_path


def test_runs_are_found_by_path_id_and_pattern(state: Path, tmp_path: Path) -> None:
    assert runs.folders(str(state / "work-1"), state, holding=runs.RESULT) == [state / "work-1"]
    assert runs.folders("work-1", state, holding=runs.RESULT) == [state / "work-1"]
    both = [state / "big-part1of2", state / "big-part2of2"]
    assert runs.folders("big-part*of2", state, holding=runs.RESULT) == both


def test_unknown_run_is_refused_with_those_that_are_there(state: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        runs.folders("worn-1", state, holding=runs.RESULT)
    assert "work-1" in str(caught.value)


def test_several_results_come_from_commas_and_folders(state: Path) -> None:
    (state / "mine.json").write_text("{}")
    listed = runs.results(f"work-1,{state / 'mine.json'}", state)
    assert listed == [state / "work-1" / "result.json", state / "mine.json"]
    assert len(runs.results(str(state), state)) == 3


def test_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="holds no result"):
        runs.results(str(tmp_path), tmp_path)
