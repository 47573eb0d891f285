from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from warren.errors import BadInputError, NotReadyError
from warren.operate import access
from warren.pki import Pki
from warren.runtime.protocol import NodeState
from warren.secrets import Secrets
from warren.state import open_state
from warren.topology import Topology

CLIENTS = ("shell", "pika", "java", "curl")
PASSWORD = "a-password-that-nobody-may-see"


@pytest.fixture
def lab(deployed: Topology) -> Any:
    state = open_state("warren", os.environ)
    (state.secrets / "orders-worker").write_text(PASSWORD)
    states = {"rmq1": NodeState.RUNNING, "rmq2": NodeState.STOPPED, "rmq3": NodeState.PAUSED}
    return SimpleNamespace(
        topology=deployed,
        state=state,
        secrets=Secrets(state.secrets),
        pki=Pki(state.pki, None),  # type: ignore[arg-type]
        cluster_ca=state.pki / "cluster-ca.pem",
        engine=SimpleNamespace(docker="docker"),
        inventory=None,
        runtime=SimpleNamespace(
            states=lambda: states,
            container=lambda node: f"warren-{node}",
            logs=lambda service, lines: f"{lines} lines of {service}",
            owners=list,
        ),
    )


@pytest.mark.parametrize("client", CLIENTS)
def test_snippets_name_the_password_file_and_never_show_the_password(lab: Any, client: str) -> None:
    text = access.text(lab, "orders-worker", client)
    assert PASSWORD not in text
    assert str(lab.state.secrets / "orders-worker") in text
    assert str(lab.cluster_ca) in text
    assert not re.search(r"\{[a-z_]+\}", text), "a name was left unfilled"


@pytest.mark.parametrize("client", ["shell", "pika", "java"])
def test_snippets_name_every_node_and_the_users_vhost(lab: Any, client: str) -> None:
    text = access.text(lab, "orders-worker", client)
    assert "localhost:15610,localhost:15611,localhost:15612" in text
    assert "/orders" in text


def test_shell_variables_can_be_evaluated(lab: Any) -> None:
    script = access.text(lab, "orders-worker", "shell") + '\nprintf %s "$(cat "$RABBITMQ_PASSWORD_FILE")"'
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout == PASSWORD


def test_pika_snippet_is_python(lab: Any) -> None:
    ast.parse(access.text(lab, "orders-worker", "pika"))


@pytest.fixture
def oddly_placed(lab: Any, tmp_path: Path) -> Any:
    """A state folder whose name means something to shells, Python and Java."""
    folder = tmp_path / """Zoë's "own" $HOME \\ {x}"""
    lab.state = open_state("warren", {"WARREN_STATE": str(folder)})
    (lab.state.secrets / "orders-worker").write_text(PASSWORD)
    lab.secrets, lab.pki = Secrets(lab.state.secrets), Pki(lab.state.pki, None)  # type: ignore[arg-type]
    lab.cluster_ca = lab.state.pki / "cluster-ca.pem"
    return lab


def test_snippets_keep_the_name_of_any_folder(oddly_placed: Any, tmp_path: Path) -> None:
    lab = oddly_placed
    ask = '\nprintf "%s\\n" "$RABBITMQ_CA"; cat "$RABBITMQ_PASSWORD_FILE"'
    done = subprocess.run(
        ["sh", "-euc", access.text(lab, "orders-worker", "shell") + ask],
        capture_output=True, text=True, check=True, timeout=10,
    )  # fmt: skip
    assert done.stdout == f"{lab.cluster_ca}\n{PASSWORD}"
    words = [
        node.value
        for node in ast.walk(ast.parse(access.text(lab, "orders-worker", "pika")))
        if isinstance(node, ast.Constant)
    ]
    assert {str(lab.cluster_ca), str(lab.state.secrets / "orders-worker")} <= set(words)
    fake = tmp_path / "curl"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"; cat\n')
    fake.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    called = subprocess.run(
        ["sh", "-euc", access.text(lab, "orders-worker", "curl")],
        capture_output=True, text=True, check=True, env=env, timeout=10,
    )  # fmt: skip
    assert str(lab.cluster_ca) in called.stdout.splitlines()
    assert f'user = "orders-worker:{PASSWORD}"' in called.stdout
    java = access.text(lab, "orders-worker", "java")
    quoted = str(lab.state.secrets / "orders-worker").replace("\\", "\\\\").replace('"', '\\"')
    assert f'Path.of("{quoted}")' in java
    (line,) = [line for line in java.splitlines() if "-file" in line]
    assert shlex.split(line.removeprefix("//"))[-1] == str(lab.cluster_ca)


def test_pika_snippet_shows_a_certificate_where_the_broker_asks_for_one(lab: Any) -> None:
    assert "load_cert_chain" not in access.text(lab, "orders-worker", "pika")
    asked = replace(lab.topology, tls=replace(lab.topology.tls, client_certificate="required"))
    lab.topology = asked
    pair = lab.pki.leaf("clients", "orders-worker")
    text = access.text(lab, "orders-worker", "pika")
    assert f'tls.load_cert_chain("{pair.certificate}", "{pair.key}")' in text
    ast.parse(text)


def test_java_snippet_shows_a_certificate_where_the_broker_asks_for_one(oddly_placed: Any) -> None:
    lab = oddly_placed
    assert "tls.init(null, " in access.text(lab, "orders-worker", "java")
    lab.topology = replace(lab.topology, tls=replace(lab.topology.tls, client_certificate="required"))
    text = access.text(lab, "orders-worker", "java")
    assert "tls.init(keys.getKeyManagers(), managers.getTrustManagers(), null);" in text
    (files,) = [line for line in text.splitlines() if "-inkey" in line]
    pair = lab.pki.leaf("clients", "orders-worker")
    words = shlex.split(files.removeprefix("//").removesuffix(")"))
    assert words == ["-in", str(pair.certificate), "-inkey", str(pair.key)]


JAVA_CLIENT = """
import java.io.File;
import java.security.KeyStore;
import javax.net.ssl.*;
public class Snippet {
  public static void main(String[] given) throws Exception {
%s
    int port = Integer.parseInt(given[0]);
    SSLSocket socket = (SSLSocket) tls.getSocketFactory().createSocket("localhost", port);
    SSLParameters checked = socket.getSSLParameters();
    checked.setEndpointIdentificationAlgorithm("HTTPS");
    socket.setSSLParameters(checked);
    System.out.print(new String(socket.getInputStream().readAllBytes(), "UTF-8"));
  }
}
"""


@pytest.mark.skipif(
    not all(map(shutil.which, ("java", "keytool", "openssl"))), reason="there is no Java here"
)
def test_java_snippet_reaches_a_server_that_asks_for_a_certificate(lab: Any, tmp_path: Path) -> None:
    lab.topology = replace(lab.topology, tls=replace(lab.topology.tls, client_certificate="required"))
    lab.pki = Pki(lab.state.pki, datetime.now(UTC))
    lab.pki.ensure_authorities()
    server = lab.pki.ensure_leaf("cluster", "rmq1", hosts=("localhost",), purpose="server")
    lab.pki.ensure_leaf("clients", "orders-worker", hosts=("orders-worker",), purpose="client")
    lines = access.text(lab, "orders-worker", "java").splitlines()
    shell = "\n".join(line.removeprefix("//") for line in lines if line.startswith("//"))
    subprocess.run(["sh", "-euc", shell], cwd=tmp_path, check=True, timeout=60, capture_output=True)
    tls = [line for line in lines if not line.startswith("//")]
    (tmp_path / "Snippet.java").write_text(
        JAVA_CLIENT % "\n".join(tls[: next(at for at, line in enumerate(tls) if "ConnectionFactory" in line)])
    )
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(lab.pki.authority("clients").certificate)
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(server.certificate, server.key)
    with socket.create_server(("localhost", 0)) as listening:
        listening.settimeout(60)
        argv = ["java", "Snippet.java", str(listening.getsockname()[1])]
        with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as java:
            raw, _ = listening.accept()
            with context.wrap_socket(raw, server_side=True) as secured:
                subject = dict(pair for (pair,) in secured.getpeercert()["subject"])  # type: ignore[index]
                secured.sendall(subject["commonName"].encode())
                with suppress(OSError):  # it may be gone first
                    secured.unwrap()
            assert java.communicate(timeout=60)[0] == "orders-worker"


def test_curl_snippet_gives_the_password_on_standard_input_only(lab: Any, tmp_path: Path) -> None:
    fake = tmp_path / "curl"
    fake.write_text('#!/bin/sh\necho "arguments: $*"; echo "stdin: $(cat)"\n')
    fake.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = access.text(lab, "orders-worker", "curl")
    done = subprocess.run(
        ["sh", "-euc", script], capture_output=True, text=True, check=True, env=env, timeout=10
    )
    arguments, stdin = done.stdout.splitlines()
    assert stdin == f'stdin: user = "orders-worker:{PASSWORD}"'
    assert PASSWORD not in arguments
    assert shlex.split(arguments)[-1] == "https://localhost:15620/api/whoami"


def test_unknown_user_is_refused_with_those_there_are(lab: Any) -> None:
    with pytest.raises(BadInputError, match="orders-worker"):
        access.text(lab, "nobody", "shell")


def test_user_of_a_cluster_that_was_never_up_is_told_so(lab: Any) -> None:
    with pytest.raises(NotReadyError, match="make cluster-up"):
        access.text(lab, "orders-shop", "shell")


@pytest.mark.parametrize(
    ("command", "inside"),
    [
        (["list_queues", "-q"], ["rabbitmqctl", "list_queues", "-q"]),
        (["rabbitmqctl", "status"], ["rabbitmqctl", "status"]),
        (["rabbitmq-queues", "rebalance", "all"], ["rabbitmq-queues", "rebalance", "all"]),
        (["sh"], ["rabbitmqctl", "sh"]),
    ],
)
def test_tool_runs_inside_the_node_and_its_exit_status_is_passed_on(
    lab: Any, monkeypatch: pytest.MonkeyPatch, command: list[str], inside: list[str]
) -> None:
    seen: list[list[str]] = []

    def run(argv: list[str], *, check: bool) -> Any:
        seen.append(argv)
        return SimpleNamespace(returncode=64)

    monkeypatch.setattr(subprocess, "run", run)
    assert access.run_tool(lab, "rmq1", command) == 64
    assert seen == [["docker", "exec", "--interactive", "warren-rmq1", *inside]]


@pytest.mark.parametrize(("node", "remedy"), [("rmq2", "make cluster-up"), ("rmq3", "make chaos-heal")])
def test_tool_on_a_node_that_does_not_run_says_how_to_get_it_back(lab: Any, node: str, remedy: str) -> None:
    with pytest.raises(NotReadyError) as caught:
        access.run_tool(lab, node, ["status"])
    assert caught.value.remedy == remedy


def test_tool_on_an_unknown_node_is_bad_input(lab: Any) -> None:
    with pytest.raises(BadInputError, match="rmq1, rmq2, rmq3"):
        access.run_tool(lab, "rmq9", ["status"])


def test_logs_of_nodes_and_services(lab: Any) -> None:
    assert access.logs(lab, "prometheus", lines=3) == "3 lines of prometheus"
    with pytest.raises(BadInputError, match="rmq1, rmq2, rmq3, prometheus"):
        access.logs(lab, "grafena", lines=3)


def test_question_before_a_destroy_names_what_is_lost_and_whose_it_is(lab: Any) -> None:
    assert str(lab.state.root) in access.destroy_question(lab)
    assert "It was made from" not in access.destroy_question(lab)
    lab.runtime.owners = lambda: [{"warren.state": "/home/ann/state/warren"}]
    assert "It was made from /home/ann/state/warren, which stays." in access.destroy_question(lab)
