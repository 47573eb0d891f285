"""Parts of a run that shared nothing, joined: exactly what one coordinator would have said."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loadgen import measured, merge
from loadgen.ledger import EventLog, Kind, read_log
from warren.errors import BadInputError
from warren.results import LoadResult, Verdict, read_result

SCRIPT = Path(__file__).parent / "scripted_part.py"
PARTS = 3
#: What two runs cannot have in common: names, times, what the machine was doing.
OWN = ("run_id", "params", "started_at", "ended_at", "availability", "resources", "rates")


def start(folder: Path, part: str, of: int, start_at_s: float, root: Path) -> subprocess.Popen[bytes]:
    folder.mkdir()
    env = {**os.environ, "PYTHONPATH": str(root)}
    argv = [sys.executable, str(SCRIPT), str(folder), part, str(of), str(start_at_s)]
    return subprocess.Popen(argv, env=env, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, checkout_root: Path) -> Path:
    """Three coordinators with two workers each that share nothing, and one that has all six."""
    base = tmp_path_factory.mktemp("merge")
    at_s = time.time() + 30.0  # it is not waited for: these workers publish at once
    children = [start(base / f"part{n}", str(n), PARTS, at_s, checkout_root) for n in range(PARTS)]
    children.append(start(base / "whole", "-", 1, at_s, checkout_root))
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors.decode()
    return base


def folders(base: Path) -> list[Path]:
    return [base / f"part{n}" for n in range(PARTS)]


@pytest.fixture
def merged(ran: Path, tmp_path: Path) -> LoadResult:
    return merge.merge(folders(ran), tmp_path / "out")


def without_own(result: LoadResult) -> dict[str, Any]:
    return {key: value for key, value in result.to_dict().items() if key not in OWN}


def test_verdict_of_the_parts_is_that_of_one_run(ran: Path, merged: LoadResult) -> None:
    whole = read_result(ran / "whole" / "result.json")
    assert without_own(merged) == without_own(LoadResult.from_dict(json.loads(json.dumps(whole.to_dict()))))


def test_every_figure_of_the_ledger_is_there(merged: LoadResult) -> None:
    ledger = merged.ledger
    assert (ledger.published, ledger.confirmed, ledger.in_doubt) == (3000, 2999, 1)
    assert (ledger.lost, ledger.unexpected, ledger.recovered) == (1, 0, 1)
    assert (ledger.received, ledger.duplicates_unflagged) == (2999, 1)
    assert ledger.lost_examples == ("q: publisher 2, message 500",)
    assert merged.verdict is Verdict.FAILED
    assert merged.latency_s.confirm.count == 2999
    assert merged.run_id == "whole"


def test_latencies_are_merged_bucket_by_bucket(ran: Path, merged: LoadResult, tmp_path: Path) -> None:
    parts = json.loads((tmp_path / "out" / measured.FILE).read_text())["totals"]["histograms"]
    whole = json.loads((ran / "whole" / measured.FILE).read_text())["totals"]["histograms"]

    def counts(flat: list[int]) -> dict[int, int]:
        return dict(zip(flat[::2], flat[1::2], strict=True))

    assert {name: counts(each) for name, each in parts.items()} == {
        name: counts(each) for name, each in whole.items()
    }
    payload = [line.split(",")[-1] for line in (ran / "whole" / "confirm.hlog").read_text().splitlines()]
    ours = [line.split(",")[-1] for line in (tmp_path / "out" / "confirm.hlog").read_text().splitlines()]
    assert ours[-1] == payload[-1]


def test_part_alone_is_inconclusive_and_says_how_to_go_on(ran: Path) -> None:
    for number, folder in enumerate(folders(ran), start=1):
        alone = read_result(folder / "result.json")
        assert alone.verdict is Verdict.INCONCLUSIVE
        assert f"part {number} of 3 is judged together with the others only" in alone.reasons[0]
        assert "warren load merge whole-part*of3" in alone.reasons[0]
        assert (alone.ledger.published, alone.ledger.lost, alone.ledger.unexpected) == (1000, 0, 0)


def test_no_account_is_left_in_what_was_measured(ran: Path) -> None:
    for folder in folders(ran):
        assert "secret" not in (folder / measured.FILE).read_text()


def test_missing_part_is_named(ran: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="of 3 parts, 2 is missing"):
        merge.merge([ran / "part0", ran / "part2"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_part_given_twice_is_refused(ran: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is part 1, which"):
        merge.merge([ran / "part0", *folders(ran)], tmp_path / "out")


def test_whole_run_is_refused(ran: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is a whole run"):
        merge.merge([ran / "whole"], tmp_path / "out")


def test_part_of_another_run_is_refused_by_what_differs(ran: Path, tmp_path: Path) -> None:
    other = tmp_path / "part0"
    shutil.copytree(ran / "part0", other)
    content = json.loads((other / measured.FILE).read_text())
    content["spec"]["nonce"] = 5
    (other / measured.FILE).write_text(json.dumps(content))
    with pytest.raises(BadInputError, match=r"is of another run than .*: nonce differ"):
        merge.merge([other, *folders(ran)[1:]], tmp_path / "out")


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        merge.merge([tmp_path], tmp_path / "out")


@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_part_without_a_whole_ledger_is_refused_and_leaves_nothing(
    ran: Path, tmp_path: Path, damage: str
) -> None:
    other = tmp_path / "part0"
    shutil.copytree(ran / "part0", other)
    if damage == "gone":
        shutil.rmtree(other / "ledger")
    else:
        next((other / "ledger").glob("*.log")).write_bytes(b"")
    with pytest.raises(BadInputError, match="part0/ledger"):
        merge.merge([other, *folders(ran)[1:]], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folder_that_is_there_is_not_overwritten(ran: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "ledger").mkdir(parents=True)
    with pytest.raises(BadInputError, match="cannot be made"):
        merge.merge(folders(ran), tmp_path / "out")


def test_other_hosts_times_are_brought_to_the_first_ones_clock(tmp_path: Path) -> None:
    (tmp_path / "a" / "ledger").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    log = EventLog(tmp_path / "a" / "ledger" / "c.log", {"worker": "c", "queue": "q"})
    log.add(Kind.SERVED, 1, 2, 1000, detail=3, aux=900, aux2=1)
    log.add(Kind.TRIED, 1, 2, 1000, aux=4)
    log.add(Kind.FOREIGN, 0, 0, 0)
    log.close()
    merge._copy_ledger(tmp_path / "a", tmp_path / "out", prefix="2-", later_ns=50)
    served, tried, foreign = read_log(tmp_path / "out" / "2-c.log").events
    assert (served.at_ns, served.aux, served.aux2, served.detail) == (1050, 950, 1, 3)
    assert (tried.at_ns, tried.aux, foreign.at_ns) == (1050, 4, 0)


def test_parts_that_began_apart_are_laid_side_by_side_in_time(ran: Path, tmp_path: Path) -> None:
    late = tmp_path / "part1"
    shutil.copytree(ran / "part1", late)
    content = json.loads((late / measured.FILE).read_text())
    for name in ("t0_ns", "published_ns", "drained_ns"):
        content["timing"][name] += 5_000_000_000
    (late / measured.FILE).write_text(json.dumps(content))
    found = merge.merge([ran / "part0", late, ran / "part2"], tmp_path / "out")
    per_s = [second.published_per_s for second in found.series]
    assert [per_s[0], per_s[5]] == [2000, 1000]


def test_what_was_measured_is_read_back_whole(ran: Path) -> None:
    found = measured.read(ran / "part1")
    assert found.spec.part == 1
    assert found.spec.users == ()
    assert dataclasses.replace(found.spec, part=None).consumers[0].count == 1
    assert found.publishers == ("p-1",)
