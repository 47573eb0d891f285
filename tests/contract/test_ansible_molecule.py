"""The Molecule scenarios without an engine: Molecule's own schema, sequences, syntax of every playbook, and
create and destroy with a Warren that only says what it was told."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from warren import checkout
from warren.inventory import SERVICE_GROUPS

ANSIBLE = checkout.ROOT / "ansible"
MOLECULE = ANSIBLE / "extensions" / "molecule"
SCENARIOS = sorted(path.parent.name for path in MOLECULE.glob("*/molecule.yml"))
PLAYBOOKS = sorted(str(path.relative_to(MOLECULE)) for path in MOLECULE.glob("*/*.yml"))

#: Keeps what it is told, and answers as it is told to. `hosts up` leaves an inventory, as Warren does.
FAKE = """
import json, os, pathlib, sys
folder = pathlib.Path(os.environ["FAKE"])
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1:3] == ["hosts", "up"]:
    state = pathlib.Path(os.environ["WARREN_STATE"]) / "warren-molecule-hosts"
    state.mkdir(parents=True)
    (state / "inventory.yml").write_text("all: {children: {rabbitmq: {hosts: {rmq1: , rmq2: , rmq3: }}}}")
    topology = pathlib.Path(sys.argv[sys.argv.index("--topology") + 1]).read_text()
    (folder / "topology.yml").write_text(topology)
print((folder / "says").read_text() if (folder / "says").exists() else "")
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a program of Ansible's in its folder, with the fake Warren in place of ours."""
    (tmp_path / "fake" / "warren").mkdir(parents=True)
    (tmp_path / "fake" / "warren" / "__init__.py").touch()
    (tmp_path / "fake" / "warren" / "__main__.py").write_text(FAKE, encoding="utf-8")
    bin_folder = Path(sys.executable).parent
    # Should ours be found all the same, it has no engine to make hosts with.
    for engine in ("docker", "podman", "dockerd"):
        (tmp_path / "fake" / engine).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (tmp_path / "fake" / engine).chmod(0o755)

    def command(program: str, *argv: str) -> subprocess.CompletedProcess[str]:
        env = {
            **os.environ,
            "PATH": f"{tmp_path / 'fake'}:{bin_folder}:{os.environ['PATH']}",
            "FAKE": str(tmp_path),
            "HOME": str(tmp_path),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "NO_COLOR": "1",
            "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "ephemeral"),
            "MOLECULE_PROJECT_DIRECTORY": str(ANSIBLE),
            "WARREN_STATE": str(tmp_path / "ephemeral" / "state"),
            "PYTHONPATH": str(tmp_path / "fake"),
        }
        return subprocess.run(
            [bin_folder / program, *argv], cwd=ANSIBLE, env=env, capture_output=True, text=True, timeout=280,
            check=False,
        )  # fmt: skip

    return command


def _calls(folder: Path) -> list[list[str]]:
    path = folder / "calls"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _read(path: Path) -> dict[str, object]:
    found = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_there_is_a_scenario_for_everything_and_one_for_each_group_of_roles() -> None:
    assert SCENARIOS == ["broker", "default", "load", "monitoring"]
    readme = (ANSIBLE / "README.md").read_text("utf-8")
    for name in SCENARIOS:
        assert f"| `{name}` |" in readme
        assert _read(MOLECULE / name / "molecule.yml")["scenario"]["name"] == name  # type: ignore[index]


def test_tags_of_a_scenario_are_those_of_the_site() -> None:
    """One that is in no play would make a scenario that does nothing, well."""
    plays = yaml.safe_load((ANSIBLE / "playbooks" / "site.yml").read_text("utf-8"))
    known = {tag for play in plays for tag in play.get("tags", [])}
    for name in SCENARIOS:
        found = re.search(r"--tags=(\S+)", (MOLECULE / name / "molecule.yml").read_text("utf-8"))
        assert set(found[1].split(",") if found else known) <= known
    groups = yaml.safe_load((MOLECULE / "shared" / "inventory" / "services.yml").read_text("utf-8"))["all"][
        "children"
    ]
    # Grafana is in no suite of Debian's: its role wants to be told where the package is.
    assert set(groups) == set(SERVICE_GROUPS) - {"grafana"}


@pytest.mark.full
@pytest.mark.parametrize("name", SCENARIOS)
def test_molecule_takes_a_scenario_and_runs_its_steps_in_order(name: str, run: Run) -> None:
    """Reading it, Molecule holds it against its schema."""
    done = run("molecule", "matrix", "--scenario-name", name, "test")
    assert done.returncode == 0, done.stdout + done.stderr
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    steps = re.findall(r"[├└]─ ((?:side_effect )?\S+)", plain)
    own = _read(MOLECULE / name / "molecule.yml")["scenario"].get("test_sequence")  # type: ignore[attr-defined]
    shared = _read(MOLECULE / "config.yml")["scenario"]["test_sequence"]  # type: ignore[index]
    assert steps == (own or shared)
    assert [steps.index(step) for step in ("create", "syntax", "prepare", "check", "converge")] == [
        0,
        1,
        2,
        3,
        5,
    ]
    assert steps[-2:] == ["verify", "destroy"]
    assert steps.count("idempotence") == steps.count("converge")
    for step in steps:
        if " " in step:
            assert (MOLECULE / name / step.split()[1]).resolve().is_file()


@pytest.mark.full
@pytest.mark.parametrize("playbook", [each for each in PLAYBOOKS if not each.endswith("molecule.yml")])
def test_a_playbook_is_good_ansible(playbook: str, run: Run) -> None:
    done = run(
        "ansible-playbook",
        "--syntax-check",
        "-i",
        f"{MOLECULE}/shared/inventory/services.yml",
        str(MOLECULE / playbook),
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_hosts_are_made_under_a_name_of_their_own_and_all_is_gone_after(run: Run, tmp_path: Path) -> None:
    made = run("molecule", "create", "--scenario-name", "broker")
    assert made.returncode == 0, made.stdout + made.stderr
    topology = tmp_path / "ephemeral" / "topology.yml"
    assert _calls(tmp_path) == [["hosts", "up", "--topology", str(topology)]]
    given, deployed = _read(tmp_path / "topology.yml"), _read(checkout.path("deploy", "topology.yml"))
    assert given["cluster"] == {**deployed["cluster"], "name": "warren-molecule"}  # type: ignore[dict-item]
    assert given["vhosts"] == deployed["vhosts"]
    gone = run("molecule", "destroy", "--scenario-name", "broker")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert _calls(tmp_path)[1:] == [["hosts", "down", "--topology", str(topology)]]
    assert not (tmp_path / "ephemeral" / "state").exists()
    # Nothing to remove, nothing asked for.
    assert run("molecule", "destroy", "--scenario-name", "broker").returncode == 0
    assert len(_calls(tmp_path)) == 2


@pytest.mark.full
@pytest.mark.parametrize("code", [0, 1])
def test_a_cluster_is_verified_by_the_list_of_assertions(code: int, run: Run, tmp_path: Path) -> None:
    (tmp_path / "says").write_text("failed  cores  rabbit@rmq1: 2 cores", encoding="utf-8")
    if code:
        # Leaders are spread before; only the judgement fails.
        failing = FAKE + "sys.exit('verify' in sys.argv)\n"
        (tmp_path / "fake" / "warren" / "__main__.py").write_text(failing, encoding="utf-8")
    inventory = MOLECULE / "shared" / "inventory" / "services.yml"
    done = run("ansible-playbook", "-i", str(inventory), str(MOLECULE / "shared" / "verify_cluster.yml"))
    assert bool(done.returncode) is bool(code), done.stdout + done.stderr
    assert "rabbit@rmq1: 2 cores" in done.stdout
    where = ["--topology", f"{tmp_path}/ephemeral/topology.yml", "--hosts"]
    where += [f"{tmp_path}/ephemeral/state/warren-molecule-hosts/inventory.yml"]
    assert _calls(tmp_path) == [["cluster", "rebalance", "--yes", *where], ["cluster", "verify", *where]]
