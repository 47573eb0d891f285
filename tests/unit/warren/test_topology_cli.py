"""`warren topology` as a person types it: exit codes, and what is printed where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren import cli
from warren.objects import planning
from warren.objects.found import from_definitions
from warren.plan import Plan, plan
from warren.topology import Topology

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def warren(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("WARREN_STATE", str(tmp_path / "state"))

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def _file(folder: Path, data: dict[str, Any]) -> str:
    path = folder / "mine.yml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return str(path)


def test_check_of_the_deployed_file_passes(warren: Run) -> None:
    code, out, err = warren("topology", "check")
    assert (code, err) == (0, "")
    assert "no faults; 3 nodes, 2 vhosts" in out


def test_check_prints_every_fault_with_file_path_and_remedy(
    warren: Run, tmp_path: Path, data: dict[str, Any]
) -> None:
    data["cluster"]["nodes"].pop()
    data["cluster"]["ports"]["metrics"] = 15671
    path = _file(tmp_path, data)
    code, out, err = warren("topology", "check", path)
    assert (code, out) == (2, "")
    assert f"{path}:cluster.nodes: 2 nodes: an even number" in err
    assert "try: use 1, 3 or 5 nodes" in err
    assert f"{path}:cluster.ports.metrics: port 15671 is taken" in err
    assert "Traceback" not in err


def test_check_of_a_file_that_is_not_there_says_so(warren: Run, tmp_path: Path) -> None:
    code, _, err = warren("topology", "check", str(tmp_path / "none.yml"))
    assert code == 2
    assert "No such file" in err


@pytest.mark.parametrize(
    ("assertion", "reason"), [("guest-absent", "must hold everywhere"), ("coers", "no such assertion")]
)
def test_check_refuses_a_waiver_of_what_cannot_be_waived(
    warren: Run, tmp_path: Path, data: dict[str, Any], assertion: str, reason: str
) -> None:
    data["waivers"].append({"assertion": assertion, "reason": "because"})
    path = _file(tmp_path, data)
    code, _, err = warren("topology", "check", path)
    assert code == 2
    assert f"{path}:waivers[{assertion}]" in err
    assert reason in err


def test_plan_without_a_cluster_is_not_ready(warren: Run) -> None:
    code, _, err = warren("topology", "plan")
    assert code == 3
    assert "make cluster-up" in err


def test_result_that_cannot_be_written_is_refused_first(warren: Run, tmp_path: Path) -> None:
    code, _, err = warren("topology", "plan", "--json", str(tmp_path / "none" / "result.json"))
    assert code == 2
    assert "there is no folder" in err


def test_apply_without_anybody_to_ask_is_refused(
    warren: Run, monkeypatch: pytest.MonkeyPatch, deployed: Topology
) -> None:
    nothing = from_definitions({"users": []})
    passwords = {user.name: "p" for user in deployed.users}
    monkeypatch.setattr(planning, "current_plan", lambda context: plan(deployed, nothing, passwords))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    code, out, err = warren("topology", "apply")
    assert code == 2
    assert "missing on the broker" in out
    assert "add --yes" in err


def test_diff_fails_where_plan_only_tells(
    warren: Run, monkeypatch: pytest.MonkeyPatch, deployed: Topology, tmp_path: Path
) -> None:
    nothing = from_definitions({"users": []})
    passwords = {user.name: "p" for user in deployed.users}
    monkeypatch.setattr(planning, "current_plan", lambda context: plan(deployed, nothing, passwords))
    path = tmp_path / "result.json"
    assert warren("topology", "plan")[0] == 0
    assert warren("topology", "diff", "--json", str(path))[0] == 1
    result = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert result["in_sync"] is False
    monkeypatch.setattr(planning, "current_plan", lambda context: Plan(steps=()))
    code, out, _ = warren("topology", "diff")
    assert code == 0
    assert "the broker has what the topology asks for" in out
