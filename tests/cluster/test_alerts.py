"""Every alert for real: provoked, seen to fire and to reach Alertmanager, undone, and seen to end.

Figures go to ``alert-figures.json`` beside the state of the test cluster. `cp` it to docs/figures/alerts.json
and run ``make docs``: docs/alerts.md shows them. ``-k WarrenQueueLag`` runs what fires that one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import pytest
import urllib3

from warren import secrets
from warren.state import write_atomically

from .conftest import TIME_SCALE, ClusterUnderTest
from .provocations import PROVOCATIONS, Expected, Provocation
from .provoking import now_s

#: Alerts of earlier tests, at this time scale.
_QUIET_S = 900
LONG = (pytest.mark.full, pytest.mark.timeout(3600))


def firing(cluster: ClusterUnderTest, expected: Expected) -> bool:
    labels = {"alertname": expected.alert, "severity": expected.severity, **expected.labels}
    matchers = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return bool(cluster.prometheus(f'ALERTS{{alertstate="firing",{matchers}}}'))


def told(cluster: ClusterUnderTest) -> set[str]:
    """Name and severity of the alerts that Alertmanager holds, silenced ones among them."""
    port = cluster.topology.published("alertmanager")
    password = cluster.context.secrets.read(secrets.ALERTMANAGER_WEB)
    pool = urllib3.PoolManager(
        cert_reqs="CERT_REQUIRED", ca_certs=str(cluster.context.cluster_ca), retries=False
    )
    answer = pool.request(
        "GET",
        f"https://localhost:{port}/api/v2/alerts",
        headers=urllib3.make_headers(basic_auth=f"alertmanager:{password}"),
    )
    assert answer.status == 200, answer.data
    labels = [alert["labels"] for alert in json.loads(answer.data)]
    return {f"{each['alertname']} {each['severity']}" for each in labels}


def _first_moments(
    cluster: ClusterUnderTest, expects: tuple[Expected, ...], holds: Callable[[Expected], bool],
    deadline_s: Callable[[Expected], float], what: str,
) -> dict[str, float]:  # fmt: skip
    """By alert, when ``holds`` was first seen; fails naming those for which it was not in time."""
    seen: dict[str, float] = {}
    began = now_s()

    def all_seen() -> bool:
        for each in expects:
            if each.key not in seen and holds(each):
                seen[each.key] = now_s()
        late = [e.key for e in expects if e.key not in seen and now_s() - began > deadline_s(e)]
        assert not late, f"{', '.join(late)}: not {what} in time; {', '.join(seen) or 'none'} was"
        return len(seen) == len(expects)

    cluster.wait_for(all_seen, f"alerts to be {what}", max(map(deadline_s, expects)) + 5)
    return seen


def _record(cluster: ClusterUnderTest, figures: dict[str, dict[str, Any]]) -> None:
    """Into the file that earlier tests have written to; the state's own folder goes with the cluster."""
    path = cluster.state.root.parent / "alert-figures.json"
    known = json.loads(path.read_text(encoding="utf-8"))["alerts"] if path.is_file() else {}
    content = {"schema": 1, "alerts": dict(sorted({**known, **figures}.items()))}
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode(), mode=0o644)


class Endings:
    """Watches alerts end, and whole provocations that take long, beside the provocations that come after.

    Ends take most of the time of most alerts, and few causes get into another's way; those that do are
    ``alone``. `join` raises what went wrong, naming the alerts.
    """

    def __init__(self, cluster: ClusterUnderTest) -> None:
        self._cluster = cluster
        self._pool = ThreadPoolExecutor(64, thread_name_prefix="alerts")
        self._running: list[Future[None]] = []
        self._writing = Lock()

    def beside(self, work: Callable[..., None], *arguments: object) -> None:
        self._running.append(self._pool.submit(work, *arguments))

    def join(self) -> None:
        """Wait for all; each has a deadline of its own."""
        running, self._running = self._running, []
        wait(running)
        wrong = [str(error) for each in running if (error := each.exception()) is not None]
        assert not wrong, "\n".join(wrong)

    def provoke(self, provocation: Provocation) -> None:
        """Begin the cause, see every alert of it fire and be told, undo it; the end is watched beside."""
        expects, cluster = provocation.expects, self._cluster

        def quiet() -> bool:
            return not any(firing(cluster, each) for each in expects)

        cluster.wait_for(quiet, f"{provocation.name} of earlier tests to end", _QUIET_S)
        with provocation.begin(cluster) as began_s:
            fired = _first_moments(
                cluster,
                expects,
                lambda each: firing(cluster, each),
                lambda each: each.fires_within_s,
                "firing",
            )
            if provocation.told:
                keys = {each.key for each in expects}
                cluster.wait_for(lambda: keys <= told(cluster), "Alertmanager to be told", 60)
            # From here on, not from when it is undone: that takes longer than some of them take to end.
            self.beside(self._end, expects, {key: at - began_s for key, at in fired.items()}, now_s())

    def _end(self, expects: tuple[Expected, ...], fired_after_s: dict[str, float], undone_s: float) -> None:
        cluster = self._cluster
        ended = _first_moments(
            cluster, expects, lambda each: not firing(cluster, each), lambda each: each.ends_within_s, "over"
        )
        figures = {
            key: {
                "fired_after_s": round(fired_after_s[key], 1),
                "resolved_after_s": round(at - undone_s, 1),
                "time_scale": TIME_SCALE,
                "measured_on": datetime.now(UTC).date().isoformat(),
            }
            for key, at in ended.items()
        }
        with self._writing:
            _record(cluster, figures)


@pytest.fixture(scope="module")
def endings(cluster_session: ClusterUnderTest) -> Iterator[Endings]:
    """What is still watched when the last test of this file is over is part of that test."""
    watching = Endings(cluster_session)
    yield watching
    watching.join()


@pytest.mark.parametrize(
    "provocation",
    [pytest.param(each, id=each.name, marks=() if each.short else pytest.mark.full) for each in PROVOCATIONS],
)
def test_alert_fires_for_its_cause_and_ends_with_it(
    cluster: ClusterUnderTest,
    endings: Endings,
    provocation: Provocation,
) -> None:
    if provocation.beside:
        endings.beside(endings.provoke, provocation)
        return
    if provocation.alone:
        endings.join()
    endings.provoke(provocation)
    if provocation.alone:
        endings.join()


def test_rules_run_at_the_scale_that_the_figures_say(cluster: ClusterUnderTest) -> None:
    cluster.wait_for(
        lambda: [each.value for each in cluster.prometheus("warren_time_scale")] == [TIME_SCALE],
        "the scale to be told",
        60,
    )
    rules = [
        rule
        for group in cluster.context.prometheus.get("rules")["groups"]
        for rule in group["rules"]
        if rule["name"] == "WarrenExporterDown"
    ]
    assert [rule["duration"] for rule in rules] == [120 * TIME_SCALE]
