"""The secrets that the rendered resources name, as documents for the API server and for nothing else.

Passwords and authorities are those of the state folder. Keys of authorities stay there; the certificates of
what runs on Kubernetes are signed by them and kept beside the lab's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from warren.kubernetes.place import Document, Place
from warren.pki import Pki, Purpose
from warren.secrets import Secrets


def documents(place: Place, secrets: Secrets, pki: Pki) -> list[Document]:
    """Every Secret, made now as far as the state folder lacks what is in it. Not for files and logs."""
    pki.ensure_authorities()
    passwords = [
        _secret(place, place.password(user.name), username=user.name, password=secrets.ensure(user.name))
        for user in place.topology.users
    ]
    return [*passwords, *_authorities(place, pki), *_certificates(place, pki)]


def names(place: Place) -> set[str]:
    """The names of all that `documents` makes."""
    whole = {"ca", "clients-ca", "inter-node-ca", "scrape-ca"}
    whole |= {name for name, *_ in _wanted(place)}
    return {place.password(user.name) for user in place.topology.users} | {
        place.secret(each) for each in whole
    }


def _secret(place: Place, name: str, *, kind: str = "Opaque", **data: str) -> Document:
    return place.document("v1", "Secret", name, type=kind, stringData=data)


def _authorities(place: Place, pki: Pki) -> Iterator[Document]:
    for name in ("clients", "inter-node", "scrape"):
        authority = pki.authority(name).certificate
        yield place.document(
            "v1", "Secret", place.secret(f"{name}-ca"), type="Opaque", stringData={"ca.crt": _text(authority)}
        )
    cluster = pki.authority("cluster").certificate
    yield place.document(
        "v1", "Secret", place.secret("ca"), type="Opaque", stringData={"ca.crt": _text(cluster)}
    )


def _wanted(place: Place) -> Iterator[tuple[str, str, Sequence[str], Purpose]]:
    """Secret, authority, names in the certificate, and what it is for."""
    yield "server-tls", "cluster", (*_service_names(place, place.cluster), *place.hosts), "server"
    yield "inter-node-tls", "inter-node", place.hosts, "both"
    for name in ("exporter", "probe"):
        yield f"{name}-tls", "cluster", _service_names(place, place.secret(name)), "server"
    yield "scrape-tls", "scrape", ("prometheus",), "client"
    canary = place.topology.account("canary").name
    yield "canary-tls", "clients", (canary,), "client"


def _service_names(place: Place, service: str) -> tuple[str, ...]:
    """As clients in the namespace, in others, and with the usual domain of a cluster may call it."""
    full = f"{service}.{place.namespace}.svc"
    return service, f"{service}.{place.namespace}", full, f"{full}.cluster.local"


def _certificates(place: Place, pki: Pki) -> Iterator[Document]:
    for name, authority, hosts, purpose in _wanted(place):
        # The common name is a user's name where clients are told apart by it.
        common = hosts[0] if name == "canary-tls" else f"kubernetes.{place.namespace}.{name}"
        pair = pki.ensure_leaf(authority, common, hosts=hosts, purpose=purpose)
        data = {"tls.crt": _text(pair.certificate), "tls.key": _text(pair.key)}
        if name == "inter-node-tls":
            data["ca.crt"] = _text(pki.authority(authority).certificate)
        yield place.document("v1", "Secret", place.secret(name), type="kubernetes.io/tls", stringData=data)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
