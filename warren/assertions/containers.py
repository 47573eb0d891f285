"""Assertions about the containers of nodes and services, as the engine describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from warren.assertions import probes
from warren.assertions.facts import Around, Facts
from warren.assertions.model import Assertion, Outcome, everywhere

_LOOPBACK = ("127.0.0.1", "::1")
_DATA = "/var/lib/rabbitmq"


def around(containers: Sequence[Mapping[str, Any]]) -> Around:
    """What the nodes stand in, by the engine's description of ``containers``. They share this machine's
    clock, and the same path is in every one, on a volume of its own."""
    places = {
        str(each["Config"]["Labels"]["warren.node"]): next(
            (str(m.get("Name") or m["Source"]) for m in each.get("Mounts", ()) if m["Destination"] == _DATA),
            "",
        )
        for each in containers
        if each["Config"]["Labels"].get("warren.node")
    }
    return Around(
        kind="containers",
        clocks={"this machine": probes.clock_synchronised()},
        data_directories=places,
        containers=tuple(containers),
    )


def _each(look: Callable[[Mapping[str, Any]], str], good: str) -> Callable[[Facts], Outcome]:
    """Checks every container of the cluster: ``look`` returns what is wrong, or nothing."""

    def check(facts: Facts) -> Outcome:
        bad = {_name(each): look(each) for each in facts.around.containers if look(each)}
        return everywhere(bad, f"{good}, {len(facts.around.containers)} containers")

    return check


def _name(container: Mapping[str, Any]) -> str:
    return str(container["Name"]).lstrip("/")


def _root(container: Mapping[str, Any]) -> str:
    user = str(container["Config"].get("User") or "")
    return "" if user and user.split(":", maxsplit=1)[0] not in ("0", "root") else f"runs as {user or 'root'}"


def _writable(container: Mapping[str, Any]) -> str:
    return "" if container["HostConfig"].get("ReadonlyRootfs") else "its root file system can be written"


def _capabilities(container: Mapping[str, Any]) -> str:
    host = container["HostConfig"]
    if host.get("Privileged"):
        return "is privileged"
    dropped, added = host.get("CapDrop") or [], host.get("CapAdd") or []
    if "ALL" not in dropped:
        return f"drops only {', '.join(dropped) or 'nothing'}"
    return f"adds {', '.join(added)}" if added else ""


def _privileges(container: Mapping[str, Any]) -> str:
    options = container["HostConfig"].get("SecurityOpt") or []
    return "" if any(each.startswith("no-new-privileges") for each in options) else "may gain privileges"


def _memory(container: Mapping[str, Any]) -> str:
    return "" if container["HostConfig"].get("Memory") else "has no memory limit"


def _processes(container: Mapping[str, Any]) -> str:
    return "" if (container["HostConfig"].get("PidsLimit") or 0) > 0 else "has no limit of processes"


def _published(container: Mapping[str, Any]) -> str:
    bindings = container["HostConfig"].get("PortBindings") or {}
    open_to_all = [
        f"{port} on {bound.get('HostIp') or 'every address'}"
        for port, bound_to in bindings.items()
        for bound in bound_to or []
        if bound.get("HostIp") not in _LOOPBACK
    ]
    return ", ".join(open_to_all)


def _socket(container: Mapping[str, Any]) -> str:
    mounts = [str(mount.get("Source", "")) for mount in container.get("Mounts", ())]
    bad = [source for source in mounts if source.endswith("docker.sock") or source == "/"]
    return f"mounts {', '.join(bad)}" if bad else ""


_ENGINE = "the container engine"


def _must(name: str, title: str, check: Callable[[Facts], Outcome]) -> Assertion:
    return Assertion(id=name, level="must", title=title, reads=_ENGINE, on="containers", check=check)


ASSERTIONS = (
    _must("container-not-root", "no container runs as root", _each(_root, "none runs as root")),
    _must("container-read-only", "root file systems are read-only", _each(_writable, "read-only")),
    _must("container-no-capabilities", "no container has a capability", _each(_capabilities, "none left")),
    _must("container-no-new-privileges", "no process may gain privileges", _each(_privileges, "none may")),
    _must("container-memory-limit", "every container's memory is limited", _each(_memory, "limited")),
    _must(
        "container-processes-limit", "every container's processes are limited", _each(_processes, "limited")
    ),
    _must("ports-loopback", "ports are published on the loopback only", _each(_published, "loopback only")),
    _must("container-no-engine-socket", "no container reaches the engine", _each(_socket, "no such mount")),
)
