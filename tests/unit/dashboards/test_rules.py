"""The rules' own tests, run by promtool where it is installed; the cluster tests always run them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed; cluster tests run it"
)
def test_rules_fire_when_they_should_and_only_then(checkout_root: Path) -> None:
    folder = checkout_root / "dashboards" / "rules"
    tests = sorted(path.name for path in folder.glob("*_test.yml"))
    done = subprocess.run(
        ["promtool", "test", "rules", *tests], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("SUCCESS") == len(tests)
