"""``python -m warren.reference [--check]``: write the reference pages, or say which are out of date."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from warren import checkout
from warren.json_file import read_object
from warren.operating import catalogue
from warren.reader import plain
from warren.reference import commands, healing, monitoring, operations, playbooks, provisioning

Row = tuple[str, str, tuple[str, ...], str]


def pages() -> dict[Path, str]:
    """Path in the checkout -> text. What is described lies above the floor, so it is found by its name."""
    docs = Path("docs")
    return {
        docs / "commands.md": commands.page(importlib.import_module("warren.cli").root),
        docs / "metrics.md": monitoring.metrics_page(
            {"The exporter": list(_exporter()), "A load run": list(_load())}
        ),
        docs / "alerts.md": _alerts(checkout.ROOT / docs / "figures"),
        docs / "chaos.md": _chaos(checkout.ROOT / docs),
        docs / "operations.md": _operations(checkout.ROOT / docs),
        docs / "hosts.md": _hosts(checkout.ROOT / docs),
        **{
            Path("ansible", "playbooks", playbooks.file_name(name)): playbooks.playbook(
                name, catalogue.load(name)
            )
            for name in catalogue.names()
        },
    }


def _chaos(docs: Path) -> str:
    """Written by hand, but for a table of what the cluster test measured."""
    measured = read_object(docs / "figures" / "driver-killed.json")
    return healing.with_table((docs / "chaos.md").read_text(encoding="utf-8"), measured["faults"])


def _operations(docs: Path) -> str:
    """Written by hand, but for the tables of operations."""
    here, hosts = (
        read_object(docs / "figures" / f"{name}.json") for name in ("operations", "operations-on-hosts")
    )
    kinds = [(name, catalogue.load(name)) for name in catalogue.names()]
    rows = [(name, each.summary, each.promise) for name, each in kinds]
    page = (docs / "operations.md").read_text(encoding="utf-8")
    return operations.with_tables(page, rows, here["operations"], hosts["operations"])


def _hosts(docs: Path) -> str:
    """Written by hand, but for what the role prints and how long it took."""
    refusals = read_object(docs / "figures" / "refusals.json")
    runs = read_object(docs / "figures" / "provision.json")
    page = (docs / "hosts.md").read_text(encoding="utf-8")
    return provisioning.with_tables(page, refusals["refusals"], runs["runs"])


def _alerts(figures: Path) -> str:
    """``figures`` holds what the cluster test measured, and by hand why it cannot provoke some."""
    unprovoked = plain((figures / "unprovoked.yml").read_text(encoding="utf-8"))
    measured = read_object(figures / "alerts.json")
    return monitoring.alerts_page(
        _rules(checkout.ROOT / "dashboards" / "rules"), measured["alerts"], unprovoked
    )


def _exporter() -> Iterator[Row]:
    names = importlib.import_module("exporters.names")
    for each in vars(names).values():
        if isinstance(each, names.MetricName):
            yield each.name, each.kind, each.labels, each.help


def _load() -> Iterator[Row]:
    names = importlib.import_module("loadgen.names")
    for name, (_, text) in names.COUNTERS.items():
        yield name, "counter", names.LABELS, text
    for name, (_, text) in names.HISTOGRAMS.items():
        yield name, "histogram", names.LABELS, text
    for name, text in names.GAUGES.items():
        yield name, "gauge", names.LABELS, text
    yield names.CLIENT_CPU, "counter", names.LABELS, names.CPU_HELP


def _rules(folder: Path) -> Iterator[Mapping[str, Any]]:
    for path in sorted(folder.glob("*.yml")):
        if not path.stem.endswith("_test"):
            content = plain(path.read_text(encoding="utf-8"))
            yield from (rule for group in content["groups"] for rule in group["rules"] if "alert" in rule)


def main(arguments: list[str]) -> int:
    """0 when every page is up to date (afterwards); 1 when ``--check`` found one that is not."""
    stale = [
        path
        for path, text in pages().items()
        if not (checkout.ROOT / path).is_file() or (checkout.ROOT / path).read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path} is out of date: make docs\n")
        else:
            (checkout.ROOT / path).write_text(pages()[path], encoding="utf-8")
            sys.stderr.write(f"{path} written\n")
    return int("--check" in arguments and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
