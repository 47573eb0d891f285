"""Where a run's dashboards were, as its result carries it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from warren.topology import Topology

#: The services that serve the boards, the first that runs is the one to look at; and what to call them.
KINDS = {"grafana": "Grafana", "view": "the preview of the dashboards"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardsRecord:
    """What served the dashboards when the run ended: ``service`` of `KINDS`, at ``url`` without a path.

    ``cluster`` is the label of the cluster's series, ``queues`` the run's queues by virtual host.
    """

    url: str
    service: str
    cluster: str
    queues: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def served_at(topology: Topology, service: str) -> str:
    """Where ``service``, one of `KINDS`, is reached from this machine, without a path."""
    return f"https://localhost:{topology.published(service)}"


def together(records: Iterable[DashboardsRecord | None]) -> DashboardsRecord | None:
    """One record of several runs on one cluster; None where one of them has none, or they differ."""
    found = list(records)
    known = [each for each in found if each is not None]
    if not known or len(known) < len(found):
        return None
    first = known[0]
    if len({(each.url, each.service, each.cluster) for each in known}) > 1:
        return None
    queues: dict[str, tuple[str, ...]] = {}
    for each in known:
        for vhost, names in each.queues.items():
            queues[vhost] = tuple(dict.fromkeys((*queues.get(vhost, ()), *names)))
    return DashboardsRecord(url=first.url, service=first.service, cluster=first.cluster, queues=queues)


def read(raw: Mapping[str, object] | None) -> DashboardsRecord | None:
    """The record as JSON has it, unknown keys ignored; raises KeyError and TypeError for another form."""
    if raw is None:
        return None
    queues = raw.get("queues", {}) if isinstance(raw, Mapping) else None
    if not isinstance(queues, Mapping):
        raise TypeError("dashboards is no record of them")
    return DashboardsRecord(
        url=str(raw["url"]),
        service=str(raw["service"]),
        cluster=str(raw["cluster"]),
        queues={str(vhost): tuple(str(name) for name in names) for vhost, names in queues.items()},
    )
