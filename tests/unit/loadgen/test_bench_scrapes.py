"""Asking endpoints in turn: who begins, what is counted, and what the table says of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from loadgen.bench import scrapes
from loadgen.bench.scrapes import (
    EXPORTER,
    Answer,
    Scrapes,
    as_dict,
    refuse_what_does_not_fit,
    table,
)
from warren.errors import BadInputError, NotReadyError
from warren.topology_reader import load
from warren.wait import Clock

BODY = b'# HELP a x\n# TYPE a gauge\na 1\nb{c="d"} 2\n'


@dataclass
class World:
    """Each endpoint takes a second; processor time goes half as fast as the clock."""

    now_s: float = 0.0
    asked: list[str] = field(default_factory=list)

    def endpoint(self, name: str, nodes: int) -> scrapes.Get:
        def get() -> list[bytes]:
            self.asked.append(name)
            self.now_s += 1.0
            return [BODY] * nodes

        return get

    def scrapes(self, rounds: int) -> Scrapes:
        return Scrapes(
            endpoints={EXPORTER: self.endpoint(EXPORTER, 1), "x": self.endpoint("x", 3)},
            cpu_s=lambda: self.now_s / 2,
            rss_mib=lambda: 100.0,
            clock=Clock(now=lambda: self.now_s, sleep=lambda _: None),
            rounds=rounds,
        )


def test_who_begins_changes_from_round_to_round() -> None:
    world = World()
    world.scrapes(2).run()
    assert world.asked == [EXPORTER, "x", "x", EXPORTER]


def test_series_and_bytes_of_all_nodes_are_counted_and_comments_are_not() -> None:
    ours, theirs = World().scrapes(1).run()
    assert (ours.series, ours.bytes, ours.took_s, ours.cpu_s) == (2, len(BODY), 1.0, 0.5)
    assert (theirs.series, theirs.bytes) == (6, 3 * len(BODY))
    assert (ours.rss_mib, theirs.rss_mib) == (100.0, 0.0)


def test_table_has_a_row_an_endpoint_with_medians() -> None:
    answers = [
        Answer(endpoint=EXPORTER, took_s=took_s, bytes=2_000_000, series=1234, cpu_s=0.5, rss_mib=rss_mib)
        for took_s, rss_mib in ((1.0, 99.0), (3.0, 120.0), (2.0, 101.0))
    ]
    assert table(answers).splitlines()[-1] == (
        f"| {EXPORTER} | 2.00 (1.00 to 3.00) | 0.50 (0.50 to 0.50) | 1,234 | 2.0 | 120 |"
    )
    assert as_dict(answers, queues=5, kind="classic")["answers"][1]["took_s"] == 3.0


@pytest.mark.parametrize(("queues", "kind"), [(10_000, "classic"), (3_000, "quorum")])
def test_more_queues_than_nodes_have_memory_for_are_refused(
    checkout_root: Path, queues: int, kind: str
) -> None:
    deployed = load(checkout_root / "deploy" / "topology.yml")
    with pytest.raises(BadInputError, match="of a node") as caught:
        refuse_what_does_not_fit(deployed, queues, kind)
    limit = int(str(caught.value).rsplit("memory_limit_mib: ", 1)[1].split()[0])
    larger = replace(deployed, broker=replace(deployed.broker, memory_limit_mib=limit))
    refuse_what_does_not_fit(larger, queues, kind)
    refuse_what_does_not_fit(deployed, 1_000, kind)


def test_an_exporter_that_does_not_see_every_queue_is_not_measured() -> None:
    body = b'warren_queue_messages_ready{vhost="/v",queue="q"} 1\n'
    scrapes._seen([body * 3], 3)
    with pytest.raises(NotReadyError, match="shows the length of 3 queues"):
        scrapes._seen([body * 3], 4)
