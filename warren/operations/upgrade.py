"""Every node made anew from the image and the settings of the topology, one after the other: the upgrade to
another version, or the same version in a new image. https://www.rabbitmq.com/docs/rolling-upgrade
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import rolling
from warren.errors import NotReadyError, RefusedError
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operations.enable_feature_flags import disabled, enabling_all
from warren.runtime.protocol import NodeState

Series = tuple[int, int]
#: From which series one may go to which, in one step: the notes of each release under "Upgrading", and
#: https://www.rabbitmq.com/docs/upgrade#rabbitmq-version-upgradability
_FROM: dict[Series, tuple[Series, ...]] = {
    (4, 0): ((3, 13),),
    (4, 1): ((3, 13), (4, 0)),
    (4, 2): ((3, 13), (4, 0), (4, 1)),
    (4, 3): ((4, 2),),
}


class Upgrade:
    summary = "make every node anew from the image and settings of the topology, one after the other"
    parameters: tuple[Parameter, ...] = ()
    promise = "no confirmed message is lost, no publish of a client that connects anew fails"
    undoing = "nothing can be put back: RabbitMQ has no way down; go on, or stay mixed for hours at the most"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        """Raises RefusedError for a step that RabbitMQ does not support, or while feature flags are left."""
        running = _versions(site)
        for version in sorted(set(running.values())):
            refuse_step(version, site.topology.broker.version)
        if left := disabled(site):
            what = f"has feature flags that are not enabled: {', '.join(left)}"
            raise RefusedError("the cluster", what, "warren cluster enable-feature-flags, then try again")
        return {"versions_before": running}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        look = Step(what="look whether every node runs the version of the topology", do=partial(_look, site))
        rolled = rolling_anew(site, site.nodes, facts)
        return [*rolled, look, *enabling_all(site), parts.wait_whole(site), parts.spread_leaders(site)]

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


def rolling_anew(
    site: Site, nodes: Sequence[str], facts: Facts, *, started: Sequence[str] = ()
) -> list[Step]:
    """``nodes`` made anew from the image and the settings of the topology, one after the other. A node that
    was made anew and runs is done; one that is down comes first, as in a restart, but for those that steps
    before these have ``started``."""
    left = [node for node in nodes if not _is_done(site, node, facts)]
    stopped = [node for node in left if node not in started and site.state_of(node) is not NodeState.RUNNING]
    running = [node for node in left if node not in stopped]
    found = [step for node in running if node not in started for step in parts.if_drained(site, node)]
    if left and not stopped:
        found.append(parts.look_whole(site))
    for node in (*stopped, *running):
        named = f"{node} ({list(nodes).index(node) + 1} of {len(nodes)})"
        found += _one(site, node, named, runs=node in running)
    return found


def _one(site: Site, node: str, named: str, *, runs: bool) -> list[Step]:
    anew = Step(
        what=f"{named}: making it anew from {site.anew_from}",
        do=partial(_make_anew, site, node),
        is_act=True,
        left=f"{node} is down",
    )
    return [
        *(parts.taken_down(site, node, named, grace_s=rolling.GRACE_S) if runs else ()),
        anew,
        parts.starting(site, node, named),
        parts.wait_whole(site, f"{named}: wait until the cluster is whole"),
    ]


def refuse_step(running: str, wanted: str) -> None:
    """Raise RefusedError where RabbitMQ supports no step from the version ``running`` to ``wanted``."""
    old, new = _numbers(running), _numbers(wanted)
    where = f"from {running} to {wanted}"
    if new < old:
        what = "is a step down, which RabbitMQ does not support: the new version's data are not the old one's"
        raise RefusedError(where, what, "restore a backup into a cluster of the old version")
    if new[:2] == old[:2]:
        return
    allowed = _FROM.get((new[0], new[1]), ())
    if (old[0], old[1]) not in allowed:
        named = ", ".join(f"{major}.{minor}" for major, minor in allowed) or "no series that is known here"
        what = f"cannot be done in one step: {new[0]}.{new[1]} starts on the data of {named} only"
        raise RefusedError(where, what, _way(old, new))


def _way(old: tuple[int, ...], new: tuple[int, ...]) -> str:
    """The shortest way through series that are supported, in words."""
    trails: list[tuple[Series, ...]] = [((new[0], new[1]),)]
    while trails:
        trail = trails.pop(0)
        if trail[0] == (old[0], old[1]):
            return "go by " + " -> ".join(f"{major}.{minor}" for major, minor in trail)
        trails += [(each, *trail) for each in sorted(_FROM.get(trail[0], ()), reverse=True)]
    return "make a new cluster beside it and move over"


def _numbers(version: str) -> tuple[int, ...]:
    """``4.3.6`` and ``4.3.6-rc.1`` as numbers; raises RefusedError for what is none."""
    try:
        return tuple(int(each) for each in version.partition("-")[0].partition("+")[0].split(".")[:3])
    except ValueError as error:
        raise RefusedError(version, "is no version", "RabbitMQ's are like 4.3.6") from error


def _versions(site: Site) -> dict[str, str]:
    """What each node runs. Raises NotReadyError where one cannot be asked."""
    return {node: str(site.management.get("overview", node=node)["rabbitmq_version"]) for node in site.nodes}


def _is_done(site: Site, node: str, facts: Facts) -> bool:
    return bool(facts.get(f"{node} made_anew")) and site.state_of(node) is NodeState.RUNNING


def _make_anew(site: Site, node: str) -> Facts:
    if site.state_of(node) is NodeState.RUNNING:
        raise NotReadyError(node, "runs: it is stopped first")
    site.make_anew(node)
    return {f"{node} made_anew": True}


def _look(site: Site) -> Facts:
    found, wanted = _versions(site), site.topology.broker.version
    for node, version in found.items():
        if version != wanted:
            what = f"runs {version}, and the topology says {wanted}"
            raise NotReadyError(node, what, f"see {site.anew_from}: is it of that version?")
    return {"versions_after": found}


OPERATION = Upgrade()
