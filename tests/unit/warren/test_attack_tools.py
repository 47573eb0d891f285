"""The tools of tests/cluster/test_security_*.py find what they look for, where it is: in servers that are as
they should not be, and in files."""

from __future__ import annotations

import importlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from warren.pki import Pki

attack: Any = importlib.import_module("tests.cluster.attack")
hello: Any = importlib.import_module("tests.cluster.hello")
scan: Any = importlib.import_module("tests.cluster.scan")
searching: Any = importlib.import_module("tests.cluster.searching")

Serve = Callable[..., Any]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Servers on the loopback with the suites and versions asked for; plain ones say what they are told."""
    listeners: list[socket.socket] = []
    pki = Pki(tmp_path, datetime.now(UTC))
    pki.ensure_authorities()
    pair = pki.ensure_leaf("cluster", "x", hosts=("localhost",), purpose="server")

    def start(suites: str = "", *, oldest: Any = None, newest: Any = None, plain: bytes = b"") -> Any:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = oldest or ssl.TLSVersion.TLSv1_2
            context.maximum_version = newest or ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suites or "ECDHE+AESGCM")
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=_answer, args=(listener, context, plain), daemon=True).start()
        return attack.Port(owner="localhost", kind="x", host="127.0.0.1", port=listener.getsockname()[1])

    yield start
    for each in listeners:
        each.close()


def _answer(listener: socket.socket, context: ssl.SSLContext, plain: bytes) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            client.settimeout(5)
            with closing(client), suppress(OSError):
                if plain:
                    client.recv(4096)
                    client.sendall(plain)
                else:
                    context.wrap_socket(client, server_side=True).close()


def test_good_server_takes_good_suites_and_no_others(serve: Serve) -> None:
    port = serve()
    assert hello.say_hello(port, hello.TLS12, hello.STRONG).suite in hello.STRONG
    for suites in (hello.CBC, hello.WEAK):
        answer = hello.say_hello(port, hello.TLS12, suites)
        assert (answer.refused, answer.alert) == (True, 40)  # handshake_failure
    for version in hello.VERSIONS.values():
        assert hello.say_hello(port, version, (*hello.STRONG, *hello.CBC, *hello.WEAK)).refused


def test_weak_suites_and_old_versions_are_found(serve: Serve) -> None:
    cbc = hello.say_hello(serve("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"), hello.TLS12, hello.CBC)
    assert (cbc.version, cbc.suite) == (hello.TLS12, 0xC009)
    null = serve("ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0")
    assert hello.say_hello(null, hello.TLS12, hello.WEAK).suite == 0xC006
    old = serve(
        "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", oldest=ssl.TLSVersion.TLSv1, newest=ssl.TLSVersion.TLSv1
    )
    assert hello.say_hello(old, hello.TLS10, hello.CBC).version == hello.TLS10


def test_plain_text_is_told_from_a_refusal(serve: Serve) -> None:
    assert attack.is_refusal(attack.said_in_plain(serve(), attack.GREETINGS["HTTP"]))
    for answer in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 401 Unauthorized\r\n\r\n", b"AMQP\x00\x00\x09\x01"):
        assert attack.said_in_plain(serve(plain=answer), b"x") == answer
        assert not attack.is_refusal(answer)
    assert attack.is_refusal(
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    )


def _scan(**more: Any) -> Any:
    suites = (("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256), ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", 128))
    whole = {
        "versions": ("TLSv1.2", "TLSv1.3"),
        "suites": suites,
        "key": "EC",
        "key_bits": 256,
        "weaknesses": (),
    }
    return scan.Scan(**{**whole, **more})


@pytest.mark.parametrize(
    ("more", "grade"),
    [
        ({}, "A"),
        ({"suites": (("TLSv1.2", "ECDHE-ECDSA-AES128-SHA", 128),)}, "B"),
        ({"suites": (("TLSv1.2", "AES128-GCM-SHA256", 128),)}, "B"),
        ({"versions": ("TLSv1.0", "TLSv1.2")}, "B"),
        ({"suites": (("TLSv1.2", "ECDHE-ECDSA-RC4-SHA", 128),)}, "F"),
        ({"suites": (("TLSv1.2", "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256", 128),)}, "B"),
        ({"suites": ()}, "F"),
        ({"key_bits": 160}, "F"),
        ({"key": "RSA", "key_bits": 1024}, "F"),
        ({"weaknesses": ("heartbleed",)}, "F"),
        ({"versions": ("SSLv2", "TLSv1.2")}, "F"),
    ],
)
def test_grade_falls_with_what_is_weak(more: dict[str, Any], grade: str) -> None:
    assert scan.grade(_scan(**more)) == grade


def test_scan_is_read_off_the_programs_answer() -> None:
    text = (Path(__file__).parent / "recorded" / "sslscan.xml").read_text(encoding="utf-8")
    seen = scan.read(text)
    assert seen.versions == ("TLSv1.2",)
    assert (seen.key, seen.key_bits, seen.weaknesses) == ("EC", 256, ())
    assert ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", 256) in seen.suites
    assert scan.grade(seen) == "A"


def test_secret_is_found_in_each_of_its_forms(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "pki").mkdir()
    (tmp_path / "secrets" / "ann").write_text("pass/word")
    needles = searching.needles(tmp_path, ["ann"])
    for content in (b"x pass/word", b"?p=pass%2Fword", b"Basic YW5uOnBhc3Mvd29yZA=="):
        assert searching.search(needles, [("log", content)]) == (["log: secret ann"], 1)
    assert searching.search(needles, [("log", b"password")]) == ([], 1)
