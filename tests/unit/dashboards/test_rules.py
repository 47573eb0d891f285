"""The rules' own tests, run by promtool where it is installed; the cluster tests always run them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed; cluster tests run it"
)


@NEEDS_PROMTOOL
@pytest.mark.parametrize("folder", ["recording", "rules"])
def test_rules_fire_when_they_should_and_only_then(checkout_root: Path, folder: str) -> None:
    where = checkout_root / "dashboards" / folder
    tests = sorted(path.name for path in where.glob("*_test.yml"))
    assert tests
    done = subprocess.run(
        ["promtool", "test", "rules", *tests], cwd=where, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("SUCCESS") == len(tests)
