"""What an operation does not do: what it must stop before, refuse, or leave alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from warren import maintenance
from warren.errors import BadInputError, DeadlineError, NotReadyError, RefusedError
from warren.journal import Fault, Journal, Phase
from warren.operating import record, running
from warren.operations import backup_data
from warren.runtime.protocol import NodeState
from warren.topology import Node, Queue

from .conftest import Ground, with_user_renamed
from .fakes import LOST, NODES


def plan(ground: Ground, name: str, **given: str) -> running.Planned:
    return running.plan(ground.site(), name, given)


def carry_out(ground: Ground, name: str, **given: str) -> running.Done:
    return running.carry_out(ground.site(), plan(ground, name, **given))


def stops(ground: Ground) -> list[str]:
    return [node for step, node in ground.runtime.calls if step == "stop"]


def test_node_that_is_done_is_not_restarted_again(ground: Ground) -> None:
    ground.runtime.fail("start", node="rmq2")
    with pytest.raises(NotReadyError):
        carry_out(ground, "restart")
    carry_out(ground, "restart")
    assert stops(ground) == ["rmq1", "rmq2", "rmq3"]


@pytest.mark.parametrize("name", ["restart", "drain", "upgrade", "replace-node"])
def test_node_whose_loss_would_cost_a_majority_is_not_touched(ground: Ground, name: str) -> None:
    ground.api.change(flags={})
    ground.api.critical.add("rmq2")
    given = {"node": "rmq2"} if name in ("drain", "replace-node") else {}
    with pytest.raises(RefusedError, match="no majority of"):
        carry_out(ground, name, **given)
    assert "rmq2" not in stops(ground)
    assert not ground.runtime.machine("rmq2")["drained"]
    assert (record.read(ground.state) is None) is (name not in ("restart", "upgrade"))


@pytest.mark.parametrize("name", ["revive", "restart"])
def test_node_whose_members_a_broken_off_drain_has_stopped_is_brought_back(ground: Ground, name: str) -> None:
    """It is not marked any more: the broker's own revive takes the mark away and starts followers only."""
    ground.runtime.machine("rmq2")["raft"]["vh_orders.work"] = 0
    shown = [step.what for step in plan(ground, name, node="rmq2").steps]
    assert "rmq2: reviving it" in shown
    carry_out(ground, name, node="rmq2")
    assert all(ground.runtime.machine("rmq2")["raft"].values())


def test_member_that_does_not_start_is_told(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.runtime.machine("rmq2")["drained"] = True
    monkeypatch.setattr(maintenance.broker_tools, "evaluate", lambda *_: "drained=true stopped=2 failed=2")
    with pytest.raises(NotReadyError, match="2 of its members of quorum queues do not start"):
        maintenance.revive(ground.runtime, "rmq2")


def test_drained_node_that_keeps_leaders_is_not_stopped(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = ground.api.queues()
    monkeypatch.setattr(type(ground.api), "queues", lambda self, vhost=None: queues)
    with pytest.raises(NotReadyError, match="still leads") as caught:
        carry_out(ground, "restart", node="rmq2")
    assert "rmq2 may be under maintenance" in caught.value.what
    assert stops(ground) == []


def test_gate_between_nodes_stops_before_the_next(ground: Ground) -> None:
    def lag() -> None:
        ground.trouble = DeadlineError("queue orders.work", "has 2 of 3 members online")

    ground.runtime.on("start", lag, moment="after")
    with pytest.raises(NotReadyError, match="2 of 3 members"):
        carry_out(ground, "restart")
    assert stops(ground) == ["rmq1"]


def test_nothing_is_begun_while_chaos_has_broken_something(ground: Ground) -> None:
    fault = Fault(fault_id="1", name="kill", target="rmq2")
    Journal(ground.state.journal, ground.time.wall).append(fault, Phase.INJECTING)
    with pytest.raises(RefusedError, match="under a fault: kill of rmq2"):
        plan(ground, "restart")


def test_running_node_is_not_forgotten(ground: Ground) -> None:
    with pytest.raises(RefusedError, match="cluster of its own"):
        plan(ground, "forget-node", node="rmq3")


def test_dead_node_is_not_forgotten_where_another_is_down_too(ground: Ground) -> None:
    ground.runtime.kill("rmq3")
    ground.runtime.kill("rmq2")
    with pytest.raises(NotReadyError, match="does not run either"):
        carry_out(ground, "forget-node", node="rmq3")
    assert len(ground.api.load()["members"]) == len(NODES)


def test_password_of_the_operator_is_refused(ground: Ground) -> None:
    with pytest.raises(RefusedError, match="by which this command works"):
        plan(ground, "rotate-password", user="operator")


def test_password_that_a_node_does_not_take_is_not_adopted(ground: Ground) -> None:
    ground.runtime.lets_in = lambda user, password: password == "secret-of-orders-worker"
    with pytest.raises(NotReadyError, match="does not take the new password"):
        carry_out(ground, "rotate-password", user="orders-worker")
    assert ground.secrets.read("orders-worker") == "secret-of-orders-worker"


def test_services_are_given_the_password_of_their_account(ground: Ground) -> None:
    carry_out(ground, "rotate-password", user="orders-worker")
    assert ground.services_took == 0
    carry_out(ground, "rotate-password", user="monitoring")
    assert ground.services_took == 1


def test_cookie_that_opens_nothing_is_told_and_the_former_is_kept(ground: Ground) -> None:
    ground.runtime.on("execute", lambda: ground.runtime.keep("rmq3", laid=""), node="rmq3", skip=1, times=1)
    with pytest.raises(NotReadyError, match=r"is not let in|unable to perform"):
        carry_out(ground, "rotate-cookie")
    assert ground.secrets.read("erlang-cookie") == "the-first-cookie"
    running.carry_out(ground.site(), running.plan(ground.site(), "rotate-cookie", {}, undo=True))
    assert {ground.runtime.cookie(node) for node in NODES} == {"the-first-cookie"}


def test_backup_never_overwrites(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file.json").write_text("mine")
    with pytest.raises(RefusedError, match="there already"):
        plan(ground, "backup-definitions", file=str(tmp_path / "there" / "file.json"))
    with pytest.raises(RefusedError, match="not empty"):
        plan(ground, "backup-data", folder=str(tmp_path / "there"))


def test_what_is_no_export_is_refused(ground: Ground, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    for text, why in (("[]", "not a JSON object"), ('{"queues": []}', "lacks users"), ("{", "not JSON")):
        path.write_text(text)
        with pytest.raises(BadInputError, match=why):
            plan(ground, "restore-definitions", file=str(path))


def test_import_that_would_lock_accounts_out_is_refused(ground: Ground, tmp_path: Path) -> None:
    carry_out(ground, "backup-definitions", file=str(tmp_path / "then.json"))
    ground.secrets.keep("orders-worker", "another since")
    with pytest.raises(RefusedError, match="other passwords than the state folder for orders-worker"):
        plan(ground, "restore-definitions", file=str(tmp_path / "then.json"), accounts="restore")
    plan(ground, "restore-definitions", file=str(tmp_path / "then.json"))


def test_backup_that_was_touched_or_is_of_other_nodes_is_refused(ground: Ground, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    carry_out(ground, "backup-data", folder=str(folder))
    about = json.loads((folder / "backup.json").read_text())
    backup_data.file(folder, "rmq2").write_text("of somebody else")
    with pytest.raises(BadInputError, match="changed since"):
        plan(ground, "restore-data", folder=str(folder))
    about["files"] = {"rmq9": ""}
    (folder / "backup.json").write_text(json.dumps(about))
    with pytest.raises(BadInputError, match="is of the nodes rmq9"):
        plan(ground, "restore-data", folder=str(folder))
    assert stops(ground) == list(NODES) or sorted(stops(ground)) == list(NODES), (
        "only the backup stopped them"
    )


def given_up(ground: Ground, *nodes: str) -> None:
    for node in nodes:
        ground.runtime.put(node, NodeState.STOPPED)
        ground.runtime.keep(node, data=LOST)


def test_majority_that_comes_back_is_not_given_up(ground: Ground) -> None:
    """rmq2 only looked lost."""
    given_up(ground, "rmq3")
    ground.runtime.put("rmq2", NodeState.STOPPED)
    with pytest.raises(RefusedError, match="a majority of the nodes is back") as caught:
        carry_out(ground, "recover-majority", node="rmq1", lost="rmq2,rmq3")
    assert "nothing was forced" in caught.value.what
    undone = running.plan(ground.site(), "recover-majority", {"node": "rmq1", "lost": "rmq2,rmq3"}, undo=True)
    running.carry_out(ground.site(), undone)
    assert ground.runtime.states()["rmq2"] is NodeState.RUNNING
    assert ground.api.load()["members"] == list(NODES)
    assert {len(queue.members) for queue in ground.api.queues()} == {len(NODES)}


def test_lost_node_without_data_is_not_tried(ground: Ground) -> None:
    """It would vote for whoever asks."""
    given_up(ground, "rmq2", "rmq3")
    ground.runtime.keep("rmq2", data="")
    done = carry_out(ground, "recover-majority", node="rmq1", lost="rmq2,rmq3")
    assert done.facts["did_not_start"] == {"rmq2": "has no data"}
    assert ground.runtime.calls.index(("stop", "rmq3")) < ground.runtime.calls.index(("start", "rmq2"))


@pytest.mark.parametrize("lost", ["", "rmq2", "rmq1,rmq2", "rmq2,rmq3,rmq3"])
def test_majority_is_given_up_only_where_every_lost_node_is_named(ground: Ground, lost: str) -> None:
    given_up(ground, "rmq2", "rmq3")
    with pytest.raises(RefusedError, match="must name every node but rmq1") as caught:
        plan(ground, "recover-majority", node="rmq1", lost=lost)
    assert "what a queue confirmed may be lost" in caught.value.what
    assert "--lost rmq2,rmq3" in caught.value.remedy
    with pytest.raises(BadInputError, match="rmq9"):
        plan(ground, "recover-majority", node="rmq1", lost="rmq2,rmq9")


@pytest.mark.parametrize("state", [NodeState.RUNNING, NodeState.PAUSED])
def test_node_that_runs_or_is_frozen_is_not_given_up(ground: Ground, state: NodeState) -> None:
    given_up(ground, "rmq2", "rmq3")
    ground.runtime.put("rmq3", state)
    with pytest.raises(RefusedError, match=f"is {state.value}, and only one node's data can be kept"):
        plan(ground, "recover-majority", node="rmq1", lost="rmq2,rmq3")


def test_queue_that_had_no_member_on_the_node_left_is_given_up_by_name(ground: Ground) -> None:
    queues = ground.api.load()["queue_members"]
    ground.api.change(queue_members={**queues, "orders.priority": ["rmq2", "rmq3"]})
    given_up(ground, "rmq2", "rmq3")
    done = carry_out(ground, "recover-majority", node="rmq1", lost="rmq2,rmq3")
    assert (done.facts["queues_kept"], done.facts["queues_given_up"]) == (2, ["/orders orders.priority"])
    assert [queue.name for queue in ground.api.queues()] == ["orders.work", "orders.audit"]


def test_node_whose_container_is_gone_is_made_anew(ground: Ground) -> None:
    given_up(ground, "rmq2", "rmq3")
    ground.runtime.put("rmq3", NodeState.ABSENT)
    done = carry_out(ground, "recover-majority", node="rmq1", lost="rmq2,rmq3")
    assert done.facts["did_not_start"] == {"rmq3": "no such container to start"}
    assert "rmq3" in ground.api.load()["anew"]
    assert not ground.broken()


def with_nodes(ground: Ground, *names: str) -> None:
    ground.topology = replace(ground.topology, nodes=tuple(Node(name=name) for name in names))


def test_only_nodes_that_are_new_in_the_topology_are_added(ground: Ground) -> None:
    with pytest.raises(BadInputError, match="rmq4"):
        plan(ground, "add-node", nodes="rmq4,rmq5")
    with pytest.raises(RefusedError, match="that the cluster has not: none"):
        plan(ground, "add-node", nodes="rmq3")
    with_nodes(ground, *NODES, "rmq4", "rmq5")
    with pytest.raises(RefusedError, match="has not: rmq4, rmq5"):
        plan(ground, "add-node", nodes="rmq4")
    with_nodes(ground, "rmq1", "rmq4", "rmq2", "rmq3", "rmq5")
    with pytest.raises(RefusedError, match="a node's ports follow from its place"):
        plan(ground, "add-node", nodes="rmq4,rmq5")


def test_new_node_is_told_of_no_more_nodes_than_there_are_with_it(ground: Ground) -> None:
    """One that waits for more applies the definitions of the first boot: rotated passwords would be back."""
    with_nodes(ground, *NODES, "rmq4", "rmq5")
    told = {}
    planned = plan(ground, "add-node", nodes="rmq4,rmq5")
    for step in planned.steps:
        if step.what.startswith(("rmq4: starting", "rmq5: starting")):
            told[step.what[:4]] = ground.api.load()["services_know"]
        if "in step" in step.what:
            break
        step.do()
    assert told == {"rmq4": [*NODES, "rmq4"], "rmq5": [*NODES, "rmq4", "rmq5"]}
    anew = [step.what for step in planned.steps if "making it anew" in step.what]
    assert [what[:4] for what in anew] == [*NODES, "rmq4"]


def test_nodes_do_not_come_and_go_in_one(ground: Ground) -> None:
    with_nodes(ground, "rmq1", "rmq2", "rmq4", "rmq5", "rmq6")
    for name, nodes in (("add-node", "rmq4,rmq5,rmq6"), ("remove-node", "rmq3")):
        with pytest.raises(RefusedError, match="both more and fewer"):
            plan(ground, name, nodes=nodes)


def test_only_nodes_that_the_topology_has_no_more_are_removed(ground: Ground) -> None:
    with pytest.raises(RefusedError, match="has no more: none"):
        plan(ground, "remove-node", nodes="rmq3")
    with_nodes(ground, "rmq1")
    with pytest.raises(RefusedError, match="would leave 1"):
        plan(ground, "remove-node", nodes="rmq2,rmq3")


def test_queue_that_asks_for_fewer_members_is_not_grown(ground: Ground) -> None:
    with_nodes(ground, *NODES, "rmq4", "rmq5")
    vhosts = [
        replace(vhost, queues=tuple(_of_three(queue) for queue in vhost.queues))
        for vhost in ground.topology.vhosts
    ]
    ground.topology = replace(ground.topology, vhosts=tuple(vhosts))
    planned = plan(ground, "add-node", nodes="rmq4,rmq5")
    grow = [step for step in planned.steps if "give it a member" in step.what]
    for step in planned.steps[: planned.steps.index(grow[-1]) + 1]:
        step.do()
    members = {queue.name: len(queue.members) for queue in ground.api.queues()}
    assert members == {"orders.work": 3, "orders.priority": 5, "orders.audit": 5}


def _of_three(queue: Queue) -> Queue:
    few = queue.name == "orders.work"
    return replace(queue, arguments={"x-quorum-initial-group-size": 3}) if few else queue


def of_five(ground: Ground) -> None:
    with_nodes(ground, *NODES, "rmq4", "rmq5")
    carry_out(ground, "add-node", nodes="rmq4,rmq5")
    with_nodes(ground, *NODES)
    ground.runtime.calls.clear()


def test_queue_has_its_members_elsewhere_before_a_node_is_drained(ground: Ground) -> None:
    of_five(ground)
    queues = ground.api.load()["queue_members"]
    ground.api.change(queue_members={**queues, "stray": ["rmq3", "rmq4", "rmq5"]})
    planned = plan(ground, "remove-node", nodes="rmq4,rmq5")
    grow = next(place for place, step in enumerate(planned.steps) if step.what.startswith("give queues"))
    drain = next(place for place, step in enumerate(planned.steps) if "draining it" in step.what)
    assert grow < drain
    assert planned.steps[grow].do() == {"members_moved": 2}
    assert ground.api.load()["queue_members"]["stray"] == ["rmq1", "rmq2", "rmq3", "rmq4", "rmq5"]


def test_node_whose_loss_would_cost_a_majority_is_not_removed(ground: Ground) -> None:
    of_five(ground)
    ground.api.critical.add("rmq5")
    with pytest.raises(RefusedError, match="no majority of"):
        carry_out(ground, "remove-node", nodes="rmq4,rmq5")
    assert stops(ground) == []
    assert not ground.runtime.machine("rmq5")["drained"]


def test_the_last_in_the_topology_goes_first_and_is_gone_before_the_next(ground: Ground) -> None:
    of_five(ground)
    carry_out(ground, "remove-node", nodes="rmq4,rmq5")
    assert stops(ground)[:2] == ["rmq5", "rmq4"]
    assert ground.api.load()["members"] == list(NODES)


def test_account_that_cannot_be_replaced_is_refused(ground: Ground) -> None:
    def replaced(user: str, second: str, phase: str = "add") -> None:
        plan(ground, "replace-user", user=user, second=second, phase=phase)

    with pytest.raises(RefusedError, match="rotate-password monitoring"):
        replaced("monitoring", "monitoring-2")
    with pytest.raises(RefusedError, match="is there already"):
        replaced("orders-shop", "orders-worker")
    with pytest.raises(BadInputError, match="has no account 'nobody'"):
        replaced("nobody", "somebody")
    for name in ("guest", "a b", "ends-\n", ""):
        with pytest.raises(BadInputError, match="is no name for an account"):
            replaced("orders-shop", name)


def test_first_account_is_not_deleted_while_the_topology_would_bring_it_back(ground: Ground) -> None:
    carry_out(ground, "replace-user", user="orders-worker", second="orders-worker-2")
    with pytest.raises(RefusedError, match="must have orders-worker-2 in place of orders-worker"):
        plan(ground, "replace-user", user="orders-worker", second="orders-worker-2", phase="drop")


def test_first_account_is_not_deleted_while_a_client_uses_it(ground: Ground) -> None:
    """The one connection that there is."""
    carry_out(ground, "replace-user", user="orders-worker", second="orders-worker-2")
    ground.topology = with_user_renamed(ground.topology, "orders-worker", "orders-worker-2")
    with pytest.raises(RefusedError, match=r"is in use, by 10\.0\.0\.9:1 -> rmq1"):
        plan(ground, "replace-user", user="orders-worker", second="orders-worker-2", phase="drop")


def test_second_account_that_lacks_a_right_does_not_replace_the_first(ground: Ground) -> None:
    said = {"user": "orders-shop", "second": "orders-shop-2"}
    carry_out(ground, "replace-user", **said)
    ground.topology = with_user_renamed(ground.topology, "orders-shop", "orders-shop-2")
    export = ground.api.definitions()
    ours = [each for each in export["topic_permissions"] if each["user"] != "orders-shop-2"]
    ground.api.change(export={**export, "topic_permissions": ours})
    with pytest.raises(NotReadyError, match="has other rights") as caught:
        carry_out(ground, "replace-user", **said, phase="drop")
    assert "nothing was changed" in caught.value.what
    assert ground.api.lets_in("orders-shop", "secret-of-orders-shop")


@pytest.mark.parametrize("of", ["clients", "inter-node"])
def test_authority_does_not_sign_before_every_node_trusts_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """rmq2 does not read the file that it was given."""
    real = type(ground.runtime).put_files

    def deaf(self: object, node: str, files: dict[str, bytes]) -> None:
        if node != "rmq2":
            real(self, node, files)  # type: ignore[arg-type]

    monkeypatch.setattr(type(ground.runtime), "put_files", deaf)
    with pytest.raises(NotReadyError, match="does not take it yet") as caught:
        carry_out(ground, "rotate-authority", phase="trust", of=of)
    assert caught.value.where == "rmq2"
    assert "warren cluster restart --node rmq2" in caught.value.remedy
    with pytest.raises(RefusedError, match="has not ended"):
        plan(ground, "rotate-authority", phase="sign", of=of)


@pytest.mark.parametrize("of", ["clients", "inter-node"])
def test_authority_that_a_node_trusts_still_is_not_gone(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    for phase in ("trust", "sign"):
        carry_out(ground, "rotate-authority", phase=phase, of=of)
    monkeypatch.setattr(type(ground.runtime), "put_files", lambda self, node, files: None)
    with pytest.raises(NotReadyError, match="takes it still"):
        carry_out(ground, "rotate-authority", phase="drop", of=of)


def test_links_between_nodes_have_a_cache_of_their_own_to_be_emptied(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[str] = []
    real = type(ground.runtime).execute

    def execute(self: object, node: str, argv: list[str], **more: object) -> object:
        if argv[:2] == ["rabbitmqctl", "eval"] and "clear_pem_cache" in argv[2]:
            evaluated.append(argv[2])
        return real(self, node, argv, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(type(ground.runtime), "execute", execute)
    carry_out(ground, "rotate-inter-node-certificates")
    assert len(evaluated) == len(NODES)
    assert all("name(dist)" in each for each in evaluated)
    evaluated.clear()
    carry_out(ground, "rotate-certificates")
    assert evaluated == ["ssl:clear_pem_cache()."] * len(NODES)
