"""Molecule's scenarios for real, each from hosts that are made for it to hosts that are gone.

`tests/contract/test_ansible_molecule.py` has what needs no engine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.provisioning import ROOT
from warren import process
from warren.errors import NotReadyError
from warren.runtime.engine import find_engine

pytestmark = [pytest.mark.cluster, pytest.mark.full, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("scenario", ["load", "monitoring", "broker", "default"])
def test_scenario_passes_and_leaves_nothing(scenario: str, tmp_path: Path) -> None:
    """The shortest first. Molecule destroys what it made also where a step fails."""
    try:
        engine = find_engine(run=process.run)
    except NotReadyError as error:
        pytest.skip(f"no engine: {error.what}")
    programs = Path(sys.executable).parent
    env = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "m"),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [programs / "molecule", "test", "--scenario-name", scenario],
        cwd=ROOT / "ansible", env=env, capture_output=True, text=True, timeout=3500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-3000:]
    label = "label=warren.cluster=warren-molecule-hosts"
    left = process.run([engine.docker, "ps", "--all", "--quiet", "--filter", label], timeout_s=30)
    assert left.stdout.strip() == ""
