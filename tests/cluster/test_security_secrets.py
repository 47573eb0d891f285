"""Every secret's value is looked for where it must not be: logs, arguments, environments, what the engine
shows, pages, reports, generated files, and files that others may read. Places are told, values never."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from warren.context import Context

from . import attack, searching
from .attack import Target
from .conftest import ROOT, ClusterUnderTest

_DOCKER_S = 120
#: Folders of a container that hold configuration, data or logs.
_FOLDERS = (
    "/etc/rabbitmq",
    "/etc/warren",
    "/etc/prometheus",
    "/etc/alertmanager",
    "/etc/grafana",
    "/tmp",
    "/var/log",
)


@pytest.fixture(scope="module")
def needles(target: Target) -> dict[str, list[bytes]]:
    found = searching.needles(target.folder, (user.name for user in target.topology.users))
    assert len(found) > len(target.topology.users)
    return found


def _docker(context: Context, *arguments: str) -> bytes:
    command = [context.engine.docker, *arguments]
    done = subprocess.run(command, capture_output=True, timeout=_DOCKER_S, check=False)
    return done.stdout + done.stderr


def _report(needles: Mapping[str, list[bytes]], places: Iterator[tuple[str, bytes]], *, least: int) -> int:
    told, count = searching.search(needles, places)
    assert told == []
    assert count >= least
    return count


def test_secret_that_is_there_is_found(needles: dict[str, list[bytes]], tmp_path: Path) -> None:
    """The search itself: in a file, in an argument and in an environment."""
    name, forms = next(iter(needles.items()))
    (tmp_path / "log").write_bytes(b"before " + forms[0] + b" after")
    assert searching.search(needles, searching.files(tmp_path))[0] == [f"{tmp_path / 'log'}: {name}"]
    child = subprocess.Popen(
        [sys.executable, "-c", "input()", forms[0].decode()],
        stdin=subprocess.PIPE,
        env={"PLANTED": forms[-1].decode()},
    )
    try:
        told, _ = searching.search(needles, searching.processes())
        assert f"cmdline of process {child.pid}: {name}" in told
        assert f"environ of process {child.pid}: {name}" in told
    finally:
        child.communicate(b"\n", timeout=30)


def test_no_secret_in_arguments_or_environments(needles: dict[str, list[bytes]]) -> None:
    _report(needles, searching.processes(), least=10)


def test_no_secret_in_what_the_engine_shows(
    context: Context, boxes: list[dict[str, Any]], needles: dict[str, list[bytes]]
) -> None:
    def places() -> Iterator[tuple[str, bytes]]:
        for box in boxes:
            name = str(box["Name"])
            yield f"inspect of {name}", json.dumps(box).encode()
            yield f"logs of {name}", _docker(context, "logs", str(box["Id"]))
            yield f"history of {box['Image']}", _docker(context, "history", "--no-trunc", str(box["Image"]))
        for kind in ("volume", "network"):
            label = f"label=warren.cluster={context.topology.cluster}"
            names = _docker(context, kind, "ls", "--quiet", "--filter", label).decode().split()
            yield f"{kind}s", _docker(context, kind, "inspect", *names)

    _report(needles, places(), least=3 * len(boxes) + 2)


def test_no_secret_in_files_of_containers_that_others_may_read(
    context: Context, boxes: list[dict[str, Any]], needles: dict[str, list[bytes]]
) -> None:
    """Of the folders that hold configuration: no file that its group or others may read."""

    def places() -> Iterator[tuple[str, bytes]]:
        for box in boxes:
            for folder in _FOLDERS:
                archive = _docker(context, "cp", f"{box['Id']}:{folder}", "-")
                if b"ustar" not in archive[:512]:
                    continue  # it has no such folder
                with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                    for member in tar:
                        file = tar.extractfile(member) if member.isfile() else None
                        if file and member.mode & (stat.S_IRGRP | stat.S_IROTH):
                            yield f"{box['Name']} {member.name}", file.read()

    _report(needles, places(), least=20)


def test_no_secret_in_files_that_the_state_shows(target: Target, needles: dict[str, list[bytes]]) -> None:
    """Beside the folders of secrets and keys there is none; and what others may read has none anywhere."""
    folders = [each for each in target.folder.iterdir() if each.name not in ("secrets", "pki", "image-build")]
    _report(needles, searching.files(*folders), least=5)
    _report(needles, searching.readable_by_others(target.folder), least=5)
    for closed in ("secrets", "pki"):
        assert stat.S_IMODE((target.folder / closed).stat().st_mode) == 0o700
        for path in (target.folder / closed).rglob("*"):
            if path.suffix == ".key" or closed == "secrets":
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_no_secret_in_the_checkout(needles: dict[str, list[bytes]]) -> None:
    """Generated files among them, and what git does not know."""
    folders = [
        path for path in ROOT.iterdir() if path.name not in (".git", ".venv", ".mypy_cache", ".hypothesis")
    ]
    _report(needles, searching.files(*folders), least=300)


def test_no_secret_on_any_page(target: Target, needles: dict[str, list[bytes]]) -> None:
    """Asked with every right that there is."""
    operator = target.topology.account("operator").name
    login = (operator, target.password(operator))
    pages = {
        "management": (
            "overview",
            "nodes",
            "users",
            "definitions",
            "connections",
            "parameters",
            "global-parameters",
        ),
        "metrics": ("/metrics", "/metrics/per-object"),
        "prometheus": ("config", "flags", "runtimeinfo", "/api/v1/targets", "/metrics"),
        "alertmanager": ("/api/v2/status", "/api/v2/alerts", "/api/v2/receivers", "/metrics"),
        "exporter": ("/metrics", "/"),
        "probe": ("/metrics", "/"),
        "view": ("/", "/api/settings", "/api/dashboards"),
    }
    prefix = {"management": "/api/", "prometheus": "/api/v1/status/"}

    def places() -> Iterator[tuple[str, bytes]]:
        for kind, paths in pages.items():
            for port in target.of(kind)[:1]:
                who = login if kind in ("management", "metrics") else None
                if kind in ("prometheus", "alertmanager", "view"):
                    who = attack.service_login(target, kind)
                for path in paths:
                    full = path if path.startswith("/") else prefix[kind] + path
                    yield f"{port} {full}", attack.http(target, port, "GET", full, login=who).data

    _report(needles, places(), least=10)


@pytest.mark.full
@pytest.mark.parametrize(
    "command",
    [
        "cluster status", "cluster verify", "cluster env --user operator", "topology plan",
        "topology diff", "topology check", "chaos list", "queue list",
    ],
)  # fmt: skip
def test_no_secret_in_what_commands_print(
    context: Context, needles: dict[str, list[bytes]], command: str
) -> None:
    """`cluster env` names the files of passwords."""
    argv = [str(Path(sys.executable).parent / "warren"), *command.split()]
    env = {
        **os.environ,
        "WARREN_TOPOLOGY": str(context.topology_path),
        "WARREN_STATE": str(context.state.root.parent),
    }
    done = subprocess.run(argv, capture_output=True, timeout=_DOCKER_S, env=env, check=False)
    assert done.stdout, done.stderr
    _report(needles, iter([(command, done.stdout + done.stderr)]), least=1)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_no_secret_while_load_runs_nor_in_its_record_and_report(
    request: pytest.FixtureRequest, needles: dict[str, list[bytes]], tmp_path: Path
) -> None:
    """The containers of a run, its processes, its result, and the page of it."""
    if os.environ.get("WARREN_ATTACK_TOPOLOGY"):
        pytest.skip("runs no load on a cluster that is somebody's")
    cluster: ClusterUnderTest = request.getfixturevalue("cluster")
    child, result = cluster.begin_load(["work", "--rate", "50", "--duration", "10s"], tmp_path)
    _report(needles, searching.processes(), least=10)
    boxes = cluster.runtime.containers()
    assert any(box["Config"]["Labels"].get("warren.role") == "load" for box in boxes)
    _report(needles, iter([(str(box["Name"]), json.dumps(box).encode()) for box in boxes]), least=2)
    assert child.wait(timeout=200) == 0
    run = json.loads(result.read_text(encoding="utf-8"))["run_id"]
    done = cluster.warren(["report", run, "--out", str(tmp_path / "page.html")], timeout_s=200)
    assert done.returncode == 0, done.stderr
    _report(needles, searching.files(tmp_path, cluster.state.runs), least=3)
