"""Records in a file: what is in it after an end at any byte."""

from __future__ import annotations

import json
import lzma
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.record import GameDay
from chaos.statistics.store import Store, Trouble, Turn, refuse_another_plan
from warren.errors import BadInputError, NotReadyError

MakeDay = Callable[..., GameDay]
MakeTurn = Callable[..., Turn]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "records.jsonl")
    found.begin({"what": "matrix", "seed": 1})
    return found


def test_records_come_back(store: Store, make_day: MakeDay, turn: MakeTurn) -> None:
    store.keep(turn(0), make_day("a"))
    store.keep(turn(1), make_day("b"))
    store.keep(turn(0, "pause-work"), make_day("c"))
    found = store.read()
    assert found.plan["seed"] == 1
    assert [(repeat, day.run_id) for repeat, day in found.of("kill-work")] == [(0, "a"), (1, "b")]
    assert found.days[turn(0, "pause-work")] == make_day("c")
    assert not found.damage


def test_file_torn_at_any_byte_of_its_last_line_loses_that_line_only(
    store: Store, make_day: MakeDay, turn: MakeTurn
) -> None:
    store.keep(turn(0), make_day("a"))
    whole = store.path.read_bytes()
    store.keep(turn(1), make_day("b"))
    longer = store.path.read_bytes()
    for end in range(len(whole) + 1, len(longer) - 1, 97):
        store.path.write_bytes(longer[:end])
        found = store.read()
        assert list(found.days) == [turn(0)]
        assert len(found.damage) == 1
        assert ":3: cannot be read and was skipped" in found.damage[0]
        store.keep(turn(1), make_day("again"))
        after = store.read()
        assert [day.run_id for day in after.days.values()] == ["a", "again"]
    store.path.write_bytes(longer[:-1])  # only its end of line is missing: the record is whole
    assert [day.run_id for day in store.read().days.values()] == ["a", "b"]


def test_writer_killed_in_mid_write_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    """A process that keeps records, killed with SIGKILL in the middle of a line."""
    program = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from conftest import build_day
        from chaos.statistics import store
        from chaos.statistics.store import Store, Turn
        kept = Store(Path(sys.argv[1]))
        kept.begin({"seed": 1})
        kept.keep(Turn(cell="kill-work", repeat=0, seed=1), build_day("a"))
        write = os.write
        def torn(descriptor, data):
            write(descriptor, bytes(data)[: len(data) // 2])
            os.kill(os.getpid(), 9)
        store.os.write = torn
        kept.keep(Turn(cell="kill-work", repeat=1, seed=2), build_day("b"))
    """)
    path = tmp_path / "records.jsonl"
    argv = [sys.executable, "-c", program, str(path), str(Path(__file__).parent)]
    done = subprocess.run(
        argv, check=False, capture_output=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = Store(path).read()
    assert [day.run_id for day in found.days.values()] == ["a"]
    assert len(found.damage) == 1


def test_damage_in_the_middle_is_told_and_the_rest_is_read(
    store: Store, make_day: MakeDay, turn: MakeTurn
) -> None:
    store.keep(turn(0), make_day("a"))
    with store.path.open("a") as file:
        file.write('{"kind": "day", "cell": "x", "repeat": "no", "seed": 1}\n[]\n"text"\n')
        file.write(
            json.dumps({"kind": "day", "cell": "x", "repeat": 0, "seed": 1, "day": {"schema": 9}}) + "\n"
        )
    store.keep(turn(1), make_day("b"))
    found = store.read()
    assert len(found.days) == 2
    assert [each.split(":")[1] for each in found.damage] == ["3", "4", "5", "6"]


def test_trouble_is_over_once_its_turn_was_made(store: Store, make_day: MakeDay, turn: MakeTurn) -> None:
    store.note(Trouble(turn=turn(0), where="cluster", what="is down"))
    store.note(Trouble(turn=turn(1), where="cluster", what="is down", refused=True))
    store.keep(turn(0), make_day("a"))
    found = store.read()
    assert [(each.turn, each.refused) for each in found.troubles] == [(turn(1), True)]


def test_begun_file_is_not_begun_again(store: Store) -> None:
    with pytest.raises(NotReadyError, match="is there already"):
        store.begin({})


@pytest.mark.parametrize("text", ["", "{", '{"kind": "day"}\n', '{"kind": "plan", "schema": 9}\n', "[]\n"])
def test_file_without_a_plan_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(text)
    with pytest.raises(BadInputError, match=r"records.jsonl"):
        Store(path).read()


def test_packed_records_are_read_as_they_are(store: Store, make_day: MakeDay, turn: MakeTurn) -> None:
    store.keep(turn(0), make_day())
    packed = store.path.with_suffix(".jsonl.xz")
    packed.write_bytes(lzma.compress(store.path.read_bytes()))
    assert Store(packed).read() == store.read()
    packed.write_bytes(b"not packed")
    with pytest.raises(BadInputError, match="cannot be unpacked"):
        Store(packed).read()


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        Store(tmp_path / "none.jsonl").read()


def test_full_disk_is_told(
    store: Store, make_day: MakeDay, turn: MakeTurn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chaos.statistics.store.os.write", full)
    with pytest.raises(NotReadyError, match="No space left"):
        store.keep(turn(0), make_day())


def test_record_is_on_disk_when_keep_returns(
    store: Store, make_day: MakeDay, turn: MakeTurn, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(
        "chaos.statistics.store.os.fsync", lambda d: (synced.append(os.fstat(d).st_size), real(d))
    )
    store.keep(turn(0), make_day())
    assert synced == [store.path.stat().st_size]


def test_two_commands_do_not_write_at_once(store: Store) -> None:
    with store.alone(), pytest.raises(NotReadyError, match="another command"), Store(store.path).alone():
        pass
    with store.alone():
        pass


def test_another_plan_is_refused_by_the_name_of_what_differs(tmp_path: Path) -> None:
    then = {"kind": "plan", "schema": 1, "seed": 1, "facts": {"poll": 5}, "repeats": {"kill-work": 5}}
    refuse_another_plan(tmp_path, then, {"seed": 1, "facts": {"poll": 5}, "repeats": {"kill-work": 10}})
    with pytest.raises(BadInputError, match=r'facts {"poll": 5}, not {"poll": 1}'):
        refuse_another_plan(tmp_path, then, {"seed": 1, "facts": {"poll": 1}})
    with pytest.raises(BadInputError, match="was made with seed 1, not 2"):
        refuse_another_plan(tmp_path, then, {"seed": 2, "facts": {"poll": 5}})


def test_experiment_that_is_new_when_resumed_is_added_and_a_changed_one_refused(tmp_path: Path) -> None:
    """A fault that could not be had at first may be had later."""
    store = Store(tmp_path / "records.jsonl")
    store.begin_or_resume({"seed": 1, "experiments": {"kill-work": {"for": 40}}}, lambda line: None)
    store.begin_or_resume({"seed": 1, "experiments": {"slow-work": {"for": 30}}}, lambda line: None)
    assert store.read().plan["experiments"] == {"kill-work": {"for": 40}, "slow-work": {"for": 30}}
    with pytest.raises(BadInputError, match="another experiment called slow-work"):
        store.begin_or_resume({"seed": 1, "experiments": {"slow-work": {"for": 31}}}, lambda line: None)


def test_what_is_expected_may_be_corrected_and_what_is_done_may_not(tmp_path: Path) -> None:
    """A soak of days need not begin anew because a prediction of its figures was wrong."""
    store = Store(tmp_path / "records.jsonl")

    def begin(**experiment: Any) -> None:
        store.begin_or_resume({"seed": 1, "experiments": {"kill-work": experiment}}, lambda line: None)

    begin(method="kill", expectations={"confirm_gap_s": {"high": 3}})
    begin(method="kill", expectations={"confirm_gap_s": {"high": 4}})
    assert store.read().plan["experiments"]["kill-work"]["expectations"] == {"confirm_gap_s": {"high": 4}}
    with pytest.raises(BadInputError, match="another experiment called kill-work"):
        begin(method="pause", expectations={"confirm_gap_s": {"high": 4}})
