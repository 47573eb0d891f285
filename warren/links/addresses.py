"""The URIs by which a link reaches its ends, with and without the password that stands in them.

The form is that of https://www.rabbitmq.com/docs/uri-spec and of its query parameters, and was held against
amqp_uri of 4.3.6. The broker keeps runtime parameters as they are given and shows them, passwords and all, to
whoever is tagged policymaker or administrator (``/api/parameters``, ``/api/definitions``): so they can be
compared; nothing here keeps both together for longer than a request takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from warren.topology_link_checks import RELAY
from warren.topology_links import Links, Remote

#: Keys of a shovel's and of an upstream's definition that hold a URI, or several.
URI_KEYS = ("src-uri", "dest-uri", "uri")
#: Where a node has what it is given for links, by `file_name`.
TLS_FOLDER = "/etc/rabbitmq/tls"
#: A dead path shows within two of these, as with our own clients (`warren.connection.HEARTBEAT_S`).
_HEARTBEAT_S = 20
#: As it comes a link waits a minute for a host that does not answer, before it tries the next.
_CONNECT_MS = 10_000
#: The account of a URI: what stands between the slashes and the last "at" before the path.
_ACCOUNT = re.compile(r"^(?P<head>[a-z]+://)(?P<account>[^/?#]*)@", re.IGNORECASE)
#: TLS keys may have a password too, in the query.
#: Of a text, whatever stands where a password would, be it cut short or not.
_ANY_SECRET = re.compile(r"(://[^/@\s:]*:)[^@\s\"/]+")
_QUERY_SECRET = re.compile(r"(?P<name>[?&]password=)[^&#]*", re.IGNORECASE)
HIDDEN = "***"


#: Where nodes reach remotes that run in containers on this machine: a relay on their own network, with a port
#: for each of the others' nodes (`warren.links.relay`).
RELAY_PORT = 5700


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A node of a remote: the host to connect to, its port, and the name that its certificate is held to."""

    host: str
    port: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What the relay hands on: its own ``port`` to ``host``:``far_port`` on the other cluster's network."""

    remote: str
    node: str
    port: int
    network: str
    host: str
    far_port: int

    def __str__(self) -> str:
        return f"{self.port}={self.host}:{self.far_port}"


def routes(links: Links) -> tuple[Route, ...]:
    """A route to every node of every remote in containers, in the order of the file."""
    nodes = [
        (remote, remote.far, node.name)
        for remote in links.remotes
        if remote.in_containers and remote.far is not None
        for node in remote.far.nodes
    ]
    return tuple(
        Route(
            remote=remote.name,
            node=node,
            port=RELAY_PORT + place,
            network=far.cluster,
            host=f"{far.cluster}-{node}",
            far_port=far.ports.amqps,
        )
        for place, (remote, far, node) in enumerate(nodes)
    )


def servers(links: Links, remote: Remote) -> tuple[Server, ...]:
    """Every node of ``remote``, as a node of ours connects to it."""
    if remote.in_containers:
        return tuple(
            Server(host=RELAY, port=each.port, name=each.node)
            for each in routes(links)
            if each.remote == remote.name
        )
    return tuple(Server(host=each, port=remote.port, name=each) for each in remote.hosts)


def here(vhost: str) -> str:
    """This cluster's own end: a connection within the node, without TCP, an account or a password."""
    return f"amqp:///{quote(vhost, safe='')}"


def file_name(remote: Remote, kind: str) -> str:
    """``link-far-ca.pem``, ``link-far.pem``, ``link-far.key`` by ``kind`` (ca, certificate, key)."""
    return f"link-{remote.name}" + {"ca": "-ca.pem", "certificate": ".pem", "key": ".key"}[kind]


def link_files(links: Links) -> Iterator[tuple[str, str]]:
    """Names and modes of all that a node is given for links, in its TLS folder."""
    for remote in links.remotes:
        yield file_name(remote, "ca"), "0444"
        if remote.far is not None or remote.certificate_file:
            yield file_name(remote, "certificate"), "0444"
            yield file_name(remote, "key"), "0400"


def there(links: Links, remote: Remote) -> list[str]:
    """A URI for each node of ``remote``, with the user and without the password. TLS verifies the remote by
    its own authority and name, and shows it a certificate where there is one to show."""
    files = {"cacertfile": "ca"}
    if remote.far is not None or remote.certificate_file:
        files |= {"certfile": "certificate", "keyfile": "key"}
    shared = "&".join(f"{key}={TLS_FOLDER}/{file_name(remote, kind)}" for key, kind in files.items())
    return [
        f"amqps://{quote(remote.user, safe='')}@{each.host}:{each.port}/{quote(remote.vhost, safe='')}"
        f"?{shared}&verify=verify_peer&server_name_indication={each.name}"
        f"&heartbeat={_HEARTBEAT_S}&connection_timeout={_CONNECT_MS}"
        for each in servers(links, remote)
    ]


def with_password(uri: str, password: str) -> str:
    """``uri`` with ``password`` for its user; without a user it stays as it is."""
    return _ACCOUNT.sub(
        lambda found: f"{found['head']}{found['account']}:{quote(password, safe='')}@", uri, count=1
    )


def parted(uri: str) -> tuple[str, str]:
    """``uri`` without its password, and the password (empty where there is none). What else of it may be a
    secret is hidden."""
    bare, secret = uri, ""
    if found := _ACCOUNT.match(uri):
        user, colon, password = found["account"].partition(":")
        secret = unquote(password)
        bare = f"{found['head']}{user}@{uri[found.end() :]}" if colon or user else uri
    return _QUERY_SECRET.sub(rf"\g<name>{HIDDEN}", bare), secret


def without_passwords(value: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A parameter's definition without the passwords in its URIs, and those, in order."""
    body, secrets = dict(value), []
    for key in URI_KEYS:
        if key not in body:
            continue
        texts = body[key] if isinstance(body[key], list) else [body[key]]
        pairs = [parted(str(each)) for each in texts]
        bare = [each for each, _ in pairs]
        body[key] = bare if isinstance(body[key], list) else bare[0]
        secrets += [secret for each, secret in pairs if secret or _ACCOUNT.match(each)]
    return body, tuple(secrets)


def with_passwords(body: Mapping[str, Any], password: str) -> dict[str, Any]:
    """A definition of ours as the broker must have it: ``password`` in each URI that has a user."""
    found = dict(body)
    for key in URI_KEYS:
        if isinstance(found.get(key), list):
            found[key] = [with_password(str(each), password) for each in found[key]]
        elif key in found:
            found[key] = with_password(str(found[key]), password)
    return found


def hidden(text: str, secrets: Iterable[str]) -> str:
    """``text`` without ``secrets``, as they are or quoted, and without what stands in a URI as one."""
    forms = {form for each in secrets if each for form in (each, quote(each, safe=""))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return _ANY_SECRET.sub(rf"\1{HIDDEN}", text)


def shown_hosts(uris: Sequence[str]) -> str:
    """``far-rmq1:5671, far-rmq2:5671``: where ``uris`` go, without account and query."""
    return ", ".join(re.sub(r"^[a-z]+://([^@/]*@)?|[/?].*$", "", each) for each in uris)
