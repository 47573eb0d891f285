"""The HTTPS server on the loopback: who is let in, what is served, and how long a scrape may take."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError

import pytest

from exporters import collector, server
from exporters.exporter import Exporter
from exporters.server import TlsFiles
from exporters.snapshot import Snapshot
from warren.errors import NotReadyError
from warren.pki import Pki

from .conftest import REACH, FakeBroker


@dataclass
class Served:
    port: int
    pki: Pki
    broker: FakeBroker

    def context(self, certificate: str | None = "prometheus") -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pki.authority("cluster").certificate))
        if certificate is not None:
            authority = "scrape" if certificate == "prometheus" else "clients"
            pair = self.pki.leaf(authority, certificate)
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def get(self, path: str, *, certificate: str | None = "prometheus", **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", headers=headers)
        with urllib.request.urlopen(  # noqa: S310 - the address above is ours
            request, context=self.context(certificate), timeout=5
        ) as answer:
            return answer.status, answer.read().decode()


@pytest.fixture
def served(tmp_path: Path, broker: FakeBroker) -> Iterator[Served]:
    pki = Pki(folder=tmp_path, now=datetime.now(UTC))
    pki.ensure_authorities()
    pair = pki.ensure_leaf("cluster", "exporter", hosts=("localhost",), purpose="server")
    pki.ensure_leaf("scrape", "prometheus", hosts=("prometheus",), purpose="client")
    pki.ensure_leaf("clients", "orders-shop", hosts=("orders-shop",), purpose="client")
    tls = TlsFiles(certificate=pair.certificate, key=pair.key, client_ca=pki.authority("scrape").certificate)
    exporter = Exporter(broker, [("queues", collector.make("queues", REACH))])
    app = server.application(exporter, deadline_s=3.0, collectors=["queues"])
    with server.listen(app, host="localhost", port=0, tls=tls) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Served(listening.server_port, pki, broker)
        listening.shutdown()
        thread.join(timeout=5)


def test_metrics_are_served_to_a_scraper_with_a_certificate(served: Served) -> None:
    status, text = served.get("/metrics")
    assert status == 200
    assert 'warren_queue_members{queue="orders.work",vhost="/orders"} 3.0' in text
    assert "# HELP warren_queue_members " in text


def test_nobody_without_a_certificate_is_answered(served: Served) -> None:
    with pytest.raises((URLError, OSError)):
        served.get("/-/healthy", certificate=None)


def test_a_certificate_of_another_authority_is_refused(served: Served) -> None:
    with pytest.raises((URLError, OSError)):
        served.get("/-/healthy", certificate="orders-shop")


def test_a_client_that_never_shakes_hands_holds_nobody_up(served: Served) -> None:
    with socket.create_connection(("localhost", served.port)):
        assert served.get("/-/healthy") == (200, "Healthy.\n")


def test_health_does_not_ask_the_broker(served: Served) -> None:
    served.get("/-/healthy")
    assert served.broker.deadlines == []


def test_the_landing_page_explains_every_metric(served: Served) -> None:
    _, text = served.get("/")
    assert "warren_queue_oldest_message_age_seconds" in text
    assert "Collectors: queues." in text


def test_an_unknown_path_is_not_found(served: Served) -> None:
    with pytest.raises(URLError, match="404"):
        served.get("/metrics/nothing")


def test_a_scrape_ends_before_prometheus_gives_up(served: Served) -> None:
    served.get("/metrics", **{"X-Prometheus-Scrape-Timeout-Seconds": "2"})
    served.get("/metrics", **{"X-Prometheus-Scrape-Timeout-Seconds": "30"})
    served.get("/metrics", **{"X-Prometheus-Scrape-Timeout-Seconds": "soon"})
    assert served.broker.deadlines == [1.5, 3.0, 3.0]


def test_a_scrape_that_comes_to_nothing_is_no_empty_answer(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_exporter: Exporter, _deadline_s: float, **_waits: float | None) -> None:
        raise NotReadyError("exporter", "another scrape takes longer than this one may")

    monkeypatch.setattr(Exporter, "scrape", fails)
    with pytest.raises(URLError, match="503"):
        served.get("/metrics")


def test_a_taken_address_is_named(served: Served, tmp_path: Path) -> None:
    pair = served.pki.leaf("cluster", "exporter")
    tls = TlsFiles(certificate=pair.certificate, key=pair.key, client_ca=pair.certificate)
    with pytest.raises(NotReadyError, match=f"localhost:{served.port}.*cannot be listened on"):
        server.listen(lambda environ, start: [], host="localhost", port=served.port, tls=tls)


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    files = TlsFiles(
        certificate=tmp_path / "none.pem", key=tmp_path / "none.key", client_ca=tmp_path / "ca.pem"
    )
    with pytest.raises(NotReadyError, match=r"none\.pem"):
        files.context()


def test_health_and_landing_page_answer_while_a_collector_hangs(served: Served) -> None:
    """The scrape waits; who looks whether the process lives must not."""
    hangs, ends = threading.Event(), threading.Event()
    whole = served.broker.snapshot

    def hang(deadline_s: float) -> Snapshot:
        hangs.set()
        ends.wait(10)
        return whole(deadline_s)

    served.broker.snapshot = hang  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        scrape = pool.submit(served.get, "/metrics", **{"X-Prometheus-Scrape-Timeout-Seconds": "4"})
        try:
            assert hangs.wait(5)
            for path in ("/-/healthy", "/"):
                began = time.monotonic()
                assert served.get(path)[0] == 200
                assert time.monotonic() - began < 1
            assert not scrape.done()
        finally:
            ends.set()
        assert scrape.result(10)[0] == 200


def test_a_scrape_ends_in_time_though_a_collector_hangs(served: Served) -> None:
    ends = threading.Event()
    served.broker.snapshot = lambda _: ends.wait(10)  # type: ignore[method-assign, assignment, return-value]
    try:
        status, text = served.get("/metrics", **{"X-Prometheus-Scrape-Timeout-Seconds": "1"})
    finally:
        ends.set()
    assert status == 200
    assert 'warren_exporter_collector_up{collector="queues"} 0.0' in text


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA"])
def test_suite_without_authenticated_encryption_is_refused(served: Served, suite: str) -> None:
    """Python's own list has those in CBC mode."""
    context = served.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("localhost", served.port)) as plain:
        context.wrap_socket(plain, server_hostname="localhost").close()
    context.set_ciphers(suite)
    with (
        socket.create_connection(("localhost", served.port)) as plain,
        pytest.raises((ssl.SSLError, OSError)),
    ):
        context.wrap_socket(plain, server_hostname="localhost")
