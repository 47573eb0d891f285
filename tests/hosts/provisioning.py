"""Plays the collection against test hosts, and says how it went: time, changes, and what was printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from warren.provision import one_inventory

ROOT = Path(__file__).resolve().parents[2]
#: A name of its own: it lives beside a cluster, and beside hosts, that somebody works with.
NAME = "warren-test"
NODES = ("rmq1", "rmq2", "rmq3")
#: Services stand on the nodes' own hosts, since test hosts know no other names.
PLACES = {"prometheus": "rmq2", "alertmanager": "rmq2", "exporters": "rmq3", "loadgen": "rmq3"}
_RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One run: its wall time in seconds, tasks changed by host, hosts that failed or were lost, its text."""

    seconds: float
    changed: Mapping[str, int]
    lost: frozenset[str]
    text: str
    returncode: int
    #: The tasks that took longest on one host, with their seconds, the longest first.
    slowest: tuple[tuple[str, float], ...] = ()

    @property
    def figures(self) -> dict[str, object]:
        return {
            "seconds": round(self.seconds, 1),
            "changed": sum(self.changed.values()),
            "lost": sorted(self.lost),
            "slowest": [[name, round(seconds, 1)] for name, seconds in self.slowest],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Three test hosts, their state folder and the way to play on them."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state" / f"{NAME}-hosts"

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "WARREN_STATE": str(self.folder / "state"),
            "PYTHONPATH": str(ROOT),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
        }

    def warren(self, *argv: str, timeout_s: float = 500.0) -> str:
        """Run a command of Warren on the hosts' topology; fails with what it printed."""
        done = self.try_warren(*argv, timeout_s=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_warren(self, *argv: str, timeout_s: float = 500.0) -> subprocess.CompletedProcess[str]:
        """The same, whatever comes of it."""
        command = [sys.executable, "-m", "warren", *argv, "--topology", str(self.folder / "topology.yml")]
        return subprocess.run(
            command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout_s
        )

    def prepare(self, change: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Write the topology, with a ``change`` of the test's own, and the operator's own part of the
        inventory, and bring the hosts up."""
        data = yaml.safe_load((ROOT / "deploy" / "topology.yml").read_text("utf-8"))
        data["cluster"]["name"] = NAME
        watch_for_drift(data)
        if change is not None:
            change(data)
        (self.folder / "topology.yml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        self.warren("hosts", "up")
        mine = {
            "all": {
                "vars": {
                    "warren_state_dir": str(self.state),
                    "warren_topology": str(self.folder / "topology.yml"),
                },
                "children": {group: {"hosts": {host: None}} for group, host in PLACES.items()},
            }
        }
        (self.folder / "mine.yml").write_text(yaml.safe_dump(mine), encoding="utf-8")

    def command(self, *argv: str, playbook: str = "site.yml") -> list[str]:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return [
            program,
            playbook,
            "-i",
            str(self.state / "inventory.yml"),
            "-i",
            str(self.folder / "mine.yml"),
            *argv,
        ]

    def play(self, *argv: str, playbook: str = "site.yml") -> Played:
        """Play site.yml, or another playbook, on all of them."""
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self.folder) as times:
            env = {
                **self.env,
                "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit",
                "JUNIT_OUTPUT_DIR": times,
            }
            done = subprocess.run(
                self.command(*argv, playbook=playbook), env=env, cwd=ROOT / "ansible",
                capture_output=True, text=True, timeout=1800, check=False,
            )  # fmt: skip
            run = played(done.stdout + done.stderr, time.monotonic() - begun, done.returncode)
            return replace(run, slowest=slowest(Path(times)))

    def one_inventory(self) -> Path:
        """The inventory as one file, which any playbook of an operation makes of its sources."""
        shown = self.play("--check", playbook="playbooks/rebalance.yml")
        assert shown.returncode == 0, shown.text[-6000:]
        return self.state / one_inventory.NAME

    def inside(self, host: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a host, as root, past its sshd."""
        command = ["docker", "exec", f"{NAME}-hosts-{host}", *argv]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def engine(self, act: str, host: str) -> None:
        """Let the engine kill or start a host."""
        subprocess.run(["docker", act, f"{NAME}-hosts-{host}"], capture_output=True, timeout=60, check=True)

    def secrets(self) -> Iterator[str]:
        """Whatever must never be printed: passwords, cookie, their hashes, keys."""
        for path in (self.state / "secrets").iterdir():
            if path.suffix != ".json":
                yield path.read_text("utf-8").strip()
        boot = json.loads((self.state / "secrets" / "boot-definitions.json").read_text("utf-8"))
        yield from (user["password_hash"] for user in boot["users"])
        for path in (self.state / "pki").rglob("*.key"):
            yield path.read_text("utf-8").splitlines()[1]


def watch_for_drift(data: dict[str, Any]) -> None:
    """Have the service that watches for drift, as docs/drift.md says: a user that may look at everything."""
    data["monitoring"]["drift"] = {"user": "drift"}
    data["users"].append({"name": "drift", "tags": ["administrator"]})
    for vhost in data["vhosts"]:
        vhost.setdefault("permissions", []).append({"user": "drift"})


def slowest(folder: Path, most: int = 8) -> tuple[tuple[str, float], ...]:
    """The tasks that took longest, by what Ansible's own callback ``junit`` left in ``folder``."""
    found: dict[str, float] = {}
    for path in folder.glob("*.xml"):
        for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314 - written here
            # What a task was given stands behind its name, and is nobody's to read.
            name = re.sub(r"^\[[^]]*\] | \w+=.*", "", case.get("name", ""), flags=re.DOTALL)
            found[name] = max(found.get(name, 0.0), float(case.get("time") or 0))
    return tuple(sorted(found.items(), key=lambda each: -each[1])[:most])


def played(text: str, seconds: float, returncode: int) -> Played:
    """Read Ansible's recap."""
    rows = _RECAP.findall(text[text.rfind("PLAY RECAP") :])
    return Played(
        seconds=seconds,
        changed={host: int(changed) for host, changed, _, _ in rows},
        lost=frozenset(host for host, _, away, failed in rows if (away, failed) != ("0", "0")),
        text=text,
        returncode=returncode,
    )
