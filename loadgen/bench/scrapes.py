"""What a scrape of many queues costs: Warren's exporter beside the broker's own endpoints, alternating.

Every round asks each of them once, as Prometheus does: the exporter, which answers for the cluster, in one
request, a broker endpoint of all nodes at once. Who begins changes from round to round.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import urllib3

from loadgen.bench.meter import Meter
from warren.context import Context
from warren.errors import BadInputError, NotReadyError
from warren.https import HttpEndpoint, node_pool
from warren.management import ManagementClient, NotFoundError
from warren.signals import terminate_as_interrupt
from warren.topology import RESERVED_PREFIX, Topology
from warren.wait import Clock, until

VHOST = f"/{RESERVED_PREFIX}bench.scrapes"
#: The exporter's own name in the record, then the broker's endpoints as Prometheus may be told to ask them.
EXPORTER = "Warren's exporter: queues, lag"
PATHS = {
    "/metrics/per-object": "/metrics/per-object",
    "/metrics/detailed, lengths and rates": "/metrics/detailed?family=queue_coarse_metrics"
    "&family=queue_consumer_count&family=queue_delivery_metrics&family=queue_exchange_metrics",
    "/metrics/detailed, all of queues": "/metrics/detailed?family=queue_metrics"
    "&family=queue_delivery_metrics&family=queue_exchange_metrics",
}
_OK = 200
#: One answer of an endpoint that needs a minute is still an answer.
_ANSWER_S = 120.0
_MAKERS = 8
_SEEN_S = 300.0
#: A node without queues, and what each costs it, in MiB; measured.
_NODE_MIB = 250
_QUEUE_MIB = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One endpoint asked once: the slowest node's seconds, all nodes' bytes and series, the processor time of
    all containers meanwhile, and, of the exporter, the memory of its process after it (MiB, 0 else)."""

    endpoint: str
    took_s: float
    bytes: int
    series: int
    cpu_s: float
    rss_mib: float = 0.0


Get = Callable[[], Sequence[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Many queues in a virtual host of their own, of which every tenth holds a message."""

    management: ManagementClient
    topology: Topology
    clock: Clock

    def build(self, queues: int, kind: str) -> None:
        """Make ``queues`` queues of type ``kind``. Raises NotReadyError when the broker refuses one."""
        self.remove()
        api = self.management
        api.put("vhosts", VHOST, body={"description": "warren bench", "default_queue_type": kind})
        for role, right in (("operator", ".*"), ("monitoring", "")):
            user = self.topology.account("operator" if role == "operator" else "monitoring").name
            api.put("permissions", VHOST, user, body={"configure": right, "write": right, "read": right})
        with ThreadPoolExecutor(_MAKERS) as pool:
            list(pool.map(lambda number: self._make(number, kind), range(queues)))

    def _make(self, number: int, kind: str) -> None:
        name = f"team-{number % 97}.service-{number}.work"
        body = {"durable": True, "arguments": {"x-queue-type": kind}}
        self.management.put("queues", VHOST, name, body=body)
        if number % 10 == 0:
            message = {"routing_key": name, "payload": "x", "payload_encoding": "string", "properties": {}}
            self.management.post("exchanges", VHOST, "amq.default", "publish", body=message)

    def remove(self) -> None:
        """Remove the virtual host and all in it; safe when there is none.

        Queue by queue, since with all of them in it the broker takes minutes for one answer.
        """
        with suppress(NotFoundError), ThreadPoolExecutor(_MAKERS) as pool:
            rows = self.management.rows("queues", VHOST, columns=("name",))
            list(pool.map(lambda row: self.management.delete("queues", VHOST, str(row["name"])), rows))
        with suppress(NotFoundError):
            self.management.delete("vhosts", VHOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrapes:
    """Asks everybody in turn. ``endpoints`` by name: the bodies of all nodes; ``cpu_s``: processor seconds of
    all containers so far; ``rss_mib``: memory of the exporter's process."""

    endpoints: dict[str, Get]
    cpu_s: Callable[[], float]
    rss_mib: Callable[[], float]
    clock: Clock
    rounds: int

    def run(self) -> list[Answer]:
        """All answers; raises NotReadyError when one is refused."""
        answers, names = [], list(self.endpoints)
        for number in range(self.rounds):
            first = number % len(names)
            answers += [self._ask(name) for name in (*names[first:], *names[:first])]
        return answers

    def _ask(self, name: str) -> Answer:
        cpu_s, began = self.cpu_s(), self.clock.now()
        bodies = self.endpoints[name]()
        took_s = self.clock.now() - began
        return Answer(
            endpoint=name,
            took_s=took_s,
            bytes=sum(len(body) for body in bodies),
            series=sum(1 for body in bodies for line in body.split(b"\n") if line and line[:1] != b"#"),
            cpu_s=self.cpu_s() - cpu_s,
            rss_mib=self.rss_mib() if name == EXPORTER else 0.0,
        )


@terminate_as_interrupt()
def measure(context: Context, *, queues: int, kind: str, rounds: int) -> list[Answer]:
    """Make the queues, ask, and remove them whatever happens.

    Raises BadInputError when the nodes are too small for so many, NotReadyError when the cluster is not whole
    or an endpoint does not answer.
    """
    refuse_what_does_not_fit(context.topology, queues, kind)
    context.gate.check()
    stage = Stage(management=context.management, topology=context.topology, clock=context.clock)
    scrapes = _scrapes(context, rounds)
    try:
        context.say(f"making {queues:,} {kind} queues")
        stage.build(queues, kind)
        until(
            lambda: _seen(scrapes.endpoints[EXPORTER](), queues),
            what="the exporter to see every queue", deadline_s=_SEEN_S, every_s=5.0, clock=context.clock,
        )  # fmt: skip
        context.say(f"asking {len(scrapes.endpoints)} endpoints, {rounds} rounds")
        return scrapes.run()
    finally:
        context.say("removing them")
        stage.remove()


def refuse_what_does_not_fit(topology: Topology, queues: int, kind: str) -> None:
    """Raise BadInputError where ``queues`` would reach the memory watermark of a node.

    By what queues cost on 4.3.6 with the management plugin's figures of them: three nodes of 1 GiB ended at
    some 8,500 classic queues, one by the kernel's hand. Of a quorum queue each node holds a member.
    """
    broker, nodes = topology.broker, len(topology.nodes)
    held = queues if kind == "quorum" else queues / nodes
    needed_mib = _NODE_MIB + held * _QUEUE_MIB
    if needed_mib > broker.memory_limit_mib * broker.memory_watermark:
        limit = -(-int(needed_mib / broker.memory_watermark) // 1024) * 1024
        raise BadInputError(
            "--queues",
            f"{queues:,} {kind} queues need {needed_mib:,.0f} MiB of a node, which has "
            f"{broker.memory_limit_mib * broker.memory_watermark:,.0f} below its watermark",
            f"say fewer, or take a copy of the topology with memory_limit_mib: {limit}",
        )


def _seen(bodies: Sequence[bytes], queues: int) -> None:
    found = bodies[0].count(b"warren_queue_messages_ready{")
    if found < queues:
        raise NotReadyError("exporter", f"shows the length of {found} queues")


def _scrapes(context: Context, rounds: int) -> Scrapes:
    topology = context.topology
    names = [f"{topology.cluster}-{name}" for name in (*(node.name for node in topology.nodes), "exporter")]
    meter = Meter(docker=context.engine.docker, run=context.run)
    return Scrapes(
        endpoints={EXPORTER: _exporter(context)} | {name: _nodes(context, PATHS[name]) for name in PATHS},
        cpu_s=lambda: sum(meter.cpu_s(names)),
        rss_mib=lambda: _rss_mib(context, names[-1]),
        clock=context.clock,
        rounds=rounds,
    )


def _exporter(context: Context) -> Get:
    pair = context.pki.leaf("scrape", "prometheus")
    port = context.topology.published("exporter")
    pool = node_pool(
        HttpEndpoint(node="exporter", host="localhost", port=port, server_name="localhost"),
        ca=context.pki.authority("cluster").certificate,
        timeout=urllib3.Timeout(total=_ANSWER_S),
        client_certificate=pair.certificate,
        client_key=pair.key,
    )
    waits = {"X-Prometheus-Scrape-Timeout-Seconds": f"{_ANSWER_S:g}"}
    return lambda: [_body(pool, "/metrics", waits)]


def _nodes(context: Context, path: str) -> Get:
    monitoring = context.topology.account("monitoring").name
    headers = urllib3.make_headers(basic_auth=f"{monitoring}:{context.secrets.read(monitoring)}")
    pools = [
        node_pool(
            HttpEndpoint(
                node=node.name,
                host="localhost",
                port=context.topology.published_node(node.name, "metrics"),
                server_name="localhost",
            ),
            ca=context.pki.authority("cluster").certificate,
            timeout=urllib3.Timeout(total=_ANSWER_S),
        )
        for node in context.topology.nodes
    ]

    def get() -> Sequence[bytes]:
        with ThreadPoolExecutor(len(pools)) as threads:
            return list(threads.map(lambda pool: _body(pool, path, headers), pools))

    return get


def _body(pool: urllib3.HTTPSConnectionPool, path: str, headers: dict[str, str]) -> bytes:
    try:
        response = pool.request("GET", path, headers=headers)
    except urllib3.exceptions.HTTPError as error:
        raise NotReadyError(path, f"does not answer: {error}") from error
    if response.status != _OK:
        raise NotReadyError(path, f"answers {response.status}")
    return response.data


def _rss_mib(context: Context, container: str) -> float:
    argv = [context.engine.docker, "exec", container, "cat", "/proc/1/status"]
    found = re.search(r"^VmRSS:\s+(\d+) kB$", context.run(argv, timeout_s=60).stdout, re.MULTILINE)
    if found is None:
        raise NotReadyError(container, "shows no memory of its first process")
    return int(found[1]) / 1024


def table(answers: Sequence[Answer]) -> str:
    """Markdown: a row an endpoint, medians with the least and the greatest."""
    lines = [
        "| endpoint | scrape s | CPU s of all | series | MB | exporter MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(answer.endpoint for answer in answers):
        own = [answer for answer in answers if answer.endpoint == name]
        greatest = max(answer.rss_mib for answer in own)
        cells = (
            name,
            _spread([answer.took_s for answer in own]),
            _spread([answer.cpu_s for answer in own]),
            f"{median(answer.series for answer in own):,.0f}",
            f"{median(answer.bytes for answer in own) / 1e6:.1f}",
            f"{greatest:.0f}" if greatest else "-",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def as_dict(answers: Sequence[Answer], *, queues: int, kind: str) -> dict[str, Any]:
    """For JSON: every answer, none averaged away."""
    return {"schema": 1, "queues": queues, "type": kind, "answers": [asdict(answer) for answer in answers]}


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
