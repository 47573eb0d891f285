"""The module that writes broker objects, run by Ansible against a management API that behaves as 4.3 does."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import yaml

from tests.unit.warren.test_plan import FakeBroker
from warren import bundle, checkout, definitions
from warren.bundle import Material
from warren.management import ApiError
from warren.pki import Pki
from warren.secrets import Secrets
from warren.state import State, open_state
from warren.topology import Topology


def _handler(broker: FakeBroker) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            address = urlsplit(self.path)
            path = [unquote(part) for part in address.path.removeprefix("/api/").split("/")]
            status, reply = 200, b"[]"
            try:
                reply = json.dumps(self._act(path, body, dict(parse_qsl(address.query)))).encode()
            except ApiError as error:
                status, reply = 404, json.dumps({"reason": error.what}).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def _act(self, path: list[str], body: Any, query: dict[str, str]) -> Any:
            if self.command == "GET" and path[0] == "queues" and len(path) == 3:
                return broker.row("queues", vhost=path[1], name=path[2])
            if self.command == "GET":
                return broker.rows(*path)
            if self.command == "PUT":
                return broker.put(*path, body=body)
            if self.command == "POST":
                return broker.post(*path, body=body)
            return broker.delete(*path, query=query or None)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the server asks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


@contextmanager
def _served(broker: FakeBroker, state: State, port: int) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(broker))
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


@pytest.fixture(scope="module")
def state(deployed: Topology, tmp_path_factory: pytest.TempPathFactory) -> State:
    opened = open_state("warren", {"WARREN_STATE": str(tmp_path_factory.mktemp("state"))})
    material = Material(
        topology=deployed,
        state=opened,
        secrets=Secrets(opened.secrets),
        pki=Pki(opened.pki, datetime.now(UTC)),
    )
    bundle.prepare(material)
    opened.hosts_ca.write_bytes(material.pki.authority("cluster").certificate.read_bytes())
    return opened


@pytest.fixture
def broker(deployed: Topology, state: State) -> FakeBroker:
    passwords = {user.name: Secrets(state.secrets).read(user.name) for user in deployed.users}
    return FakeBroker(definitions.document(deployed, definitions.password_hashes(passwords)))


class Played:
    """How a play of the role ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.text = done.stdout + done.stderr
        self.failed = done.returncode != 0
        self.changed = int((re.search(r"changed=(\d+)", done.stdout) or ["", "0"])[1])


Play = Callable[..., Played]
Edit = Callable[[Callable[[dict[str, Any]], None]], None]


@pytest.fixture
def play(state: State, tmp_path: Path, broker: FakeBroker) -> Play:
    """Runs the role `topology` against ``broker``, served at the one node's port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = checkout.path("deploy", "topology.yml").read_text("utf-8")
    data = yaml.safe_load(text)
    data["cluster"]["ports"]["management"] = port
    topology = tmp_path / "mine.yml"
    topology.write_text(yaml.safe_dump(data), encoding="utf-8")
    (tmp_path / "ansible.cfg").touch()
    hosts = {"rmq1": {"ansible_host": "127.0.0.1"}}
    variables = {
        "ansible_connection": "local",
        "warren_cluster": "warren",
        "warren_state_dir": str(state.root),
        "warren_topology": str(topology),
        "warren_python": sys.executable,
        # The other two are dead: the one that answers is enough.
        "topology_addresses": {"rmq1": "127.0.0.1", "rmq2": "127.0.0.2", "rmq3": "127.0.0.2"},
    }
    listed = {"all": {"vars": variables, "children": {"rabbitmq": {"hosts": hosts}}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(listed), encoding="utf-8")
    plays = [{"hosts": "rabbitmq", "gather_facts": False, "roles": [{"role": "warren.hosts.topology"}]}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(plays), encoding="utf-8")

    def run(*argv: str, serve: bool = True, **more: Any) -> Played:
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "hosts.yml",
            "play.yml",
            "-vvv",
            *argv,
        ]
        command += ["--extra-vars", json.dumps(more)]
        env = {
            **os.environ,
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(checkout.ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONPATH": str(checkout.ROOT),
        }
        arguments: Any = {
            "cwd": tmp_path,
            "env": env,
            "capture_output": True,
            "text": True,
            "timeout": 250,
        }
        if not serve:
            return Played(subprocess.run(command, check=False, **arguments))
        with _served(broker, state, port):
            return Played(subprocess.run(command, check=False, **arguments))

    return run


@pytest.fixture
def edit(play: Play, tmp_path: Path) -> Edit:
    """Changes the topology that plays are given."""
    return lambda change: _edit(tmp_path / "mine.yml", change)


def _edit(topology: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = yaml.safe_load(topology.read_text("utf-8"))
    change(data)
    topology.write_text(yaml.safe_dump(data), encoding="utf-8")


def _secrets(state: State) -> list[str]:
    return [
        path.read_text("utf-8").strip()
        for path in state.secrets.iterdir()
        if path.name != "boot-definitions.json"
    ]


def test_a_change_is_shown_then_made_and_then_there_is_none(
    play: Play, edit: Edit, broker: FakeBroker, state: State
) -> None:
    assert play("--check", "--diff").changed == 0

    def change(data: dict[str, Any]) -> None:
        data["vhosts"][0]["queues"].append({"name": "orders.new"})
        data["vhosts"][0]["policies"][0]["definition"]["max-length"] = 7

    edit(change)
    broker.row("users", name="load")["password_hash"] = "AAAA"
    shown = play("--check", "--diff")
    assert (shown.failed, shown.changed) == (False, 1), shown.text
    for line in (
        "+queue orders.new in /orders:",
        "-  definition.max-length: 100000",
        "+  definition.max-length: 7",
        "-  password: another",
    ):
        assert line in shown.text, shown.text
    assert broker.writes == []
    made = play("--diff")
    assert (made.failed, made.changed) == (False, 1), made.text
    assert "orders.new" in {row["name"] for row in broker.tables["queues"]}
    assert play().changed == 0
    for text in (shown.text, made.text):
        assert not [secret for secret in _secrets(state) if secret in text]
        assert not [row for row in broker.tables["users"] if str(row["password_hash"]) in text]


def test_what_nobody_allowed_is_left_and_named(play: Play, edit: Edit, broker: FakeBroker) -> None:
    edit(lambda data: data["vhosts"][1]["queues"].pop(1))
    edit(lambda data: data["vhosts"][1]["bindings"].pop(1))
    left = play()
    assert (left.failed, left.changed) == (False, 0), left.text
    assert "queue users.report in /users" in left.text
    assert "warren topology apply --prune" in left.text
    broker.row("queues", name="users.report")["messages"] = 3
    refused = play(topology_prune=True)
    assert refused.failed
    assert "deleting would lose what is in use" in refused.text
    assert broker.writes == []
    broker.row("queues", name="users.report")["messages"] = 0
    pruned = play(topology_prune=True)
    assert (pruned.failed, pruned.changed) == (False, 1), pruned.text
    assert "users.report" not in {row["name"] for row in broker.tables["queues"]}


def test_a_rehearsal_before_the_first_boot_changes_nothing_and_a_run_fails_by_name(play: Play) -> None:
    rehearsed = play("--check", serve=False)
    assert (rehearsed.failed, rehearsed.changed) == (False, 0), rehearsed.text
    assert "no node answers yet" in rehearsed.text
    failed = play(serve=False)
    assert failed.failed
    assert "Traceback" not in failed.text
