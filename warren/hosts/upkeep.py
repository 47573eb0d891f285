"""Brings test hosts up and away, and says how they are. `up` ends when all of them can be logged in to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from warren import bundle
from warren.context import Context
from warren.errors import NotReadyError
from warren.hosts import image as host_image
from warren.hosts import inventory
from warren.hosts.keys import Keys
from warren.hosts.machines import Machines
from warren.hosts.place import USER, Place, places
from warren.runtime.engine import ensure_engine
from warren.state import write_atomically
from warren.wait import until

#: systemd is up in 5 to 10 s; three at once on a busy machine take longer.
_BOOT_S = 120.0
_LOGIN_S = 30.0
_ASK_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpReport:
    """What `up` did: the hosts, those of them that were made now, the inventory's path, and the seconds."""

    places: tuple[Place, ...]
    made: tuple[str, ...]
    inventory: Path
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """One host: the engine's word on its container (``absent`` without one) and systemd's on the system."""

    place: Place
    container: str
    system: str


def up(context: Context) -> UpReport:
    """Have a host for each node of the topology running and reachable by SSH. Safe to repeat.

    ``context`` is that of the cluster of hosts (`warren.hosts.place.of_hosts`). Makes what provisioning
    needs, too: secrets and certificates in the state folder, and the inventory. Raises NotReadyError without
    an engine or its right to control groups, and where a host does not come up; RefusedError for hosts of
    another state folder.
    """
    with context.state.lock("warren hosts up"):
        began = context.clock.now()
        context.use_engine(ensure_engine(run=context.run, say=context.say))
        machines = _machines(context)
        machines.refuse_foreign()
        reference = host_image.ensure(context)
        made = _start(context, machines, reference)
        bundle.prepare(context.material)
        keys = Keys(context.state.root / "ssh")
        public_key = keys.ensure()
        keys.forget()
        wanted = places(context.topology)
        for place in wanted:
            _await_system(context, machines, place.name)
            machines.authorise(place.name, public_key)
        keys.know(wanted, {place.name: machines.host_key(place.name) for place in wanted})
        for place in wanted:
            _await_login(context, keys, place)
        target = inventory.path(context.state)
        text = inventory.text(context.topology, context.state, keys)
        write_atomically(target, text.encode(), mode=0o600)
        return UpReport(places=wanted, made=made, inventory=target, seconds=context.clock.now() - began)


def down(context: Context) -> tuple[str, ...]:
    """Remove the hosts, and nothing that was not started for them; returns their names. The state folder
    stays, so that the next ones get the same certificates and passwords."""
    with context.state.lock("warren hosts down"):
        machines = _machines(context)
        machines.refuse_foreign()
        found = tuple(machines.found())
        machines.remove()
        inventory.path(context.state).unlink(missing_ok=True)
        Keys(context.state.root / "ssh").forget()
        return found


def status(context: Context) -> tuple[HostStatus, ...]:
    """How each host is."""
    machines = _machines(context)
    found = machines.found()
    return tuple(
        HostStatus(
            place=place,
            container=found.get(place.name, "absent"),
            system=_system(machines, place.name) if found.get(place.name) == "running" else "",
        )
        for place in places(context.topology)
    )


def _machines(context: Context) -> Machines:
    return Machines(
        engine=context.engine,
        topology=context.topology,
        state=context.state,
        run=context.run,
        clock=context.clock,
    )


def _start(context: Context, machines: Machines, reference: str) -> tuple[str, ...]:
    """Make and start what is not there or does not run; returns the names of those that were made."""
    found: Mapping[str, str] = machines.found()
    groups = machines.make_groups(reference)
    machines.make_network()
    made = []
    for place in places(context.topology):
        if place.name not in found:
            context.say(f"making host {place.name} ({place.address})")
            machines.create(place, image=reference, groups=groups)
            made.append(place.name)
        elif found[place.name] != "running":
            context.say(f"starting host {place.name}")
            machines.start(place)
    return tuple(made)


def _system(machines: Machines, host: str) -> str:
    """systemd's word on the whole (``running``, ``starting``, ``degraded`` with the units that failed)."""
    done = machines.inside(host, "systemctl", "is-system-running")
    word = done.stdout.strip() or done.reason()
    if word != "degraded":
        return word
    listed = machines.inside(host, "systemctl", "--failed", "--plain", "--no-legend", "--no-pager").stdout
    return f"degraded: {', '.join(line.split()[0] for line in listed.splitlines() if line.strip())} failed"


def _await_system(context: Context, machines: Machines, host: str) -> None:
    def runs() -> None:
        if (word := _system(machines, host)) != "running":
            raise NotReadyError(host, f"systemd says {word}")

    remedy = f"see why: docker logs {machines.container(host)}"
    until(runs, what="systemd", deadline_s=_BOOT_S, remedy=remedy, clock=context.clock)


def _await_login(context: Context, keys: Keys, place: Place) -> None:
    """Log in once as Ansible will, the host's key checked."""
    known = f"UserKnownHostsFile={keys.known_hosts}"
    options = ["-F", "none", "-i", str(keys.private), "-o", known, "-o", "GlobalKnownHostsFile=/dev/null"]
    options += ["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    command = ["ssh", *options, f"{USER}@{place.address}", "sudo", "--non-interactive", "true"]

    def enters() -> None:
        done = context.run(command, timeout_s=_ASK_S)
        if not done.ok:
            raise NotReadyError(place.name, f"ssh to {place.address}: {done.reason()}")

    until(enters, what="a login", deadline_s=_LOGIN_S, clock=context.clock)
