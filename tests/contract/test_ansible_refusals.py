"""Every refusal of the role, provoked, and what it prints: docs/hosts.md has the table.

All are played at once, each on a host of its own that is this machine under another name. Where the words
have changed, run this with ``WARREN_TEST_RECORDS=docs/figures`` and then ``make docs``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.conftest import ROLE
from tests.contract.refusing import CASES, Place, lay
from warren import checkout, inventory
from warren.assertions import configuration
from warren.topology import Topology

RECORD = checkout.ROOT / "docs" / "figures" / "refusals.json"
#: Gives a host the facts that it is told.
_GIVEN = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={"facts": {"type": "dict"}})
module.exit_json(ansible_facts={f"ansible_{key}": value for key, value in module.params["facts"].items()})
"""
_FAILED = "{{ {'result': ansible_failed_result, 'hidden': ansible_failed_task.no_log | bool} | to_json }}"


def _plays() -> list[dict[str, Any]]:
    """One play for all; a file of tasks cannot be chosen by a variable of the host."""
    return [
        {
            "hosts": "all",
            "connection": "local",
            "gather_facts": False,
            "environment": {"PATH": "{{ refusing_programs }}:{{ lookup('ansible.builtin.env', 'PATH') }}"},
            "tasks": [
                {"given_facts": {"facts": "{{ refusing_facts }}"}},
                {
                    "block": [
                        {
                            "ansible.builtin.include_role": {
                                "name": "warren.hosts.rabbitmq",
                                "tasks_from": each,
                            },
                            "when": f"refusing_tasks == '{each}'",
                        }
                        for each in dict.fromkeys(case.tasks for case in CASES.values())
                    ],
                    "rescue": [
                        {
                            "ansible.builtin.copy": {
                                "content": _FAILED,
                                "dest": "{{ refusing_out }}/{{ inventory_hostname }}.json",
                                "mode": "0600",
                            }
                        }
                    ],
                },
            ],
        }
    ]


def _host(name: str) -> str:
    """A name that is no word of what is printed."""
    return CASES[name].host or f"case-{name}-x"


@pytest.fixture(scope="module")
def refused(deployed: Topology, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, Any]]:
    """By case, how the role failed: the module's result, and whether it was hidden."""
    folder = tmp_path_factory.mktemp("refusals")
    for name in ("library", "out"):
        (folder / name).mkdir()
    (folder / "library" / "given_facts.py").write_text(_GIVEN, encoding="utf-8")
    (folder / "play.yml").write_text(yaml.safe_dump(_plays(), sort_keys=False), encoding="utf-8")
    (folder / "ansible.cfg").touch()
    listed = inventory.inventory(deployed)
    groups = listed["all"]["children"]
    groups["others"] = {"hosts": {}}
    for name, case in CASES.items():
        group = "rabbitmq" if case.host else "others"
        host = _host(name)
        groups[group]["hosts"][host] = lay(Place(folder / name, host), case)
    listed["all"]["vars"] |= {
        "ansible_python_interpreter": sys.executable,
        "refusing_out": str(folder / "out"),
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump(listed), encoding="utf-8")
    env = {
        **os.environ,
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(checkout.ROOT / ".collections"),
        "ANSIBLE_LIBRARY": str(folder / "library"),
        "ANSIBLE_FORKS": "4",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONPATH": str(checkout.ROOT),
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.yml", "play.yml"],
        cwd=folder, env=env, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    (folder / "log").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert "PLAY RECAP" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    found = {}
    for name in CASES:
        file = folder / "out" / f"{_host(name)}.json"
        assert file.exists(), f"{name} was not refused; see {folder}/log"
        found[name] = json.loads(file.read_text("utf-8")) | {"place": Place(folder / name, _host(name))}
    # A test itself sees none of the user's variables.
    if records := os.environ.get("WARREN_TEST_RECORDS"):
        text = json.dumps({"schema": 1, "refusals": _record(found)}, indent=1, ensure_ascii=False)
        Path(records, RECORD.name).write_text(f"{text}\n", encoding="utf-8")
    return found


def _record(refused: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {name: {"when": case.when, "prints": _said(refused[name])} for name, case in CASES.items()}


def _said(how: Mapping[str, Any]) -> str:
    """What an operator reads first, with the places of a real host. Of openssl's words only the reason."""
    result, place = how["result"], how["place"]
    failed = [each["msg"] for each in result.get("results", [result]) if each.get("failed")]
    text = " ".join(failed[0].split())
    for path, shown in (
        (place.state, "STATE"), (place.config, "/etc/rabbitmq"), (place.root, "/srv"), (place.host, "rmq1"),
    ):  # fmt: skip
        text = text.replace(str(path), shown)
    text = re.sub(r"(days): .*?(error \d+ at \d+ depth lookup: [A-Za-z ]+).*?\. Let", r"\1: \2. Let", text)
    return re.sub(r"clock is [\d.]+ s", "clock is 600.0 s", text)


@pytest.mark.full
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("name", CASES)
def test_what_would_not_work_is_refused_and_told(name: str, refused: Mapping[str, dict[str, Any]]) -> None:
    said = _said(refused[name])
    assert CASES[name].said in said
    assert not refused[name]["hidden"], "its reason is not shown to the operator"
    if name == "repository-key":
        assert "F4B6DA08FA92BC47A49674471B241C3B11629704" in said


@pytest.mark.full
def test_the_documented_words_are_the_roles(refused: Mapping[str, dict[str, Any]]) -> None:
    now = _record(refused)
    recorded = json.loads(RECORD.read_text("utf-8"))["refusals"]
    assert recorded == now, "run this with WARREN_TEST_RECORDS=docs/figures, then: make docs"


def test_every_assertion_of_the_role_is_provoked() -> None:
    """Those that refuse come first in the task files that hosts are looked at by."""
    provoked = {case.tasks for case in CASES.values()} | {"preflight_host.yml"}
    for file in sorted((ROLE / "tasks").glob("*.yml")):
        tasks = yaml.safe_load(file.read_text("utf-8"))
        asserts = [task["name"] for task in tasks if "ansible.builtin.assert" in task]
        # verify_node.yml looks at what runs, and is the cluster test's.
        if asserts and file.name not in ("verify_node.yml", "install_erlang.yml"):
            assert file.name in provoked, f"{file.name}: {asserts}"
    patterns = yaml.safe_load((ROLE / "vars" / "main.yml").read_text("utf-8"))["__rabbitmq_refused_settings"]
    lines = [re.search(r"`(.+)`", case.when) for name, case in CASES.items() if "-key-" in name]
    plain = [found[1].replace(" ", "") for found in lines if found]
    for each in patterns:
        assert any(re.search(each["pattern"], line) for line in plain), each["pattern"]


def test_the_role_refuses_every_key_that_a_running_cluster_is_judged_by() -> None:
    samples = [
        "cluster_formation.randomized_startup_delay_range.min=1", "classic_queue.default_version=1",
        "ssl_options.cacerts.1=x", "management.ssl.cacerts.1=x", "cluster_partition_handling=x",
        "queue_master_locator=x", "mnesia_table_loading_retry_limit=1", "max_channels=1",
        "management.tcp.port=1", "prometheus.tcp.port=1", "ssl_options.honor_ecc_order=true",
    ]  # fmt: skip
    for pattern in configuration.DEAD_KEYS:
        assert any(re.match(pattern, line.partition("=")[0]) for line in samples), pattern
    settings = yaml.safe_load((ROLE / "vars" / "main.yml").read_text("utf-8"))["__rabbitmq_refused_settings"]
    for line in samples:
        assert any(re.search(each["pattern"], line) for each in settings), line
