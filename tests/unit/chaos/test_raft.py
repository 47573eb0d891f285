"""Faults inside the broker: whom they kill, what proves it, and that no name ends what it stands in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chaos import fault as catalogue
from chaos import inside
from chaos.engine import Order, Target, heal, inject
from warren.errors import InconclusiveError, NotReadyError, RefusedError
from warren.process import Completed
from warren.runtime import fake_erlang, fake_machine
from warren.runtime.fake_machine import MIB
from warren.runtime.protocol import MemoryLimit, NodeState

from .conftest import AT_ONCE

QUEUE = "orders.work"


def raft(ground: Any, node: str = "rmq2") -> dict[str, int]:
    return dict(ground.runtime.machine(node)["raft"])


@pytest.mark.parametrize(
    ("fault", "killed"),
    [
        ("kill-wal", {"ra_log_wal"}),
        ("kill-segment-writer", {"ra_log_segment_writer"}),
        ("kill-member", {"vh_orders.work", "vh_orders.retry"}),
    ],
)
def test_just_what_is_meant_is_killed_and_proven_by_another_process(
    ground: Any, fault: str, killed: set[str]
) -> None:
    before = raft(ground)
    (struck,) = inject(ground.context(), Order(fault=fault, target=Target(node="rmq2")))
    after = raft(ground)
    assert {name for name in before if after[name] != before[name]} == killed
    assert set(struck.evidence["processes_after"]) == killed
    heal(ground.context())
    assert ground.journal.open_faults() == ()
    assert raft(ground, "rmq1") == before


@pytest.mark.parametrize("fault", AT_ONCE)
def test_slow_tool_has_time_for_two_looks(ground: Any, fault: str) -> None:
    """At a load of 40 the proof came after 16 s, and the fault was called one that did not bite."""
    (struck,) = inject(ground.context(), Order(fault=fault, target=Target(node="rmq2")))
    assert catalogue.proof_s(catalogue.load(fault), struck) >= 30


def test_only_the_queues_own_member_is_killed_where_a_queue_is_named(ground: Any) -> None:
    before = raft(ground)
    inject(ground.context(), Order(fault="kill-member", target=Target(leader_of=QUEUE)))
    after = raft(ground)
    assert {name for name in before if after[name] != before[name]} == {"vh_orders.work"}


@pytest.mark.parametrize("fault", AT_ONCE)
def test_kill_that_kills_nobody_is_inconclusive(ground: Any, fault: str) -> None:
    ground.runtime.ignored_steps = {"execute"}
    with pytest.raises(InconclusiveError, match="did not bite"):
        inject(ground.context(), Order(fault=fault, target=Target(node="rmq2")))
    assert ground.journal.open_faults() == ()


class Busy:
    """A node whose Erlang distribution answers no tool in time at first, or something else that fails."""

    def __init__(self, fails: int, stderr: str) -> None:
        self.fails, self.stderr = fails, stderr
        self.asked = 0

    def execute(self, node: str, argv: Sequence[str], *, timeout_s: float) -> Completed:
        self.asked += 1
        failed = self.asked <= self.fails
        return Completed(
            argv=tuple(argv),
            returncode=64 if failed else 0,
            stdout="" if failed else "ra_log_wal=<0.7.0>\n",
            stderr=self.stderr if failed else "",
        )


UNREACHED = """Error: unable to perform an operation on node 'rabbit@rmq2'.

rabbit@rmq2:
  * connected to epmd (port 4369) on rmq2
  * TCP connection succeeded but Erlang distribution failed

Current node details:
 * node name: 'rabbitmqcli-790-rabbit@rmq2'
 * Erlang cookie hash: abcdefgh
"""


@pytest.mark.parametrize(("fails", "stderr", "asked"), [(2, UNREACHED, 3), (1, UNREACHED, 2)])
def test_node_that_is_too_busy_for_its_tool_is_asked_again(
    ground: Any, fails: int, stderr: str, asked: int
) -> None:
    busy = Busy(fails, stderr)
    site = replace(ground.context().site, runtime=busy)
    assert inside.process_ids(site, "rmq2", inside.named("ra_log_wal")) == {"ra_log_wal": "<0.7.0>"}
    assert busy.asked == asked


@pytest.mark.parametrize(
    ("fails", "stderr", "asked", "said"),
    [
        (
            9,
            UNREACHED,
            3,
            "the broker's tool failed: TCP connection succeeded but Erlang distribution failed",
        ),
        (9, "Error: {:undef, 1}", 1, "the broker's tool failed: Error: {:undef, 1}"),
    ],
)
def test_tool_that_goes_on_failing_is_told_without_the_cookie(
    ground: Any, fails: int, stderr: str, asked: int, said: str
) -> None:
    busy = Busy(fails, stderr)
    site = replace(ground.context().site, runtime=busy)
    with pytest.raises(NotReadyError) as caught:
        inside.kill_processes(site, "rmq2", inside.named("ra_log_wal"))
    assert (caught.value.what, busy.asked) == (said, asked)


def test_node_without_any_queue_has_nothing_to_kill(ground: Any) -> None:
    for name in ("vh_orders.work", "vh_orders.retry"):
        del ground.runtime.machine("rmq2")["raft"][name]
    with pytest.raises(NotReadyError, match="nothing to kill"):
        inject(ground.context(), Order(fault="kill-member", target=Target(node="rmq2")))
    assert ground.journal.read().faults == ()


def test_member_that_does_not_come_back_is_started_by_healing(ground: Any) -> None:
    inject(ground.context(), Order(fault="kill-member", target=Target(node="rmq2")))
    ground.runtime.machine("rmq2")["raft"]["vh_orders.work"] = 0
    heal(ground.context())
    assert raft(ground)["vh_orders.work"] > 0


@pytest.mark.parametrize("name", ['q">>), halt().', "q\n", "ä", "'", "q}}, {{a"])
def test_name_goes_in_as_bytes_whatever_it_is(name: str) -> None:
    who = inside.members((name, name))
    assert name not in who
    assert who.count(inside.binary(name)) == 2
    assert inside.binary(name) == f"<<{','.join(map(str, name.encode()))}>>"


def test_chaos_of_the_broker_goes_on_until_it_is_healed(ground: Any) -> None:
    (fault,) = inject(ground.context(), Order(fault="raft-chaos", target=Target(node="rmq2")))
    assert "ra_log_wal" in fault.evidence["processes_struck"]
    assert ground.runtime.machine("rmq2")["chaos"]
    heal(ground.context())
    assert not ground.runtime.machine("rmq2")["chaos"]


def test_chaos_of_the_broker_is_refused_where_there_is_none(ground: Any) -> None:
    ground.topology = replace(ground.topology, broker=replace(ground.topology.broker, version="4.2.5"))
    with pytest.raises(NotReadyError, match=r"came with 4\.3\.0"):
        inject(ground.context(), Order(fault="raft-chaos", target=Target(node="rmq2")))
    assert ground.runtime.calls == []
    assert catalogue.load("raft-chaos").residue(ground.context().site) == ()


def test_chaos_that_goes_on_already_is_not_begun_again(ground: Any) -> None:
    ground.runtime.machine("rmq2")["chaos"] = True
    with pytest.raises(RefusedError, match="going on already"):
        inject(ground.context(), Order(fault="raft-chaos", target=Target(node="rmq2")))


def test_chaos_that_restarts_a_member_is_told_again(ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    inject(ground.context(), Order(fault="raft-chaos", target=Target(node="rmq2")))
    real, busy = fake_erlang.evaluate, [2]

    def evaluate(machine: Any, expression: str) -> str:
        if ":stop()" in expression and busy[0]:
            busy[0] -= 1
            return "chaos=busy\n"
        return real(machine, expression)

    monkeypatch.setattr(fake_erlang, "evaluate", evaluate)
    heal(ground.context())
    assert not ground.runtime.machine("rmq2")["chaos"]


@pytest.mark.parametrize("fault", ["raft-chaos", "memory-limit"])
def test_node_that_did_not_bear_it_is_started_again(ground: Any, fault: str) -> None:
    inject(ground.context(), Order(fault=fault, target=Target(node="rmq2")))
    ground.runtime.put("rmq2", NodeState.STOPPED)
    heal(ground.context())
    assert ground.states() == ["running"] * 3
    assert not ground.is_broken("rmq2")


def limits(
    ground: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    spare_mib: int = 0,
    refused_below_mib: int = 0,
    said: str = "device or resource busy",
) -> list[int]:
    """The limits in MiB that rmq2 is given; of what it uses, it can do without ``spare_mib``, and the kernel
    refuses limits below ``refused_below_mib``."""
    given: list[int] = []
    real, answer = ground.runtime.limit_memory, fake_machine.answer

    def limit(node: str, wanted: MemoryLimit) -> None:
        given.append(wanted.memory_bytes // MIB)
        if given[-1] < refused_below_mib:
            raise NotReadyError("memory limit", f"the kernel cannot bring it that low: {said}")
        real(node, wanted)

    def answered(machine: Any, argv: Any, stdin: Any) -> Any:
        done = answer(machine, argv, stdin)
        least = min(200 - spare_mib, machine["memory"][0] // MIB)
        if machine["memory"][0] == 1024 * MIB:
            return done
        return replace(done, stdout=re.sub(r"^used \d+", f"used {least * MIB}", done.stdout))

    monkeypatch.setattr(type(ground.runtime), "limit_memory", lambda self, node, wanted: limit(node, wanted))
    monkeypatch.setattr(fake_machine, "answer", answered)
    return given


def test_memory_limit_begins_at_what_the_node_uses_without_its_file_cache(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = limits(ground, monkeypatch)
    inject(ground.context(), Order(fault="memory-limit", target=Target(node="rmq2")))
    assert given == [150]
    heal(ground.context())
    assert ground.runtime.machine("rmq2")["memory"] == [1024 * MIB, 2048 * MIB]


def test_memory_limit_is_lowered_until_the_node_is_at_it(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = limits(ground, monkeypatch, spare_mib=70)
    (fault,) = inject(ground.context(), Order(fault="memory-limit", target=Target(node="rmq2")))
    assert given == [150, 126]
    assert fault.evidence["limit_bytes"] == 126 * MIB


def test_memory_limit_may_be_said(ground: Any) -> None:
    order = Order(fault="memory-limit", target=Target(node="rmq2"), args={"limit_mib": "180"})
    (fault,) = inject(ground.context(), order)
    assert fault.evidence["limit_bytes"] == 180 * MIB


def test_limit_that_leaves_the_node_all_that_it_wants_does_not_bite(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_machine, "_FRESH", {**fake_machine._FRESH, "memory": [900 * MIB, 900 * MIB]})
    order = Order(fault="memory-limit", target=Target(node="rmq2"), args={"limit_mib": "900"})
    with pytest.raises(InconclusiveError, match="700 MiB less than it may"):
        inject(ground.context(), order)
    assert ground.runtime.machine("rmq2")["memory"] == [1024 * MIB, 2048 * MIB]


@pytest.mark.parametrize("said", ["device or resource busy", "Device or resource busy"])
def test_first_limit_that_the_kernel_takes_is_as_low_as_it_gets(
    ground: Any, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Seen live: of a node that used 156 MiB, 42 of them file cache, the kernel set no limit of 114."""
    given = limits(ground, monkeypatch, refused_below_mib=176, said=said)
    (fault,) = inject(ground.context(), Order(fault="memory-limit", target=Target(node="rmq2")))
    assert given == [150, 158, 166, 174, 182]
    assert fault.evidence["limit_bytes"] == 182 * MIB


def test_limit_that_the_kernel_refuses_keeps_the_one_before(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = limits(ground, monkeypatch, spare_mib=70, refused_below_mib=130)
    (fault,) = inject(ground.context(), Order(fault="memory-limit", target=Target(node="rmq2")))
    assert given == [150, 126]
    assert fault.evidence["limit_bytes"] == 150 * MIB


def test_node_that_the_kernel_killed_at_once_proves_the_limit(ground: Any) -> None:
    ground.runtime.on("limit_memory", lambda: ground.runtime.kill("rmq2"), moment="after")
    (fault,) = inject(ground.context(), Order(fault="memory-limit", target=Target(node="rmq2")))
    assert fault.evidence["state"] == "stopped"
    heal(ground.context())
    assert not ground.is_broken("rmq2")


def test_node_that_died_between_two_limits_proves_the_limit(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen live: it was killed a moment after the first limit, and the engine could not set the second."""
    limits(ground, monkeypatch, spare_mib=70)

    def die() -> None:
        ground.runtime.kill("rmq2")
        raise NotReadyError("docker update", "cannot update a stopped container: unknown")

    ground.runtime.on("limit_memory", die, skip=1)
    (fault,) = inject(ground.context(), Order(fault="memory-limit", target=Target(node="rmq2")))
    assert fault.evidence["state"] == "stopped"
    ground.runtime.scripts.clear()
    heal(ground.context())
    assert not ground.is_broken("rmq2")


def test_drained_node_that_is_restarted_is_drained_no_more(ground: Any) -> None:
    inject(ground.context(), Order(fault="drain", target=Target(node="rmq2")))
    inject(ground.context(), Order(fault="kill", target=Target(node="rmq2")))
    heal(ground.context())
    assert not ground.is_broken("rmq2")


def test_members_that_a_drain_has_stopped_after_its_driver_died_are_started_by_healing(ground: Any) -> None:
    """The drain goes on inside the broker, past the healing that takes the mark of maintenance away."""
    inject(ground.context(), Order(fault="drain", target=Target(node="rmq2")))
    ground.runtime.machine("rmq2")["drained"] = False
    raft(ground)["vh_orders.work"] = 0
    heal(ground.context())
    assert all(raft(ground).values())


def test_node_that_somebody_else_drained_is_refused(ground: Any) -> None:
    ground.runtime.machine("rmq2")["drained"] = True
    with pytest.raises(RefusedError, match="under maintenance already"):
        inject(ground.context(), Order(fault="drain", target=Target(node="rmq2")))
