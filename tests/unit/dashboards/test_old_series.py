"""What of boards and rules an old broker leaves empty: renamed metrics are known again, the rest is told."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from dashboards.house import Board
from dashboards.resolve import resolve
from warren import render
from warren.topology import Topology
from warren.topology_reader import load as load_topology

from .test_promql import BROKER, VALUES, recorded, rules, selectors

#: Names that a live 4.0.5 (Debian 13) serves on the endpoints that are scraped, under load.
OLD = Path(__file__).parent / "broker_metrics_4.0.txt"
#: Served by plugins that links enable, by their code in both versions, and by no cluster without links.
OF_LINKS = {"rabbitmq_shovel_dynamic", "rabbitmq_federation_links"}
#: What the heading of the table in docs/dashboards.md begins with.
_HEADING = "## On RabbitMQ 4.0"


def jobs(topology: Topology, version: str) -> dict[str, Any]:
    """The scrape configuration for brokers of ``version``, by job."""
    broker = dataclasses.replace(topology.broker, version=version)
    variables = render.role_vars(dataclasses.replace(topology, broker=broker))
    text = render.role_template("prometheus", "prometheus.yml", {**variables, **render.CONTAINER_PATHS})
    return {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}


def scraped(served: set[str], found: dict[str, Any]) -> set[str]:
    """What Prometheus has of the names that are ``served``: its relabelling, as far as it goes by name."""
    kept = set()
    for name, job in found.items():
        detailed = "detailed" in job.get("metrics_path", "")
        own = {each for each in served if each.startswith("rabbitmq_detailed_") == detailed}
        for metric in own if name.startswith("rabbitmq") else ():
            if (made := relabelled(metric, job["metric_relabel_configs"])) is not None:
                kept.add(made)
    return kept


def relabelled(metric: str, steps: list[dict[str, Any]]) -> str | None:
    """The name that ``metric`` is kept by; None where it is dropped."""
    for step in steps:
        match = re.fullmatch(step["regex"], metric)
        action = step.get("action", "replace")
        if action == "replace" and match:
            metric = match.expand(re.sub(r"\$\{(\d)\}", r"\\\1", step["replacement"]))
        elif (action == "drop" and match) or (action == "keep" and not match):
            return None
    return metric


@pytest.fixture(scope="module")
def gone(checkout_root: Path) -> set[str]:
    """What 4.3 serves and 4.0 does not, whatever it is called."""
    topology = load_topology(checkout_root / "deploy" / "topology.yml")
    old = scraped(set(OLD.read_text().split()), jobs(topology, "4.0.5"))
    assert len(old) > 100
    new = {each for each in BROKER.read_text().split() if not each.startswith("scrape_")}
    return new - old - OF_LINKS


def absent(expr: str, gone: set[str], made: dict[str, str]) -> set[str]:
    """The metrics behind ``expr`` that are ``gone``, through what is recorded (``made``) too."""
    found: set[str] = set()
    for selector in selectors(
        promql_parser.parse(resolve(expr.replace("$1", "x").replace("$2", "x"), VALUES))
    ):
        if selector.name in made:
            found |= absent(made[selector.name], gone, made)
        elif selector.name in gone:
            found.add(selector.name)
    return found


def told(checkout_root: Path) -> set[tuple[str, str]]:
    """The rows of the table in docs/dashboards.md: (board or Alert, panel or alert's name)."""
    text = (checkout_root / "docs" / "dashboards.md").read_text(encoding="utf-8")
    section = text.partition(_HEADING)[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {(row[0], name) for row in rows[1:] for name in row[1].split(", ")}


def test_what_stays_empty_on_an_old_broker_is_told(
    checkout_root: Path, all_boards: tuple[Board, ...], gone: set[str]
) -> None:
    made = {rule["record"]: rule["expr"] for _, rule in recorded(checkout_root)}
    found = {
        (board.title.removeprefix("Warren / "), panel.title.replace(", ", " "))
        for board in all_boards
        for panel in board.panels
        if any(absent(query.expr, gone, made) for query in panel.queries)
    }
    found |= {
        ("Alerts", rule["alert"]) for _, rule in rules(checkout_root) if absent(rule["expr"], gone, made)
    }
    assert told(checkout_root) == found


def test_renamed_metrics_keep_their_name_on_boards(checkout_root: Path, gone: set[str]) -> None:
    renamed = {
        "erlang_vm_processes",
        "erlang_vm_memory_bytes",
        "erlang_vm_memory_system_bytes",
        "erlang_vm_atoms",
    }
    renamed |= {
        f"rabbitmq_detailed_raft_{each}" for each in ("term", "commit_index", "commit_latency_seconds")
    }
    assert not renamed & gone
    assert "rabbitmq_message_size_bytes_bucket" in gone


def test_nothing_is_renamed_on_a_new_broker(checkout_root: Path) -> None:
    topology = load_topology(checkout_root / "deploy" / "topology.yml")
    for job in jobs(topology, "4.3.6").values():
        assert {step["action"] for step in job.get("metric_relabel_configs", ())} <= {"keep", "drop"}
