"""Operations by Ansible: a playbook for each, run for real on hosts that are not there and an API that is."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from warren import bundle, checkout, definitions, inventory, render
from warren.bundle import Material
from warren.operating import catalogue, host_services
from warren.operating.model import Parameter
from warren.pki import Pki
from warren.provision import one_inventory
from warren.reference import playbooks
from warren.role_values import RoleValues
from warren.secrets import Secrets
from warren.state import State, open_state
from warren.topology import Topology

ANSIBLE = checkout.ROOT / "ansible"
OTHERS = {"site.yml", "look_for_nodes.yml"}


@pytest.mark.parametrize("name", catalogue.names())
def test_every_operation_has_its_playbook(name: str) -> None:
    path = ANSIBLE / "playbooks" / playbooks.file_name(name)
    wanted = playbooks.playbook(name, catalogue.load(name))
    assert path.read_text("utf-8") == wanted, "make docs"


def test_no_playbook_is_of_an_operation_that_is_not() -> None:
    there = {path.name for path in (ANSIBLE / "playbooks").iterdir()}
    assert there == {playbooks.file_name(name) for name in catalogue.names()} | OTHERS


def test_playbooks_are_named_where_people_look() -> None:
    for page in (ANSIBLE / "README.md", checkout.ROOT / "docs" / "operations.md"):
        assert "playbooks/restart.yml" in page.read_text("utf-8"), page


def test_playbook_says_what_it_takes_and_what_it_does() -> None:
    class Fell:
        summary = "fell trees: all of them"
        parameters = (
            Parameter(name="file", kind="file", help="A saw"),
            Parameter(name="speed", kind="choice", default="low", choices=("low", "high"), help="How fast"),
        )
        promise = "birds fly away"
        undoing = "nothing can be put back"

    text = playbooks.playbook("fell-trees", Fell())  # type: ignore[arg-type]
    look, play = yaml.safe_load(text)
    assert look["ansible.builtin.import_playbook"] == "look_for_nodes.yml"
    assert play["name"] == "Fell trees: all of them"
    told = play["tasks"][0]["vars"]["operation_arguments"]
    assert told["speed"] == "{{ operation_speed | default('low') }}"
    assert "mandatory" in told["file"]
    for said in ("birds fly away", "nothing can be put back", "whole path; needed", "(low, high)"):
        assert said in " ".join(text.replace("\n#", "").split())


# Played.


class Played:
    """How a play ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.text = " ".join((done.stdout + done.stderr).split())
        self.failed = done.returncode != 0
        self.changed = int((re.search(r"rmq1 .*changed=(\d+)", done.stdout) or ["", "0"])[1])


Play = Callable[..., Played]


@pytest.fixture(scope="module")
def state(deployed: Topology, tmp_path_factory: pytest.TempPathFactory) -> State:
    opened = open_state("lab", {"WARREN_STATE": str(tmp_path_factory.mktemp("state"))})
    bundle.prepare(
        Material(
            topology=deployed,
            state=opened,
            secrets=Secrets(opened.secrets),
            pki=Pki(opened.pki, datetime.now(UTC)),
        )
    )
    return opened


@contextmanager
def _served(document: Mapping[str, Any], state: State, port: int) -> Iterator[None]:
    """The definitions, as every node's management API has them."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(200 if self.path == "/api/definitions" else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state.pki / "cluster" / "rmq1.pem", state.pki / "cluster" / "rmq1.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


@pytest.fixture
def play(deployed: Topology, state: State, tmp_path: Path) -> Play:
    """Runs a playbook with two sources of inventory; no host answers at its port of SSH."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = yaml.safe_load(checkout.path("deploy", "topology.yml").read_text("utf-8"))
    data["cluster"]["ports"]["management"] = port
    (tmp_path / "mine.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    (tmp_path / "ansible.cfg").touch()
    (tmp_path / "generated.yml").write_text(inventory.inventory_file(deployed), encoding="utf-8")
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": 9,
        "ansible_become_password": "never-to-be-written-down",
        "warren_cluster": "lab",
        "warren_state_dir": str(state.root),
        "warren_topology": str(tmp_path / "mine.yml"),
        "warren_python": sys.executable,
    }
    (tmp_path / "more.yml").write_text(yaml.safe_dump({"all": {"vars": variables}}), encoding="utf-8")
    passwords = {user.name: Secrets(state.secrets).read(user.name) for user in deployed.users}
    document = definitions.document(deployed, definitions.password_hashes(passwords))

    def run(name: str, *argv: str) -> Played:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        env = {
            **os.environ,
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(checkout.ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONPATH": str(checkout.ROOT),
        }
        sources = ["-i", "generated.yml", "-i", "more.yml"]
        with _served(document, state, port):
            done = subprocess.run(
                [program, *sources, f"warren.hosts.{name}", *argv],
                cwd=tmp_path, env=env, capture_output=True, text=True, timeout=250, check=False,
            )  # fmt: skip
        return Played(done)

    return run


def test_rehearsal_shows_the_plan_and_a_run_carries_it_out(play: Play, state: State, tmp_path: Path) -> None:
    wanted = tmp_path / "definitions.json"
    argument = ("-e", f"operation_file={wanted}")
    shown = play("backup_definitions", "--check", *argument)
    assert (shown.failed, shown.changed) == (False, 1), shown.text
    assert f"write the definitions to {wanted}" in shown.text
    assert not wanted.exists()
    done = play("backup_definitions", *argument)
    assert (done.failed, done.changed) == (False, 1), done.text
    assert stat.S_IMODE(wanted.stat().st_mode) == 0o600
    assert json.loads(wanted.read_text())["users"]
    assert not (state.root / "operation.json").exists()
    again = play("backup_definitions", *argument)
    assert again.failed
    assert "is there already" in again.text
    exported = state.root / one_inventory.NAME
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    assert "never-to-be-written-down" not in exported.read_text()


def test_what_is_refused_fails_with_its_reason_and_changes_nothing(play: Play, state: State) -> None:
    refused = play("restart")
    assert (refused.failed, refused.changed) == (True, 0)
    assert "rmq1: ssh: " in refused.text
    assert "Traceback" not in refused.text
    assert not (state.root / "operation.json").exists()


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (("drain",), "say it: -e operation_node=…"),
        (("drain", "-e", "operation_node=rmq9"), "rmq9"),
        (("backup_definitions", "-e", "operation_file=here.json"), "give the whole path"),
        (("restart", "-e", "operation_grace=7"), "one of: 60, 300, 1800"),
        (("restart", "-e", "operation_undo=true"), "there is nothing to undo"),
    ],
)
def test_what_cannot_be_meant_is_refused(play: Play, argv: tuple[str, ...], what: str) -> None:
    refused = play(*argv)
    assert (refused.failed, refused.changed) == (True, 0)
    assert what in refused.text


# What is read of the roles, as Ansible reads it.


@pytest.mark.parametrize("group", ["prometheus", "alertmanager", "grafana", "loadgen"])
def test_tables_of_a_role_are_worked_out_as_ansible_does(
    group: str, topologies: Mapping[str, Topology]
) -> None:
    for topology in topologies.values():
        given = {**render.role_vars(topology), "inventory_hostname": "mon1"}
        table = f"__{group}_material"
        assert RoleValues(role=group, given=given).value(table) == _by_ansible(group, given, table)
        for part in host_services.parts(group, given):
            assert all(path.startswith("/") for path in part.files)


@pytest.mark.parametrize("table", ["__exporters_services", "__exporters_certificates", "__exporters_own"])
def test_tables_of_the_exporters_are_worked_out_as_ansible_does(
    table: str, topologies: Mapping[str, Topology]
) -> None:
    for topology in topologies.values():
        given = {**render.role_vars(topology), "inventory_hostname": "mon1"}
        assert RoleValues(role="exporters", given=given).value(table) == _by_ansible(
            "exporters", given, table
        )


def test_accounts_and_units_of_services_are_the_roles(deployed: Topology) -> None:
    given = {**render.role_vars(deployed), "inventory_hostname": "mon1"}
    for group in ("prometheus", "alertmanager", "grafana", "exporters", "loadgen"):
        text = "".join(path.read_text("utf-8") for path in (ANSIBLE / "roles" / group / "tasks").iterdir())
        for part in host_services.parts(group, given):
            assert f"    owner: {part.owner}\n" in text
            assert not part.unit or group == "exporters" or f"unit_name: {part.unit}\n" in text
    assert '"warren-{{ exporters_service }}.service"' in (
        ANSIBLE / "roles" / "exporters" / "tasks" / "service.yml"
    ).read_text("utf-8")


def _by_ansible(role: str, given: Mapping[str, Any], name: str) -> Any:
    loader = DataLoader()
    known: dict[str, Any] = {}
    for folder in ("defaults", "vars"):
        path = ANSIBLE / "roles" / role / folder / "main.yml"
        part = loader.load_from_file(str(path), trusted_as_template=True) if path.is_file() else {}
        known = {**known, **(given if folder == "vars" else {}), **part}
    return Templar(loader=loader, variables=known).template(known[name])


def test_settings_that_an_upgrade_writes_are_those_that_ansible_writes(
    topologies: Mapping[str, Topology],
) -> None:
    for topology in topologies.values():
        given = {**render.role_vars(topology), "inventory_hostname": "rmq1"}
        for name, text in render.broker_files(topology).items():
            assert RoleValues(role="rabbitmq", given=given).text(name) == text, name
