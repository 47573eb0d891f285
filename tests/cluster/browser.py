"""Debian's Chromium, driven by Playwright, before a preview of our own that asks the cluster's Prometheus."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import BrowserContext, Error, Page, Request, sync_playwright

from dashboards.view.config import Backend, Credential, ViewConfig
from dashboards.view.server import make_server

from .conftest import ROOT, ClusterUnderTest

#: Nothing but what is asked for: no look for updates, no QUIC, no graphics card.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
WIDE, NARROW = 1440, 390
#: Panels load when they are near the screen: one so high that all of them are.
HEIGHT = 8000
#: What Chromium says when it breaks off its requests because a network interface came or went, as one does
#: with each container that starts or ends on this machine.
_BROKEN_OFF = "ERR_NETWORK_CHANGED"
#: Until a page shows its first panel, beside brokers and load on two cores.
_DRAWN_MS = 60_000


def chromium() -> str:
    """The browser's path; where there is none the test is skipped, and says what was not looked at."""
    found = (
        os.environ.get("WARREN_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if not found:
        pytest.skip(
            "NOT LOOKED AT: the dashboards' preview in a browser, since there is no Chromium here; "
            "apt-get install chromium, or name one by WARREN_TEST_CHROMIUM"
        )
    return found


def config(cluster: ClusterUnderTest) -> ViewConfig:
    """A preview on a free port, with the certificate and password of the cluster's own."""
    state, ca = cluster.state, cluster.context.cluster_ca
    pair = state.pki / "cluster"

    def backend(service: str) -> Backend:
        return Backend(
            url=f"https://localhost:{cluster.topology.published(service)}",
            ca_file=ca,
            user=service,
            password_file=state.secrets / f"{service}-web",
        )

    return ViewConfig(
        listen_host="127.0.0.1",
        listen_port=0,
        tls_certificate_file=pair / "view.pem",
        tls_key_file=pair / "view.key",
        credentials=(Credential(user="view", password_file=state.secrets / "view"),),
        prometheus=backend("prometheus"),
        alertmanager=backend("alertmanager"),
        dashboards_dir=ROOT / "dashboards" / "generated",
        runbooks_dir=ROOT / "docs" / "runbooks",
        scrape_interval_s=cluster.topology.scrape_interval_s,
    )


@contextmanager
def serving(made: ViewConfig) -> Iterator[str]:
    """The address of a preview that serves for as long as the block lasts."""
    with make_server(made) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(timeout=5)


def key_pin(certificate: Path) -> str:
    """The hash of a certificate's public key, by which Chromium is told to trust it and no other."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode()


@dataclass
class Looked:
    """Pages of one preview, and what they complained of or asked for elsewhere."""

    base: str
    context: BrowserContext
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, path: str, *, width: int = WIDE, height: int = HEIGHT) -> Page:
        """A page at ``path``, once its script has drawn it."""
        page = self.context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.on("console", lambda said: self._said(path, said.type, said.text))
        page.on("pageerror", lambda error: self.faults.append(f"{path}: {error.stack or error}"))
        page.on("request", self._asked)
        _go(page, self.base + path)
        page.wait_for_selector(".panel, main.page > *", timeout=_DRAWN_MS)
        return page

    def _said(self, path: str, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and _BROKEN_OFF not in text:  # the page asks again
            self.faults.append(f"{path}: {kind}: {text}")

    def _asked(self, request: Request) -> None:
        self.asked.append(request.url)
        if not request.url.startswith((f"{self.base}/", "data:")):
            self.faults.append(f"asked elsewhere: {request.url}")


def _go(page: Page, address: str) -> None:
    """Open an address, again where the browser broke that off."""
    for _ in range(5):
        try:
            page.goto(address, wait_until="load", timeout=_DRAWN_MS)
            return
        except Error as error:
            if _BROKEN_OFF not in str(error):
                raise
            page.wait_for_timeout(500)
    raise AssertionError(f"{address}: broken off five times")


@contextmanager
def looking(cluster: ClusterUnderTest) -> Iterator[Looked]:
    """A browser before a preview of the cluster, signed in."""
    path, made = chromium(), config(cluster)
    pin = f"--ignore-certificate-errors-spki-list={key_pin(made.tls_certificate_file)}"
    with serving(made) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, pin])
        try:
            password = (cluster.state.secrets / "view").read_text(encoding="utf-8").strip()
            context = browser.new_context(http_credentials={"username": "view", "password": password})
            yield Looked(base=base, context=context)
        finally:
            browser.close()


def until_true(page: Page, probe: Callable[[], object], what: str, deadline_s: float = 30.0) -> None:
    """Wait for ``probe`` while the page's own clock goes on; fails with its last answer."""
    give_up = time.monotonic() + deadline_s
    while not (last := probe()):
        assert time.monotonic() < give_up, f"{what}: {last!r}"
        page.wait_for_timeout(200)


def until_none(page: Page, left: Callable[[], object], what: str, deadline_s: float = 30.0) -> None:
    """Wait until nothing is ``left``; fails with what is."""
    give_up = time.monotonic() + deadline_s
    while last := left():
        assert time.monotonic() < give_up, f"{what}: {last!r}"
        page.wait_for_timeout(200)


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
