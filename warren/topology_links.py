"""Links to other clusters: the settings of shovels and federation, and how they are read.

``links`` of the topology. A remote is another topology file beside this one, or hosts that are named. The
passwords of remotes lie in a folder of secrets and never stand here (`warren.links.material` reads them).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from warren.errors import BadInputError, BadInputsError
from warren.reader import Section

if TYPE_CHECKING:
    from warren.topology import Topology

#: Reads the topology file of that name, which lies beside the one being read; raises BadInputError. It
#: returns None where nobody follows it: of a remote's own remotes.
Beside = Callable[[str], "Topology | None"]

AckMode = Literal["on-confirm", "on-publish", "no-ack"]
#: The only one that acks a message where it came from after it is stored where it goes.
SAFE: AckMode = "on-confirm"
_NAME = r"[a-z][a-z0-9-]{0,39}"
_NAME_HINT = "lower-case letters, digits and dashes; 40 at most"
_VHOST = r"/[A-Za-z0-9._-]*"
_USER = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_TOPOLOGY = r"[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml"
_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_PLAIN_PORT = 5672
_TLS_PORT = 5671


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Another cluster. Either ``topology`` is given, the bare name of the file that describes it, or
    ``hosts`` with ``password_file`` and ``ca_file``; the others are empty then.

    ``far`` is what that file says, so that what stands there can be checked. Beside a topology ``hosts`` say
    where its nodes are, which otherwise are containers on this machine.
    """

    name: str
    vhost: str
    user: str
    topology: str
    hosts: tuple[str, ...]
    port: int
    password_file: str
    ca_file: str
    certificate_file: str
    key_file: str
    far: Topology | None = field(default=None, repr=False, compare=False)

    @property
    def in_containers(self) -> bool:
        """Whether its nodes are containers on the machine on which ours are."""
        return bool(self.topology) and not self.hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a link: a queue or an exchange, of one's own vhost, or of a remote's where that is named.

    ``vhost`` is empty for a remote, whose own says it."""

    remote: str
    vhost: str
    queue: str
    exchange: str
    routing_key: str

    @property
    def name(self) -> str:
        return self.queue or self.exchange

    @property
    def words(self) -> str:
        """``queue orders.audit in /orders``, ``exchange events of second``."""
        kind = "queue" if self.queue else "exchange"
        return f"{kind} {self.name} " + (f"of {self.remote}" if self.remote else f"in {self.vhost}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shovel:
    """Takes messages from a queue and publishes them elsewhere; runs on one node of this cluster."""

    name: str
    source: End
    target: End
    ack_mode: AckMode
    prefetch: int
    reconnect_delay_s: int

    @property
    def remote(self) -> str:
        return self.source.remote or self.target.remote

    @property
    def vhost(self) -> str:
        """Of this cluster: the one that the shovel belongs to."""
        return self.source.vhost or self.target.vhost


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """An exchange or queue of this cluster (``target``, downstream) that has the remote's messages too."""

    name: str
    source: End
    target: End
    prefetch: int
    reconnect_delay_s: int
    max_hops: int

    @property
    def remote(self) -> str:
        return self.source.remote

    @property
    def vhost(self) -> str:
        return self.target.vhost

    @property
    def of_queues(self) -> bool:
        return bool(self.target.queue)

    def plugin(self, series: tuple[int, int]) -> str:
        """What brings it to a broker of ``series`` (major, minor): one for exchanges and one for queues since
        4.1; on 4.3.6 the old name is an empty one that brings both: https://www.rabbitmq.com/docs/federation
        """
        kind = "queue" if self.of_queues else "exchange"
        return f"rabbitmq_{kind}_federation" if series >= (4, 1) else "rabbitmq_federation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Every link of a cluster, and the clusters that they go to."""

    remotes: tuple[Remote, ...] = ()
    shovels: tuple[Shovel, ...] = ()
    federations: tuple[Federation, ...] = ()
    #: The bare name of the file that says this: how a remote's topology calls this cluster.
    file: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.shovels or self.federations)

    @property
    def all(self) -> tuple[Shovel | Federation, ...]:
        return (*self.shovels, *self.federations)

    def remote(self, name: str) -> Remote:
        """The remote called ``name``; raises BadInputError naming those there are."""
        for remote in self.remotes:
            if remote.name == name:
                return remote
        names = ", ".join(each.name for each in self.remotes) or "none"
        raise BadInputError("links.remotes", f"has no remote '{name}'", f"remotes: {names}")

    def link(self, name: str) -> Shovel | Federation:
        """The link called ``name``; raises BadInputError naming those there are."""
        for link in self.all:
            if link.name == name:
                return link
        names = ", ".join(each.name for each in self.all) or "none"
        raise BadInputError("links", f"has no link '{name}'", f"links: {names}")

    def plugins(self, series: tuple[int, int]) -> tuple[str, ...]:
        """The plugins that these links need of a broker of ``series`` (major, minor), each with what shows
        its state over the management API and among the metrics."""
        found: list[str] = []
        if self.shovels:
            found += ["rabbitmq_shovel", "rabbitmq_shovel_management", "rabbitmq_shovel_prometheus"]
        if self.federations:
            found += sorted({each.plugin(series) for each in self.federations})
            found += ["rabbitmq_federation_management", "rabbitmq_federation_prometheus"]
        return tuple(found)


def read(root: Section, beside: Beside | None) -> Links:
    """The settings below ``links``; faults are noted in its document. ``beside`` reads remotes' topologies,
    None: the text is no file, and there is no folder to look into."""
    if "links" not in root.data:
        return Links()
    section = root.section("links")
    links = Links(
        remotes=section.sections("remotes", lambda each: _remote(each, beside), required=True),
        shovels=section.sections("shovels", _shovel),
        federations=section.sections("federation", _federation),
        file=PurePath(root.document.name).name,
    )
    section.finish()
    return links


def _remote(section: Section, beside: Beside | None) -> Remote:
    def file(key: str, ending: str) -> str:
        what = f"the bare name of a .{ending} file in the state's folder of secrets, like central.{ending}"
        return section.text(key, "", pattern=rf"[a-z0-9][a-z0-9-]*\.{ending}", hint=what)

    hint = "the bare name of a .yml file beside this one, like two.yml"
    topology = section.text("topology", "", pattern=_TOPOLOGY, hint=hint)
    remote = Remote(
        name=section.text("name", pattern=_NAME, hint=_NAME_HINT),
        vhost=section.text("vhost", pattern=_VHOST, hint="a slash and then a name, like /orders"),
        user=section.text("user", pattern=_USER, hint="an account of the remote's"),
        topology=topology,
        hosts=section.texts("hosts", ()),
        port=section.integer("port", _TLS_PORT, low=1, high=65535),
        password_file=file("password_file", "password"),
        ca_file=file("ca_file", "pem"),
        certificate_file=file("certificate_file", "pem"),
        key_file=file("key_file", "key"),
        far=_far(section, topology, beside),
    )
    if remote.topology:
        for key in ("password_file", "ca_file", "certificate_file", "key_file"):
            if key in section.data:
                section.fault(key, "follows from the topology that is named", "leave it out")
    else:
        _unnamed(section, remote)
    _hosts(section, remote)
    return remote


def _far(section: Section, name: str, beside: Beside | None) -> Topology | None:
    if not name or not re.fullmatch(_TOPOLOGY, name):
        return None
    if beside is None:
        section.fault("topology", f"'{name}' cannot be looked for: this text is no file", "name hosts")
        return None
    try:
        return beside(name)
    except BadInputsError as error:
        count = len(error.faults)
        section.fault("topology", f"'{name}' has {count} faults", f"warren topology check {name}")
    except BadInputError as error:
        section.fault("topology", f"'{name}': {error.what}", error.remedy)
    return None


def _hosts(section: Section, remote: Remote) -> None:
    for host in remote.hosts:
        if reason := _host_fault(host):
            # Not the host itself: what is wrong with it may be a password.
            section.fault("hosts", reason, "give bare host names, as the remote's certificates have them")
    if remote.port == _PLAIN_PORT:
        section.fault("port", "5672 is AMQP without TLS: messages and password in plain text", "give 5671")


def _unnamed(section: Section, remote: Remote) -> None:
    """What a remote must have that no topology describes."""
    if not remote.hosts:
        section.fault("hosts", "neither hosts nor a topology", "give topology: two.yml, or hosts: [name, …]")
    for key, what in (("password_file", "the user's password"), ("ca_file", "the remote's authority")):
        if not getattr(remote, key):
            section.fault(key, f"must be given: {what}", "name a file in the state's folder of secrets")
    if bool(remote.certificate_file) != bool(remote.key_file):
        section.fault("certificate_file", "goes with key_file; one is missing", "give both or none")


def _host_fault(host: str) -> str:
    """Why ``host`` is no host name that a certificate could have; empty where it is one."""
    if "@" in host:
        return "holds an account; no password stands in an address"
    if "://" in host:
        return "holds a scheme; every link speaks AMQP with TLS"
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return "" if re.fullmatch(_HOST, host) else "is no host name"
    return "is an address: the broker holds a certificate against a name only"


def _end(section: Section, key: str, *, allowed: tuple[str, ...]) -> End:
    part = section.section(key)
    end = End(
        remote=part.text("remote", ""),
        vhost=part.text("vhost", ""),
        queue=part.text("queue", ""),
        exchange=part.text("exchange", "") if "exchange" in allowed else "",
        routing_key=part.text("routing_key", "") if "routing_key" in allowed else "",
    )
    if "exchange" not in allowed and "exchange" in part.data:
        part.known.add("exchange")
        what = "a shovel's own queue on an exchange ends with its connection, and loses what comes then"
        part.fault("exchange", what, "bind a queue of its own to it, and name that")
    elif bool(end.queue) == bool(end.exchange):
        remedy = " or ".join(f"'{each}:'" for each in ("queue", "exchange") if each in allowed)
        part.fault("", "must name one thing", f"give {remedy}")
    if bool(end.remote) == bool(end.vhost):
        part.fault("", "is either of a remote or of a vhost here", "give 'remote:' or 'vhost:'")
    if end.routing_key and not end.exchange:
        part.fault("routing_key", "is of exchanges alone", "leave it out")
    part.finish()
    return end


def _shovel(section: Section) -> Shovel:
    choice = section.choice("ack_mode", ("on-confirm", "on-publish", "no-ack"), SAFE)
    loses = section.flag("may_lose", False)
    if choice != SAFE and not loses:
        what = f"with {choice} messages are lost whenever the link is cut"
        section.fault("ack_mode", what, "leave it out, or say that it may: may_lose: true")
    if choice == SAFE and loses:
        section.fault("may_lose", "on-confirm loses nothing", "leave it out")
    return Shovel(
        name=section.text("name", pattern=_NAME, hint=_NAME_HINT),
        source=_end(section, "from", allowed=("queue",)),
        target=_end(section, "to", allowed=("queue", "exchange", "routing_key")),
        ack_mode=choice if choice in ("on-publish", "no-ack") else SAFE,  # type: ignore[arg-type]
        prefetch=section.integer("prefetch", 1000, low=1, high=65535),
        reconnect_delay_s=section.integer("reconnect_delay_s", 5, low=1, high=3600),
    )


def _federation(section: Section) -> Federation:
    return Federation(
        name=section.text("name", pattern=_NAME, hint=_NAME_HINT),
        source=_end(section, "from", allowed=("queue", "exchange")),
        target=_end(section, "to", allowed=("queue", "exchange")),
        prefetch=section.integer("prefetch", 1000, low=1, high=65535),
        reconnect_delay_s=section.integer("reconnect_delay_s", 5, low=1, high=3600),
        max_hops=section.integer("max_hops", 1, low=1, high=32),
    )
