"""`warren topology` as a person types it: exit codes, and what is printed where."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.drift_cluster import RecordedCluster
from tests.unit.warren.test_plan import broker_of
from tests.unit.warren.test_plan import passwords as passwords_of
from warren import cli
from warren.context import Context
from warren.objects import planning
from warren.objects.found import from_definitions, read_actual
from warren.plan import plan
from warren.secrets import Secrets
from warren.state import open_state, write_atomically
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
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, out, err = warren("topology", "apply")
    assert code == 2
    assert "missing on the broker" in out
    assert "--yes" in err


def test_apply_that_is_not_agreed_to_is_refused_and_not_an_interrupt(
    warren: Run, monkeypatch: pytest.MonkeyPatch, deployed: Topology
) -> None:
    nothing = from_definitions({"users": []})
    passwords = {user.name: "p" for user in deployed.users}
    monkeypatch.setattr(planning, "current_plan", lambda context: plan(deployed, nothing, passwords))
    answer = io.StringIO("n\n")
    monkeypatch.setattr(answer, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", answer)
    code, _, err = warren("topology", "apply")
    assert code == 2
    assert "nothing was changed" in err


def test_apply_does_only_what_was_shown_and_agreed_to(
    warren: Run, monkeypatch: pytest.MonkeyPatch, deployed: Topology
) -> None:
    """While somebody reads the plan, a queue is made that --prune would remove."""
    broker = broker_of(deployed)
    broker.row("policies", name="orders-work")["priority"] = 77
    broker.row("users", name="monitoring")["tags"] = ["management"]
    monkeypatch.setattr(Context, "management", broker)
    monkeypatch.setattr(planning, "passwords", lambda context, make: passwords_of(deployed))

    class Reader(io.StringIO):
        def isatty(self) -> bool:
            return True

        def readline(self, *size: int) -> str:
            broker._queue("/orders", "theirs", {"durable": True, "auto_delete": False, "arguments": {}})
            return "y\n"

    monkeypatch.setattr(sys, "stdin", Reader())
    code, out, err = warren("topology", "apply", "--prune")
    assert code == 2
    assert "theirs" not in out
    assert "queue theirs in /orders" in err
    assert broker.writes == []
    code, *_ = warren("topology", "apply", "--prune", "--yes")
    assert code == 0
    assert planning.plan(deployed, read_actual(broker), passwords_of(deployed)).steps == ()  # type: ignore[arg-type]


def test_plan_tells_the_objects_and_never_fails(
    warren: Run, monkeypatch: pytest.MonkeyPatch, deployed: Topology, tmp_path: Path
) -> None:
    nothing = from_definitions({"users": []})
    passwords = {user.name: "p" for user in deployed.users}
    monkeypatch.setattr(planning, "current_plan", lambda context: plan(deployed, nothing, passwords))
    path = tmp_path / "result.json"
    code, out, _ = warren("topology", "plan", "--json", str(path))
    assert code == 0
    assert "missing on the broker" in out
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["in_sync"] is False


@pytest.fixture
def recorded(
    deployed: Topology, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, RecordedCluster]:
    """A cluster without drift by the user who looks, each with a password in the state folder."""
    clusters = {name: RecordedCluster(deployed, user=name) for name in ("operator", "monitoring")}
    kept = Secrets(open_state("warren", {"WARREN_STATE": str(tmp_path / "state")}).secrets)
    for user in deployed.users:
        write_atomically(kept.path(user.name), passwords_of(deployed)[user.name].encode(), mode=0o600)
    monkeypatch.setattr(Context, "management_as", lambda self, user: nullcontext(clusters[user]))
    return clusters


def test_diff_without_drift_passes(warren: Run, recorded: dict[str, RecordedCluster]) -> None:
    code, out, err = warren("topology", "diff")
    assert (code, err) == (0, "")
    assert out == "the broker has what the topology asks for (17 kinds compared)\n"


def test_diff_fails_with_a_section_for_each_kind(
    warren: Run, recorded: dict[str, RecordedCluster], tmp_path: Path
) -> None:
    cluster = recorded["operator"]
    cluster.row("policies", name="orders-work")["definition"]["max-length"] = 7
    cluster.row("nodes", name="rabbit@rmq1")["net_ticktime"] = 120
    path = tmp_path / "result.json"
    code, out, _ = warren("topology", "diff", "--json", str(path))
    assert code == 1
    assert out.splitlines() == [
        "setting (1):",
        "  rmq1: net tick time in seconds is 120, wanted 60",
        "policy (1):",
        "  policy orders-work in /orders: definition.max-length is 7, wanted 100000",
        "objects are made as the topology says with: warren topology apply",
        "2 differences of 2 kinds (17 kinds compared)",
    ]
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["in_sync"] is False


def test_diff_as_another_user_is_no_verdict_where_kinds_are_hidden(
    warren: Run, recorded: dict[str, RecordedCluster]
) -> None:
    code, out, _ = warren("topology", "diff", "--user", "monitoring")
    assert code == 4
    assert "not compared (4): user, user limit, permission, topic permission" in out
    assert warren("topology", "diff", "--user", "monitoring", "--kind", "queue")[0] == 0
    assert warren("topology", "diff", "--user", "nobody")[0] == 2


def test_diff_of_a_kind_that_there_is_not_names_those_there_are(warren: Run) -> None:
    code, _, err = warren("topology", "diff", "--kind", "queues")
    assert code == 2
    assert "queue" in err


def test_diff_without_a_cluster_is_not_ready(warren: Run) -> None:
    code, _, err = warren("topology", "diff")
    assert code == 3
    assert "make cluster-up" in err
