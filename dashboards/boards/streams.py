"""Streams: who publishes and consumes, how fast, how far behind, and what went wrong."""

from __future__ import annotations

from dashboards.choices import CLUSTER, JOB, NODES
from dashboards.house import Board, Query, Section, lines, number
from dashboards.looks import ORANGE
from dashboards.queries import MEMORY, NODE, ONE_NODE, STREAMS, most, total_rate

_STREAM = f'{NODE},protocol="stream"'
#: AMQP clients that read a stream; what they write the broker does not tell from what goes to other queues.
_AMQP_ON_STREAMS = f'{NODE},protocol!="stream",queue_type="rabbit_stream_queue"'
_NO_CONSUMERS = "streams have a lag only while a client consumes by the stream protocol"

#: What the broker counts of the stream protocol's errors, since each node's start.
ERRORS = (
    "access_refused", "authentication_failure", "frame_too_large", "internal_error", "precondition_failed",
    "publisher_does_not_exist", "sasl_authentication_failure_loopback", "sasl_challenge", "sasl_error",
    "sasl_mechanism_not_supported", "stream_already_exists", "stream_does_not_exist", "stream_not_available",
    "subscription_id_already_exists", "subscription_id_does_not_exist", "unknown_frame",
    "vhost_access_failure",
)  # fmt: skip


def board() -> Board:
    return Board(
        uid="warren-streams",
        title="Warren / Streams",
        description="Do streams take and give what they should, and how far behind are their consumers?",
        variables=(JOB, CLUSTER, NODES),
        sections=(_now(), _rates(), _lag(), _errors()),
    )


def _count(name: str) -> str:
    return f"sum(rabbitmq_global_{name}{{{_STREAM}}})"


def _rate(counter: str, selector: str = _STREAM) -> str:
    return total_rate(f"rabbitmq_global_messages_{counter}_total", selector)


def _now() -> Section:
    return Section(
        title="Now",
        panels=(
            number(
                "Stream publishers",
                "Publishers by the stream protocol. Good: as many as the applications run.",
                "short",
                Query(expr=_count("publishers"), legend="publishers"),
            ),
            number(
                "Stream consumers",
                "Consumers by the stream protocol. Good: as many as the applications run.",
                "short",
                Query(expr=_count("consumers"), legend="consumers"),
            ),
            number(
                "Received",
                "Messages per second received by the stream protocol. Good: what the applications send.",
                "mps",
                Query(expr=_rate("received"), legend="received"),
            ),
            number(
                "Confirmed",
                "Messages per second confirmed to stream publishers. Good: as Received.",
                "mps",
                Query(expr=_rate("confirmed"), legend="confirmed"),
            ),
            number(
                "Delivered",
                "Messages per second sent to stream consumers. Good: Received times the consumers.",
                "mps",
                Query(expr=_rate("delivered"), legend="delivered"),
            ),
            number(
                "Errors since boot",
                "Errors of the stream protocol since each node's start, of every kind. Good: no longer "
                "growing; when and of which kind they were is below.",
                "none",
                Query(
                    expr=" + ".join(
                        f"sum(rabbitmq_global_stream_error_{kind}_total{{{NODE}}})" for kind in ERRORS
                    ),
                    legend="errors",
                ),
                limits=((1, ORANGE),),
                graph=False,
            ),
        ),
    )


def _rates() -> Section:
    def by_node(counter: str, title: str, description: str) -> tuple[str, str, str, Query]:
        selector = f'{ONE_NODE},protocol="stream"'
        expr = total_rate(f"rabbitmq_global_messages_{counter}_total", selector, by="node")
        return title, description, "mps", Query(expr=expr, legend="{{node}}")

    return Section(
        title="Publishers, consumers and messages",
        panels=(
            lines(
                "Stream publishers by node",
                "Good: on the nodes that lead the streams: a stream client looks the leader up.",
                "short",
                Query(
                    expr=f'rabbitmq_global_publishers{{{ONE_NODE},protocol="stream"}}', legend="{{node}}"
                ),
                stacked=True,
            ),
            lines(
                "Stream consumers by node",
                "Good: spread over the nodes with a replica.",
                "short",
                Query(expr=f'rabbitmq_global_consumers{{{ONE_NODE},protocol="stream"}}', legend="{{node}}"),
                stacked=True,
            ),
            lines(
                *by_node(
                    "received", "Received by node",
                    "Messages per second by the stream protocol. Good: what the applications send.",
                ),
                width=8, stacked=True,
            ),
            lines(
                *by_node(
                    "confirmed", "Confirmed by node",
                    "Messages per second confirmed to stream publishers. Good: as received, with a short "
                    "delay. A gap that grows is a stream without a majority.",
                ),
                width=8, stacked=True,
            ),
            lines(
                *by_node(
                    "delivered", "Delivered by node",
                    "Messages per second sent to stream consumers. Good: received times the consumers; more "
                    "while some read from the beginning.",
                ),
                width=8, stacked=True,
            ),
            lines(
                "Received by protocol",
                "Messages per second into the cluster by each protocol, whatever kind of queue they go to. "
                "Good: what the applications mean to use.",
                "mps",
                Query(
                    expr=total_rate("rabbitmq_global_messages_received_total", NODE, by="protocol"),
                    legend="{{protocol}}",
                ),
            ),
            lines(
                "Read by AMQP clients",
                "Messages per second that AMQP consumers got from streams, and acknowledged, which gives "
                "them credit for more. Good: acknowledged follows delivered.",
                "mps",
                Query(expr=_rate("delivered", _AMQP_ON_STREAMS), legend="delivered"),
                Query(expr=_rate("acknowledged", _AMQP_ON_STREAMS), legend="acknowledged"),
            ),
        ),
    )  # fmt: skip


def _lag() -> Section:
    lag = f'max by (vhost, queue) (rabbitmq_detailed_stream_consumer_max_offset_lag{{{STREAMS},queue!=""}})'
    return Section(
        title="Lag and storage",
        panels=(
            lines(
                "Messages behind the end",
                "Messages between the end of a stream and its slowest consumer, and the greatest by node; of "
                "consumers by the stream protocol. Good: small and steady. One that rises reads slower than "
                "is written, and loses what retention cuts off.",
                "short",
                Query(
                    expr=f"rabbitmq_stream_consumer_max_offset_lag{{{ONE_NODE}}}", legend="{{node}} greatest"
                ),
                Query(expr=most(lag), legend="{{vhost}} {{queue}}", may_be_empty=_NO_CONSUMERS),
                width=8,
                to_queue=True,
            ),
            lines(
                "Segments",
                "Segment files of streams by node. Good: bounded by retention. A line that only rises is a "
                "stream without one: it fills the disk.",
                "short",
                Query(expr=f"rabbitmq_stream_segments{{{ONE_NODE}}}", legend="{{node}}"),
                width=8,
                steps=True,
            ),
            lines(
                "Memory of streams",
                "Bytes of the processes of streams, their readers for replicas, and their coordinator. Good: "
                "little: streams keep their messages in files.",
                "bytes",
                *(
                    Query(expr=f"sum(rabbitmq_memory_{name}_erlang_process_bytes{{{MEMORY}}})", legend=legend)
                    for name, legend in (
                        ("stream", "streams"),
                        ("stream_replica_reader", "readers for replicas"),
                        ("stream_coordinator", "coordinator"),
                    )
                ),
                width=8,
                stacked=True,
            ),
        ),
    )


def _errors() -> Section:
    return Section(
        title="Errors",
        panels=(
            lines(
                "Errors by kind",
                "Errors of the stream protocol per second. Good: 0. Access, authentication and SASL are "
                "wrong accounts; does not exist and not available are clients that ask too early or after "
                "a leader went away; frames are a client that speaks another version.",
                "ops",
                *(
                    Query(
                        expr=total_rate(f"rabbitmq_global_stream_error_{kind}_total", NODE),
                        legend=kind.replace("_", " "),
                    )
                    for kind in ERRORS
                ),
                width=24,
                height=9,
            ),
        ),
    )
