"""The one builder of connection parameters and TLS contexts."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.adapters.utils import connection_workflow as workflow

from warren.connection import Credentials, Endpoint, TlsMaterial, parameters, tls_context
from warren.connection_errors import describe
from warren.errors import BadInputError, NotReadyError
from warren.pki import Pki

NODE = Endpoint(name="rmq1", host="127.0.0.1", port=5671)
ACCOUNT = Credentials(username="shop", password="s3cret")


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path, datetime.now(UTC))
    made.ensure_authorities()
    return made


def test_password_shows_in_no_repr() -> None:
    assert "s3cret" not in repr(ACCOUNT)
    assert "s3cret" not in repr(
        parameters(NODE, vhost="/", credentials=ACCOUNT, tls=None, connection_name="x")
    )


def test_password_is_read_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "shop"
    path.write_text("s3cret\n", encoding="utf-8")
    assert Credentials.from_file("shop", path) == ACCOUNT


def test_missing_and_empty_password_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="nowhere"):
        Credentials.from_file("shop", tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(BadInputError, match="empty"):
        Credentials.from_file("shop", empty)


def test_context_verifies_peer_and_name_and_refuses_old_tls(pki: Pki) -> None:
    context = tls_context(TlsMaterial(ca_path=pki.authority("cluster").certificate))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_context_takes_the_authority_as_text_too(pki: Pki) -> None:
    text = pki.authority("cluster").certificate.read_text(encoding="utf-8")
    assert len(tls_context(TlsMaterial(ca_pem=text)).get_ca_certs()) == 1


def test_context_names_a_file_that_does_not_parse(tmp_path: Path) -> None:
    bad = tmp_path / "ca.pem"
    bad.write_text("no certificate", encoding="utf-8")
    with pytest.raises(NotReadyError, match=r"ca\.pem"):
        tls_context(TlsMaterial(ca_path=bad))


def test_parameters_check_the_certificate_for_the_nodes_name(pki: Pki) -> None:
    context = tls_context(TlsMaterial(ca_path=pki.authority("cluster").certificate))
    found = parameters(NODE, vhost="/orders", credentials=ACCOUNT, tls=context, connection_name="load 1")
    assert found.host == "127.0.0.1"
    assert found.ssl_options.server_hostname == "rmq1"
    assert found.virtual_host == "/orders"
    assert found.connection_attempts == 1


def test_a_node_has_longer_to_open_a_connection_than_to_take_it() -> None:
    words: Any = {
        "vhost": "/a",
        "credentials": Credentials(username="u", password="p"),
        "tls": None,
        "connection_name": "c",
    }
    endpoint = Endpoint(name="rmq1", host="rmq1", port=5672)
    for given, (taken_s, open_s) in (
        ({}, (5.0, 10.0)),
        ({"connect_timeout_s": 3.0}, (3.0, 6.0)),
        ({"connect_timeout_s": 3.0, "open_timeout_s": 15.0}, (3.0, 15.0)),
    ):
        found = parameters(endpoint, **words, **given)
        assert (found.socket_timeout, found.stack_timeout) == (taken_s, open_s)


def test_parameters_name_the_connection_and_ask_for_cancel_notices() -> None:
    found = parameters(NODE, vhost="/", credentials=ACCOUNT, tls=None, connection_name="load 1")
    assert found.client_properties["connection_name"] == "load 1"
    assert found.client_properties["capabilities"]["consumer_cancel_notify"] is True


def test_client_certificate_as_text_is_shown_to_the_broker(tmp_path: Path) -> None:
    pki = Pki(tmp_path, datetime.now(UTC))
    pki.ensure_authorities()
    pair = pki.ensure_leaf("clients", "shop", hosts=("shop",), purpose="client")
    pem = pair.certificate.read_text() + pair.key.read_text()
    tls_context(TlsMaterial(ca_path=pki.authority("cluster").certificate, client_pem=pem))
    with pytest.raises(NotReadyError, match="TLS"):
        tls_context(TlsMaterial(client_pem=pair.certificate.read_text()))
    assert pem not in repr(Credentials(username="shop", password="secret", client_pem=pem))


ADDRESS = "'rmq3'/(<AddressFamily.AF_INET: 2>, <SocketKind.SOCK_STREAM: 1>, 6, '', ('10.0.0.8', 5671))"
NEVER_OPENED = (
    "Connection.close() called before connection finished opening: prev_state={} (320): "
    f'"Timeout while setting up AMQP to {ADDRESS}; ssl=True"'
)
FORCED = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
LIMIT = "NOT_ALLOWED - connection refused for user 'load': user connection limit (256) is reached"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, "closed"),
        (ConnectionRefusedError(111, "Connection refused"), "refused: nobody listens there"),
        (
            socket.gaierror(-2, "Name or service not known"),
            "its name is not known: Name or service not known",
        ),
        (TimeoutError(f"TCP connection attempt timed out: {ADDRESS}"), "no answer in time"),
        (
            pika.exceptions.AMQPHeartbeatTimeout(
                "No activity or too many missed heartbeats in the last 5 seconds"
            ),
            "no heartbeat came from it for 5 s",
        ),
        (
            pika.exceptions.ConnectionOpenAborted(NEVER_OPENED.format("TUNE")),
            "it took user and password, and did not open the virtual host in time",
        ),
        (
            pika.exceptions.ConnectionOpenAborted(NEVER_OPENED.format("PROTOCOL")),
            "it took the connection, and did not answer in time",
        ),
        (
            pika.exceptions.ConnectionOpenAborted("Connection.close() called: (200): 'no longer wanted'"),
            "given up while it was opened: Connection.close() called: (200): 'no longer wanted'",
        ),
        (pika.exceptions.ConnectionClosedByBroker(320, FORCED), f"closed by the broker: {FORCED}"),
        (
            pika.exceptions.ProbableAccessDeniedError(f'ConnectionClosedByBroker: (530) "{LIMIT}"'),
            f"refused: {LIMIT}",
        ),
        (
            pika.exceptions.ProbableAuthenticationError(
                "StreamLostError: (\"Stream connection lost: RxEndOfFile(-1, 'End of input stream (EOF)')\",)"
            ),
            "it hung up at the login, so that it does not take user or password, or went down: "
            "it closed the connection without a word",
        ),
        (
            pika.exceptions.StreamLostError(
                "Stream connection lost: ConnectionResetError(104, 'Connection reset by peer')"
            ),
            "the connection was cut: Connection reset by peer",
        ),
        (
            pika.exceptions.StreamLostError(
                "Stream connection lost: RxEndOfFile(-1, 'End of input stream (EOF)')"
            ),
            "it closed the connection without a word",
        ),
        (pika.exceptions.ConnectionBlockedTimeout("x"), "it blocked publishing for longer than was waited"),
        (pika.exceptions.NoFreeChannels(), "NoFreeChannels: "),
    ],
)
def test_lost_connection_is_described_by_its_cause(error: BaseException | None, text: str) -> None:
    assert describe(error) == text


def test_innermost_cause_is_told() -> None:
    inner = workflow.AMQPConnectorSocketConnectError(TimeoutError("timed out"))
    assert describe(workflow.AMQPConnectionWorkflowFailed([inner])) == "no answer in time"


def test_connection_refused_is_told_through_all_of_pikas_wrapping() -> None:
    inner = workflow.AMQPConnectorSocketConnectError(ConnectionRefusedError(111, "refused"))
    error = pika.exceptions.AMQPConnectionError(workflow.AMQPConnectionWorkflowFailed([inner]))
    assert describe(error) == "refused: nobody listens there"


def test_certificate_that_does_not_verify_is_told_as_such() -> None:
    inner = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error = workflow.AMQPConnectorTransportSetupError(inner)
    assert describe(error).startswith("TLS: ")


def test_certificate_that_has_expired_is_told_with_the_reason() -> None:
    inner = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    inner.verify_message = "certificate has expired"
    error = workflow.AMQPConnectorTransportSetupError(inner)
    assert describe(error).endswith("is not accepted: certificate has expired")


def test_plain_port_that_is_asked_for_tls_or_the_other_way_round_is_told() -> None:
    error = pika.exceptions.AMQPConnectionError(
        pika.exceptions.IncompatibleProtocolError("StreamLostError: Transport indicated EOF")
    )
    assert "one side wants TLS and the other does not" in describe(error)
