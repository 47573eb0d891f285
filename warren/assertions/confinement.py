"""Assertions about what holds processes in, whether a node is a container or a service of a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from warren.assertions.facts import Facts
from warren.assertions.model import Assertion, Outcome, everywhere

#: A shorter text may stand anywhere by chance.
_SHOWN = 8


def _node_user(facts: Facts) -> Outcome:
    bad = {name: f"user id {node.user}" for name, node in facts.nodes.items() if node.user == 0}
    return everywhere(bad, f"user ids {sorted({node.user for node in facts.nodes.values()})}")


def _memory_follows(facts: Facts) -> Outcome:
    wanted = facts.topology.broker.memory_limit_mib * 1024**2
    limits = {
        str(each["Name"]).lstrip("/"): each["HostConfig"].get("Memory") or 0
        for each in facts.around.containers
        if each["Config"]["Labels"].get("warren.node")
    }
    limits |= {each.host: each.memory_bytes or 0 for each in facts.around.services if each.is_node}
    bad = {place: f"limit {limit / 1024**2:.0f} MiB" for place, limit in limits.items() if limit != wanted}
    if len(limits) != len(facts.topology.nodes):
        bad["all"] = f"{len(limits)} limits for {len(facts.topology.nodes)} nodes"
    return everywhere(bad, f"{facts.topology.broker.memory_limit_mib} MiB a node")


def _no_secret_shown(facts: Facts) -> Outcome:
    """Names of secrets are told, never their values."""
    places = {str(each["Name"]).lstrip("/"): _of_container(each) for each in facts.around.containers}
    places |= {f"{each.unit} of {each.host}": each.shown for each in facts.around.services}
    places |= {f"processes of {name}": node.command_lines for name, node in facts.nodes.items()}
    bad = {
        place: f"shows the secret of {name}"
        for place, text in places.items()
        for name, value in facts.secret_values.items()
        if len(value) >= _SHOWN and value in text
    }
    return everywhere(bad, f"{len(facts.secret_values)} secrets looked for in {len(places)} places")


def _of_container(each: Mapping[str, Any]) -> str:
    """All that the engine shows of a container to who may ask it."""
    labels = [f"{key}={value}" for key, value in (each["Config"].get("Labels") or {}).items()]
    words = [*(each["Config"].get("Env") or ()), each.get("Path") or "", *(each.get("Args") or ()), *labels]
    return "\n".join(words)


def _must(name: str, title: str, reads: str, check: Callable[[Facts], Outcome]) -> Assertion:
    return Assertion(id=name, level="must", title=title, reads=reads, check=check)


ASSERTIONS = (
    _must("node-not-root", "the broker's processes do not run as root", "the node itself", _node_user),
    _must(
        "node-memory-limit",
        "a node's limit is the topology's",
        "the container engine, or systemd",
        _memory_follows,
    ),
    _must(
        "no-secret-shown",
        "no secret stands in an environment, an argument or a label",
        "the container engine, or systemd, and the nodes' process lists",
        _no_secret_shown,
    ),
)
