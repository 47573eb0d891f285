"""What a fault is. Each lives in a file of its own below ``chaos/faults/``, which names it.

A fault acts on one target through a `Site` and keeps nothing itself: what it must know again to heal goes
into the journal as facts, so that another process can heal after this one died.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, Literal, Protocol, runtime_checkable

import chaos.faults
from chaos.access import Access
from warren import siblings
from warren.console import Say
from warren.errors import BadInputError, NotReadyError, RefusedError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import Ability, NodeState, Runtime
from warren.topology import RESERVED_PREFIX, Topology
from warren.wait import Clock

#: JSON-ready findings, kept in the journal and shown to the user.
Facts = Mapping[str, Any]
#: A fault's own settings, as the journal keeps them.
Args = Mapping[str, Any]
#: The target of a fault that strikes no node, but what all of them serve: clients, queues, credentials.
CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One setting of a fault: a number from ``low`` to ``high``, one of ``choices``, a text that is like
    ``pattern`` (a regular expression) as a whole, or the name ``of`` a queue or user of the topology (a
    profile's own queue may be named too; empty is any, where that is the default). ``many``: several such
    names with commas between, each of which is struck."""

    default: float | str
    help: str
    low: float = 0.0
    high: float = float("inf")
    choices: tuple[str, ...] = ()
    pattern: str = ""
    of: Literal["", "queue", "user"] = ""
    many: bool = False

    def names(self, value: float | str) -> tuple[str, ...]:
        """The names that ``value`` is, each once."""
        given = str(value).split(",") if self.many else [str(value)]
        return tuple(dict.fromkeys(name.strip() for name in given))

    def read(self, where: str, text: str) -> float | str:
        """``text`` as a value of it; raises BadInputError saying what would be one. Whether there is what a
        name means is for `refuse_unknown` to say."""
        if self.choices:
            if text not in self.choices:
                raise BadInputError(where, f"is '{text}'", f"one of: {', '.join(self.choices)}")
            return text
        if self.pattern:
            if not re.fullmatch(self.pattern, text):
                raise BadInputError(where, f"is '{text}'", self.help)
            return text
        if self.of:
            return text
        try:
            number = float(text)
        except ValueError as error:
            raise BadInputError(where, f"'{text}' is not a number") from error
        if not (math.isfinite(number) and self.low <= number <= self.high):
            limits = f"from {self.low:g} to {self.high:g}"
            raise BadInputError(where, f"{text} is out of its limits", f"give a number {limits}")
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where faults act: the nodes' runtime, what the topology says of them, monotonic and wall time, and the
    line to the user. ``alarms`` tells which nodes have which alarms; it raises NotReadyError where that
    cannot be asked. ``whole`` waits at most so many seconds until every node and queue serves, or raises
    DeadlineError with what is missing. ``drained`` are the nodes under maintenance; it raises as ``alarms``
    does. ``args`` are the settings of the fault that ``before`` looks for. Where there are
    ``sights``, what was seen of a node is kept in them and not looked for again: for the scan for residue,
    in which one fault after the other looks at the same. ``access`` is what faults of clients and accounts
    use."""

    runtime: Runtime
    topology: Topology
    alarms: Callable[[], Mapping[str, frozenset[str]]]
    whole: Callable[[float], None]
    drained: Callable[[], Collection[str]]
    access: Access
    clock: Clock
    now: Callable[[], datetime]
    say: Say
    args: Args = field(default_factory=dict)
    sights: MutableMapping[str, Any] | None = None

    def state(self, node: str) -> NodeState:
        """What the runtime says of ``node`` now; one that it does not know is absent."""
        return self.runtime.state_of(node)


class Fault(Protocol):
    """One way to break a node. All but ``inject`` may be called at any time, in any state, again."""

    @property
    def summary(self) -> str:
        """One line for `chaos list`: what is done, and how it is healed."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """What may be set; names of numbers carry their units."""

    @property
    def takes_down(self) -> bool:
        """Whether the target counts as lost while the fault lasts: what the blast radius is about."""

    @property
    def is_silent(self) -> bool:
        """Whether no connection is closed, so that peers and clients notice by their timeouts only."""

    @property
    def is_wide(self) -> bool:
        """Whether it strikes the cluster as a whole, whose name as a target is `CLUSTER`, and no node."""

    def before(self, site: Site, target: str) -> Facts:
        """What the proof will be held against; journaled before the act. Raises BadInputError or
        RefusedError for settings that cannot be (``site.args``): nothing has been changed then."""

    def inject(self, site: Site, fault: Journaled) -> None:
        """The act itself. Raises NotReadyError when it failed or its outcome is not known."""

    def prove(self, site: Site, fault: Journaled) -> Facts:
        """The evidence that it bit; raises NotReadyError while there is none."""

    def heal(self, site: Site, fault: Journaled) -> Facts:
        """Undo it, whether it was wholly, partly or never done; raises NotReadyError to be tried again."""

    def residue(self, site: Site) -> tuple[str, ...]:
        """Targets on which this fault can be seen right now without a journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of a course. ``facts`` are journaled before it. An ``is_act`` is never interrupted, all else
    is a wait and may be; an ``is_proof`` is tried again until there is evidence, which is journaled as the
    fault's proof. What any other step finds is journaled too."""

    what: str
    do: Callable[[], Facts | None]
    facts: Facts = field(default_factory=dict)
    is_act: bool = False
    is_proof: bool = False


@runtime_checkable
class Course(Protocol):
    """What a `Fault` is besides, whose act takes minutes and ends by itself: many short acts with waits
    between. It goes on without the lock, and may be interrupted or die anywhere: `heal` ends it from what
    the steps left in the journal."""

    def course(self, site: Site, fault: Journaled) -> Iterator[Step]:
        """The steps in their order; what a step finds may decide the next."""


def needs(fault: Fault) -> str:
    """What a fault needs besides the right to use the container engine; empty for nothing."""
    return str(getattr(fault, "needs", ""))


def proof_s(kind: Fault, fault: Journaled) -> float:
    """How long the proof of ``fault`` may take by its own account, in seconds; 0 where it says nothing."""
    own = getattr(kind, "proof_s", None)
    return 0.0 if own is None else float(own(fault))


def outlives_process(fault: Fault) -> bool:
    """Whether a node that is started anew is still under it: `cluster up` ends no such fault."""
    return bool(getattr(fault, "outlives_process", False))


def lacking(site: Site, fault: Fault) -> str:
    """Why the place where the nodes of ``site`` run cannot do what a fault does; empty where it can."""
    ability: Ability | None = getattr(fault, "ability", None)
    return site.runtime.lacks(ability) if ability is not None else ""


def refuse_lacking(site: Site, name: str, fault: Fault) -> None:
    """Raise NotReadyError for a fault that cannot be had where the nodes of ``site`` run."""
    if why := lacking(site, fault):
        raise NotReadyError(f"fault {name}", f"cannot be had here: {why}", "warren chaos list says which can")


def missing(site: Site, fault: Fault) -> str:
    """Why a fault that needs something cannot be had on the cluster of ``site``, with what to try; empty
    where it can, or where no node runs that could be asked. What is looked at is what the runtime lacks, and
    what the fault looks at before its act, or its own ``missing``."""
    if why := lacking(site, fault):
        return why
    if not needs(fault):
        return ""
    running = [node for node, state in site.runtime.states().items() if state is NodeState.RUNNING]
    if not running:
        return ""
    look = getattr(fault, "missing", fault.before)
    try:
        look(replace(site, args=arguments("", fault, {})), running[0])
    except RefusedError:
        return ""  # it could be had, and not now
    except NotReadyError as error:
        return f"{error.where}: {error.what}" + (f" ({error.remedy})" if error.remedy else "")
    return ""


@cache
def names() -> tuple[str, ...]:
    """Every fault there is, by the names of their files."""
    return siblings.names(chaos.faults)


def load(name: str) -> Fault:
    """The fault called ``name``; raises BadInputError naming those there are."""
    fault: Fault = siblings.named(chaos.faults, "fault", name).FAULT
    return fault


def arguments(name: str, fault: Fault, given: Mapping[str, str]) -> dict[str, float | str]:
    """The fault's settings with ``given`` taken in; raises BadInputError for a name or value that is none."""
    settings = {key: each.default for key, each in fault.parameters.items()}
    for key, text in given.items():
        if key not in settings:
            known = ", ".join(settings) or "none"
            raise BadInputError(f"fault {name}", f"has no parameter '{key}'", f"it takes: {known}")
        settings[key] = fault.parameters[key].read(f"{name} {key}", text)
    return settings


def refuse_unknown(topology: Topology, fault: Fault, args: Args) -> None:
    """Raise BadInputError where ``args`` name a queue or user that ``topology`` does not have, or a user by
    whom Warren itself works."""
    for key, parameter in fault.parameters.items():
        if args[key] == parameter.default == "":
            continue
        for name in parameter.names(args[key]):
            if parameter.of == "user":
                if topology.user(name).role != "application":
                    what = f"'{name}' is an account by which Warren works"
                    raise BadInputError(key, what, "name another one")
            elif parameter.of == "queue" and not name.removeprefix("/").startswith(RESERVED_PREFIX):
                topology.find_queue(name)


def process_facts(site: Site, target: str) -> Facts:
    """The node's first process, for `prove_process_gone` to be held against."""
    return {"process_id": site.runtime.process_id(target)}


def prove_process_gone(site: Site, fault: Journaled) -> Facts:
    """Evidence that the process journaled before the act is gone; raises NotReadyError while it runs."""
    found = site.runtime.process_id(fault.target)
    if found is not None and found == fault.evidence.get("process_id"):
        raise NotReadyError(fault.target, f"still runs as process {found}")
    return {"process_id_after": found, "state": site.state(fault.target).value}


def start_node(site: Site, target: str) -> Facts:
    """Start ``target`` if it does not run; raises NotReadyError when it does not run afterwards."""
    site.runtime.start(target)
    expect_state(site, target, NodeState.RUNNING)
    return {"process_id_healed": site.runtime.process_id(target)}


def alive_where(site: Site, probe: Callable[[str], bool]) -> tuple[str, ...]:
    """The nodes that run or are frozen and for which ``probe`` holds, all asked at once."""
    return _where(site, probe, (NodeState.RUNNING, NodeState.PAUSED))


def networked_where(site: Site, probe: Callable[[str], bool]) -> tuple[str, ...]:
    """The nodes that have a network and for which ``probe`` holds: those that are stopped, too, where it does
    not end with the node."""
    also = () if site.runtime.network_ends_with_node else (NodeState.STOPPED,)
    return _where(site, probe, (NodeState.RUNNING, NodeState.PAUSED, *also))


def network_is_gone(site: Site, node: str) -> bool:
    """Whether what was set on a node's network has ended with the node."""
    return site.runtime.network_ends_with_node and site.state(node) is NodeState.STOPPED


def _where(site: Site, probe: Callable[[str], bool], among: Collection[NodeState]) -> tuple[str, ...]:
    nodes = [node for node, state in site.runtime.states().items() if state in among]
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        return tuple(node for node, holds in zip(nodes, pool.map(probe, nodes), strict=True) if holds)


def expect_state(site: Site, target: str, wanted: NodeState) -> NodeState:
    """``wanted`` if ``target`` is in that state; raises NotReadyError saying what it is in."""
    state = site.state(target)
    if state is not wanted:
        raise NotReadyError(target, f"is {state.value}, not {wanted.value}")
    return state
