"""Assertions about services of systemd on hosts, as the kernel and systemd describe them: what containers
are by being containers, services are by their units (man systemd.exec)."""

from __future__ import annotations

from collections.abc import Callable

from warren.assertions.facts import Facts, ServiceFacts
from warren.assertions.model import Assertion, Outcome, everywhere


def _each(look: Callable[[ServiceFacts], str], good: str) -> Callable[[Facts], Outcome]:
    """Checks every service: ``look`` returns what is wrong, or nothing. A node without a service is wrong."""

    def check(facts: Facts) -> Outcome:
        services = facts.around.services
        bad = {f"{each.host} {each.unit}": look(each) for each in services if look(each)}
        running = {each.host for each in services if each.is_node}
        bad |= {node.name: "no service runs" for node in facts.topology.nodes if node.name not in running}
        return everywhere(bad, f"{good}, {len(services)} services")

    return check


def _root(service: ServiceFacts) -> str:
    return "runs as root" if service.user == 0 else ""


def _writable(service: ServiceFacts) -> str:
    return "" if service.root == "ro" else "its root file system can be written"


def _capabilities(service: ServiceFacts) -> str:
    return f"has or may get the set {service.capabilities}" if int(service.capabilities, 16) else ""


def _privileges(service: ServiceFacts) -> str:
    return "" if service.no_new_privileges else "may gain privileges"


def _memory(service: ServiceFacts) -> str:
    return "has no memory limit" if service.memory_bytes is None else ""


def _processes(service: ServiceFacts) -> str:
    return "has no limit of processes" if service.processes is None else ""


def _guarded(facts: Facts) -> Outcome:
    wanted = {facts.topology.ports.inter_node, facts.topology.ports.epmd}
    seen = {node.name: facts.around.guarded.get(node.name, frozenset()) for node in facts.topology.nodes}
    bad = {
        name: f"no rule keeps strangers from {', '.join(map(str, sorted(wanted - ports)))}"
        for name, ports in seen.items()
        if wanted - ports
    }
    return everywhere(bad, f"{', '.join(map(str, sorted(wanted)))} are for the cluster's hosts")


_KERNEL, _SYSTEMD = "the kernel of each host", "systemd of each host"


def _must(name: str, title: str, reads: str, check: Callable[[Facts], Outcome]) -> Assertion:
    return Assertion(id=name, level="must", title=title, reads=reads, on="hosts", check=check)


ASSERTIONS = (
    _must("service-not-root", "no service runs as root", _KERNEL, _each(_root, "none runs as root")),
    _must(
        "service-read-only",
        "a service's root file system is read-only",
        _KERNEL,
        _each(_writable, "read-only"),
    ),
    _must(
        "service-no-capabilities",
        "no service has a capability, nor can get one",
        _KERNEL,
        _each(_capabilities, "none left"),
    ),
    _must(
        "service-no-new-privileges",
        "no service may gain privileges",
        _KERNEL,
        _each(_privileges, "none may"),
    ),
    _must("service-memory-limit", "every service's memory is limited", _SYSTEMD, _each(_memory, "limited")),
    _must(
        "service-processes-limit",
        "every service's processes are limited",
        _SYSTEMD,
        _each(_processes, "limited"),
    ),
    Assertion(
        id="ports-guarded",
        level="production",
        title="a host keeps strangers from the ports between nodes",
        reads="each host's packet filter",
        on="hosts",
        check=_guarded,
    ),
)
