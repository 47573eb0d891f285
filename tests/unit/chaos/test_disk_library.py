"""The library itself, compiled here and preloaded into a program that writes and syncs: no broker needed."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chaos import disk
from chaos import fault as catalogue
from warren import checkout

COMPILER = shutil.which("cc") or shutil.which("gcc")
SOURCE = checkout.path("deploy", "images", "disk-faults", "disk_faults.c")
#: Evaluates the expressions that it is given; prints each value, or its error's name, and how long it took.
PROGRAM = """
import ctypes, errno, json, os, sys, time
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def pwritev(f, parts, at):
    \"\"\"The broker's own call; Python's of that name is another.\"\"\"
    vector = (ctypes.c_void_p * (2 * len(parts)))()
    for place, part in enumerate(parts):
        vector[2 * place : 2 * place + 2] = ctypes.cast(part, ctypes.c_void_p).value, len(part)
    done = libc.pwritev(f, vector, len(parts), ctypes.c_long(at))
    if done < 0:
        raise OSError(ctypes.get_errno(), "pwritev")
    return done
def opened(name, flags=0):
    return os.open(name, os.O_RDWR | os.O_CREAT | flags, 0o600)
for line in json.load(sys.stdin):
    began = time.monotonic()
    try:
        value = eval(line)
    except OSError as error:
        value = errno.errorcode[error.errno]
    print(json.dumps([value, time.monotonic() - began]))
"""

pytestmark = pytest.mark.skipif(
    COMPILER is None,
    reason="no C compiler here; the image's build has one, and the cluster test runs what that made",
)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("library") / "disk_faults.so"
    dockerfile = (SOURCE.parent / "Dockerfile").read_text(encoding="utf-8")
    flags = dockerfile.partition("RUN gcc ")[2].partition(" -o ")[0].split()
    subprocess.run([str(COMPILER), *flags, "-o", str(made), str(SOURCE)], check=True, timeout=60)
    return made


class Disk:
    """A data folder, a control file, and programs that run with the library."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.data, self.control = folder / "data", folder / "control"
        self.data.mkdir()
        self.library = library
        self.env = {
            "LD_PRELOAD": str(library),
            "WARREN_DISK_FAULTS": str(self.control),
            "WARREN_DISK_FAULTS_DATA": str(self.data),
        }

    def run(self, *lines: str, env: Mapping[str, str] | None = None) -> list[Any]:
        return [value for value, _ in self.timed(*lines, env=env)]

    def timed(self, *lines: str, env: Mapping[str, str] | None = None) -> list[tuple[Any, float]]:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", PROGRAM, str(self.data)],
            input=json.dumps(lines),
            env={**os.environ, **(self.env if env is None else env)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]

    def tell(self, name: str, **given: str) -> None:
        """What the fault called ``name`` writes, by the very numbers of chaos/faults/."""
        kind: Any = catalogue.load(name)
        orders = kind.orders(catalogue.arguments(name, kind, given))
        with self.control.open("r+b") as file:
            file.seek(8 * kind.place.start)
            file.write(struct.pack(f"<{len(orders)}Q", *orders))

    def words(self) -> disk.Words:
        content = self.control.read_bytes()
        return disk.Words(struct.unpack(f"<{len(content) // 8}Q", content))


@pytest.fixture
def made(tmp_path: Path, library: Path) -> Disk:
    found = Disk(tmp_path, library)
    found.run("1")
    return found


WRITES: Sequence[str] = (
    "os.write(f, b'0123456789')",
    "os.writev(f, [b'01234', b'56789'])",
    "os.pwrite(f, b'0123456789', 100)",
    "pwritev(f, [b'01234', b'56789'], 200)",
)
OPEN = "globals().update(f=opened('file'))"


def test_file_is_made_with_the_form_that_is_expected(made: Disk) -> None:
    assert made.words().values[0] == disk._MAGIC
    assert len(made.words().values) == disk._TIMES_FROM + disk._TIMES_COUNT + 496
    assert made.control.stat().st_mode & 0o777 == 0o600


def test_nothing_is_changed_while_nothing_is_told_but_syncs_are_counted(made: Disk) -> None:
    assert made.run(OPEN, *WRITES, "os.fsync(f)", "os.fdatasync(f)") == [None, 10, 10, 10, 10, None, None]
    content = (made.data / "file").read_bytes()
    assert content[:20] == b"0123456789" * 2
    assert content[100:110] == content[200:210] == b"0123456789"
    words = made.words()
    assert (words.syncs, words.syncs_delayed, words.writes_delayed) == (2, 0, 0)
    assert (words.refused_full, words.refused_broken) == (0, 0)
    assert len(words.sync_ms()) == 2


@pytest.mark.parametrize("sync", ["os.fsync(f)", "os.fdatasync(f)"])
def test_syncs_take_as_much_longer_as_is_said_and_are_measured(made: Disk, sync: str) -> None:
    made.tell("slow-disk", delay_ms="80")
    (_, opening), (_, writing), (value, took_s) = made.timed(OPEN, WRITES[0], sync)
    assert (value, opening < 0.05, writing < 0.05) == (None, True, True)
    assert 0.08 <= took_s < 1
    words = made.words()
    assert (words.syncs_delayed, words.writes_delayed) == (1, 0)
    assert 80 <= words.sync_ms()[0] <= took_s * 1000 + 1


def test_jitter_spreads_the_delays_within_its_bound(made: Disk) -> None:
    made.tell("slow-disk", delay_ms="10", jitter_ms="40")
    made.run(OPEN, *["os.fsync(f)"] * 30)
    found = made.words().sync_ms()
    assert min(found) >= 10
    assert max(found) - min(found) > 10
    assert sorted(found)[15] < 60


@pytest.mark.parametrize("write", WRITES)
def test_writes_wait_where_that_is_said(made: Disk, write: str) -> None:
    made.tell("slow-disk", delay_ms="0", write_delay_ms="80")
    assert made.timed(OPEN, write)[1][1] >= 0.08
    assert (made.words().syncs_delayed, made.words().writes_delayed) == (0, 1)


@pytest.mark.parametrize("flag", ["os.O_SYNC", "os.O_DSYNC"])
@pytest.mark.parametrize("write", WRITES)
def test_writes_to_a_file_that_was_opened_for_syncing_are_syncs(made: Disk, write: str, flag: str) -> None:
    made.tell("slow-disk", delay_ms="80")
    assert made.timed(f"globals().update(f=opened('file', {flag}))", write)[1][1] >= 0.08
    assert made.words().syncs == 1
    made.tell("failing-disk")
    assert made.run(f"globals().update(f=opened('file', {flag}))", write)[1] == "EIO"


@pytest.mark.parametrize("write", WRITES)
def test_full_disk_refuses_whatever_makes_a_file_longer(made: Disk, write: str) -> None:
    made.tell("full-disk")
    assert made.run(OPEN, write)[1] == "ENOSPC"
    assert (made.data / "file").stat().st_size == 0
    assert made.words().refused_full == 1


def test_full_disk_lets_pass_what_stays_within_a_file_and_syncs(made: Disk) -> None:
    (made.data / "file").write_bytes(bytes(300))
    made.tell("full-disk")
    assert made.run(OPEN, *WRITES, "os.fsync(f)") == [None, 10, 10, 10, 10, None]
    assert made.run("globals().update(f=opened('file', os.O_APPEND))", WRITES[0])[1] == "ENOSPC"


@pytest.mark.parametrize("call", ["os.pwrite(f, b'01', {})", "pwritev(f, [b'0', b'1'], {})"])
def test_place_of_a_write_counts_and_not_where_the_file_stands(made: Disk, call: str) -> None:
    (made.data / "file").write_bytes(bytes(300))
    made.tell("full-disk")
    at_end = "os.lseek(f, 0, os.SEEK_END)"
    assert made.run(OPEN, call.format(299), at_end, call.format(0)) == [None, "ENOSPC", 300, 2]


def test_room_that_is_left_is_used_up_and_a_write_that_does_not_fit_fails_whole(made: Disk) -> None:
    made.tell("full-disk", room_bytes="25")
    assert made.run(OPEN, *[WRITES[0]] * 3) == [None, 10, 10, "ENOSPC"]
    assert (made.data / "file").stat().st_size == 20
    assert made.run(OPEN, "os.pwrite(f, b'12345', 20)", "os.pwrite(f, b'1', 25)") == [None, 5, "ENOSPC"]


@pytest.mark.parametrize(("seen", "left"), [("no", False), ("yes", True)])
def test_df_shows_the_room_that_is_left_only_where_it_is_told(made: Disk, seen: str, left: bool) -> None:
    made.tell("full-disk", room_bytes="81920", seen_by_df=seen)
    shown = subprocess.run(
        ["df", "-kP", str(made.data)],
        env={**os.environ, **made.env},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (int(shown.stdout.splitlines()[1].split()[3]) == 80) is left


@pytest.mark.parametrize(
    ("calls", "writes", "syncs"), [("syncs", 10, "EIO"), ("writes", "EIO", None), ("both", "EIO", "EIO")]
)
def test_failing_disk_fails_the_calls_that_are_said(made: Disk, calls: str, writes: Any, syncs: Any) -> None:
    made.tell("failing-disk", calls=calls)
    found = made.run(OPEN, *WRITES, "os.fsync(f)", "os.fdatasync(f)")
    assert found == [None, *[writes] * 4, syncs, syncs]
    assert made.words().refused_broken == found.count("EIO")


def test_other_places_pipes_and_devices_are_left_alone(made: Disk) -> None:
    made.tell("failing-disk", calls="both")
    made.tell("full-disk")
    os.mkfifo(made.data / "pipe")
    pipe, null = "os.open('pipe', os.O_RDWR)", "os.open('/dev/null', os.O_WRONLY)"
    assert made.run(f"os.write({pipe}, b'x')", f"os.write({null}, b'x')") == [1, 1]
    elsewhere = "globals().update(f=os.memfd_create('x'))"
    assert made.run(elsewhere, *WRITES, "os.fsync(f)") == [None, 10, 10, 10, 10, None]


def test_folder_on_the_disk_is_synced_as_files_are(made: Disk) -> None:
    made.tell("failing-disk")
    assert (
        made.run("os.fsync(os.open('.', os.O_RDONLY))", "os.fsync(os.open('/dev', os.O_RDONLY))")[0] == "EIO"
    )
    assert made.words().refused_broken == 1


def test_orders_reach_a_program_that_runs_and_its_children_and_end_when_taken_back(made: Disk) -> None:
    program = """
import os, sys
f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for line in sys.stdin:
    try:
        os.fsync(f)
        print("done", flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""
    child = subprocess.Popen(
        ["sh", "-c", '"$@"', "sh", sys.executable, "-I", "-S", "-c", program, str(made.data / "file")],
        env={**os.environ, **made.env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        for tell, answer in ((None, "done"), ("failing-disk", "5"), (None, "done")):
            if tell:
                made.tell(tell)
            else:
                with made.control.open("r+b") as file:
                    file.seek(8)
                    file.write(bytes(8 * 6))
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline().strip() == answer
        child.stdin.close()


@pytest.mark.parametrize("missing", ["WARREN_DISK_FAULTS", "WARREN_DISK_FAULTS_DATA"])
def test_program_that_was_not_told_where_to_look_is_left_alone(made: Disk, missing: str) -> None:
    made.tell("failing-disk", calls="both")
    env = {key: value for key, value in made.env.items() if key != missing}
    assert made.run(OPEN, WRITES[0], "os.fsync(f)", env={**env, missing: ""}) == [None, 10, None]


def test_threads_that_write_at_once_do_not_take_more_room_than_there_is(made: Disk) -> None:
    made.tell("full-disk", room_bytes="1000")
    work = (
        "__import__('concurrent.futures', fromlist=['x']).ThreadPoolExecutor(8).map("
        "lambda n: [os.write(opened(str(n), os.O_APPEND), b'0123456789') for _ in range(50)], range(8))"
    )
    assert made.run(f"sum(1 for _ in {work})") == ["ENOSPC"]
    assert 800 <= sum(path.stat().st_size for path in made.data.iterdir()) <= 1000


def test_every_order_of_the_faults_is_a_word_of_its_own() -> None:
    kinds: list[Any] = [catalogue.load(name) for name in ("slow-disk", "full-disk", "failing-disk")]
    places = [place for kind in kinds for place in kind.place]
    assert sorted(places) == [1, 2, 3, 4, 5, 6]
