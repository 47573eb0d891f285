"""The terminal is closed in the middle of a load run, and while a fault is held: both end as at ^C.

A terminal for real: the command leads a session on a pseudo-terminal of its own, and the kernel hangs up on
it when the other end is closed, which also makes every further word to it an error.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warren.errors import EXIT_INTERRUPTED
from warren.journal import Journal
from warren.runtime.protocol import NodeState

from .conftest import CALM
from .provoking import docker

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

pytestmark = pytest.mark.full


@dataclass
class Terminal:
    """A command on a terminal of its own; what it has said is read all the while."""

    child: subprocess.Popen[bytes]
    near: int
    _said: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._hears = threading.Thread(target=self._listen, daemon=True)
        self._closing = threading.Event()
        self._hears.start()

    @property
    def said(self) -> str:
        return self._said.decode(errors="replace")

    def close(self) -> None:
        """As when the window is closed, or the line to another machine breaks."""
        self._closing.set()
        self._hears.join(10)
        os.close(self.near)

    def _listen(self) -> None:
        os.set_blocking(self.near, False)
        while not self._closing.wait(0.05):
            with suppress(BlockingIOError, OSError):
                self._said += os.read(self.near, 65536)


@contextmanager
def terminal(cluster: ClusterUnderTest, arguments: Sequence[str]) -> Iterator[Terminal]:
    near, far = os.openpty()
    argv = ["setsid", "--ctty", "env", "--default-signal=INT,HUP", *cluster.argv(arguments)]
    child = subprocess.Popen(argv, stdin=far, stdout=far, stderr=far, env=cluster.env)
    os.close(far)
    cluster.started.append(child)
    yield Terminal(child, near)


def test_load_run_whose_terminal_is_closed_drains_and_is_judged(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    load = ["load", "run", "work", "--rate", "50", "--duration", "10m", "--purge", "--json", str(path), *CALM]
    with terminal(cluster, load) as there:
        cluster.wait_for(lambda: "published" in there.said, "the run to publish", 120)
        there.close()
        assert there.child.wait(timeout=240) == EXIT_INTERRUPTED
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["ledger"]["lost"] == result["ledger"]["unexpected"] == 0, result["reasons"]
    assert 0 < result["ledger"]["confirmed"] < 600 * 50
    running = docker(cluster, "ps", "--format", "{{.Names}}").split()
    assert not [name for name in running if name.startswith(f"{cluster.topology.cluster}-load-")]


def test_fault_whose_terminal_is_closed_is_healed_by_its_driver(
    cluster: ClusterUnderTest, journal: Journal
) -> None:
    with terminal(cluster, ["chaos", "pause", "rmq2", "--for", "10m"]) as there:
        cluster.wait_for(lambda: any(each.is_proven for each in journal.open_faults()), "the fault", 120)
        there.close()
        assert there.child.wait(timeout=240) == EXIT_INTERRUPTED
    assert journal.open_faults() == ()
    assert cluster.runtime.states()["rmq2"] is NodeState.RUNNING
    log = cluster.state.root / "watchdog.log"
    assert journal.read().faults[-1].fault_id not in log.read_text(encoding="utf-8"), "that was the watchdog"
    cluster.context.gate.check()
