"""A profile's own objects: read strictly, routed like the topology's, declared, deleted, nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pika import exceptions

from loadgen import objects, ownvhost, scenario, specify
from loadgen.resolve import resolve, touched_queues, vhost_of
from loadgen.spec import LoadSpec, Objects, from_plain, to_plain
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputError, BadInputsError, NotReadyError
from warren.management import NotFoundError
from warren.topology import Binding, Topology
from warren.topology_reader import load as load_topology
from warren.wait import Clock

TOPIC: dict[str, Any] = {
    "schema": 1,
    "name": "mine",
    "description": "d",
    "vhost": "own",
    "rate": 10,
    "duration": "5s",
    "objects": {
        "exchanges": [{"name": "warren.topic", "type": "topic"}],
        "queues": [{"name": "warren.orders"}, {"name": "warren.failed"}],
        "bindings": [
            {"source": "warren.topic", "queue": "warren.orders", "routing_key": "order.#"},
            {"source": "warren.topic", "queue": "warren.failed", "routing_key": "*.failed"},
        ],
    },
    "publishers": [
        {
            "name": "shop",
            "exchange": "warren.topic",
            "classes": [
                {"name": "paid", "routing_key": "order.paid"},
                {"name": "failed", "routing_key": "order.failed"},
                {"name": "mail", "routing_key": "mail.failed"},
            ],
        }
    ],
    "consumers": [{"name": "orders", "queue": "warren.orders"}, {"name": "failed", "queue": "warren.failed"}],
}


@pytest.fixture
def topology(checkout_root: Path) -> Topology:
    return load_topology(checkout_root / "deploy" / "topology.yml")


def read(folder: Path, **changes: Any) -> scenario.Scenario:
    (folder / "mine.yml").write_text(yaml.safe_dump({**TOPIC, **changes}), encoding="utf-8")
    return scenario.load("mine", folder=folder)


def changed(**changes: Any) -> dict[str, Any]:
    return {**TOPIC["objects"], **changes}


# --- reading and routing


def test_classes_reach_the_queues_that_the_profiles_own_bindings_say(
    tmp_path: Path, topology: Topology
) -> None:
    found = resolve(read(tmp_path), topology)
    assert [each.destinations for each in found.publishers[0].classes] == [
        ("warren.orders",),
        ("warren.failed", "warren.orders"),
        ("warren.failed",),
    ]
    assert found.vhost == "/warren.mine"
    assert {role.user for role in found.roles} == {"load"}
    assert touched_queues(found, topology) == ("warren.failed", "warren.orders")


def test_objects_may_stand_beside_those_of_a_vhost_that_there_is(tmp_path: Path, topology: Topology) -> None:
    bindings = [{"source": "orders.topic", "queue": "warren.orders", "routing_key": "order.#"}]
    own = {"queues": [{"name": "warren.orders"}], "bindings": bindings}
    shop = {"name": "s", "user": "orders-shop", "exchange": "orders.topic", "routing_key": "order.paid"}
    takers = [
        {"name": n, "user": "load", "queue": q} for n, q in (("a", "orders.audit"), ("b", "warren.orders"))
    ]
    found = resolve(
        read(tmp_path, vhost="/orders", objects=own, publishers=[shop], consumers=takers), topology
    )
    assert found.publishers[0].destinations == ("orders.audit", "warren.orders")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"objects": changed(queues=[{"name": "orders"}])}, "does not begin with 'warren.'"),
        ({"objects": changed(exchanges=[{"name": "topic", "type": "topic"}])}, "does not begin"),
        ({"objects": changed(queues=[{"name": "warren.a"}, {"name": "warren.a"}])}, "given twice"),
        ({"objects": changed(queues=[{"name": "warren.a", "objective": {"depth": 5}}])}, "objective"),
        ({"objects": changed(quues=[])}, "quues"),
        ({"objects": None}, "vhost of the profile's own is empty|virtual host of the profile's own"),
    ],
)
def test_object_that_is_not_the_profiles_own_is_refused(
    tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    given = {key: value for key, value in {**TOPIC, **changes}.items() if value is not None}
    (tmp_path / "mine.yml").write_text(yaml.safe_dump(given), encoding="utf-8")
    with pytest.raises(BadInputsError, match=word):
        scenario.load("mine", folder=tmp_path)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"objects": changed(bindings=[])}, "key 'order.paid' (paid) reaches no queue"),
        (
            {"objects": changed(bindings=[{"source": "warren.ghost", "queue": "warren.orders"}])},
            "no exchange 'warren.ghost'",
        ),
        (
            {"objects": changed(bindings=[{"source": "warren.topic", "queue": "warren.ghost"}])},
            "no queue 'warren.ghost'",
        ),
        ({"consumers": [{"name": "orders", "queue": "warren.orders"}]}, "nobody consumes"),
        (
            {
                "consumers": [
                    {"name": "orders", "queue": "warren.orders"},
                    {"name": "failed", "queue": "warren.failed", "does": "hold"},
                ]
            },
            "nobody consumes",
        ),
        ({"objects": changed(user="ghost")}, "'ghost' is not in the topology"),
    ],
)
def test_objects_that_do_not_fit_are_refused(
    tmp_path: Path, topology: Topology, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(BadInputsError) as caught:
        resolve(read(tmp_path, **changes), topology)
    assert word in str(caught.value)


def test_class_that_reaches_no_queue_is_well_where_returns_are_expected(
    tmp_path: Path, topology: Topology
) -> None:
    shop = {**TOPIC["publishers"][0], "returned": "expected"}
    shop["classes"] = [*shop["classes"], {"name": "stray", "routing_key": "nowhere"}]
    found = resolve(read(tmp_path, publishers=[shop]), topology)
    assert found.publishers[0].classes[-1].destinations == ()


def test_what_waits_for_its_expiry_ends_where_a_consumer_books_it_to_its_origin(
    tmp_path: Path, topology: Topology
) -> None:
    arguments = {
        "x-message-ttl": 500,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "warren.orders",
    }
    own = {"queues": [{"name": "warren.orders"}, {"name": "warren.wait", "arguments": arguments}]}
    publisher = {"name": "p", "exchange": "", "routing_key": "warren.wait"}
    worker = {"name": "w", "queue": "warren.orders"}
    changes: dict[str, Any] = {"objects": own, "publishers": [publisher]}
    with pytest.raises(BadInputsError, match="nobody consumes its destination"):
        resolve(read(tmp_path, **changes, consumers=[worker]), topology)
    found = resolve(read(tmp_path, **changes, consumers=[{**worker, "settles": "origin"}]), topology)
    assert touched_queues(found, topology) == ("warren.wait", "warren.orders")


def test_readers_of_a_stream_each_get_all_of_it(tmp_path: Path, topology: Topology) -> None:
    queues = [{"name": "warren.orders", "type": "stream"}, {"name": "warren.failed"}]
    found = resolve(read(tmp_path, objects=changed(queues=queues)), topology)
    assert [(role.stream, role.reads) for role in found.consumers] == [(True, "all"), (False, "shared")]


def relayed(**relay: Any) -> dict[str, Any]:
    return {
        "consumers": [{"name": "failed", "queue": "warren.failed"}],
        "relays": [{"name": "r", "queue": "warren.orders", **relay}],
    }


def test_relays_outcome_is_routed_like_a_publish(tmp_path: Path, topology: Topology) -> None:
    ways = [{"name": "on", "exchange": "warren.topic", "routing_key": "x.failed"}]
    found = resolve(read(tmp_path, **relayed(outcomes=ways)), topology)
    assert found.relays[0].outcomes[0].destinations == ("warren.failed",)


@pytest.mark.parametrize(
    ("relay", "word"),
    [
        ({"outcomes": [{"name": "on", "exchange": "warren.topic", "routing_key": "no"}]}, "reaches no queue"),
        ({"outcomes": [{"name": "on", "routing_key": "warren.orders"}]}, "lead back to its own queue"),
    ],
)
def test_relay_that_leads_nowhere_or_round_is_refused(
    tmp_path: Path, topology: Topology, relay: dict[str, Any], word: str
) -> None:
    with pytest.raises(BadInputsError, match=word):
        resolve(read(tmp_path, **relayed(**relay)), topology)


def test_relay_with_more_failures_than_retries_must_say_where_they_go(tmp_path: Path) -> None:
    with pytest.raises(BadInputsError, match="given_up"):
        read(tmp_path, **relayed(failures=[0.5, 0.5]))


def test_foreign_cluster_needs_no_account_of_the_topology_but_a_vhost(
    tmp_path: Path, topology: Topology
) -> None:
    roles = {"publishers": [{**TOPIC["publishers"][0], "user": "ghost"}]}
    with pytest.raises(BadInputsError, match="ghost"):
        resolve(read(tmp_path, **roles), topology)
    found = resolve(read(tmp_path, **roles), topology, foreign=True)
    order = specify.Order(scenario=found)
    account = Credentials(username="me", password="p")
    place = (Endpoint(name="a", host="a", port=1),)
    there = specify.Foreign(endpoints=place, credentials=account, ca_pem=None, vhost="v")
    spec = specify.foreign_spec(found, order, "r", there, tmp_path)
    assert spec.objects is not None
    assert ({spec.objects.user, *(role.user for role in spec.publishers)}, spec.vhost) == ({"me"}, "v")
    nowhere = specify.Foreign(endpoints=place, credentials=account, ca_pem=None)
    with pytest.raises(BadInputError, match="--vhost"):
        specify.foreign_spec(found, order, "r", nowhere, tmp_path)


# --- declaring


class Broker:
    """What is declared, and who consumes; a connection and its channels in one."""

    def __init__(self, consumers: dict[str, int] | None = None) -> None:
        self.queues: dict[str, dict[str, Any]] = {}
        self.said: list[str] = []
        self.consumers = consumers or {}
        self.queues.update({name: {} for name in self.consumers})

    def channel(self) -> Broker:
        return self

    def close(self) -> None: ...

    def exchange_declare(self, name: str, **given: Any) -> None:
        self.said.append(f"exchange {name} {given['exchange_type']}")

    def exchange_delete(self, name: str) -> None:
        self.said.append(f"no exchange {name}")

    def queue_declare(self, name: str, *, passive: bool = False, **given: Any) -> Any:
        if passive and name not in self.queues:
            raise exceptions.ChannelClosedByBroker(404, "NOT_FOUND")
        if not passive:
            self.queues[name] = given["arguments"]
            self.said.append(f"queue {name}")
        return SimpleNamespace(method=SimpleNamespace(consumer_count=self.consumers.get(name, 0)))

    def queue_delete(self, name: str) -> None:
        self.queues.pop(name, None)
        self.said.append(f"no queue {name}")

    def queue_bind(self, name: str, source: str, **given: Any) -> None:
        self.said.append(f"{source} -> {name} {given['routing_key']}")

    def exchange_bind(self, name: str, source: str, **given: Any) -> None:
        self.said.append(f"{source} -> exchange {name}")


def own_objects(folder: Path, topology: Topology) -> Objects:
    found = resolve(read(folder), topology).objects
    assert found is not None
    return found


@pytest.fixture
def spec(tmp_path: Path, topology: Topology) -> LoadSpec:
    own = own_objects(tmp_path, topology)
    return LoadSpec(
        run_id="r",
        nonce=1,
        seed=1,
        profile="mine",
        vhost="/warren.mine",
        endpoints=(Endpoint(name="a", host="a", port=1),),
        ca_pem=None,
        users=(Credentials(username="load", password="p"),),
        publishers=(),
        consumers=(),
        folder="",
        objects=own,
    )


def test_objects_cross_the_pipe_unchanged(spec: LoadSpec) -> None:
    assert from_plain(LoadSpec, to_plain(spec)) == spec


def test_objects_last_as_long_as_the_run(spec: LoadSpec) -> None:
    broker = Broker()
    with objects.declared(spec, connect=lambda: broker):  # type: ignore[arg-type, return-value]
        assert broker.queues["warren.orders"] == {"x-queue-type": "quorum"}
        assert "exchange warren.topic topic" in broker.said
        assert "warren.topic -> warren.failed *.failed" in broker.said
    assert broker.queues == {}
    assert broker.said[-3:] == [
        "no queue warren.orders",
        "no queue warren.failed",
        "no exchange warren.topic",
    ]


def test_objects_are_deleted_when_the_run_breaks(spec: LoadSpec) -> None:
    broker = Broker()
    with pytest.raises(KeyboardInterrupt), objects.declared(spec, connect=lambda: broker):  # type: ignore[arg-type, return-value]
        raise KeyboardInterrupt
    assert broker.queues == {}


def test_objects_are_kept_where_asked(spec: LoadSpec) -> None:

    broker = Broker()
    kept = dataclasses.replace(spec, keep_objects=True)
    with objects.declared(kept, connect=lambda: broker):  # type: ignore[arg-type, return-value]
        pass
    assert set(broker.queues) == {"warren.orders", "warren.failed"}


def test_queue_that_another_run_consumes_is_left_alone(tmp_path: Path, topology: Topology) -> None:
    broker = Broker({"warren.orders": 2})
    with pytest.raises(NotReadyError, match="2 consumers"):
        objects.declare(broker, own_objects(tmp_path, topology))  # type: ignore[arg-type]
    assert broker.said == []


def test_nothing_is_deleted_that_is_not_the_profiles_own(tmp_path: Path, topology: Topology) -> None:
    vhost = topology.vhost("/orders")
    broker = Broker()
    with pytest.raises(ValueError, match="not the profile's own"):
        objects.delete(broker, Objects(queues=vhost.queues[:1]))  # type: ignore[arg-type]
    assert broker.said == []


def test_refused_right_is_told_at_once(spec: LoadSpec) -> None:
    asked = []

    class Refusing(Broker):
        def exchange_declare(self, name: str, **given: Any) -> None:
            asked.append(name)
            raise exceptions.ChannelClosedByBroker(403, "ACCESS_REFUSED - no right")

    with (
        pytest.raises(NotReadyError, match="no right"),
        objects.declared(spec, connect=Refusing),  # type: ignore[arg-type, return-value]
    ):
        pass
    assert asked == ["warren.topic"]


# --- the virtual host


class Management:
    """Virtual hosts by name with their connections."""

    def __init__(self, vhosts: dict[str, int] | None = None, *, boots_in: int = 0) -> None:
        self.vhosts = vhosts or {}
        self.permissions: dict[str, dict[str, str]] = {}
        self.boots_in = boots_in

    def rows(self, *path: str) -> list[dict[str, Any]]:
        if path[1] not in self.vhosts:
            raise NotFoundError("a", "not there", status=404)
        return [{}] * self.vhosts[path[1]]

    def put(self, *path: str, body: Any) -> None:
        if path[0] == "vhosts":
            assert body["default_queue_type"] == "quorum"
            self.vhosts[path[1]] = 0
        else:
            self.permissions[path[2]] = body

    def get(self, *path: str) -> dict[str, Any]:
        self.boots_in -= 1
        return {"cluster_state": {"a": "running", "b": "running" if self.boots_in < 0 else "starting"}}

    def delete(self, *path: str) -> None:
        if self.vhosts.pop(path[1], None) is None:
            raise NotFoundError("a", "not there", status=404)


def lasting(management: Management, **given: Any) -> Any:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    clock = Clock(now=lambda: now[0], sleep=sleep)
    return ownvhost.lasting(
        management,  # type: ignore[arg-type]
        "/warren.mine",
        users=("load",),
        watchers=("monitoring",),
        clock=clock,
        **given,
    )


def test_vhost_lasts_as_long_as_the_run() -> None:
    management = Management(boots_in=3)
    with lasting(management):
        assert management.vhosts == {"/warren.mine": 0}
        assert management.permissions["load"]["configure"] == ".*"
        assert set(management.permissions["monitoring"].values()) == {"^$"}
        assert management.boots_in < 0
    assert management.vhosts == {}


def test_vhost_goes_when_the_run_breaks() -> None:
    management = Management()
    with pytest.raises(KeyboardInterrupt), lasting(management):
        raise KeyboardInterrupt
    assert management.vhosts == {}


def test_vhost_that_a_killed_run_left_is_replaced() -> None:
    management = Management({"/warren.mine": 0})
    with lasting(management):
        assert management.vhosts == {"/warren.mine": 0}


def test_vhost_that_another_run_uses_is_left_alone() -> None:
    management = Management({"/warren.mine": 3})
    with pytest.raises(NotReadyError, match="3 connections"), lasting(management):
        pass
    assert management.vhosts == {"/warren.mine": 3}


def test_vhost_that_does_not_come_up_is_taken_away_again() -> None:
    management = Management(boots_in=1000)
    with pytest.raises(NotReadyError, match="is not running on b"), lasting(management):
        pass
    assert management.vhosts == {}


def test_vhost_is_kept_where_asked() -> None:
    management = Management()
    with lasting(management, keep=True):
        pass
    assert "/warren.mine" in management.vhosts


def test_other_vhosts_are_never_made_nor_deleted() -> None:
    management = Management({"/orders": 0})
    with (
        pytest.raises(ValueError, match="not a run's own"),
        ownvhost.lasting(management, "/orders", users=(), watchers=()),  # type: ignore[arg-type]
    ):
        pass
    assert management.vhosts == {"/orders": 0}


def test_vhost_of_a_run_holds_what_the_topology_has_and_the_profile_adds(
    tmp_path: Path, topology: Topology
) -> None:
    found = vhost_of(read(tmp_path), topology)
    assert [each.name for each in found.queues] == ["warren.orders", "warren.failed"]
    assert all(isinstance(each, Binding) for each in found.bindings)
