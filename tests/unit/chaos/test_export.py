"""A game day as a chaostoolkit experiment: its time line, and that the real tool takes and runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chaos import check, fault
from chaos.experiment import Experiment
from chaos.experiment_reader import load
from chaos.export import chaostoolkit
from chaos.known import known
from warren.errors import BadInputError

from .fake_day import TEXT

NODES = ("rmq1", "rmq2", "rmq3")


def experiment(lab: Any, name: str) -> Experiment:
    return load(name, known(lab, faults=fault.names(), checks=check.names()))


def commands(plain: dict[str, Any], part: str) -> list[str]:
    return [" ".join((each["provider"]["path"], *each["provider"]["arguments"])) for each in plain[part]]


def test_faults_wait_in_the_background_for_their_time_and_the_load_runs_in_front(lab: Any) -> None:
    plain = chaostoolkit(experiment(lab, "majority-lost"), NODES, seed=5)
    *faults, run = plain["method"]
    assert [each["pauses"]["before"] for each in faults] == [24.0, 29.0, 69.0]
    assert all(each["background"] for each in faults)
    assert "background" not in run
    assert commands(plain, "method") == [
        "warren chaos kill rmq2",
        "warren chaos kill rmq3 --majority-loss --for 25s",
        "warren chaos heal rmq2",
        "warren load run work --purge --quiet --seed 5 --duration 120s --json warren-majority-lost.json"
        " --rate 200 --set tolerances.failed_publishes=1000000",
    ]
    assert commands(plain, "rollbacks")[0] == "warren chaos heal"


def test_role_and_settings_of_a_fault_are_said_as_the_command_takes_them(lab: Any) -> None:
    plain = chaostoolkit(experiment(lab, "one-way-partition"), NODES, seed=1)
    assert commands(plain, "method")[0] == (
        "warren chaos partition --leader-of orders.work --set traffic=inter-node --set how=drop"
        " --set direction=out --for 25s"
    )


@pytest.mark.parametrize(
    ("attach", "option"), [("target", "--attach rmq2"), ("not-target", "--attach rmq1,rmq3"), ("any", "")]
)
def test_clients_attach_by_the_node_that_is_struck(
    lab: Any, tmp_path: Path, attach: str, option: str
) -> None:
    path = tmp_path / "day.yml"
    named = TEXT.replace("target: {leader-of: orders.work}", "target: {node: rmq2}")
    path.write_text(named.replace("load: {profile", f"load: {{attach: {attach}, profile"), encoding="utf-8")
    plain = chaostoolkit(experiment(lab, str(path)), NODES, seed=1)
    assert option in commands(plain, "method")[-1]
    assert ("--attach" in commands(plain, "method")[-1]) is bool(option)
    assert "attach to any" not in plain["description"]


def test_where_clients_cannot_attach_as_in_the_game_day_is_said(lab: Any) -> None:
    plain = chaostoolkit(experiment(lab, "leader-paused"), NODES, seed=1)
    assert "its clients attach to the nodes beside it" in plain["description"]
    assert "here they attach to any" in plain["description"]
    assert "--attach" not in commands(plain, "method")[-1]


def test_condition_is_refused_by_name(lab: Any, tmp_path: Path) -> None:
    path = tmp_path / "day.yml"
    wait = "at: 5s, until: {name: alarm, tolerance: 3, provider: {type: broker, ask: alarms}}, within: 8s,"
    path.write_text(TEXT.replace("at: 20s,", wait), encoding="utf-8")
    with pytest.raises(BadInputError, match="kill it: waits for a condition"):
        chaostoolkit(experiment(lab, str(path)), NODES, seed=1)


STUB = """#!/bin/sh
echo "$*" >> calls
case "$*" in
  load*) sleep 3; echo '{"verdict": "passed"}' > "$(echo "$*" | sed 's/.*--json \\([^ ]*\\).*/\\1/')";;
esac
"""


@pytest.mark.full
def test_real_chaostoolkit_runs_the_export(lab: Any, tmp_path: Path) -> None:
    """In a virtual environment of its own; `warren` is a stub there that notes what it is told."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    pip = [str(tmp_path / "venv" / "bin" / "pip"), "install", "--quiet", "chaostoolkit>=1.19"]
    subprocess.run(pip, check=True, timeout=240)
    plain = chaostoolkit(experiment(lab, "leader-killed"), NODES, seed=1)
    for each in plain["method"][:-1]:
        each["pauses"]["before"] = 1
    file, stub = tmp_path / "day.json", tmp_path / "bin" / "warren"
    file.write_text(json.dumps(plain), encoding="utf-8")
    stub.parent.mkdir()
    stub.write_text(STUB, encoding="utf-8")
    stub.chmod(0o755)
    env = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"}
    chaos = str(tmp_path / "venv" / "bin" / "chaos")
    run = [chaos, "run", "--rollback-strategy", "always", str(file)]
    done = subprocess.run(
        run, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    journal = json.loads((tmp_path / "journal.json").read_text(encoding="utf-8"))
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert calls[1].startswith("load run work") or calls[2].startswith("load run work")
    assert "chaos kill --leader-of orders.work --for 25s" in calls
    assert calls[-1] == "chaos heal"
