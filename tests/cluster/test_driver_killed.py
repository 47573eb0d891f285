"""Each fault's driver is killed with SIGKILL as soon as the fault is proven; somebody else puts all back.

Once that is its watchdog alone, and once, the watchdog killed as well (a power cut, no memory), `warren chaos
heal`. Whether all is back is asked of the engine, the kernels and the broker, not of the faults; the healing
that follows asks these as well. Figures go to ``driver-killed.json`` beside the state of the test cluster.
`cp` it to docs/figures/driver-killed.json and run ``make docs``: docs/chaos.md shows them.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chaos import fault as catalogue
from warren.journal import Fault, Journal
from warren.state import write_atomically

from .provoking import made_for_disk_faults
from .traces import left, traces

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

#: What makes a fault bite soon, and no harder than a busy machine bears; the others need nothing.
SETTINGS: dict[str, Sequence[str]] = {
    "bandwidth": ["rate_kbit=64"],
    "connection-storm": ["connections_count=100"],
    "consumer-crash": ["queue=orders.work"],
    "cpu": ["cores_count=0.05"],
    "latency": ["delay_ms=50", "jitter_ms=10"],
    "loss": ["loss_percent=50"],
    "password-rotation": ["user=orders-worker"],
    "poison": ["deliveries_count=5"],
    "publisher-flood": ["messages_per_s=1000"],
    "queue-churn": ["queues_count=10"],
    "slow-disk": ["delay_ms=80"],
    "stuck-consumer": ["prefetch_count=20"],
}
#: These need messages to take, or a consumer to kill.
UNDER_LOAD = ("consumer-crash", "stuck-consumer")
#: Last, since the cluster's nodes are made anew for them.
OF_DISKS = ("slow-disk", "full-disk", "failing-disk")
FAULTS = (*(name for name in catalogue.names() if name not in OF_DISKS), *OF_DISKS)
NODE = "rmq2"
#: A process that watches is started before the act, and found by its command.
_WATCH = b"\0chaos\0watch\0"
_PROVEN_S, _HEALED_S, _LOOK_S = 240.0, 300.0, 0.05


@pytest.fixture(scope="module")
def disks(cluster_session: ClusterUnderTest) -> Iterator[None]:
    """The nodes with the library that disk faults need; without it again after this file."""
    cluster_session.wait_ready()
    with made_for_disk_faults(cluster_session):
        yield


@pytest.fixture(scope="module")
def wholes() -> dict[bool, Mapping[str, Any]]:
    """The traces of the whole cluster, without and with the library: looked for once."""
    return {}


@dataclass(frozen=True)
class Ground:
    """The cluster as a fault needs it, what it looked like when it was whole, and a folder for files."""

    cluster: ClusterUnderTest
    journal: Journal
    whole: Mapping[str, Any]
    folder: Path


@pytest.fixture
def ground(
    request: pytest.FixtureRequest, wholes: dict[bool, Mapping[str, Any]], fault: str, tmp_path: Path
) -> Iterator[Ground]:
    of_disks = fault in OF_DISKS
    if of_disks:
        request.getfixturevalue("disks")
    cluster: ClusterUnderTest = request.getfixturevalue("cluster")
    whole = wholes.get(of_disks) or wholes.setdefault(of_disks, traces(cluster))
    with _load(cluster, tmp_path) if fault in UNDER_LOAD else nullcontext():
        yield Ground(cluster, request.getfixturevalue("journal"), whole, tmp_path)


@pytest.mark.parametrize("healer", ["watchdog", "heal"])
@pytest.mark.parametrize("fault", FAULTS)
def test_driver_killed_after_the_proof_leaves_nothing_that_another_does_not_heal(
    ground: Ground, fault: str, healer: str
) -> None:
    cluster, journal = ground.cluster, ground.journal
    killed = _strike_and_kill(ground, fault, with_dog=healer == "heal")
    began = datetime.now(UTC)
    if healer == "heal":
        result = ground.folder / "healed.json"
        done = cluster.warren(["chaos", "heal", "--json", str(result)], timeout_s=_HEALED_S)
        assert done.returncode == 0, done.stderr
        seen = json.loads(result.read_text(encoding="utf-8"))["found"]
        assert not seen, "somewhere else than in the journal, or of the fault before"
    healed = _await(lambda: _closed(journal, killed.fault_id), "the fault to be healed", _HEALED_S)
    whole_s = (datetime.now(UTC) - began).total_seconds()
    told = (cluster.state.root / "watchdog.log").read_text(encoding="utf-8")
    assert (f"{killed.fault_id}: its driver is gone" in told) is (healer == "watchdog")

    assert left(ground.whole, traces(cluster)) == []
    assert healed.healed_at is not None
    undone_s = (datetime.fromisoformat(healed.healed_at) - began).total_seconds()
    _record(
        cluster, fault, healer, {"undone_after_s": round(undone_s, 1), "whole_after_s": round(whole_s, 1)}
    )


def _strike_and_kill(ground: Ground, fault: str, *, with_dog: bool) -> Fault:
    """Strike, and kill the driver once the fault is proven; the fault, which is open."""
    journal, output = ground.journal, ground.folder / "driver.txt"
    known = {each.fault_id for each in journal.read().faults}
    kind = catalogue.load(fault)
    settings = [part for each in SETTINGS.get(fault, ()) for part in ("--set", each)]
    whom = [] if kind.is_wide else [NODE]
    hold = [] if isinstance(kind, catalogue.Course) else ["--for", "10m"]
    driver = ground.cluster.start(["chaos", fault, *whom, *settings, *hold], output=output)

    def proven() -> Fault | None:
        assert driver.poll() is None, output.read_text(encoding="utf-8")
        found = [each for each in journal.open_faults() if each.fault_id not in known and each.is_proven]
        return found[0] if found else None

    found = _await(proven, f"{fault} to be proven", _PROVEN_S)
    dogs = _watching(driver.pid)
    assert dogs, "nobody watches over it"
    for process in (*(dogs if with_dog else ()), driver.pid):
        os.kill(process, signal.SIGKILL)
    driver.wait(timeout=10)
    if with_dog:
        time.sleep(1.0)  # whoever else would heal by itself could begin now
        assert [each.fault_id for each in journal.open_faults()] == [found.fault_id]
    return found


def _watching(driver: int) -> list[int]:
    """The watchdogs among a driver's children."""
    children = Path(f"/proc/{driver}/task/{driver}/children").read_text(encoding="utf-8").split()
    return [int(each) for each in children if _WATCH in Path(f"/proc/{each}/cmdline").read_bytes()]


def _closed(journal: Journal, fault_id: str) -> Fault | None:
    found = [each for each in journal.read().faults if each.fault_id == fault_id and not each.is_open]
    return found[0] if found else None


def _await(probe: Callable[[], Fault | None], what: str, deadline_s: float) -> Fault:
    """What ``probe`` finds, asked more often than the cluster's own wait does: seconds are measured by it."""
    end = time.monotonic() + deadline_s
    while (found := probe()) is None:
        assert time.monotonic() < end, f"{what} took more than {deadline_s:g} s"
        time.sleep(_LOOK_S)
    return found


@contextmanager
def _load(cluster: ClusterUnderTest, folder: Path) -> Iterator[None]:
    """A run that lasts, and loses nothing."""
    run, path = cluster.begin_load(["work", "--rate", "50", "--duration", "60s", "--purge"], folder)
    yield
    run.wait(timeout=240)
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["ledger"]["lost"] == result["ledger"]["unexpected"] == 0, result["reasons"]


def _record(cluster: ClusterUnderTest, fault: str, healer: str, figures: dict[str, Any]) -> None:
    """Into the file that earlier tests have written to; the state's own folder goes with the cluster."""
    path = cluster.state.root.parent / "driver-killed.json"
    known = json.loads(path.read_text(encoding="utf-8"))["faults"] if path.is_file() else {}
    measured = {**figures, "measured_on": datetime.now(UTC).date().isoformat()}
    known[fault] = {**known.get(fault, {}), healer: measured}
    content = {"schema": 1, "faults": dict(sorted(known.items()))}
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode(), mode=0o644)
