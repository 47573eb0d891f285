from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import chaos.faults
from chaos import engine, page
from chaos import fault as catalogue
from chaos.engine import Order, Target
from chaos.fault import Site
from chaos.healing import heal
from warren.errors import EXIT_NOT_READY, BadInputError, NotReadyError
from warren.journal import Fault, Phase
from warren.runtime.fake import FakeRuntime
from warren.runtime.protocol import NodeState

from .conftest import APART, AT_ONCE, MOMENTARY, STEPS, struck


@pytest.fixture
def site(ground: Any) -> Site:
    return ground.context().site


def begun(name: str, site: Site) -> Fault:
    """A fault as the journal has it just before the act."""
    kind, node = catalogue.load(name), struck(name)
    return Fault(
        fault_id="f",
        name=name,
        target=node,
        args=catalogue.arguments(name, kind, {}),
        phase=Phase.INJECTING,
        begun_at=site.now().isoformat(),
        evidence=dict(kind.before(site, node)),
    )


def test_every_file_is_a_fault_under_its_own_name() -> None:
    files = {path.stem for path in Path(chaos.faults.__path__[0]).glob("*.py")} - {"__init__"}
    assert set(catalogue.names()) == {name.replace("_", "-") for name in files}
    assert {"kill", "stop", "pause"} <= set(catalogue.names())


@pytest.mark.parametrize("name", catalogue.names())
def test_fault_says_what_it_does_and_how_it_is_healed(name: str) -> None:
    assert name in {*STEPS, *AT_ONCE, *APART}
    fault = catalogue.load(name)
    assert "heal" in fault.summary
    assert "\n" not in fault.summary
    for key, parameter in fault.parameters.items():
        assert parameter.help
        units = ("_s", "_ms", "_bytes", "_mib", "_percent", "_count", "_kbit")
        is_number = not (parameter.choices or parameter.pattern or parameter.of)
        assert not is_number or key.endswith(units), "names of numbers carry their units"
        assert parameter.read("x", str(parameter.default)) == parameter.default


@pytest.mark.parametrize("name", STEPS)
def test_fault_is_proven_only_once_it_was_injected_and_gone_once_healed(
    name: str, ground: Any, site: Site
) -> None:
    kind, fault = catalogue.load(name), begun(name, site)
    with pytest.raises(NotReadyError):
        kind.prove(site, fault)
    kind.inject(site, fault)
    evidence = kind.prove(site, fault)
    assert evidence
    assert ground.is_broken(struck(name)) is (name not in MOMENTARY)
    assert not ground.is_broken("rmq1")
    kind.heal(site, fault)
    assert not ground.is_broken(struck(name))


@pytest.mark.parametrize("name", sorted(set(STEPS) - {"stop"}))
def test_healing_what_never_happened_changes_nothing(name: str, ground: Any, site: Site) -> None:
    before = site.runtime.process_id("rmq2")
    catalogue.load(name).heal(site, begun(name, site))
    assert site.runtime.process_id("rmq2") == before
    assert not ground.is_broken(struck(name))


@pytest.mark.parametrize("name", sorted(set(STEPS) - MOMENTARY))
def test_fault_that_nobody_journaled_is_seen_and_put_back(name: str, ground: Any, site: Site) -> None:
    catalogue.load(name).inject(site, begun(name, site))
    assert [each for each in catalogue.names() if struck(name) in catalogue.load(each).residue(site)]
    report = heal(ground.context())
    assert {fault.target for fault in report.found} == {struck(name)}
    assert not ground.is_broken(struck(name))
    assert not [each for each in catalogue.names() if catalogue.load(each).residue(site)]


@pytest.mark.parametrize("name", STEPS)
def test_healing_twice_is_healing_once(name: str, site: Site) -> None:
    kind, fault = catalogue.load(name), begun(name, site)
    kind.inject(site, fault)
    kind.heal(site, fault)
    process = site.runtime.process_id("rmq2")
    kind.heal(site, fault)
    assert site.runtime.process_id("rmq2") == process


@pytest.mark.parametrize("name", ["kill", "stop"])
def test_node_that_came_back_by_itself_proves_the_kill_by_its_process(name: str, site: Site) -> None:
    kind, fault = catalogue.load(name), begun(name, site)
    site.runtime.kill("rmq2")
    site.runtime.start("rmq2")
    evidence = kind.prove(site, fault)
    assert evidence["state"] == "running"
    assert evidence["process_id_after"] != fault.evidence["process_id"]


def test_stop_that_may_still_be_on_its_way_is_waited_for(ground: Any, site: Site) -> None:
    kind, fault = catalogue.load("stop"), begun("stop", site)
    with pytest.raises(NotReadyError, match="may still"):
        kind.heal(site, fault)
    assert ("start", "rmq2") not in ground.runtime.calls
    ground.runtime.put("rmq2", NodeState.STOPPED)
    kind.heal(site, fault)
    assert site.state("rmq2") is NodeState.RUNNING


def test_stop_that_never_came_is_given_up_after_its_grace(ground: Any, site: Site) -> None:
    kind, fault = catalogue.load("stop"), begun("stop", site)
    ground.time.sleep(fault.args["grace_s"] + 6)
    before = site.runtime.process_id("rmq2")
    kind.heal(site, fault)
    assert site.runtime.process_id("rmq2") == before


def test_stop_gives_the_node_the_grace_that_was_asked_for(ground: Any) -> None:
    class Recorder(FakeRuntime):
        grace_s = 0.0

        def stop(self, node: str, *, grace_s: float) -> None:
            self.grace_s = grace_s

    runtime = Recorder(["rmq1"])
    site = replace(ground.context().site, runtime=runtime)
    catalogue.load("stop").inject(
        site, Fault(fault_id="f", name="stop", target="rmq1", args={"grace_s": 7.0})
    )
    assert runtime.grace_s == 7.0


@pytest.mark.parametrize(
    ("name", "undoing"), [(name, steps[2]) for name, steps in STEPS.items() if name not in MOMENTARY]
)
def test_undoing_that_did_nothing_is_not_taken_for_healing(
    ground: Any, site: Site, name: str, undoing: str
) -> None:
    kind, fault = catalogue.load(name), begun(name, site)
    kind.inject(site, fault)
    ground.runtime.ignored_steps = {undoing}
    with pytest.raises(NotReadyError):
        kind.heal(site, fault)


def test_unknown_fault_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(BadInputError, match="no 'klil'") as caught:
        catalogue.load("klil")
    assert "kill" in caught.value.remedy


def test_unknown_parameter_is_refused_with_the_names_there_are() -> None:
    stop = catalogue.load("stop")
    assert catalogue.arguments("stop", stop, {"grace_s": "3"}) == {"grace_s": 3.0}
    with pytest.raises(BadInputError, match="no parameter 'grace'") as caught:
        catalogue.arguments("stop", stop, {"grace": "3"})
    assert "grace_s" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("stop", {"grace_s": "long"}, "'long' is not a number"),
        ("stop", {"grace_s": "nan"}, "out of its limits"),
        ("loss", {"loss_percent": "101"}, "out of its limits"),
        ("partition", {"how": "politely"}, "is 'politely'"),
    ],
)
def test_value_that_is_none_is_refused_by_name(name: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(BadInputError, match=said) as caught:
        catalogue.arguments(name, catalogue.load(name), given)
    assert next(iter(given)) in caught.value.where


@pytest.mark.parametrize("name", [name for name in STEPS if struck(name) != "cluster"])
def test_fault_says_whether_a_node_that_is_started_anew_is_still_under_it(ground: Any, name: str) -> None:
    """`cluster up` closes the others, and must not close these: the fake keeps what the engine keeps."""
    kind, site = catalogue.load(name), ground.context().site
    if name in {*MOMENTARY, "pause"}:  # nothing stays of the one, and `up` refuses a node of the other
        return
    kind.inject(site, begun(name, site))
    ground.runtime.kill("rmq2")
    ground.runtime.start("rmq2")
    assert ground.is_broken("rmq2") is catalogue.outlives_process(kind)


def refused(ground: Any) -> None:
    """What the kernel tells a helper that did not get NET_ADMIN."""
    what = "nft: Operation not permitted (you must be root)"
    ground.runtime.fail("in_network", what=what, times=None)


def no_library(ground: Any) -> None:
    for node in ground.runtime.nodes:
        ground.runtime.machine(node)["disk"] = []


def old_broker(ground: Any) -> None:
    ground.topology = replace(ground.topology, broker=replace(ground.topology.broker, version="4.2.5"))


LACKS = {
    **dict.fromkeys(("partition", "loss", "half-open", "slow-close", "bandwidth"), (refused, "must be root")),
    **dict.fromkeys(("slow-disk", "full-disk", "failing-disk"), (no_library, "--with-disk-faults")),
    "raft-chaos": (old_broker, "4.3.0"),
}


@pytest.mark.parametrize("name", LACKS)
def test_what_the_host_or_the_cluster_does_not_have_is_exit_code_3_and_stands_in_the_list(
    ground: Any, name: str
) -> None:
    lack, said = LACKS[name]
    lack(ground)
    missing = engine.missing(ground.context)
    assert said in missing[name]
    assert set(missing) <= {each for each, (act, _) in LACKS.items() if act is lack} | {"latency", "reset"}
    flat = " ".join(page.list_text(missing).split())
    assert f"not to be had here: {' '.join(missing[name].split())}" in flat
    with pytest.raises(NotReadyError) as caught:
        engine.inject(ground.context(), Order(fault=name, target=Target(node="rmq2")))
    assert caught.value.exit_code == EXIT_NOT_READY


def test_every_fault_that_needs_something_says_whether_it_is_there(ground: Any) -> None:
    """Asked of a cluster that has all; of none, nothing is said."""
    assert engine.missing(ground.context) == {}
    assert {*LACKS, "latency"} <= {name for name in STEPS if catalogue.needs(catalogue.load(name))}
    for node in ground.runtime.nodes:
        ground.runtime.kill(node)
    refused(ground)
    assert engine.missing(ground.context) == {}

    def nobody() -> Any:
        raise NotReadyError("engine", "is not there")

    assert engine.missing(nobody) == {}
