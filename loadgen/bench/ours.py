"""Warren as a client to measure: a cell as a run's spec, with ledger, histograms and metrics on as always."""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Mapping

from loadgen import container, stream
from loadgen.bench import stage
from loadgen.bench.cells import ACK_BATCH, PREFETCH, WINDOW, Cell
from loadgen.progress import Quiet
from loadgen.roles import Protocol
from loadgen.spec import ConsumerRole, LoadSpec, PublisherRole, usual_wakes_per_s
from warren.connection import Credentials, Endpoint
from warren.context import Context

#: Measured runs come to their verdict soon: nobody kills a node in a benchmark.
_DRAIN_SILENCE_S = 30.0
PROFILE = "bench"


class Listener(Quiet):
    """Shows nothing and tells how old the load is, each second."""

    def __init__(self, at: Callable[[float], None]) -> None:
        self._at = at

    def show(self, event: Mapping[str, object]) -> None:
        if event["type"] == "progress":
            self._at(float(str(event["t_s"])))


def spec(
    context: Context, cell: Cell, node: str, seconds: int, protocol: Protocol | None = None
) -> Callable[[str, Mapping[str, str]], LoadSpec]:
    """What makes the spec of a run of ``cell`` for `launch.run_built`; every connection goes to ``node``.

    With a ``protocol`` its queues are streams.
    """
    operator = context.topology.account("operator").name
    ports = context.topology.ports
    ca_pem = context.cluster_ca.read_text(encoding="utf-8")

    def build(run_id: str, metrics: Mapping[str, str]) -> LoadSpec:
        return LoadSpec(
            run_id=run_id,
            nonce=random.randbits(32),
            seed=1,
            profile=PROFILE,
            vhost=stage.VHOST,
            endpoints=(Endpoint(name=node, host=node, port=ports.amqps),),
            stream_endpoints=(Endpoint(name=node, host=node, port=ports.streams),),
            ca_pem=ca_pem,
            users=(Credentials(username=operator, password=context.secrets.read(operator)),),
            publishers=publishers(cell, operator, protocol),
            consumers=consumers(cell, operator, protocol),
            folder=container.RUN_FOLDER,
            rate_per_s=cell.rate_per_s,
            wakes_per_s=usual_wakes_per_s(cell.rate_per_s),
            duration_s=seconds,
            body=cell.body,
            size_bytes=cell.size_bytes,
            window=WINDOW,
            drain_silence_s=_DRAIN_SILENCE_S,
            judge_order=True,
            metrics_port=ports.load,
            metrics_tls=metrics,
            params={"cell": cell.name},
        )

    return build


def publishers(cell: Cell, user: str, protocol: Protocol | None = None) -> tuple[PublisherRole, ...]:
    """A role for each queue. Not mandatory, as PerfTest's are not."""
    return tuple(
        PublisherRole(
            name=f"publisher{number}",
            user=user,
            exchange="" if protocol == "stream" else stage.EXCHANGE,
            routing_key=stage.queue(number),
            destinations=(stage.queue(number),),
            count=cell.pairs_per_queue,
            mandatory=False,
            protocol=protocol or "amqp",
        )
        for number in range(1, cell.queues + 1)
    )


def consumers(cell: Cell, user: str, protocol: Protocol | None = None) -> tuple[ConsumerRole, ...]:
    """A role for each queue. Readers of a stream begin at its end, behind what earlier turns left there."""
    return tuple(
        ConsumerRole(
            name=f"consumer{number}",
            user=user,
            queue=stage.queue(number),
            count=cell.pairs_per_queue,
            prefetch=PREFETCH,
            ack_batch=ACK_BATCH,
            stream=protocol is not None,
            reads="shared" if protocol is None else "all",
            arguments={} if protocol is None else {stream.KEY: "next"},
            protocol=protocol or "amqp",
        )
        for number in range(1, cell.queues + 1)
    )
