"""The rendered folder: one kustomization for the cluster, its objects, its monitoring and its load each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from warren.errors import WarrenError
from warren.kubernetes import (
    bindings,
    cluster,
    dashboards,
    disruption,
    exchanges,
    exporters,
    load,
    monitors,
    network_policies,
    operator_policies,
    permissions,
    policies,
    queues,
    readme,
    rules,
    secrets,
    topic_permissions,
    users,
    vhosts,
)
from warren.kubernetes.place import Document, Note, Place
from warren.kubernetes.yaml_text import dump

KUSTOMIZATION = "kustomization.yaml"
#: What the folder's own kustomization holds; load is not among them, for it is to be run when it is wanted.
_TOGETHER = ("cluster", "objects", "monitoring")
PARTS = (*_TOGETHER, "load")
_RULES = Path("monitoring", "prometheus-rules.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is rendered beside the topology: rule files and dashboards by name, and the topology file."""

    rules: Mapping[str, str]
    dashboards: Mapping[str, str]
    topology_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The resources of each file, and whatever of the topology is not in them, or is otherwise there."""

    place: Place
    documents: Mapping[Path, list[Document]]
    notes: tuple[Note, ...]


def of_topology(place: Place) -> dict[Path, str]:
    """Path -> text of the cluster and of its objects."""
    return _texts(place, _of_topology(place))


def render(place: Place, sources: Sources) -> Rendered:
    """Everything, from ``sources`` and the topology of ``place``."""
    beside = _beside(place, sources)
    notes = (
        *cluster.notes(place),
        *vhosts.notes(place),
        *users.notes(place),
        *operator_policies.notes(place),
        *exchanges.notes(place),
        *exporters.notes(place),
        *monitors.notes(place),
        *rules.notes(beside[_RULES]),
        *load.notes(place),
    )
    return Rendered(place=place, documents={**_of_topology(place), **beside}, notes=notes)


def files(rendered: Rendered) -> dict[Path, str]:
    """Path -> text of everything, with a page that says how to use it."""
    place = rendered.place
    found = _texts(place, rendered.documents)
    found[Path(KUSTOMIZATION)] = dump([_kustomization(place, list(_TOGETHER))])
    found[Path("README.md")] = readme.page(place, rendered.notes, secrets.names(place))
    return found


def _of_topology(place: Place) -> dict[Path, list[Document]]:
    return {
        Path("cluster", "rabbitmq-cluster.yaml"): cluster.documents(place),
        Path("cluster", "pod-disruption-budget.yaml"): disruption.documents(place),
        Path("cluster", "network-policy.yaml"): network_policies.broker(place),
        Path("objects", "vhosts.yaml"): vhosts.documents(place),
        Path("objects", "users.yaml"): users.documents(place),
        Path("objects", "permissions.yaml"): permissions.documents(place),
        Path("objects", "topic-permissions.yaml"): topic_permissions.documents(place),
        Path("objects", "policies.yaml"): policies.documents(place),
        Path("objects", "operator-policies.yaml"): operator_policies.documents(place),
        Path("objects", "exchanges.yaml"): exchanges.documents(place),
        Path("objects", "queues.yaml"): queues.documents(place),
        Path("objects", "bindings.yaml"): bindings.documents(place),
    }


def _beside(place: Place, sources: Sources) -> dict[Path, list[Document]]:
    return {
        Path("monitoring", "exporters.yaml"): exporters.documents(place),
        Path("monitoring", "network-policies.yaml"): network_policies.monitoring(place),
        Path("monitoring", "service-monitors.yaml"): monitors.documents(place),
        _RULES: rules.documents(place, sources.rules),
        Path("monitoring", "dashboards.yaml"): dashboards.documents(place, sources.dashboards),
        Path("load", "job.yaml"): load.documents(place, sources.topology_text),
    }


def _texts(place: Place, documents: Mapping[Path, list[Document]]) -> dict[Path, str]:
    """A kind of which the topology has none has no file."""
    there = {path: found for path, found in documents.items() if found}
    _refuse_doubles(document for found in there.values() for document in found)
    texts = {path: dump(found) for path, found in there.items()}
    for folder in dict.fromkeys(path.parent for path in there):
        names = [path.name for path in there if path.parent == folder]
        texts[folder / KUSTOMIZATION] = dump([_kustomization(place, names)])
    return texts


def _kustomization(place: Place, resources: list[str]) -> Document:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": place.namespace,
        "resources": resources,
    }


def _refuse_doubles(documents: Iterable[Document]) -> None:
    """Raises WarrenError (a bug of ours): of two resources of one name the API server would keep the last."""
    seen = Counter((each["kind"], each["metadata"]["name"]) for each in documents)
    doubles = [f"{kind} {name}" for (kind, name), count in seen.items() if count > 1]
    if doubles:
        raise WarrenError("kubernetes", f"two resources are called {', '.join(doubles)}", "report this bug")
