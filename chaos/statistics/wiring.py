"""Plays experiments on the cluster at hand, and says what of it decides their figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from chaos import engine, experiment_reader, gameday
from chaos import fault as catalogue
from chaos.experiment import Experiment
from chaos.fault import Site
from chaos.record import GameDay
from chaos.statistics import matrix
from chaos.statistics.repeats import Repeated
from chaos.statistics.running import Play
from chaos.wiring import chaos_context
from loadgen import child
from warren.context import Context
from warren.errors import BadInputError, StoppedError
from warren.overriding import override
from warren.reader import parse_file
from warren.topology import Topology


def facts(topology: Topology, together: Sequence[str] = ()) -> dict[str, Any]:
    """What of the cluster decides a game day's figures: records of another must not stand in one table. So
    with profiles that are run ``together`` and those that are run alone."""
    broker = topology.broker
    return {
        **({"together": list(together)} if together else {}),
        "broker_version": broker.version,
        "nodes": len(topology.nodes),
        "memory_limit_mib": broker.memory_limit_mib,
        "failure_detector_poll_ms": broker.failure_detector_poll_ms,
        "net_ticktime_s": broker.net_ticktime_s,
        "consumer_timeout_ms": broker.consumer_timeout_ms,
        "counted_limits": _counted_limits(topology),
    }


def _counted_limits(topology: Topology) -> str:
    """How many limits the broker has to count for a client that connects and opens a channel, fewest and most
    of the applications: each takes 10 s while a node is frozen (docs/chaos.md)."""
    users = {user.name: user for user in topology.users if user.role == "application"}
    found = {
        sum(map(bool, (vhost.limits.get("max-connections"), user.max_connections, user.max_channels)))
        for vhost in topology.vhosts
        for row in vhost.permissions
        if (user := users.get(row.user)) is not None
    }
    return " to ".join(str(each) for each in sorted({min(found), max(found)})) if found else "0"


def refuse_clash(topology: Topology, together: Sequence[str]) -> None:
    """Raise BadInputError where profiles that are to be run ``together`` would take each other's messages."""
    try:
        child.refuse_clash([child.Wish(profile=each, beside=True) for each in together], topology)
    except BadInputError as error:
        raise BadInputError("--profiles", error.what, "leave one of them out, or give --apart") from error


def play_on(context: Context) -> Play:
    """Plays the experiments of some files on the cluster of ``context``, as `play` does."""

    def play_files(paths: Sequence[Path], seed: int) -> Sequence[GameDay]:
        return play(context, [gameday.read(context.topology, str(path)) for path in paths], seed)

    return play_files


def play(context: Context, experiments: Sequence[Experiment], seed: int) -> Sequence[GameDay]:
    """Play one game day, or several as one. Raises StoppedError where the user stopped it: all is healed
    then, and its record is in its own folder."""
    played = gameday.play_together(context, experiments, seed=seed)
    if played[0].interrupted:
        raise StoppedError(played[0].day.run_id, "was interrupted; its record is kept")
    return [each.day for each in played]


def mend_on(context: Context) -> Callable[[], None]:
    """Heals everything that is broken on the cluster of ``context``, as `warren chaos heal` does."""

    def mend() -> None:
        engine.heal(chaos_context(context))

    return mend


def repeated(topology: Topology, name: str, settings: Mapping[str, str]) -> tuple[Experiment, Repeated]:
    """The experiment called ``name`` with ``settings``, and what of it must be the same in every repeat."""
    experiment = gameday.read(topology, name, settings)
    path = Path(name) if name.endswith((".yml", ".yaml")) else experiment_reader.FOLDER / f"{name}.yml"
    _, top = parse_file(path)
    for key, value in settings.items():
        override(top.data, key, value)
    what = Repeated(
        name=experiment.name, profile=experiment.load.profile, document=top.data, facts=facts(topology)
    )
    return experiment, what


def missing(context: Context) -> Callable[[str], str]:
    """Says why a fault cannot be had on the cluster of ``context``, as `chaos list` does, else nothing."""

    @cache
    def site() -> Site:
        return chaos_context(context).site

    return lambda name: matrix.absent(name) or catalogue.missing(site(), catalogue.load(name))
