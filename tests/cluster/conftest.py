"""One real cluster for all cluster tests, apart from the user's own: its own name, ports and state folder.

``WARREN_TEST_KEEP=1`` leaves it up for the next run. A missing engine is an error here, never a skip: a
cluster test that did not run proves nothing.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest

from chaos.status import status
from chaos.wiring import chaos_context
from warren import cluster as cluster_engine
from warren import process
from warren.cluster import UpReport
from warren.context import Context, open_context
from warren.errors import NotReadyError, RefusedError
from warren.journal import Journal
from warren.management import ManagementClient
from warren.process import Completed
from warren.prometheus import Sample
from warren.runtime.compose import ComposeRuntime
from warren.runtime.engine import ensure_engine
from warren.state import State, base_folder
from warren.topology import Topology
from warren.wait import until

from . import attack

ROOT = Path(__file__).resolve().parents[2]
NAME, BASE_PORT = "warren-test", 15800
COLD_START_S = 1200
#: On every window and `for` of the rules: what fires here is what is shipped, fifty times as fast.
TIME_SCALE = 0.02
#: Two cores carry brokers, generator and monitors: what these tests prove is safety, not timeliness.
CALM = ("--set", "tolerances.self_lag_p99_s=2", "--set", "tolerances.failed_publishes=1000000")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.cluster)
            if item.get_closest_marker("timeout") is None:
                # The first test's time includes the cold start: an engine installed, images built.
                item.add_marker(pytest.mark.timeout(COLD_START_S))


@dataclass
class ClusterUnderTest:
    """The cluster, and the command line pointed at it."""

    context: Context
    env: dict[str, str]
    report: UpReport
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    #: What is set for a load run whose timing a busy machine may spoil.
    calm: tuple[str, ...] = CALM

    @property
    def topology(self) -> Topology:
        return self.context.topology

    @property
    def state(self) -> State:
        return self.context.state

    @property
    def runtime(self) -> ComposeRuntime:
        return self.context.runtime

    @property
    def management(self) -> ManagementClient:
        return self.context.management

    def prometheus(self, expression: str) -> list[Sample]:
        """Samples of an instant query."""
        return self.context.prometheus.query(expression)

    def argv(self, arguments: Sequence[str]) -> list[str]:
        return [str(Path(sys.executable).parent / "warren"), *arguments]

    def warren(self, arguments: Sequence[str], *, timeout_s: float = 120, stdin: bytes = b"") -> Completed:
        """Run the real command to its end."""
        argv = self.argv(arguments)
        done = subprocess.run(
            argv, input=stdin, capture_output=True, timeout=timeout_s, env=self.env, check=False
        )
        return Completed(
            argv=tuple(argv),
            returncode=done.returncode,
            stdout=done.stdout.decode(errors="replace"),
            stderr=done.stderr.decode(errors="replace"),
        )

    def start(self, arguments: Sequence[str], *, output: Path) -> subprocess.Popen[bytes]:
        """Start the real command in a session of its own, its output in a file; ended after the test.

        As from a terminal: a suite that runs in the background ignores ^C, and its children would too.
        """
        with output.open("wb") as sink:
            child = subprocess.Popen(
                ["env", "--default-signal=INT", *self.argv(arguments)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=self.env,
                start_new_session=True,
            )
        self.started.append(child)
        return child

    def begin_load(self, arguments: Sequence[str], folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a run and return once it publishes; with it, where its result will be."""
        output, path = folder / "load.out", folder / "result.json"
        child = self.start(["load", "run", *arguments, "--json", str(path), *CALM], output=output)

        def publishes() -> bool:
            assert child.poll() is None, output.read_text(encoding="utf-8")
            return "publish  published" in output.read_text(encoding="utf-8")

        self.wait_for(publishes, "the run to publish", 90)
        return child, path

    def wait_ready(self, deadline_s: float = 180) -> None:
        cluster_engine.wait_ready(self.context, deadline_s=deadline_s)

    def wait_for(self, probe: Callable[[], bool], what: str, deadline_s: float) -> None:
        """Wait until ``probe`` is true; fails the test with ``what`` otherwise."""

        def check() -> None:
            if not probe():
                raise NotReadyError("test", "not yet")

        until(check, what=what, deadline_s=deadline_s, every_s=0.5)

    def purge(self) -> None:
        """Empty every queue of the topology, so that one test's messages are not another's."""
        for vhost in self.topology.vhosts:
            for queue in vhost.queues:
                self.management.delete("queues", vhost.name, queue.name, "contents")


def _say(line: str) -> None:
    sys.stderr.write(f"[{time.strftime('%H:%M:%S')}] {line}\n")
    sys.stderr.flush()


def _wait_for_turn(lock: IO[str]) -> None:
    """Another checkout's tests use the same name and ports; wait for them, and say so."""

    def mine() -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NotReadyError(lock.name, "is held by the cluster tests of another session") from error

    try:
        mine()
    except NotReadyError as error:
        _say(f"waiting: {error}")
        until(mine, what="the other session's tests", deadline_s=COLD_START_S / 2, every_s=1.0)


@pytest.fixture(scope="session")
def cluster_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """The cluster of this test session, made from nothing and destroyed at its end."""
    source = (ROOT / "deploy" / "topology.yml").read_text(encoding="utf-8")
    text = source.replace("  name: warren\n", f"  name: {NAME}\n", 1)
    text = text.replace("base_port: 15600", f"base_port: {BASE_PORT}", 1)
    text = text.replace("  retention: 7d\n", f"  retention: 7d\n  time_scale: {TIME_SCALE}\n", 1)
    assert text.count(NAME) == 1
    assert text.count(f"time_scale: {TIME_SCALE}") == 1
    assert str(BASE_PORT) in text
    path = tmp_path_factory.mktemp("topology") / "topology.yml"
    path.write_text(text, encoding="utf-8")
    base = base_folder(os.environ).parent / "warren-test"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    env = {**os.environ, "WARREN_STATE": str(base), "WARREN_TOPOLOGY": str(path)}
    keep = bool(os.environ.get("WARREN_TEST_KEEP"))
    with (base / "session.lock").open("w") as lock:
        _wait_for_turn(lock)
        engine = ensure_engine(run=process.run, say=_say)
        context = open_context(_say, topology_path=path, env=env)
        context.use_engine(engine)
        if not keep:
            cluster_engine.destroy(context)
            context = open_context(_say, topology_path=path, env=env)
        try:
            report = cluster_engine.up(context)
        except RefusedError:  # one that was kept, of a topology that has changed since
            cluster_engine.destroy(context)
            context = open_context(_say, topology_path=path, env=env)
            report = cluster_engine.up(context)
        under_test = ClusterUnderTest(context=context, env=env, report=report)
        yield under_test
        for child in under_test.started:
            _end(child)
        if not keep:
            cluster_engine.destroy(context)


@pytest.fixture
def cluster(cluster_session: ClusterUnderTest) -> Iterator[ClusterUnderTest]:
    """The cluster, whole before each test and healed after it."""
    cluster_session.wait_ready()
    yield cluster_session
    for child in cluster_session.started:
        _end(child)
    cluster_session.started.clear()
    if not status(chaos_context(cluster_session.context)).is_quiet:
        done = cluster_session.warren(["chaos", "heal"], timeout_s=300)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def journal(cluster: ClusterUnderTest) -> Journal:
    """The cluster's journal of faults, to be read."""
    return Journal(cluster.state.journal, lambda: datetime.now(UTC))


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
    child.wait(timeout=30)


@pytest.fixture(scope="session")
def context(request: pytest.FixtureRequest) -> Context:
    """What the tests of security attack: the session's own cluster, or one that runs already.

    ``WARREN_ATTACK_TOPOLOGY`` names the topology of such a one, and ``WARREN_HOSTS`` the inventory of its
    hosts where it is no cluster of containers.
    """
    path = os.environ.get("WARREN_ATTACK_TOPOLOGY")
    if path:
        return open_context(_say, topology_path=Path(path))
    session: ClusterUnderTest = request.getfixturevalue("cluster_session")
    session.wait_ready()
    return session.context


@pytest.fixture(scope="session")
def target(context: Context) -> attack.Target:
    """The addresses, passwords and certificates of what is attacked."""
    if context.inventory is None:
        return attack.containers(context)
    return attack.hosts(context, context.inventory)


@pytest.fixture(scope="session")
def boxes(context: Context) -> list[dict[str, Any]]:
    """What Docker says of each container of the cluster; tests of containers are skipped on hosts."""
    if context.inventory is not None:
        pytest.skip("hosts have no containers")
    return [box for box in context.runtime.containers() if box["State"]["Running"]]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints figures that whoever runs the tests wants to see, whether they pass or not."""

    def line(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}")

    return line
