"""The rendered files that hold no secret and are kept in the repository, so that a reader sees them.

`warren topology render` writes them and ``make check`` fails where they differ from a fresh rendering.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from warren import render
from warren.assertions.page import page
from warren.assertions.verify import ASSERTIONS
from warren.inventory import inventory_file
from warren.kubernetes import folder as kubernetes
from warren.kubernetes.place import Place
from warren.state import write_atomically
from warren.topology import Topology

#: Where most of them stand. Everything below is ours: a file that no topology makes is removed.
FOLDER = Path("deploy", "generated")
#: Stands where Ansible looks for it, beside the operator's own inventory files.
INVENTORY = Path("ansible", "inventory", "generated.yml")
ASSERTIONS_PAGE = Path("docs", "assertions.md")

#: Role -> templates whose text holds no secret.
_SERVICES: Mapping[str, tuple[str, ...]] = {
    "prometheus": ("prometheus.yml", "objectives.yml"),
    "alertmanager": ("alertmanager.yml",),
}


def files(topology: Topology) -> dict[Path, str]:
    """Path in the checkout -> text; pure."""
    found = {
        INVENTORY: inventory_file(topology),
        ASSERTIONS_PAGE: page(ASSERTIONS),
        FOLDER / "compose.yml": render.compose_file(topology, grafana=True),
    }
    for name, text in render.broker_files(topology).items():
        found[FOLDER / "rabbitmq" / name] = text
    # Rules and dashboards would stand here a second time, so that of Kubernetes only this is kept.
    for path, text in kubernetes.of_topology(Place(topology=topology, namespace=topology.cluster)).items():
        found[FOLDER / "kubernetes" / path] = text
    variables = {**render.role_vars(topology), **render.CONTAINER_PATHS}
    for role, names in _SERVICES.items():
        for name in names:
            found[FOLDER / role / name] = render.role_template(role, name, variables)
    return found


def write(topology: Topology, root: Path, *, only_check: bool) -> list[Path]:
    """Bring the files below ``root`` up to date; returns those that differed, were missing or are too many.

    With ``only_check`` nothing is written.
    """
    wanted = {root / path: text for path, text in files(topology).items()}
    there = {path for path in (root / FOLDER).rglob("*") if path.is_file()}
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    surplus = sorted(there - set(wanted))
    if not only_check:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, wanted[path].encode(), mode=0o644)
        for path in surplus:
            path.unlink()
    return [path.relative_to(root) for path in [*stale, *surplus]]
