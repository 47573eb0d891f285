"""How the test on hosts reads what Ansible printed and measured, and the topology that it plays with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.hosts.provisioning import played, slowest, watch_for_drift
from warren import checkout
from warren.topology_reader import load

_RECAP = """
TASK [x]
PLAY RECAP *****
rmq1                       : ok=10   changed=3    unreachable=0    failed=0    skipped=1
rmq2                       : ok=10   changed=0    unreachable=1    failed=0    skipped=1
"""
_REPORT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase name="[rmq1] Prepare: warren.hosts.rabbitmq : Install the broker name=secret" time="12.5"/>
<testcase name="[rmq2] Prepare: warren.hosts.rabbitmq : Install the broker name=secret" time="20.25"/>
<testcase name="[rmq1] Prepare: Look" time="0.5"/>
</testsuite></testsuites>"""


def test_a_run_is_read_by_its_recap() -> None:
    run = played(_RECAP, 12.34, 4)
    assert (run.changed, run.lost) == ({"rmq1": 3, "rmq2": 0}, {"rmq2"})
    assert run.figures == {"seconds": 12.3, "changed": 3, "lost": ["rmq2"], "slowest": []}


def test_the_slowest_tasks_are_told_by_name_and_without_what_they_were_given(tmp_path: Path) -> None:
    (tmp_path / "site.xml").write_text(_REPORT, encoding="utf-8")
    task = "Prepare: warren.hosts.rabbitmq : Install the broker"
    assert slowest(tmp_path) == ((task, 20.25), ("Prepare: Look", 0.5))
    assert slowest(tmp_path, 1) == ((task, 20.25),)


def test_the_topology_of_the_test_watches_for_drift(tmp_path: Path) -> None:
    data: dict[str, Any] = yaml.safe_load(checkout.path("deploy", "topology.yml").read_text("utf-8"))
    watch_for_drift(data)
    (tmp_path / "topology.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    topology = load(tmp_path / "topology.yml")
    assert topology.drift_user == "drift"
    assert all("drift" in {each.user for each in vhost.permissions} for vhost in topology.vhosts)
