"""``warren exporter``: serves what the broker's own metrics leave out. Everything it needs comes by flags."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from exporters import collector, server
from exporters.broker import HttpsBroker, Node, QueueFilter
from exporters.exporter import Exporter
from exporters.memory import few_arenas
from warren.connection import Credentials
from warren.errors import BadInputError

_F = TypeVar("_F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_HIGHEST_PORT = 65535
_LISTENER_NAME = re.compile(r"[a-z][a-z0-9-]*")
_A_LISTENER = "streams=rmq1:5551"
#: What the flags for ports name already.
_OF_NODES = ("amqps", "inter-node", "management", "metrics")


def _address(value: str, option: str, example: str) -> tuple[str, int]:
    host, colon, port = value.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) <= _HIGHEST_PORT):
        raise BadInputError(option, f"'{value}' is not HOST:PORT", f"for example {example}")
    return host.strip("[]"), int(port)


def parse_listeners(values: tuple[str, ...]) -> tuple[collector.Listener, ...]:
    """Each NAME=HOST:PORT; raises BadInputError for what is none, and for one that is said twice."""
    found: list[collector.Listener] = []
    for value in values:
        name, equals, address = value.partition("=")
        if not (equals and _LISTENER_NAME.fullmatch(name)):
            raise BadInputError(
                "--listener", f"'{value}' is not NAME=HOST:PORT", "for example " + _A_LISTENER
            )
        host, port = _address(address, "--listener", _A_LISTENER)
        if name in _OF_NODES:
            raise BadInputError("--listener", f"'{name}' is what the nodes' own is called", "another name")
        if any((each.name, each.host) == (name, host) for each in found):
            raise BadInputError("--listener", f"'{name}' of {host} is given twice", "leave one out")
        found.append(collector.Listener(name=name, host=host, port=port))
    return tuple(found)


def _port(flag: str, default: int, of: str) -> Callable[[_F], _F]:
    """The option for a port that every node has."""
    return click.option(
        flag, type=click.IntRange(1, _HIGHEST_PORT), default=default, show_default=True, help=of
    )


def _stop(*_: object) -> None:
    """As the first process of a container a program is not ended by SIGTERM unless it asks to be."""
    raise SystemExit(0)


def _credentials(user: str, password: Path, certificate: Path | None, key: Path | None) -> Credentials:
    if (certificate is None) is not (key is None):
        raise BadInputError("--client-cert and --client-key", "one is given without the other", "give both")
    files = () if certificate is None or key is None else (certificate, key)
    return Credentials.from_file(user, password, certificate=files)


@click.group()
def exporter() -> None:
    """Metrics that the broker's own endpoints leave out."""


@exporter.command()
@click.option(
    "--collect",
    "collect",
    multiple=True,
    default=("lag", "queues"),
    show_default=True,
    help="A collector; may be given several times.",
)
@click.option(
    "--node",
    "nodes",
    envvar="WARREN_EXPORTER_SERVE_NODE",
    multiple=True,
    required=True,
    help="Host of a broker node, as its certificate names it; give every node.",
)
@_port("--management-port", 15671, "HTTPS port of the management API on every node.")
@_port("--metrics-port", 15691, "HTTPS port of the Prometheus plugin on every node.")
@_port("--amqps-port", 5671, "AMQPS port of every node.")
@_port("--inter-node-port", 25672, "Port on which nodes talk to each other.")
@click.option(
    "--vhost",
    "vhosts",
    envvar="WARREN_EXPORTER_SERVE_VHOST",
    multiple=True,
    help="Virtual host for the canary; may be given several times.",
)
@click.option(
    "--listener",
    "listeners",
    envvar="WARREN_EXPORTER_SERVE_LISTENER",
    multiple=True,
    help="NAME=HOST:PORT of another TLS listener for certificates; may be given several times.",
)
@click.option("--topology", type=_FILE, default=None, help="Topology file that drift compares with.")
@click.option(
    "--faults",
    type=click.Path(path_type=Path),
    default=None,
    help="File of open faults, for the collector faults.",
)
@click.option(
    "--user",
    required=True,
    help="Broker user: tagged monitoring, for all kinds of drift administrator, or with the canary's rights.",
)
@click.option("--password-file", type=_FILE, required=True, help="File that holds the user's password.")
@click.option(
    "--client-cert",
    type=_FILE,
    default=None,
    help="PEM certificate of the user, which the canary shows to a broker that asks for one.",
)
@click.option("--client-key", type=_FILE, default=None, help="PEM key of that certificate.")
@click.option("--ca", type=_FILE, required=True, help="PEM file of the authority that signs the nodes.")
@click.option(
    "--inter-node-ca",
    type=_FILE,
    default=None,
    help="PEM file of the authority that signs the nodes' certificates among themselves.",
)
@click.option("--cert", type=_FILE, required=True, help="PEM certificate that this server shows.")
@click.option("--key", type=_FILE, required=True, help="PEM key of that certificate.")
@click.option(
    "--client-ca",
    type=_FILE,
    required=True,
    help="PEM file of the authority whose certificates scrapers must show.",
)
@click.option("--listen", default="127.0.0.1:9419", show_default=True, help="HOST:PORT to serve HTTPS on.")
@click.option(
    "--include", default=".*", show_default=True, help="Regular expression for VHOST:QUEUE, matched whole."
)
@click.option("--exclude", default=None, help="Regular expression for VHOST:QUEUE, matched whole.")
@click.option(
    "--most-queues",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="Leave out what comes after this many queues by name.",
)
@click.option(
    "--deadline",
    "deadline_s",
    envvar="WARREN_EXPORTER_SERVE_DEADLINE",
    type=click.FloatRange(min=0.5),
    default=3.0,
    show_default=True,
    help="Seconds for one scrape; less where Prometheus waits less.",
)
def serve(
    *,
    collect: tuple[str, ...],
    nodes: tuple[str, ...],
    management_port: int,
    metrics_port: int,
    amqps_port: int,
    inter_node_port: int,
    vhosts: tuple[str, ...],
    listeners: tuple[str, ...],
    topology: Path | None,
    faults: Path | None,
    user: str,
    password_file: Path,
    client_cert: Path | None,
    client_key: Path | None,
    ca: Path,
    inter_node_ca: Path | None,
    cert: Path,
    key: Path,
    client_ca: Path,
    listen: str,
    include: str,
    exclude: str | None,
    most_queues: int,
    deadline_s: float,
) -> None:
    """Serve metrics over HTTPS until interrupted; each scrape reads the broker anew."""
    few_arenas()
    host, port = _address(listen, "--listen", "0.0.0.0:9419")
    chosen = tuple(dict.fromkeys(collect))
    collector.refuse_unknown(chosen)
    reach = collector.Reach(
        nodes=tuple(
            Node(
                host=each,
                management_port=management_port,
                metrics_port=metrics_port,
                amqps_port=amqps_port,
                inter_node_port=inter_node_port,
            )
            for each in nodes
        ),
        credentials=_credentials(user, password_file, client_cert, client_key),
        ca=ca,
        timeout_s=deadline_s,
        vhosts=vhosts,
        topology=topology,
        listeners=parse_listeners(listeners),
        inter_node_ca=inter_node_ca,
        faults=faults,
    )
    broker = HttpsBroker(
        reach.nodes,
        credentials=reach.credentials,
        ca=ca,
        queue_filter=QueueFilter(include=include, exclude=exclude, most=most_queues),
        deadline_s=deadline_s,
    )
    serving = Exporter(broker, [(name, collector.make(name, reach)) for name in chosen])
    app = server.application(serving, deadline_s=deadline_s, collectors=chosen)
    files = server.TlsFiles(certificate=cert, key=key, client_ca=client_ca)
    with server.listen(app, host=host, port=port, tls=files) as listening, serving:
        signal.signal(signal.SIGTERM, _stop)
        click.echo(f"serving https://{host}:{listening.server_port}/metrics, collectors {', '.join(chosen)}")
        listening.serve_forever()
