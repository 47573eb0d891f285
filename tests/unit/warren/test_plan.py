"""The planner against a broker in memory that behaves as RabbitMQ 4.3 was seen to behave."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck as Health
from hypothesis import given, settings
from hypothesis import strategies as st

from warren import definitions
from warren.errors import NotReadyError, RefusedError, WarrenError
from warren.management import NotFoundError, RejectedError
from warren.management_facts import QueueInfo, queue
from warren.objects.found import from_definitions
from warren.plan import Action, Plan, apply, command_for, plan, read_actual
from warren.topology import Topology
from warren.topology_checks import CANARY_RIGHT

Reader = Callable[[dict[str, Any]], Topology]
TABLES = (
    *("users", "vhosts", "vhost-limits", "permissions", "topic-permissions", "policies"),
    *("operator-policies", "exchanges", "queues", "bindings", "parameters", "consumers", "connections"),
)
KEYS = {"q": "queue", "e": "exchange"}


class FakeBroker:
    """Objects in memory behind the part of the client that the planner uses."""

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        self.user = "operator"
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: []
            for name in [
                "users",
                "vhosts",
                "vhost-limits",
                "permissions",
                "topic-permissions",
                "policies",
                "operator-policies",
                "exchanges",
                "queues",
                "bindings",
                "parameters",
                "shovels",
                "federation-links",
                "consumers",
                "connections",
            ]
        }
        self.writes: list[tuple[str, ...]] = []
        self.held_back: dict[str, int] = {}
        if document:
            self._import(document)

    def _import(self, document: dict[str, Any]) -> None:
        document = copy.deepcopy(document)
        for name in (
            "users",
            "vhosts",
            "permissions",
            "topic_permissions",
            "policies",
            "exchanges",
            "bindings",
        ):
            self.tables[name.replace("_", "-")] = document[name]
        for each in document["queues"]:
            self._queue(each["vhost"], each["name"], each)
        for each in document["parameters"]:
            if each["component"] == "vhost-limits":
                self.tables["vhost-limits"].append({"vhost": each["vhost"], "value": each["value"]})
            else:
                row = {**each["value"], "name": each["name"], "vhost": each["vhost"]}
                self.tables["operator-policies"].append(row)
        for vhost in document["vhosts"]:
            for name in ("", "amq.direct", "amq.topic"):
                row = {"vhost": vhost["name"], "name": name, "type": "direct", "durable": True}
                self.tables["exchanges"].append(row)

    def _queue(self, vhost: str, name: str, body: dict[str, Any]) -> None:
        row = {
            "vhost": vhost,
            "name": name,
            "type": body["arguments"].get("x-queue-type", "classic"),
            "durable": body["durable"],
            "auto_delete": body["auto_delete"],
            "arguments": dict(body["arguments"]),
            "messages": 0,
            "consumers": 0,
        }
        self.tables["queues"].append(row)

    def row(self, table: str, **match: Any) -> dict[str, Any]:
        found = [
            row for row in self.tables[table] if all(row.get(key) == value for key, value in match.items())
        ]
        if not found:
            raise NotFoundError(table, "not found", status=404)
        return found[0]

    def _drop(self, table: str, **match: Any) -> None:
        self.tables[table].remove(self.row(table, **match))

    def _drop_all(self, table: str, gone: Callable[[dict[str, Any]], bool]) -> None:
        self.tables[table] = [row for row in self.tables[table] if not gone(row)]

    # -- what the planner calls

    def rows(self, *path: str) -> list[dict[str, Any]]:
        if path[0] == "connections":
            return [row for row in self.tables["connections"] if row["user"] == path[2]]
        if path[0] == "bindings":
            return [
                {**row, "properties_key": json.dumps([row["routing_key"], row["arguments"]], sort_keys=True)}
                for row in self.tables["bindings"]
            ]
        rows = self.tables[path[0]]
        return [row for row in rows if len(path) == 1 or row["vhost"] == path[1]]

    def queues(self, vhost: str) -> list[QueueInfo]:
        return [queue(row) for row in self.rows("queues", vhost)]

    def queue(self, vhost: str, name: str) -> QueueInfo:
        return queue(self.row("queues", vhost=vhost, name=name))

    def put(self, kind: str, *path: str, body: dict[str, Any]) -> None:
        self.writes.append(("PUT", kind, *path))
        if kind in ("users", "vhosts"):
            self._upsert(kind, {"name": path[0]}, self._metadata(path[0], body) if kind == "vhosts" else body)
        elif kind in ("vhost-limits", "user-limits"):
            self._limits(kind, path[0])[path[1]] = body["value"]
        elif kind == "queues":
            if any(row["vhost"] == path[0] and row["name"] == path[1] for row in self.tables["queues"]):
                raise RejectedError("queue", "inequivalent arg", status=400)
            self._queue(path[0], path[1], body)
        elif kind == "parameters":
            self._upsert(kind, dict(zip(("component", "vhost", "name"), path, strict=True)), body)
        elif kind == "topic-permissions":
            match = {"vhost": path[0], "user": path[1], "exchange": body["exchange"]}
            self._upsert(kind, match, body)
        else:
            key = "user" if kind == "permissions" else "name"
            self._upsert(kind, {"vhost": path[0], key: path[1]}, body)

    def _metadata(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        there = [row for row in self.tables["vhosts"] if row["name"] == name]
        kept = there[0]["metadata"].get("protected_from_deletion", False) if there else False
        return {"metadata": {**body, "protected_from_deletion": kept}}

    def _limits(self, kind: str, name: str) -> dict[str, Any]:
        if kind == "user-limits":
            limits: dict[str, Any] = self.row("users", name=name).setdefault("limits", {})
            return limits
        if not any(row["vhost"] == name for row in self.tables[kind]):
            self.tables[kind].append({"vhost": name, "value": {}})
        value: dict[str, Any] = self.row(kind, vhost=name)["value"]
        return value

    def _upsert(self, kind: str, match: dict[str, Any], body: dict[str, Any]) -> None:
        for row in self.tables[kind]:
            if all(row.get(key) == value for key, value in match.items()):
                row.update(copy.deepcopy(body))
                return
        self.tables[kind].append({**match, **copy.deepcopy(body)})

    def post(self, kind: str, *path: str, body: dict[str, Any] | None = None) -> Any:
        if kind == "queues":
            row = self.row("queues", vhost=path[0], name=path[1])
            waiting = row["messages"] + self.held_back.get(path[1], 0)
            return [{"payload": ""}] if waiting else []
        self.writes.append(("POST", kind, *path))
        if kind == "vhosts":
            self.row("vhosts", name=path[0])["metadata"]["protected_from_deletion"] = True
            return None
        assert body is not None
        vhost, _, source, letter, destination = path
        self.tables["bindings"].append(
            {
                "vhost": vhost,
                "source": source,
                "destination": destination,
                "destination_type": KEYS[letter],
                **body,
            }
        )
        return None

    def delete(self, kind: str, *path: str, query: dict[str, str] | None = None) -> None:
        self.writes.append(("DELETE", kind, *path))
        if kind == "vhosts" and len(path) > 1:
            self.row("vhosts", name=path[0])["metadata"]["protected_from_deletion"] = False
        elif kind == "vhosts":
            self._delete_vhost(path[0])
        elif kind == "users":
            self._drop("users", name=path[0])
            for table in ("permissions", "topic-permissions"):
                self._drop_all(table, lambda row: row["user"] == path[0])
        elif kind in ("vhost-limits", "user-limits"):
            del self._limits(kind, path[0])[path[1]]
        elif kind == "parameters":
            self._drop(kind, **dict(zip(("component", "vhost", "name"), path, strict=True)))
        elif kind == "bindings":
            vhost, _, source, letter, destination, handle = path
            found = [
                place
                for place, row in enumerate(self.rows("bindings"))
                if (row["vhost"], row["source"], row["destination"], row["destination_type"])
                == (vhost, source, destination, KEYS[letter])
                and row["properties_key"] == handle
            ]
            del self.tables["bindings"][found[0]]
        else:
            self._delete_in_vhost(kind, path, query)

    def _delete_vhost(self, name: str) -> None:
        if self.row("vhosts", name=name)["metadata"].get("protected_from_deletion"):
            raise RejectedError("vhost", "protected from deletion", status=412)
        self._drop("vhosts", name=name)
        for table in set(self.tables) - {"users", "vhosts", "connections"}:
            self._drop_all(table, lambda row: row["vhost"] == name)

    def _delete_in_vhost(self, kind: str, path: tuple[str, ...], query: dict[str, str] | None) -> None:
        key = "user" if kind in ("permissions", "topic-permissions") else "name"
        match = {"vhost": path[0], key: path[1]}
        if kind == "topic-permissions":
            match["exchange"] = path[2]
        if kind == "queues" and query and self.row(kind, **match)["type"] != "classic":
            raise RejectedError("queue", "if-empty flag is not supported by quorum queues", status=400)
        self._drop(kind, **match)
        if kind in ("exchanges", "queues"):
            one = kind.removesuffix("s")
            self._drop_all(
                "bindings",
                lambda row: (
                    row["vhost"] == path[0]
                    and (
                        (row["destination_type"], row["destination"]) == (one, path[1])
                        or ("exchange", row["source"]) == (one, path[1])
                    )
                ),
            )
        if kind == "exchanges":
            self._drop_all(
                "topic-permissions", lambda row: (row["vhost"], row["exchange"]) == (path[0], path[1])
            )


def passwords(topology: Topology) -> dict[str, str]:
    return {user.name: f"password-of-{user.name}" for user in topology.users}


def broker_of(topology: Topology) -> FakeBroker:
    hashes = definitions.password_hashes(passwords(topology))
    return FakeBroker(definitions.document(topology, hashes))


def planned(topology: Topology, broker: FakeBroker) -> Plan:
    return plan(topology, read_actual(broker), passwords(topology))  # type: ignore[arg-type]


def carried_out(found: Plan, broker: FakeBroker, **allowed: bool) -> list[str]:
    said: list[str] = []
    apply(found, broker, say=said.append, **allowed)  # type: ignore[arg-type]
    return said


def lines(found: Plan) -> list[str]:
    return [step.line for step in found.steps]


def titles(found: Plan, action: Action) -> list[str]:
    return [step.target.title for step in found.of(action)]


# -- comparing ---------------------------------------------------------------------------------------------


def test_topology_against_its_own_definitions_has_no_steps(deployed: Topology) -> None:
    found = planned(deployed, broker_of(deployed))
    assert lines(found) == []
    assert not found
    assert found.summary() == "the broker has what the topology asks for"


def test_definitions_document_is_read_like_the_api(deployed: Topology) -> None:
    document = definitions.document(deployed, definitions.password_hashes(passwords(deployed)))
    assert lines(plan(deployed, from_definitions(document), passwords(deployed))) == []


def test_empty_broker_gets_everything_and_then_nothing_is_left(deployed: Topology) -> None:
    broker = FakeBroker()
    found = planned(deployed, broker)
    assert {step.action for step in found.steps} == {Action.ADD}
    carried_out(found, broker)
    assert lines(planned(deployed, broker)) == []


def test_steps_come_in_the_order_of_dependence(deployed: Topology) -> None:
    kinds = [step.target.kind.value for step in planned(deployed, FakeBroker()).steps]
    order = [
        kinds.index(kind)
        for kind in ("vhost", "user", "permission", "policy", "exchange", "queue", "binding")
    ]
    assert order == sorted(order)


def test_changed_policy_is_a_change_that_names_old_and_new(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.row("policies", name="orders-work")["definition"]["max-length"] = 5
    assert lines(planned(deployed, broker)) == [
        "change   policy orders-work in /orders  [definition.max-length: 5 -> 100000]"
    ]


def test_removed_policy_key_is_a_difference(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.row("policies", name="orders-work")["definition"]["expires"] = 1000
    assert lines(planned(deployed, broker)) == [
        "change   policy orders-work in /orders  [definition.expires: 1000 -> unset]"
    ]


def test_true_is_not_one(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.row("exchanges", name="orders.dlx")["durable"] = 1
    broker.row("policies", name="orders-work")["priority"] = False
    assert lines(planned(deployed, broker)) == [
        "change   policy orders-work in /orders  [priority: False -> 0]"
    ]


def test_changed_queue_argument_is_a_recreation_with_its_bindings(deployed: Topology) -> None:
    broker = broker_of(deployed)
    row = broker.row("queues", name="payments.wait-5s")
    row["arguments"]["x-message-ttl"], row["messages"] = 7000, 3
    found = planned(deployed, broker)
    assert titles(found, Action.RECREATE) == [
        "queue payments.wait-5s in /orders",
        "binding payments.rungs -> queue payments.wait-5s (payment.new) in /orders",
    ]
    assert "arguments.x-message-ttl: 7000 -> 5000" in found.steps[0].line
    assert found.steps[0].note == "holds 3 messages, has 0 consumers"


def test_recreated_exchange_takes_its_bindings_and_topic_permissions_along(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.row("exchanges", name="orders.topic")["internal"] = True
    found = planned(deployed, broker)
    assert titles(found, Action.RECREATE) == [
        "exchange orders.topic in /orders",
        "topic permission of orders-shop on orders.topic in /orders",
        "binding orders.topic -> queue orders.audit (order.#) in /orders",
    ]
    carried_out(found, broker, recreate=True)
    assert lines(planned(deployed, broker)) == []


def test_recreation_takes_nothing_along_that_only_prune_may_remove(deployed: Topology) -> None:
    """The broker deletes a queue's bindings with it, and nobody would write this one again."""
    broker = broker_of(deployed)
    broker.row("queues", name="payments.wait-5s")["arguments"]["x-message-ttl"] = 7000
    theirs = {"source": "orders.topic", "vhost": "/orders", "destination": "payments.wait-5s"}
    broker.tables["bindings"].append(
        {**theirs, "destination_type": "queue", "routing_key": "theirs", "arguments": {}}
    )
    found = planned(deployed, broker)
    with pytest.raises(RefusedError, match="take along what the topology does not have") as refused:
        carried_out(found, broker, recreate=True)
    assert "binding orders.topic -> queue payments.wait-5s (theirs)" in refused.value.what
    assert "--recreate --prune" in refused.value.remedy
    assert broker.writes == []
    carried_out(found, broker, recreate=True, prune=True)
    assert lines(planned(deployed, broker)) == []


def test_another_password_is_a_change_that_shows_no_password(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.row("users", name="orders-shop")["password_hash"] = definitions.password_hash("x", b"1234")
    found = planned(deployed, broker)
    assert lines(found) == ["change   user orders-shop  [password: another -> the one in the state folder]"]
    shown = repr(found) + json.dumps(found.as_result())
    assert "password-of" not in shown
    assert found.steps[0].password_hash not in shown
    carried_out(found, broker)
    assert lines(planned(deployed, broker)) == []


def test_extra_objects_of_every_kind_are_found_and_pruned(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.put("users", "mallory", body={"password_hash": "AAAA", "tags": ["administrator"]})
    broker.put("user-limits", "orders-worker", "max-foo", body={"value": 3})
    broker.put("vhosts", "/mine", body={"description": "", "default_queue_type": "classic"})
    broker.put("vhost-limits", "/orders", "max-foo", body={"value": 3})
    broker.put("permissions", "/orders", "users-web", body={"configure": "", "write": "", "read": ".*"})
    broker.put(
        "topic-permissions",
        "/orders",
        "users-web",
        body={"exchange": "orders.topic", "write": "", "read": ""},
    )
    policy = {"pattern": ".*", "apply-to": "queues", "priority": 9, "definition": {"max-length": 1}}
    broker.put("policies", "/orders", "by-hand", body=policy)
    broker.put("operator-policies", "/orders", "by-hand", body=policy)
    broker.put("exchanges", "/orders", "by.hand", body={"type": "fanout", "durable": True})
    quorum = {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum"}}
    broker.put("queues", "/orders", "by.hand", body=quorum)
    broker.put("queues", "/orders", "classic.by.hand", body={**quorum, "arguments": {}})
    broker.post(
        "bindings",
        "/orders",
        "e",
        "orders.direct",
        "q",
        "orders.audit",
        body={"routing_key": "x", "arguments": {}},
    )
    found = planned(deployed, broker)
    assert {step.action for step in found.steps} == {Action.EXTRA}
    assert len(found.steps) == 12
    kinds = [step.target.kind for step in found.steps]
    assert len(set(kinds)) == 11
    assert kinds[0] == "binding"
    assert kinds[-1] == "vhost"
    carried_out(found, broker, prune=True)
    assert lines(planned(deployed, broker)) == []


def test_what_hangs_on_an_extra_object_is_not_told_apart(deployed: Topology) -> None:
    broker = broker_of(deployed)
    quorum = {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum"}}
    broker.put("vhosts", "/mine", body={"description": "", "default_queue_type": "classic"})
    broker.put("queues", "/mine", "q", body=quorum)
    broker.put("queues", "/orders", "by.hand", body=quorum)
    broker.post(
        "bindings", "/orders", "e", "orders.dlx", "q", "by.hand", body={"routing_key": "", "arguments": {}}
    )
    broker.put("users", "mallory", body={"password_hash": "AAAA", "tags": []})
    broker.put("permissions", "/orders", "mallory", body={"configure": "", "write": "", "read": ""})
    assert sorted(titles(planned(deployed, broker), Action.EXTRA)) == [
        "queue by.hand in /orders",
        "user mallory",
        "vhost /mine",
    ]


@pytest.mark.parametrize("name", ["warren.canary", "amq.gen-abc"])
def test_reserved_names_are_nobodys_drift(deployed: Topology, name: str) -> None:
    broker = broker_of(deployed)
    classic = {"durable": True, "auto_delete": False, "arguments": {}}
    broker.put("queues", "/orders", name, body=classic)
    broker.put("exchanges", "/orders", name, body={"type": "fanout", "durable": True})
    body = {"routing_key": "", "arguments": {}}
    broker.post("bindings", "/orders", "e", "orders.dlx", "q", name, body=body)
    broker.post("bindings", "/orders", "e", name, "q", "orders.work", body=body)
    broker.put("topic-permissions", "/orders", "users-web", body={"exchange": name, "write": "", "read": ""})
    assert lines(planned(deployed, broker)) == []


def test_vhost_and_policy_of_warrens_own_runs_are_nobodys_drift(deployed: Topology) -> None:
    broker = broker_of(deployed)
    policy = {"pattern": "", "apply-to": "all", "priority": 0, "definition": {}}
    broker.put("policies", "/orders", "warren.bench", body=policy)
    broker.put("vhosts", "/warren.bench", body={"description": "", "default_queue_type": "quorum"})
    queue = {"durable": True, "auto_delete": False, "arguments": {}}
    broker.put("queues", "/warren.bench", "q", body=queue)
    rights = {"configure": "", "write": "", "read": ""}
    broker.put("permissions", "/warren.bench", "operator", body=rights)
    assert lines(planned(deployed, broker)) == []


@pytest.mark.parametrize("name", ["warren.canary", "amq.user"])
def test_account_never_hides_behind_a_reserved_name(deployed: Topology, name: str) -> None:
    broker = broker_of(deployed)
    broker.put("users", name, body={"password_hash": "", "tags": ["administrator"]})
    assert titles(planned(deployed, broker), Action.EXTRA) == [f"user {name}"]


def test_exclusive_queue_of_a_client_is_nobodys_drift(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.put("queues", "/orders", "reply", body={"durable": False, "auto_delete": True, "arguments": {}})
    broker.row("queues", name="reply")["exclusive"] = True
    broker.post(
        "bindings", "/orders", "e", "orders.dlx", "q", "reply", body={"routing_key": "", "arguments": {}}
    )
    assert lines(planned(deployed, broker)) == []


def test_user_without_a_password_is_named(deployed: Topology) -> None:
    with pytest.raises(NotReadyError, match="orders-shop"):
        plan(deployed, read_actual(FakeBroker()), {"operator": "x"})  # type: ignore[arg-type]


# -- carrying out ------------------------------------------------------------------------------------------


def test_additions_only_adds_and_then_refuses_the_rest_with_the_command(
    data: dict[str, Any], read: Reader
) -> None:
    broker = broker_of(read(data))
    orders = data["vhosts"][0]
    orders["queues"].append({"name": "orders.new"})
    orders["policies"][0]["definition"]["max-length"] = 99999
    orders["queues"] = [each for each in orders["queues"] if each["name"] != "orders.analytics"]
    orders["bindings"] = [each for each in orders["bindings"] if each.get("queue") != "orders.analytics"]
    orders["permissions"] = [each for each in orders["permissions"] if each["user"] != "orders-analytics"]
    changed = read(data)
    found = planned(changed, broker)
    said: list[str] = []
    with pytest.raises(RefusedError) as refused:
        apply(found, broker, say=said.append, additions_only=True)  # type: ignore[arg-type]
    assert said == ["add      queue orders.new in /orders"]
    assert "max-length: 100000 -> 99999" in refused.value.what
    assert refused.value.remedy.endswith("warren topology apply --prune")
    assert refused.value.exit_code == 2
    assert planned(changed, broker).of(Action.ADD) == ()


def test_without_prune_and_recreate_both_are_left(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.row("queues", name="payments.wait-5s")["arguments"]["x-message-ttl"] = 7000
    broker.put("exchanges", "/orders", "by.hand", body={"type": "fanout", "durable": True})
    applied = apply(planned(deployed, broker), broker, say=lambda line: None)  # type: ignore[arg-type]
    assert applied.done == ()
    assert len(applied.left) == 3
    assert command_for(applied.left) == "warren topology apply --recreate --prune"


def _extra_queue(broker: FakeBroker, kind: str = "quorum") -> dict[str, Any]:
    body = {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": kind}}
    broker.put("queues", "/orders", "by.hand", body=body)
    broker.writes.clear()
    return broker.row("queues", name="by.hand")


@pytest.mark.parametrize("kind", ["quorum", "classic"])
def test_queue_with_messages_is_never_deleted(deployed: Topology, kind: str) -> None:
    broker = broker_of(deployed)
    _extra_queue(broker, kind)["messages"] = 1
    with pytest.raises(RefusedError, match=r"queue by\.hand in /orders: 1 messages"):
        carried_out(planned(deployed, broker), broker, prune=True)
    assert broker.writes == []


def test_message_that_the_counters_do_not_show_yet_is_found(deployed: Topology) -> None:
    broker = broker_of(deployed)
    _extra_queue(broker)
    broker.held_back["by.hand"] = 1
    with pytest.raises(RefusedError, match=r"queue by\.hand in /orders: some messages"):
        carried_out(planned(deployed, broker), broker, prune=True)


def test_message_that_comes_between_the_look_and_the_deletion_is_found(deployed: Topology) -> None:
    broker = broker_of(deployed)
    _extra_queue(broker)
    found = planned(deployed, broker)
    with pytest.raises(RefusedError, match="some messages"):
        apply(found, broker, say=lambda line: broker.held_back.update({"by.hand": 1}), prune=True)  # type: ignore[arg-type]
    assert broker.writes == []


def test_queue_with_a_consumer_is_never_deleted(deployed: Topology) -> None:
    broker = broker_of(deployed)
    _extra_queue(broker)
    broker.tables["consumers"].append({"vhost": "/orders", "queue": {"name": "by.hand", "vhost": "/orders"}})
    with pytest.raises(RefusedError, match="1 consumers"):
        carried_out(planned(deployed, broker), broker, prune=True)


def test_one_loss_refuses_the_whole_plan_before_anything_is_written(deployed: Topology) -> None:
    broker = broker_of(deployed)
    _extra_queue(broker)["messages"] = 1
    broker.row("policies", name="orders-work")["priority"] = 7
    with pytest.raises(RefusedError):
        carried_out(planned(deployed, broker), broker, prune=True)
    assert broker.writes == []


def test_recreated_queue_must_be_empty_too(deployed: Topology) -> None:
    broker = broker_of(deployed)
    row = broker.row("queues", name="payments.wait-5s")
    row["arguments"]["x-message-ttl"], row["messages"] = 7000, 3
    with pytest.raises(RefusedError, match="3 messages"):
        carried_out(planned(deployed, broker), broker, recreate=True)
    row["messages"] = 0
    carried_out(planned(deployed, broker), broker, recreate=True)
    assert lines(planned(deployed, broker)) == []


def test_vhost_that_is_protected_or_holds_messages_is_never_deleted(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.put("vhosts", "/mine", body={"description": "", "default_queue_type": "classic"})
    broker.put("queues", "/mine", "q", body={"durable": True, "auto_delete": False, "arguments": {}})
    broker.row("queues", vhost="/mine")["messages"] = 2
    with pytest.raises(RefusedError, match="queue q in /mine: 2 messages"):
        carried_out(planned(deployed, broker), broker, prune=True)
    broker.post("vhosts", "/mine", "deletion", "protection")
    with pytest.raises(RefusedError, match="vhost /mine: it is protected"):
        carried_out(planned(deployed, broker), broker, prune=True)


def test_user_that_is_connected_or_is_us_is_never_deleted(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.put("users", "mallory", body={"password_hash": "AAAA", "tags": []})
    broker.put("users", "root", body={"password_hash": "AAAA", "tags": []})
    broker.tables["connections"].append({"user": "mallory"})
    broker.user = "root"
    with pytest.raises(RefusedError) as refused:
        carried_out(planned(deployed, broker), broker, prune=True)
    assert "user mallory: 1 open connections" in refused.value.what
    assert "user root: it is the one that makes this change" in refused.value.what


def test_vhost_protection_is_switched_by_its_own_endpoint(data: dict[str, Any], read: Reader) -> None:
    broker = broker_of(read(data))
    data["vhosts"][1]["protected"] = False
    unprotected = read(data)
    carried_out(planned(unprotected, broker), broker)
    assert ("DELETE", "vhosts", "/users", "deletion", "protection") in broker.writes
    assert lines(planned(unprotected, broker)) == []


# -- properties --------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(["a", "b", "orders.c", "d-e_f"])
_ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "x-message-ttl": st.integers(1, 9),
        "x-max-length": st.integers(1, 9),
        "x-overflow": st.sampled_from(["drop-head", "reject-publish"]),
    },
)
_VHOST = st.fixed_dictionaries(
    {
        "exchanges": st.dictionaries(_NAMES, st.sampled_from(["direct", "topic", "headers"]), max_size=3),
        "queues": st.dictionaries(_NAMES, _ARGUMENTS, max_size=3),
        "keys": st.lists(st.sampled_from(["", "k", "a.*", "#"]), max_size=3, unique=True),
        "limits": st.dictionaries(st.sampled_from(["max-queues", "max-connections"]), st.integers(1, 9)),
        "priority": st.integers(0, 5),
        "protected": st.booleans(),
    }
)


def _small(data: dict[str, Any], drawn: dict[str, Any]) -> dict[str, Any]:
    """The deployed cluster with two users and one vhost, which has what was drawn."""
    exchanges = [{"name": name, "type": kind} for name, kind in drawn["exchanges"].items()]
    queues = [{"name": name, "arguments": arguments} for name, arguments in drawn["queues"].items()]
    policy = {"name": "p", "pattern": ".*", "priority": drawn["priority"], "definition": {"expires": 1000}}
    vhost = {
        "name": "/drawn",
        "protected": drawn["protected"],
        "limits": drawn["limits"],
        "exchanges": exchanges,
        "queues": queues,
        "bindings": [
            {"source": exchange["name"], "queue": queue["name"], "routing_key": key}
            for exchange in exchanges
            for queue in queues
            for key in drawn["keys"]
        ],
        "policies": [policy] if queues else [],
        "permissions": [
            {"user": "operator", "configure": ".*", "write": ".*", "read": ".*"},
            {"user": "canary", "configure": CANARY_RIGHT, "write": CANARY_RIGHT, "read": CANARY_RIGHT},
        ],
    }
    users = [user for user in data["users"] if user.get("role")]
    return {**data, "users": users, "vhosts": [vhost]}


_SETTINGS = settings(
    max_examples=50, deadline=None, suppress_health_check=[Health.function_scoped_fixture, Health.too_slow]
)


@_SETTINGS
@given(drawn=_VHOST)
def test_any_topology_against_its_own_definitions_has_no_steps(
    data: dict[str, Any], read: Reader, drawn: dict[str, Any]
) -> None:
    topology = read(_small(data, drawn))
    assert lines(planned(topology, broker_of(topology))) == []


@_SETTINGS
@given(before=_VHOST, after=_VHOST)
def test_any_topology_is_reached_from_any_other_and_then_nothing_is_left(
    data: dict[str, Any], read: Reader, before: dict[str, Any], after: dict[str, Any]
) -> None:
    broker = broker_of(read(_small(data, before)))
    wanted = read(_small(data, after))
    found = planned(wanted, broker)
    for step in found.of(Action.ADD, Action.CHANGE, Action.EXTRA):
        assert bool(step.differences) == (step.action is Action.CHANGE)
    carried_out(found, broker, prune=True, recreate=True)
    assert lines(planned(wanted, broker)) == []


@_SETTINGS
@given(before=_VHOST, after=_VHOST)
def test_additions_never_remove_or_change_what_is_there(
    data: dict[str, Any], read: Reader, before: dict[str, Any], after: dict[str, Any]
) -> None:
    broker = broker_of(read(_small(data, before)))
    there = dict(read_actual(broker).objects)  # type: ignore[arg-type]
    found = planned(read(_small(data, after)), broker)
    try:
        carried_out(found, broker, additions_only=True)
    except RefusedError:
        assert found.of(Action.CHANGE, Action.RECREATE, Action.EXTRA)
    now = read_actual(broker).objects  # type: ignore[arg-type]
    assert {key: now.get(key) for key in there} == there
    assert not any(write[0] == "DELETE" for write in broker.writes)


def test_plan_of_who_knows_no_password_leaves_passwords_alone_and_writes_no_user(deployed: Topology) -> None:
    broker = broker_of(deployed)
    broker.row("users", name="orders-shop")["password_hash"] = "AAAA"
    assert plan(deployed, read_actual(broker), None).steps == ()  # type: ignore[arg-type]
    broker.delete("users", "orders-shop")
    broker.writes.clear()
    found = plan(deployed, read_actual(broker), None)  # type: ignore[arg-type]
    assert [step.password_hash for step in found.of(Action.ADD) if step.target.kind.value == "user"] == [""]
    with pytest.raises(WarrenError, match="without a password"):
        carried_out(found, broker)
    assert ("PUT", "users", "orders-shop") not in broker.writes
