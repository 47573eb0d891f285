"""The Indexed Job: parts that are all of one run, an account that is only mounted, a command that exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadgen import cli, parts


@pytest.fixture
def job(checkout_root: Path) -> dict[str, Any]:
    text = (checkout_root / "deploy" / "kubernetes" / "load-job.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture
def container(job: dict[str, Any]) -> dict[str, Any]:
    (only,) = job["spec"]["template"]["spec"]["containers"]
    return dict(only)


def words(container: dict[str, Any]) -> list[str]:
    """The words of the warren command in the shell script."""
    script = container["command"][2].replace("\\\n", " ").splitlines()[0]
    return shlex.split(script)


def test_every_index_is_a_part_and_all_run_at_once(job: dict[str, Any], container: dict[str, Any]) -> None:
    spec = job["spec"]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert (job["apiVersion"], job["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
    assert spec["completions"] == spec["parallelism"] == int(env["PARTS"])
    assert spec["backoffLimit"] == 0
    given = words(container)
    assert given[given.index("--part") + 1] == "$((JOB_COMPLETION_INDEX + 1))/$PARTS"
    for index in range(spec["completions"]):
        found = parts.parse(
            f"{index + 1}/{env['PARTS']}", given[given.index("--run-name") + 1], env["START_AT"]
        )
        assert found is not None


def test_command_is_one_that_load_run_knows(container: dict[str, Any]) -> None:
    given = words(container)
    assert given[:3] == ["warren", "load", "run"]
    known = {option for param in cli.run.params for option in param.opts}
    assert {word for word in given if word.startswith("--")} <= known


def test_pod_has_no_right_that_it_does_not_need(job: dict[str, Any], container: dict[str, Any]) -> None:
    pod = job["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


def test_account_is_a_file_and_never_a_variable(job: dict[str, Any], container: dict[str, Any]) -> None:
    volumes = {each["name"]: each for each in job["spec"]["template"]["spec"]["volumes"]}
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert set(mounts) == set(volumes)
    assert volumes["account"]["secret"]["secretName"] == "warren-load"
    given = words(container)
    for option in ("--password-file", "--ca-file"):
        assert given[given.index(option) + 1].startswith(f"{mounts['account']}/")
    assert not [each for each in container["env"] if re.search("pass|secret", each["name"], re.IGNORECASE)]


def test_processes_are_publishers_and_consumers_of_each_role() -> None:
    found = cli.overrides("work", {"processes": 3})
    assert found == {"publishers.shop.count": "3", "consumers.worker.count": "3"}
    found = cli.overrides("work", {"processes": 3, "consumers": 5})
    assert found == {"publishers.shop.count": "3", "consumers.worker.count": "5"}
