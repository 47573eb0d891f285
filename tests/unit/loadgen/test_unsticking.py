"""Another leader for queues whose dead letters do not go on: when, which, and what is told of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from loadgen.container import Container, Place
from loadgen.following import follow
from loadgen.progress import Quiet
from loadgen.telling import ANEW
from loadgen.unsticking import Unsticking
from warren import checkout, management_facts
from warren.management_errors import NotFoundError
from warren.management_facts import QueueInfo
from warren.process import Completed
from warren.results import LoadResult, Verdict
from warren.topology_reader import load

MEMBERS = ["rabbit@rmq1", "rabbit@rmq2", "rabbit@rmq3"]
WAITED = {"type": ANEW, "t_s": 200.5}


class Cluster:
    """Its management API and its nodes, for what is asked here; ``waiting`` are dead letters by queue."""

    def __init__(self, **waiting: int) -> None:
        self.waiting = {name.replace("_", "."): count for name, count in waiting.items()}
        self.online = list(MEMBERS)
        self.asked: list[tuple[str, str]] = []
        self.fails = False

    def queue(self, vhost: str, name: str) -> QueueInfo:
        if name not in self.waiting:
            raise NotFoundError(f"queue {name}", "is not there", status=404)
        state = {"leader": "rabbit@rmq1", "members": MEMBERS, "online": self.online}
        return management_facts.queue(
            {"vhost": vhost, "name": name, **state, "messages_dlx": self.waiting[name]}
        )

    def execute(self, node: str, argv: Sequence[str], *, timeout_s: float, **_: Any) -> Completed:
        self.asked.append((node, argv[-1]))
        failed = int(self.fails)
        return Completed(argv=tuple(argv), returncode=failed, stdout="", stderr="no quorum" * failed)


def unsticking(cluster: Cluster, *queues: str) -> Unsticking:
    return Unsticking(
        management=cluster,  # type: ignore[arg-type]
        runtime=cluster,  # type: ignore[arg-type]
        topology=load(checkout.path("deploy", "topology.yml")),
        vhost="/orders",
        queues=queues,
    )


def heard(found: Unsticking, event: Mapping[str, Any] = WAITED) -> list[Mapping[str, Any]]:
    shown: list[Mapping[str, Any]] = []
    found.hear(event, shown.append)
    return shown


def test_queue_with_dead_letters_gets_another_leader_and_the_others_are_left_alone() -> None:
    cluster = Cluster(payments_wait=434, payments_work=0)
    found = unsticking(cluster, "payments.wait", "payments.work")
    (note,) = heard(found)
    said = "payments.wait: 434 messages wait to be dead-lettered: rmq2 leads it now in place of rabbit@rmq1"
    assert note == {"type": "note", "t_s": 200.5, "text": said}
    ((node, expression),) = cluster.asked
    assert node == "rmq2"
    encoded = [base64.b64encode(each).decode() for each in (b"/orders", b"payments.wait")]
    assert all(part in expression for part in (*encoded, '"rabbit@rmq2"'))


@pytest.mark.parametrize("kind", ["progress", "note", "ready"])
def test_nothing_is_done_before_the_drain_has_waited_in_vain(kind: str) -> None:
    cluster = Cluster(payments_wait=434)
    assert heard(unsticking(cluster, "payments.wait"), {"type": kind, "t_s": 1}) == []
    assert cluster.asked == []


def test_what_cannot_be_done_is_told_and_ends_nothing() -> None:
    cluster = Cluster(a=1, b=2)
    cluster.fails = True
    texts = [each["text"] for each in heard(unsticking(cluster, "a", "gone", "b"))]
    assert [text.split(":")[0] for text in texts] == ["a", "gone", "b"]
    assert all("could not be given another leader" in text for text in texts)
    cluster.online = ["rabbit@rmq1"]
    assert "no other member could lead it" in heard(unsticking(cluster, "a"))[0]["text"]


def test_result_says_what_was_done() -> None:
    found = unsticking(Cluster(a=1), "a")
    plain = LoadResult(
        run_id="r",
        profile="retry",
        started_at="",
        ended_at="",
        verdict=Verdict.FAILED,
        params={"notes": ["first"]},
    )
    assert found.told(plain) is plain
    heard(found)
    assert found.told(plain).params["notes"] == ["first", *found.done]


class Child:
    """A container that tells of a drain that waited in vain, and ends."""

    stdin = None
    stdout = (json.dumps(WAITED).encode(), b'{"type": "note", "t_s": 281, "text": "it came"}')

    def wait(self, timeout: float | None = None) -> int:
        return 0

    def kill(self) -> None: ...


def test_run_is_followed_with_it(tmp_path: Path) -> None:
    shown: list[str] = []

    class Showing(Quiet):
        def show(self, event: Mapping[str, Any]) -> None:
            shown.append(str(event.get("text", event["type"])))

    def docker(argv: Sequence[str], **_: Any) -> Completed:
        return Completed(argv=tuple(argv), returncode=0, stdout="", stderr="")

    place = Place(docker="docker", image="i", network="n", cluster="c")
    found = unsticking(Cluster(a=1), "a")
    box = Container(place=place, name="r", run=docker, child=Child())  # type: ignore[arg-type]
    follow(box, Showing(), unsticking=found)
    assert shown == [ANEW, *found.done, "it came"]
    assert found.done
