"""A section of the board of consensus: the metadata store's own, which is not the queues'."""

from __future__ import annotations

from dashboards.house import Query, Section, lines
from dashboards.queries import ONE_NODE, rate

_KHEPRI = f'{ONE_NODE},ra_system="coordination",module="rabbit_khepri"'
_LOG = f'{ONE_NODE},ra_system="coordination",module="ra_log_wal"'


def metadata() -> Section:
    return Section(
        title="Metadata store (Khepri, Raft system coordination): not the queues",
        panels=(
            lines(
                "Metadata store: term",
                "Each step is an election of the store that knows queues, users and bindings. Good: flat; a "
                "step when its leader's node went away. While it has no leader nothing can be declared.",
                "short",
                Query(expr=f"rabbitmq_raft_term{{{_KHEPRI}}}", legend="{{node}}"),
                width=8,
                steps=True,
            ),
            lines(
                "Metadata store: commits",
                "Entries committed per second. Good: 0 but for deployments. A steady rate is clients that "
                "declare, bind or delete all the time.",
                "ops",
                Query(
                    expr=f"clamp_min(deriv(rabbitmq_raft_commit_index{{{_KHEPRI}}}[$__rate_interval]), 0)",
                    legend="{{node}}",
                ),
                width=8,
            ),
            lines(
                "Metadata store: commit latency",
                "From a declaration's writing to its commit. Good: milliseconds. Seconds are a slow disk or "
                "link, and clients that wait for what they declare.",
                "s",
                Query(expr=f"rabbitmq_raft_commit_latency_seconds{{{_KHEPRI}}}", legend="{{node}}"),
                width=8,
            ),
            lines(
                "Metadata store: not committed",
                "Entries written and not known on a majority. Good: 0. Above it for long, the store has no "
                "majority.",
                "short",
                Query(
                    expr=f"clamp_min(rabbitmq_raft_last_written_index{{{_KHEPRI}}}"
                    f" - rabbitmq_raft_commit_index{{{_KHEPRI}}}, 0)",
                    legend="{{node}}",
                ),
                width=8,
            ),
            lines(
                "Metadata store: length of log",
                "Entries since the last snapshot, read again at a restart. Good: some thousands at most. "
                "One that only rises takes no snapshots: see the node's log.",
                "short",
                Query(
                    expr=f"rabbitmq_raft_last_written_index{{{_KHEPRI}}}"
                    f" - rabbitmq_raft_snapshot_index{{{_KHEPRI}}}",
                    legend="{{node}}",
                ),
                width=8,
            ),
            lines(
                "Metadata store: written",
                "Bytes per second in its write-ahead log. Good: near 0 between deployments.",
                "Bps",
                Query(expr=rate("rabbitmq_raft_bytes_written", _LOG), legend="{{node}}"),
                width=8,
            ),
        ),
    )
