"""Evidence on disk: whole after a kill, self-describing, cheap per message."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadgen.evidence import members, read_evidence
from loadgen.ledger import HEADER_BYTES, Bitmap, EventLog, Kind, read_bitmap, read_log
from warren.errors import BadInputError


def test_bitmap_remembers_what_was_set(tmp_path: Path) -> None:
    bitmap = Bitmap(tmp_path / "b", {"kind": "done"})
    assert [bitmap.test_and_set(seq) for seq in (0, 7, 8, 7, 0)] == [False, False, False, True, True]
    bitmap.set_counter(9)
    bitmap.close()
    part = read_bitmap(tmp_path / "b")
    assert list(members(part.bits)) == [0, 7, 8]
    assert part.counter == 9
    assert part.meaning["kind"] == "done"


def test_bitmap_grows_far_beyond_its_first_size(tmp_path: Path) -> None:
    bitmap = Bitmap(tmp_path / "b", {})
    for seq in (1, 9_000_000, 100_000_000):
        assert bitmap.test_and_set(seq) is False
        assert bitmap.test_and_set(seq) is True
    bitmap.close()
    assert read_bitmap(tmp_path / "b").bits.bit_count() == 3


def test_bitmap_of_a_hundred_million_costs_what_it_touches(tmp_path: Path) -> None:
    bitmap = Bitmap(tmp_path / "b", {})
    bitmap.test_and_set(100_000_000)
    bitmap.close()
    found = (tmp_path / "b").stat()
    assert found.st_size < 32 * 2**20
    assert found.st_blocks * 512 < 64 * 1024


def test_existing_part_is_never_overwritten(tmp_path: Path) -> None:
    Bitmap(tmp_path / "b", {}).close()
    with pytest.raises(FileExistsError):
        Bitmap(tmp_path / "b", {})


def test_events_are_read_back_in_order(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "l", {"queue": "q"})
    log.add(Kind.NACKED, 1, 2, 3)
    log.add(Kind.SERVED, 65535, 2**40, 2**60, detail=1, queue=4, aux=5, aux2=6)
    log.close()
    first, second = read_log(tmp_path / "l").events
    assert (first.kind, first.publisher, first.seq, first.at_ns) == (Kind.NACKED, 1, 2, 3)
    assert (second.publisher, second.seq, second.detail, second.aux, second.aux2) == (65535, 2**40, 1, 5, 6)


def test_record_cut_off_by_a_kill_is_dropped(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "l", {})
    log.add(Kind.NACKED, 0, 1, 1)
    log.add(Kind.NACKED, 0, 2, 1)
    log.close()
    os.truncate(tmp_path / "l", (tmp_path / "l").stat().st_size - 7)
    assert [event.seq for event in read_log(tmp_path / "l").events] == [1]


def test_part_is_seen_only_once_it_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The coordinator reads the folder now and then, and a worker makes its parts, or dies, at any moment."""
    calls = ("open", "ftruncate", "write", "pwrite")
    looks: list[int] = []
    watched = _Watched(calls, lambda: looks.append(_parts(tmp_path)))
    monkeypatch.setattr("loadgen.ledger.os", watched)
    EventLog(tmp_path / "w.log", {"queue": "q"})
    Bitmap(tmp_path / "w.done-0", {"kind": "done", "publisher": 0, "queue": "q"})
    assert watched.seen >= {"open", "write", "ftruncate"}
    assert looks[0] == 0
    assert _parts(tmp_path) == 2


def _parts(folder: Path) -> int:
    found = read_evidence(folder)
    return len(found.logs) + len(found.done)


class _Watched:
    """The module ``os``, with a look after each of ``calls``."""

    def __init__(self, calls: tuple[str, ...], look: Callable[[], object]) -> None:
        self._calls, self._look = calls, look
        self.seen: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self._calls:
            return real

        def call(*args: Any) -> Any:
            self.seen.add(name)
            found = real(*args)
            self._look()
            return found

        return call


def test_log_that_could_not_be_written_to_its_end_is_an_error(tmp_path: Path) -> None:
    """A disk that gets full takes the first half of a write, and the call succeeds."""
    code = (
        "import resource, sys; from pathlib import Path; from loadgen.ledger import *\n"
        "log = EventLog(Path(sys.argv[1]) / 'l', {})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (HEADER_BYTES + 60, HEADER_BYTES + 60))\n"
        "log.add(Kind.NACKED, 0, 1, 1); log.add(Kind.NACKED, 0, 2, 1); log.flush(); print('acks may leave')\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert "acks may leave" not in done.stdout
    assert "OSError" in done.stderr
    assert [event.seq for event in read_log(tmp_path / "l").events] == [1]


def test_log_with_an_event_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "l", {})
    log.add(Kind.NACKED, 0, 1, 1)
    log.close()
    raw = bytearray((tmp_path / "l").read_bytes())
    raw[HEADER_BYTES] = 250
    (tmp_path / "l").write_bytes(raw)
    with pytest.raises(BadInputError, match="/l: holds an event"):
        read_log(tmp_path / "l")


@pytest.mark.parametrize("content", [b"", b"{}\n", b"x" * HEADER_BYTES, b'{"schema": 2}\n'])
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "strange"
    path.write_bytes(content.ljust(HEADER_BYTES, b"\0"))
    with pytest.raises(BadInputError, match="strange"):
        read_bitmap(path)


def test_evidence_survives_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from loadgen.ledger import *\n"
        "folder = Path(sys.argv[1]); bits = Bitmap(folder / 'b', {}); log = EventLog(folder / 'l', {})\n"
        "[bits.test_and_set(seq) for seq in range(1000)]; bits.set_counter(1000)\n"
        "log.add(Kind.NACKED, 0, 5, 5); log.flush(); print('written', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"written\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    part = read_bitmap(tmp_path / "b")
    assert (part.bits.bit_count(), part.counter) == (1000, 1000)
    assert len(read_log(tmp_path / "l").events) == 1
