"""Faults where nodes are services of hosts: some are refused, and a network outlives its node."""

from __future__ import annotations

from typing import Any

import pytest

from chaos import engine, network
from chaos import fault as catalogue
from chaos.engine import Order, Target, heal, inject, plan
from chaos.packets import Cut, ruleset
from chaos.statistics import wiring
from warren.errors import NotReadyError
from warren.runtime.protocol import Ability, NodeState

CANNOT = {
    "detach": Ability.DETACH,
    "cpu": Ability.LIMIT_CPU,
    "memory-limit": Ability.LIMIT_MEMORY,
    "slow-disk": Ability.DISK,
    "full-disk": Ability.DISK,
    "failing-disk": Ability.DISK,
    "connection-storm": Ability.HELPERS,
    "poison": Ability.HELPERS,
    "bad-certificate": Ability.HELPERS,
}


@pytest.fixture
def on_hosts(ground: Any) -> Any:
    ground.runtime.network_ends_with_node = False
    ground.runtime.control = (2222,)
    return ground


@pytest.mark.parametrize("name", CANNOT)
def test_fault_that_the_place_cannot_do_is_refused_by_name_before_anything_changes(
    ground: Any, name: str
) -> None:
    ground.runtime.lacking = {CANNOT[name]: "hosts have no such thing"}
    target = Target() if catalogue.load(name).is_wide else Target(node="rmq2")
    for act in (plan, inject):
        with pytest.raises(NotReadyError, match=f"fault {name}: cannot be had here: hosts have no") as caught:
            act(ground.context(), Order(fault=name, target=target))
        assert caught.value.exit_code == 3
    assert ground.runtime.calls == []
    assert not ground.context().journal.read().faults


def test_list_says_of_each_what_it_lacks(ground: Any) -> None:
    ground.runtime.lacking = {ability: ability.value for ability in Ability}
    missing = engine.missing(ground.context)
    for name, ability in CANNOT.items():
        assert missing[name] == ability.value
    assert not {"kill", "pause", "partition", "latency"} & set(missing)


def test_matrix_leaves_out_what_cannot_be_had(ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.statistics.wiring.chaos_context", lambda _context: ground.context())
    ground.runtime.lacking = {Ability.DETACH: "hosts have no such thing"}
    why = wiring.missing(None)  # type: ignore[arg-type]
    assert why("detach") == "hosts have no such thing"
    assert why("kill") == ""
    assert why("nosuch") == "this version has no such fault"


def test_every_fault_that_uses_an_ability_says_so(ground: Any) -> None:
    """By what it calls: a fault that forgot to say so would fail in its act, with the journal open."""
    from .conftest import STEPS  # noqa: PLC0415

    needing = {"detach": Ability.DETACH, "limit_cpu": Ability.LIMIT_CPU, "limit_memory": Ability.LIMIT_MEMORY}
    needing["start_helper"] = Ability.HELPERS
    for name, (act, *_) in STEPS.items():
        if act in needing:
            assert getattr(catalogue.load(name), "ability", None) is needing[act], name


def test_way_by_which_a_filter_is_taken_away_is_spared() -> None:
    text = ruleset("t", Cut(matches={"in": ["meta l4proto tcp"], "out": ["meta l4proto tcp"]}), (22, 2222))
    incoming, outgoing = text.split("chain out")
    assert incoming.index("tcp dport { 22, 2222 } accept") < incoming.index("counter drop")
    assert outgoing.index("tcp sport { 22, 2222 } accept") < outgoing.index("counter drop")
    assert "22" not in ruleset("t", Cut(matches={"in": ["x"]}))


def test_node_cut_off_from_all_is_still_reached_by_ssh(on_hosts: Any) -> None:
    inject(on_hosts.context(), Order(fault="partition", target=Target(node="rmq2"), args={"traffic": "all"}))
    (text,) = on_hosts.runtime.machine("rmq2")["tables"].values()
    assert "tcp dport { 2222 } accept" in text


def test_line_that_holds_packets_is_told_whom_to_let_pass(on_hosts: Any) -> None:
    inject(on_hosts.context(), Order(fault="latency", target=Target(node="rmq2")))
    (joined,) = on_hosts.runtime.machine("rmq2")["joined"].values()
    assert '"spared": [2222]' in str(joined)


@pytest.mark.parametrize("name", ["partition", "bandwidth"])
def test_filter_on_a_host_whose_node_died_is_still_there_and_is_healed(on_hosts: Any, name: str) -> None:
    inject(on_hosts.context(), Order(fault=name, target=Target(node="rmq2")))
    on_hosts.runtime.kill("rmq2")
    machine = on_hosts.runtime.machine("rmq2")
    assert machine["tables"] or machine["tbf"]
    assert catalogue.load(name).residue(on_hosts.context().site) == ("rmq2",)
    heal(on_hosts.context())
    machine = on_hosts.runtime.machine("rmq2")
    assert not machine["tables"]
    assert not machine["tbf"]
    assert on_hosts.runtime.states()["rmq2"] is NodeState.RUNNING


def test_network_of_a_container_ends_with_it(ground: Any) -> None:
    context = ground.context()
    ground.runtime.put("rmq2", NodeState.STOPPED)
    assert catalogue.network_is_gone(context.site, "rmq2")
    assert network.struck(context.site, "partition") == ()
    ground.runtime.network_ends_with_node = False
    assert not catalogue.network_is_gone(context.site, "rmq2")
