"""A client that shows a certificate which no node should accept, again and again: one that has expired, or
one of an authority that nobody here knows. Whatever its password, it must not get as far as to say it.

A client without a certificate is let in where the topology says that they are optional.
https://www.rabbitmq.com/docs/ssl#peer-verification
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from chaos.client import ACCOUNT, ClientFault, Place
from chaos.fault import Args, Facts, Parameter, Site
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.pki import Pki

_NAME = "bad-certificate"
#: Made so long ago that it was good for a year and a month, and is no more.
_AGE = timedelta(days=500)
#: What a node writes when it refuses one: https://www.erlang.org/doc/apps/ssl/ssl.html#t:tls_alert/0
_LOGGED = {"expired": "Certificate Expired", "unknown": "Unknown CA"}
_LOG_LINES = 500
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_STAMP = r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d)"


def _peer(site: Site, args: Args) -> str:
    pki = site.access.pki
    if args["certificate"] == "expired":
        old = Pki(pki.folder, site.now() - _AGE)
        return old.pem("clients", ACCOUNT, hosts=[ACCOUNT], purpose="client")
    with TemporaryDirectory() as folder:  # an authority for this alone, gone with its key
        stranger = Pki(Path(folder), site.now())
        stranger.ensure_authorities()
        return stranger.pem("clients", ACCOUNT, hosts=[ACCOUNT], purpose="client")


def _bites(site: Site, fault: Journaled) -> Facts:
    """A node itself says why it refuses, since the fault began; the client counts the alerts."""
    wanted, begun = _LOGGED[str(fault.args["certificate"])], datetime.fromisoformat(str(fault.begun_at))
    refusals = {
        node.name: sum(
            _at(line) >= begun
            for line in site.runtime.logs(node.name, lines=_LOG_LINES).splitlines()
            if wanted in line
        )
        for node in site.topology.nodes
    }
    if not any(refusals.values()):
        raise NotReadyError("nodes", f"none has refused a handshake for '{wanted}' yet")
    return {"refused_by_node": refusals, "alert": wanted}


def _at(line: str) -> datetime:
    found = re.match(_STAMP, line)
    return datetime.fromisoformat(found[1]) if found else _LONG_AGO


FAULT = ClientFault(
    name=_NAME,
    summary="handshakes with a certificate that must be refused; heal ends their client",
    own={
        "certificate": Parameter(
            default="expired", choices=tuple(_LOGGED), help="its fault: too old, or of an unknown authority"
        ),
        "connections_per_s": Parameter(default=5.0, low=0.1, high=100, help="handshakes a second"),
    },
    place=lambda site, _args: Place(vhost=site.topology.vhosts[0].name, user=ACCOUNT),
    peer=_peer,
    bites=_bites,
)
