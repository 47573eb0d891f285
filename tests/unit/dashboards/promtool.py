"""What an expression gives over made-up series, by promtool where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def check(
    folder: Path,
    expr: str,
    series: Mapping[str, str],
    expected: Sequence[tuple[str, float]],
    *,
    at: str = "10m",
    interval: str = "5s",
) -> None:
    """Fail unless ``expr`` gives ``expected`` (labels, value) at ``at``; series in promtool's notation."""
    test = {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": at,
                "exp_samples": [{"labels": labels, "value": value} for labels, value in expected],
            }
        ],
    }
    path = folder / "expression_test.yml"  # JSON is YAML
    path.write_text(json.dumps({"evaluation_interval": interval, "rule_files": [], "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", path.name], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
