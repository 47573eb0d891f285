"""A node that shows clients and monitoring a certificate which they must refuse: one that has expired, is of
an unknown authority, or is another host's. Its link to the other nodes has certificates of its own.

Who is connected stays; who comes anew goes to another node, or nowhere.
https://www.rabbitmq.com/docs/ssl#rotation
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from chaos.fault import Args, Facts, Parameter, Site
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.pki import Pki
from warren.process import check
from warren.runtime.protocol import NodeState

_AUTHORITY = "cluster"
#: Made so long ago that it was good for a year and a month, and is no more.
_AGE = timedelta(days=500)
_CERTIFICATE, _KEY = "tls/server.pem", "tls/server.key"
#: What its own certificate is for, beside the node's name.
_LOCALHOST = ("localhost", "127.0.0.1", "::1")
#: Listeners read their files anew once this is empty.
_CLEAR = ("rabbitmqctl", "eval", "ssl:clear_pem_cache().")
_TOOL_S = 30.0
_KINDS = ("expired", "unknown", "another-host")


def _parameters() -> Mapping[str, Parameter]:
    help_text = "its fault: too old, of an unknown authority, or another host's"
    return {"certificate": Parameter(default="expired", choices=_KINDS, help=help_text)}


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    summary: str = "the node shows a certificate that must be refused; heal gives it its own again"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = False
    is_silent: bool = False
    is_wide: bool = False
    outlives_process: bool = True

    def before(self, site: Site, target: str) -> Facts:
        """Raises NotReadyError where its own is refused already: then nothing could be proven."""
        if why := site.access.refuses(*site.runtime.address(target, "amqps"), target):
            raise NotReadyError(target, f"shows a bad certificate already: {why}", "make chaos-heal")
        return {}

    def inject(self, site: Site, fault: Journaled) -> None:
        pem = _bad(site, fault.target, fault.args)
        end = pem.index("-----BEGIN PRIVATE KEY")
        _show(site, fault.target, pem[:end].encode(), pem[end:].encode())

    def prove(self, site: Site, fault: Journaled) -> Facts:
        """Why a client that verifies, as all of Warren's do, refuses it."""
        why = site.access.refuses(*site.runtime.address(fault.target, "amqps"), fault.target)
        if not why:
            raise NotReadyError(fault.target, "still shows a certificate that is accepted")
        return {"refused": why}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        """A node that does not run gets its own files, which it reads when it starts."""
        own = site.access.pki.leaf(_AUTHORITY, fault.target)
        _show(site, fault.target, own.certificate.read_bytes(), own.key.read_bytes())
        if site.state(fault.target) is NodeState.RUNNING:
            why = site.access.refuses(*site.runtime.address(fault.target, "amqps"), fault.target)
            if why:
                raise NotReadyError(fault.target, f"still shows a certificate that is refused: {why}")
        return {"certificate": "its own"}

    def residue(self, site: Site) -> tuple[str, ...]:
        states = site.runtime.states()
        running = (node for node, state in states.items() if state is NodeState.RUNNING)
        return tuple(
            node for node in running if site.access.refuses(*site.runtime.address(node, "amqps"), node)
        )


def _bad(site: Site, node: str, args: Args) -> str:
    pki, kind = site.access.pki, args["certificate"]
    hosts = (node, *_LOCALHOST)
    if kind == "expired":
        return Pki(pki.folder, site.now() - _AGE).pem(_AUTHORITY, node, hosts=hosts, purpose="server")
    if kind == "another-host":
        return pki.pem(_AUTHORITY, node, hosts=("another-host",), purpose="server")
    with TemporaryDirectory() as folder:  # an authority for this alone, gone with its key
        stranger = Pki(Path(folder), site.now())
        stranger.ensure_authorities()
        return stranger.pem(_AUTHORITY, node, hosts=hosts, purpose="server")


def _show(site: Site, node: str, certificate: bytes, key: bytes) -> None:
    site.runtime.put_files(node, {_CERTIFICATE: certificate, _KEY: key})
    if site.state(node) is NodeState.RUNNING:
        check(site.runtime.execute(node, list(_CLEAR), timeout_s=_TOOL_S), "make chaos-heal")


FAULT = ServerCertificate()
