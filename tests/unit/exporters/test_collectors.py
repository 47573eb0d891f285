"""Collectors over recorded snapshots, asserted as Prometheus would read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from exporters import collector, names
from exporters.arrival_curve import QueueArrivals
from exporters.broker import QueueFilter
from exporters.collector import Scrape
from exporters.collectors import lag as lag_module
from exporters.detailed import READY, UNACKED
from exporters.exporter import Exporter
from exporters.exposition import OneScrape
from exporters.queue_facts import critical_queues, read_queue
from exporters.snapshot import Snapshot
from warren.errors import BadInputError

from .conftest import REACH, FakeBroker

WORK = {"vhost": "/orders", "queue": "orders.work"}


@dataclass
class Still:
    """A broker that always says the same."""

    answer: Snapshot

    def snapshot(self, deadline_s: float) -> Snapshot:
        assert deadline_s > 0
        return self.answer


def registry(families: Iterable[Metric]) -> CollectorRegistry:
    made = CollectorRegistry(auto_describe=False)
    made.register(OneScrape(list(families)))
    return made


def scrape(broker: FakeBroker, *wanted: str) -> CollectorRegistry:
    exporter = Exporter(broker, [(name, collector.make(name, REACH)) for name in wanted])
    return registry(exporter.scrape(3.0))


def with_queue(snapshot: Snapshot, *, ready: float, published: float, unacked: float = 0) -> Snapshot:
    """The snapshot with these figures of orders.work on its leader's node."""
    key = ("/orders", "orders.work")
    figures: Mapping[str, float] = {READY: ready, UNACKED: unacked}
    counters = {
        node: {
            name: {**by_queue, **({key: figures[name]} if name in figures and node == "rmq3" else {})}
            for name, by_queue in metrics.items()
        }
        for node, metrics in snapshot.counters.items()
    }
    came = {**snapshot.published, "rmq3": {**snapshot.published["rmq3"], key: {"orders.direct": published}}}
    return replace(snapshot, counters=counters, published=came)


def test_every_collector_is_found_by_its_name() -> None:
    assert {"lag", "queues"} <= set(collector.available())


def test_an_unknown_collector_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="no collector 'lagg'"):
        collector.make("lagg", REACH)


def test_recorded_scrape_tells_members_leader_and_limits(broker: FakeBroker) -> None:
    made = scrape(broker, "queues")
    assert made.get_sample_value(names.MEMBERS.name, WORK) == 3
    assert made.get_sample_value(names.ONLINE.name, WORK) == 3
    assert made.get_sample_value(names.LEADER.name, {**WORK, "leader": "rmq3"}) == 1
    assert made.get_sample_value(names.DELIVERY_LIMIT.name, WORK) == 20
    assert made.get_sample_value(names.STATE.name, {**WORK, "state": "running"}) == 1


def test_nodes_that_may_not_stop_are_told_with_those_that_may(snapshot: Snapshot) -> None:
    assert snapshot.queues is not None
    queues = tuple(
        replace(queue, online=("rmq1", "rmq2")) if queue.key == ("/orders", "orders.work") else queue
        for queue in snapshot.queues
    )
    critical_now = replace(snapshot, queues=queues, critical=critical_queues(queues))
    made = scrape(FakeBroker(critical_now), "queues")
    critical = {node: made.get_sample_value(names.CRITICAL.name, {"member": node}) for node in snapshot.nodes}
    assert critical == {"rmq1": 1, "rmq2": 1, "rmq3": 0}
    assert made.get_sample_value(names.UNDER_REPLICATED.name, WORK) == 1


def test_priorities_and_delays_are_told_where_there_are_any(snapshot: Snapshot) -> None:
    assert snapshot.queues is not None
    queues = tuple(
        replace(
            queue,
            messages_by_priority=(("4", 2),),
            messages_delayed=1,
            next_delayed_at_s=1.5,
            single_active=False,
        )
        for queue in snapshot.queues
    )
    made = scrape(FakeBroker(replace(snapshot, queues=queues)), "queues")
    assert made.get_sample_value(names.BY_PRIORITY.name, {**WORK, "priority": "4"}) == 2
    assert made.get_sample_value(names.DELAYED.name, WORK) == 1
    assert made.get_sample_value(names.NEXT_DELAYED.name, WORK) == 1.5
    assert made.get_sample_value(names.SINGLE_ACTIVE.name, WORK) == 0


def test_a_leader_that_does_not_run_leads_nothing(snapshot: Snapshot) -> None:
    assert snapshot.queues is not None
    queues = tuple(replace(queue, online=("rmq1", "rmq2")) for queue in snapshot.queues)
    made = scrape(FakeBroker(replace(snapshot, queues=queues)), "queues")
    assert made.get_sample_value(names.LEADER.name, {**WORK, "leader": "rmq3"}) is None
    assert made.get_sample_value(names.ONLINE.name, WORK) == 2


def test_age_grows_while_nothing_is_consumed(snapshot: Snapshot) -> None:
    broker = FakeBroker(with_queue(snapshot, ready=0, published=100))
    exporter = Exporter(broker, [("lag", collector.make("lag", REACH))])
    exporter.scrape(3.0)
    broker.answer = replace(with_queue(snapshot, ready=50, published=150), at_s=broker.answer.at_s)
    for _ in range(10):
        made = registry(exporter.scrape(3.0))
    age = made.get_sample_value(names.AGE.name, WORK)
    assert age == pytest.approx(50, abs=6)
    assert made.get_sample_value(names.READY.name, WORK) == 50
    assert made.get_sample_value(names.ARRIVALS_SOURCE.name, {**WORK, "source": "published"}) == 1


def test_an_exchange_that_is_deleted_is_no_restart_of_what_came_by_the_others(snapshot: Snapshot) -> None:
    """Two thousand messages of a day came by one exchange, a hundred of them wait; another is deleted."""
    assert snapshot.queues is not None
    queue = next(each for each in snapshot.queues if each.name == "orders.work")
    nothing: dict[str, Mapping[tuple[str, str], float]] = {name: {} for name in snapshot.counters["rmq3"]}
    lag = collector.make("lag", REACH)
    for now in range(0, 200, 5):
        ready = min(100.0, 20.0 * now)
        came = {"x": 1900.0 + ready, **({"y": 50.0} if now < 100 else {})}
        read = replace(
            snapshot,
            at_s=float(now),
            queues=(queue,),
            counters={"rmq3": {**nothing, READY: {queue.key: ready}, UNACKED: {queue.key: 0.0}}},
            published={"rmq3": {queue.key: came}},
        )
        made = registry(lag.collect(Scrape(Still(read), 3.0)))
    assert made.get_sample_value(names.ARRIVALS_SOURCE.name, {**WORK, "source": "published"}) == 1
    assert made.get_sample_value(names.AGE.name, WORK) == pytest.approx(195, abs=6)


def test_age_of_messages_that_come_and_go_by_expiry_is_absent(snapshot: Snapshot) -> None:
    key = ("/orders", "payments.wait-5s")
    counters = {
        node: {name: ({**of, key: 7.0} if name == READY else of) for name, of in metrics.items()}
        for node, metrics in snapshot.counters.items()
    }
    made = scrape(FakeBroker(replace(snapshot, counters=counters)), "lag")
    labels = {"vhost": key[0], "queue": key[1]}
    assert made.get_sample_value(names.READY.name, labels) == 7
    assert made.get_sample_value(names.AGE.name, labels) is None
    assert made.get_sample_value(names.AGE_AT_LEAST.name, labels) is None
    assert made.get_sample_value(names.ARRIVALS_SOURCE.name, {**labels, "source": "unknown"}) == 1


@pytest.mark.parametrize(
    ("overflow", "source", "age_s"),
    [({}, "published", 10), ({"x-overflow": "reject-publish"}, "conservation", 390)],
)
def test_a_full_queue_drops_its_oldest_unless_it_is_told_to_refuse_publishes(
    snapshot: Snapshot, overflow: dict[str, str], source: str, age_s: float
) -> None:
    """100 messages a second come, nobody consumes, and there is room for those of ten seconds."""
    key, lag = ("/v", "full"), collector.make("lag", REACH)
    for now in range(0, 400, 5):
        ready = min(1000, 100 * now)
        row = {"vhost": key[0], "name": key[1], "type": "quorum", "messages_ready": ready}
        queue = read_queue({**row, "arguments": {"x-max-length": 1000, **overflow}})
        figures = {READY: {key: float(ready)}, UNACKED: {key: 0.0}}
        came = {"rmq1": {key: {"x": 100.0 * now}}}
        counters = {"rmq1": {**{name: {} for name in snapshot.counters["rmq1"]}, **figures}}
        read = replace(snapshot, at_s=float(now), queues=(queue,), counters=counters, published=came)
        made = registry(lag.collect(Scrape(Still(read), 3.0)))
    labels = {"vhost": key[0], "queue": key[1]}
    assert made.get_sample_value(names.ARRIVALS_SOURCE.name, {**labels, "source": source}) == 1
    assert made.get_sample_value(names.AGE.name, labels) == pytest.approx(age_s, abs=11)


def test_a_queue_of_which_no_node_tells_the_length_is_absent(snapshot: Snapshot) -> None:
    silent = {node: metrics for node, metrics in snapshot.counters.items() if node != "rmq3"}
    made = scrape(FakeBroker(replace(snapshot, counters=silent)), "lag")
    assert made.get_sample_value(names.READY.name, WORK) is None
    assert made.get_sample_value(names.AGE.name, WORK) is None
    assert made.get_sample_value(names.NODE_UP.name, {"member": "rmq3"}) == 0
    assert made.get_sample_value(names.COLLECTOR_UP.name, {"collector": "lag"}) == 1


def test_the_leader_is_believed_over_a_node_that_led_before(snapshot: Snapshot) -> None:
    """For a moment after a change of leader the old one still shows its last figures."""
    key = ("/orders", "orders.work")
    stale = {**snapshot.counters["rmq1"], READY: {key: 900.0}, UNACKED: {key: 0.0}}
    both = with_queue(snapshot, ready=3, published=0)
    made = scrape(FakeBroker(replace(both, counters={**both.counters, "rmq1": stale})), "lag")
    assert made.get_sample_value(names.READY.name, WORK) == 3


def test_nothing_is_nought_when_the_broker_is_silent(snapshot: Snapshot) -> None:
    silent = replace(snapshot, queues=None, fresh=False, counters={}, errors=("rmq1: refused",))
    made = scrape(FakeBroker(silent), "lag", "queues")
    assert made.get_sample_value(names.UP.name) == 0
    assert made.get_sample_value(names.COLLECTOR_UP.name, {"collector": "lag"}) == 0
    assert made.get_sample_value(names.COLLECTOR_UP.name, {"collector": "queues"}) == 0
    assert made.get_sample_value(names.READY.name, WORK) is None


def test_lag_goes_on_while_the_management_api_is_silent(snapshot: Snapshot) -> None:
    made = scrape(FakeBroker(replace(snapshot, fresh=False)), "lag", "queues")
    assert made.get_sample_value(names.READY.name, WORK) is not None
    assert made.get_sample_value(names.MEMBERS.name, WORK) is None
    assert made.get_sample_value(names.COLLECTOR_UP.name, {"collector": "lag"}) == 1
    assert made.get_sample_value(names.COLLECTOR_UP.name, {"collector": "queues"}) == 0


def test_curves_are_made_for_new_queues_only(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand that were made to be thrown away took a twentieth of a second of each scrape."""
    made: list[QueueArrivals] = []

    def make() -> QueueArrivals:
        made.append(QueueArrivals())
        return made[-1]

    monkeypatch.setattr(lag_module, "QueueArrivals", make)
    lag = collector.make("lag", REACH)
    for later_s in (0, 5):
        list(lag.collect(Scrape(Still(replace(snapshot, at_s=snapshot.at_s + later_s)), 3.0)))
    assert len(made) == len(lag._queues)  # type: ignore[attr-defined]


def test_a_queue_that_is_gone_is_forgotten_after_ten_minutes(snapshot: Snapshot) -> None:
    lag = collector.make("lag", REACH)
    list(lag.collect(Scrape(Still(snapshot), 3.0)))
    list(lag.collect(Scrape(Still(replace(snapshot, at_s=snapshot.at_s + 601, queues=())), 3.0)))
    assert not lag._queues  # type: ignore[attr-defined]


def test_filters_leave_out_what_does_not_fit_and_what_is_too_many(snapshot: Snapshot) -> None:
    assert snapshot.queues is not None
    shown, left_out = QueueFilter(include="/orders:.*", exclude=".*wait.*", most=2).apply(snapshot.queues)
    assert [queue.name for queue in shown] == ["orders.failed", "orders.work"]
    assert left_out == 1


def test_exclusive_queues_are_never_shown(snapshot: Snapshot) -> None:
    assert snapshot.queues is not None
    shown, _ = QueueFilter().apply([replace(queue, exclusive=True) for queue in snapshot.queues])
    assert shown == ()


def test_a_filter_that_is_no_expression_is_refused() -> None:
    with pytest.raises(BadInputError, match="not a regular expression"):
        QueueFilter(include="(")


def test_every_metric_has_a_unit_or_says_what_it_counts() -> None:
    assert len({metric.name for metric in names.ALL}) == len(names.ALL)
    for metric in names.ALL:
        assert metric.name.startswith("warren_")
        assert metric.help.endswith(".")
        assert not set('"\\\n') & set(metric.help), "the exposition writes it as it is"
        assert not {"node", "cluster"} & set(metric.labels)
        assert metric.name.endswith("_total") == (metric.kind == "counter")


def test_every_family_that_is_collected_is_in_names(broker: FakeBroker) -> None:
    exporter = Exporter(broker, [(name, collector.make(name, REACH)) for name in ("lag", "queues")])
    collected = {family.name for family in exporter.scrape(3.0)}
    told = {metric.name for metric in names.ALL}
    assert collected <= told
    assert {
        each for each in told if each.startswith(("warren_exporter_", "warren_queue_", "warren_node_"))
    } <= collected


def test_the_curves_of_many_queues_stay_small(snapshot: Snapshot) -> None:
    assert snapshot.queues is not None
    queues = tuple(replace(snapshot.queues[1], name=f"q{number}") for number in range(50))
    leader = {READY: {queue.key: 5.0 for queue in queues}, UNACKED: {queue.key: 0.0 for queue in queues}}
    counters = {"rmq3": {**{name: {} for name in snapshot.counters["rmq3"]}, **leader}}
    lag = collector.make("lag", REACH)
    for place in range(100):
        now = replace(snapshot, queues=queues, counters=counters, at_s=5.0 * place)
        list(lag.collect(Scrape(Still(now), 3.0)))
    kept = sum(len(arrivals) for arrivals in lag._queues.values())  # type: ignore[attr-defined]
    assert kept <= 50 * 2 * 101


def test_help_of_under_replicated_says_what_is_compared_with_what() -> None:
    said = names.UNDER_REPLICATED.help
    assert said.index(names.ONLINE.name) < said.index("less than")
    assert re.search(rf"{names.MEMBERS.name}\b(?!_)", said)
    assert "target-group-size" in said
    assert "x-quorum-target-group-size" in said
    assert "else 0" in said
