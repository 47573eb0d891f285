"""Sections of the cluster's board: what goes in and out, how large messages are, and what is declared."""

from __future__ import annotations

from dashboards.house import Query, Section, heat, lines, number
from dashboards.queries import NODE, ONE_NODE, rate, total_rate

_SIZE = "rabbitmq_message_size_bytes"


def counted(counter: str, legend: str) -> Query:
    """A counter of all the cluster's messages, per second."""
    return Query(expr=total_rate(f"rabbitmq_global_messages_{counter}_total", NODE), legend=legend)


def incoming() -> Section:
    return Section(
        title="Incoming",
        panels=(
            lines(
                "Into the cluster",
                "Messages per second published, confirmed and put into queues. Good: confirmed with "
                "published; put into queues is above both where a message goes to several. A gap between "
                "the first two that stays is publishing without confirms, or publishers that wait for one.",
                "mps",
                counted("received", "published"),
                counted("confirmed", "confirmed"),
                counted("routed", "put into queues"),
            ),
            lines(
                "Confirms that lag behind",
                "Messages per second published by clients that want a confirm, less those confirmed. Good: "
                "around 0. Above it for long, queues take in slower than publishers send: see the board "
                "Quorum and Raft.",
                "mps",
                Query(
                    expr=f"{total_rate('rabbitmq_global_messages_received_confirm_total', NODE)}"
                    f" - {total_rate('rabbitmq_global_messages_confirmed_total', NODE)}",
                    legend="published less confirmed",
                ),
                least=None,
            ),
            lines(
                "Nowhere to go",
                "Messages per second that no queue took: dropped without a word, or returned to their "
                "publisher. Good: 0. See docs/runbooks/unroutable.md.",
                "mps",
                counted("unroutable_dropped", "dropped"),
                counted("unroutable_returned", "returned"),
                width=8,
            ),
            lines(
                "Published by node",
                "Messages per second that publishers sent to each node. Good: about even. A node that "
                "gets it all is a client that does not spread its connections.",
                "mps",
                Query(
                    expr=total_rate("rabbitmq_global_messages_received_total", ONE_NODE, by="node"),
                    legend="{{node}}",
                ),
                width=8,
                stacked=True,
            ),
            number(
                "Average size",
                "Mean size of the messages published in the last scrapes. Good: what the applications mean "
                "to send. A jump is a new kind of message; megabytes belong into a store, not a queue.",
                "bytes",
                Query(
                    expr=f"{total_rate(f'{_SIZE}_sum', NODE)} / ({total_rate(f'{_SIZE}_count', NODE)} > 0)",
                    legend="average",
                ),
                none="nothing published",
                height=8,
            ),
            number(
                "Clients",
                "Channels that have published, and consumers, over the cluster. Good: what the "
                "applications run. 0 publishers beside an alarm is a blocked cluster.",
                "short",
                Query(expr=f"sum(rabbitmq_global_publishers{{{NODE}}})", legend="publishers"),
                Query(expr=f"sum(rabbitmq_global_consumers{{{NODE}}})", legend="consumers"),
                height=8,
                graph=False,
            ),
            heat(
                "Messages by size",
                "How many messages of which size were published. Good: narrow bands, one for each kind of "
                "message. A band that climbs is a message that grows.",
                Query(expr=f"sum by (le) ({rate(f'{_SIZE}_bucket', NODE)})", legend="{{le}}"),
                unit="decbytes",  # the buckets end at 100 B, 1 kB, 10 kB, …
                width=24,
            ),
        ),
    )


def outgoing() -> Section:
    return Section(
        title="Outgoing",
        panels=(
            lines(
                "Out of the cluster",
                "Messages per second delivered, acknowledged and delivered again. Good: acknowledged "
                "follows delivered. Redelivered shows consumers that fail, time out or lose their "
                "connection.",
                "mps",
                counted("delivered", "delivered"),
                counted("acknowledged", "acknowledged"),
                counted("redelivered", "redelivered"),
            ),
            lines(
                "Delivered by kind of acknowledgement",
                "Messages per second that consumers acknowledge themselves, and those that count as done "
                "once they are sent. Good: no automatic ones where a message must not be lost, for what a "
                "consumer that dies had in hand is gone.",
                "mps",
                counted("delivered_consume_manual_ack", "acknowledged by the consumer"),
                counted("delivered_consume_auto_ack", "acknowledged by being sent"),
            ),
            lines(
                "Fetched one by one",
                "Messages per second fetched with basic.get, and fetches that found nothing. Good: 0. A "
                "fetch is a round trip for each message: let the client consume.",
                "mps",
                counted("delivered_get_manual_ack", "acknowledged by the client"),
                counted("delivered_get_auto_ack", "acknowledged by being sent"),
                counted("get_empty", "found nothing"),
                width=8,
            ),
            lines(
                "Dead-lettered",
                "Messages per second that left their queue for its dead-letter exchange, by reason. Good:"
                " what the applications reject on purpose; delivery limit means crashing consumers, "
                "maxlen a full queue. Taken by their target: those that at-least-once has confirmed.",
                "mps",
                *(
                    counted(f"dead_lettered_{reason}", reason.replace("_", " "))
                    for reason in ("rejected", "expired", "delivery_limit", "maxlen")
                ),
                counted("dead_lettered_confirmed", "taken by their target"),
                width=8,
            ),
            lines(
                "Ready and unacknowledged by node",
                "Messages in the queues that each node leads. Good: steady or falling. Which queue it is "
                "the board Queues says.",
                "short",
                Query(expr=f"rabbitmq_queue_messages_ready{{{ONE_NODE}}}", legend="{{node}} ready"),
                Query(
                    expr=f"rabbitmq_queue_messages_unacked{{{ONE_NODE}}}", legend="{{node}} unacknowledged"
                ),
                width=8,
            ),
        ),
    )


def declared() -> Section:
    """Queues that come and go."""
    return Section(
        title="Queues declared",
        panels=(
            lines(
                "Queues",
                "Queues that each node leads. Good: steady. A line that only rises is a client that "
                "declares a queue for itself and never deletes it.",
                "short",
                Query(expr=f"rabbitmq_queues{{{ONE_NODE}}}", legend="{{node}}"),
                stacked=True,
            ),
            lines(
                "Queues declared, created and deleted",
                "Per second, over the cluster. Good: near 0 between deployments; declared alone is a "
                "client that looks whether its queue is there. Created and deleted at a steady rate is a "
                "queue for each request: each costs an election.",
                "ops",
                *(
                    Query(expr=total_rate(f"rabbitmq_queues_{verb}_total", NODE), legend=verb)
                    for verb in ("declared", "created", "deleted")
                ),
            ),
        ),
    )
