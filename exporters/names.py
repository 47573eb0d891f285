"""Names, labels and help of every metric of the exporter; dashboards, rules and tests read them here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricName:
    """One metric as Prometheus sees it: base units, labels in the order of the samples' values."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    help: str


_QUEUE = ("vhost", "queue")


def _gauge(name: str, help_: str, *labels: str) -> MetricName:
    return MetricName(name=name, kind="gauge", labels=labels, help=help_)


# The exporter about itself.
UP = _gauge(
    "warren_exporter_up",
    "1 when any node of the broker answered this scrape. Absent where no collector reads it in a scrape.",
)
NODE_UP = _gauge(
    "warren_exporter_node_up", "1 when the metrics of this node were read in this scrape.", "member"
)
COLLECTOR_UP = _gauge(
    "warren_exporter_collector_up",
    "1 when this collector had all that it needs when it last ran. 0 when it had not, and while it hangs: "
    "when it has not ended with the scrape, or in the background within three minutes. While it hangs what "
    "it found before is absent.",
    "collector",
)
COLLECTOR_DURATION = _gauge(
    "warren_exporter_collector_duration_seconds",
    "How long this collector took when it last ran.",
    "collector",
)
COLLECTOR_SUCCESS = _gauge(
    "warren_exporter_collector_last_success_timestamp_seconds",
    "When this collector last had all that it needs. Some work in the background, not in each scrape.",
    "collector",
)
SCRAPE_DURATION = _gauge(
    "warren_exporter_scrape_duration_seconds", "How long reading the broker took in this scrape."
)
SCRAPED_QUEUES = _gauge("warren_exporter_queues", "Queues that the filters let through in this scrape.")
QUEUES_AGE = _gauge(
    "warren_exporter_queues_age_seconds",
    "How long before this scrape the list of queues was asked for, from which members, leaders, states, "
    "consumers and limits come. About 0 where the broker gives it in half a second. Where it takes longer, "
    "as at thousands of queues, it is read between scrapes, each time after a pause of five times as long. "
    "Absent where it is not known.",
)

LEFT_OUT = _gauge(
    "warren_exporter_queues_left_out",
    "Queues that fit the filters and are left out because there are too many.",
)

# lag
AGE = _gauge(
    "warren_queue_oldest_message_age_seconds",
    "Age of the oldest message that is not yet acknowledged, read off the curve of arrivals, which is "
    "kept from scrape to scrape since this process started. Exact for first in, first out; a lower bound "
    "for any other order (priorities, messages put back). Off by about the broker's statistics interval "
    "(5 s). 0 only for a queue known to be empty; absent where arrivals are not known, and where the "
    "length is not, as for about a minute while a node is frozen. Which queues are dead-letter targets is"
    " read once a minute.",
    *_QUEUE,
)
AGE_AT_LEAST = _gauge(
    "warren_queue_oldest_message_age_at_least_seconds",
    "Where the oldest message arrived before the curve of arrivals begins, so that its age is not known: "
    "how long the curve is. Absent where the age is known.",
    *_QUEUE,
)
DRAIN = _gauge(
    "warren_queue_drain_seconds",
    "Backlog over the net rate at which it shrank (last minute): when the queue would be empty if all "
    "went on like this. 0 for an empty queue; absent while it does not shrink.",
    *_QUEUE,
)
READY = _gauge("warren_queue_messages_ready", "Messages waiting for a consumer.", *_QUEUE)
UNACKED = _gauge(
    "warren_queue_messages_unacked", "Messages sent to consumers and not yet acknowledged.", *_QUEUE
)
ARRIVALS_SOURCE = _gauge(
    "warren_queue_arrivals_info",
    "Always 1. Label source says where the curve of arrivals comes from: 'published' (counter of "
    "publishes, summed over nodes), 'conservation' (backlog plus departures, where the counter misses "
    "arrivals, as it does those by dead-lettering) or 'unknown' (neither adds up).",
    *_QUEUE,
    "source",
)

# queues
MEMBERS = _gauge("warren_queue_members", "Replicas that the queue is declared on.", *_QUEUE)
ONLINE = _gauge("warren_queue_members_online", "Replicas that are running.", *_QUEUE)
LEADER = _gauge(
    "warren_queue_leader_info",
    "Always 1. Label leader is the host whose replica leads; absent without a leader.",
    *_QUEUE,
    "leader",
)
STATE = _gauge(
    "warren_queue_state_info",
    "Always 1. Label state is what the broker calls the queue's state.",
    *_QUEUE,
    "state",
)
CONSUMERS = _gauge("warren_queue_consumers", "Consumers subscribed to the queue.", *_QUEUE)
CAPACITY = _gauge(
    "warren_queue_consumer_capacity_ratio",
    "Part of the time in which a classic queue could hand over a message at once; below 1, consumers or "
    "their prefetch hold it back. Absent for other types: the broker does not measure it there.",
    *_QUEUE,
)
DLX = _gauge(
    "warren_queue_messages_dead_lettering",
    "Messages that left the queue by at-least-once dead-lettering and are not yet confirmed by their "
    "target. The broker counts them neither as ready nor as unacknowledged.",
    *_QUEUE,
)
UNDER_REPLICATED = _gauge(
    "warren_queue_under_replicated",
    "1 when warren_queue_members_online is less than the queue should have, else 0. It should have as many "
    "as warren_queue_members, or its target group size where that is more (the greater of target-group-size "
    "in its policy and the argument x-quorum-target-group-size). Quorum queues and streams only.",
    *_QUEUE,
)
CRITICAL = _gauge(
    "warren_node_quorum_critical_queues",
    "Queues and streams, whether or not the filters let them through, that would lose their majority if this "
    "node stopped now. Do not restart a node that is not at 0.",
    "member",
)
RETURNED = _gauge(
    "warren_queue_messages_returned",
    "Messages waiting that were delivered before and came back. Part of those ready. Quorum queues only.",
    *_QUEUE,
)
DELAYED = _gauge(
    "warren_queue_messages_delayed",
    "Messages that wait for their delayed retry. Quorum queues only.",
    *_QUEUE,
)
NEXT_DELAYED = _gauge(
    "warren_queue_next_delayed_timestamp_seconds",
    "When the next delayed message is due, in Unix time. Absent where none is delayed.",
    *_QUEUE,
)
BY_PRIORITY = _gauge(
    "warren_queue_messages_by_priority",
    "Messages waiting in each priority that holds any; 4 holds those without a priority. Quorum queues only.",
    *_QUEUE,
    "priority",
)
SINGLE_ACTIVE = _gauge(
    "warren_queue_single_active_consumer",
    "Whether a queue with a single active consumer has one: 0 means that nobody is let to consume. Absent "
    "for other queues.",
    *_QUEUE,
)
DELIVERY_LIMIT = _gauge(
    "warren_queue_delivery_limit",
    "Deliveries after which a message is dead-lettered; absent without a limit.",
    *_QUEUE,
)
LENGTH_RATIO = _gauge(
    "warren_queue_length_limit_ratio",
    "Messages ready or being dead-lettered, over the length limit, which counts no unacknowledged ones. At 1 "
    "publishes are refused, or the oldest messages dropped, as the queue's overflow says.",
    *_QUEUE,
)
BYTES_RATIO = _gauge(
    "warren_queue_bytes_limit_ratio",
    "Bytes of messages ready or being dead-lettered, over the limit in bytes. At 1 publishes are refused, or "
    "the oldest messages dropped.",
    *_QUEUE,
)

# certificates
_LISTENER = ("member", "listener")
TLS_SUCCESS = _gauge(
    "warren_tls_probe_success",
    "1 when the listener showed a certificate at the last look, which is taken every minute in the "
    "background. Where it is 0 all else of this listener is absent.",
    *_LISTENER,
)
TLS_FAULT = _gauge(
    "warren_tls_fault_info",
    "Always 1. Label reason says why the listener showed no certificate, or why its chain is not trusted.",
    *_LISTENER,
    "reason",
)
TLS_NOT_AFTER = _gauge(
    "warren_tls_certificate_not_after_timestamp_seconds",
    "When the server's own certificate expires.",
    *_LISTENER,
)
TLS_CHAIN_NOT_AFTER = _gauge(
    "warren_tls_chain_not_after_timestamp_seconds",
    "When the first certificate of the chain expires: of those that the server sent, and where the chain is "
    "trusted, of those up to the authority's.",
    *_LISTENER,
)
TLS_CERTIFICATE = _gauge(
    "warren_tls_certificate_info",
    "Always 1. Labels tell the server's own certificate from another: issuer, serial number and SHA-256 "
    "fingerprint, in hexadecimal.",
    *_LISTENER,
    "issuer",
    "serial",
    "fingerprint",
)
TLS_TRUSTED = _gauge(
    "warren_tls_chain_trusted",
    "1 when a client that trusts the authority given would take the chain, times included. Absent where no "
    "authority was given for this listener, and where it speaks only versions before TLS 1.2.",
    *_LISTENER,
)
TLS_NAMES_HOST = _gauge(
    "warren_tls_certificate_names_host",
    "1 when the certificate names the host that it is reached by.",
    *_LISTENER,
)
TLS_VERSION = _gauge(
    "warren_tls_version_offered",
    "1 when the listener shook hands in this version, 0 when it refused; asked every quarter of an hour, "
    "and when the listener was away or shows another certificate. Absent where the probe's own OpenSSL "
    "cannot ask, or there was no answer.",
    *_LISTENER,
    "version",
)
TLS_NEGOTIATED = _gauge(
    "warren_tls_negotiated_cipher_info",
    "Always 1. Label cipher is the suite that the listener takes in this version of all that OpenSSL knows, "
    "the strongest first.",
    *_LISTENER,
    "version",
    "cipher",
)
TLS_CIPHER = _gauge(
    "warren_tls_cipher_info",
    "Always 1 for each suite that the listener takes in TLS 1.2, found by offering it the others until it "
    "refuses. Absent where that could not be done to the end.",
    *_LISTENER,
    "cipher",
)
TLS_VARIANTS = _gauge(
    "warren_tls_listener_variants",
    "How many different sets of issuer, versions and TLS 1.2 suites the nodes of a listener show; 1 when all "
    "are alike. Nodes of which not all of it is known are left out.",
    "listener",
)

# drift
DRIFT_DIFFERENCES = _gauge(
    "warren_drift_differences",
    "Differences between the topology and the running cluster, by kind; 0 when they are equal. Compared in "
    "the background, every half minute. Absent for a kind that this credential may not read or that could "
    "not be read, and for all kinds while the cluster does not answer.",
    "kind",
)
DRIFT_READABLE = _gauge(
    "warren_drift_kind_readable",
    "1 when this kind could be compared; 0 when this credential may not read it or it could not be read.",
    "kind",
)

# canary
_PAIR = ("vhost", "from", "to")
CANARY_SUCCESS = _gauge(
    "warren_canary_success",
    "1 when the last message from one node to the other was confirmed and delivered in time. Tried in the "
    "background, every five to ten seconds.",
    *_PAIR,
)
CANARY_LAST_SUCCESS = _gauge(
    "warren_canary_last_success_timestamp_seconds",
    "When a message from one node to the other last was confirmed and delivered in time. Absent until one "
    "was.",
    *_PAIR,
)
CANARY_FLIGHTS = MetricName(
    name="warren_canary_flights_total",
    kind="counter",
    labels=(*_PAIR, "outcome"),
    help="Tries by how they ended: 'ok', or how far they came ('not_connected', 'not_declared', 'blocked',"
    " 'returned', 'nacked', 'not_confirmed', 'not_delivered', 'broken_off').",
)
CANARY_CONFIRM = MetricName(
    name="warren_canary_confirm_seconds",
    kind="histogram",
    labels=_PAIR,
    help="From publishing to the broker's confirm. A confirm that did not come in time counts with the time "
    "waited, so that an outage shows.",
)
CANARY_END_TO_END = MetricName(
    name="warren_canary_end_to_end_seconds",
    kind="histogram",
    labels=_PAIR,
    help="From publishing on one node to the delivery on the other, by one clock. A delivery that did not "
    "come in time counts with the time waited.",
)
CANARY_MESSAGES = MetricName(
    name="warren_canary_messages_total",
    kind="counter",
    labels=(*_PAIR, "event"),
    help="What happened to the canary's messages: 'published', 'confirmed', 'nacked', 'returned', "
    "'delivered', and of these 'stale', which an earlier, failed try had left.",
)
CANARY_CONNECTIONS = _gauge("warren_canary_connections", "Connections that the canary holds open.")
CANARY_CONNECTED = MetricName(
    name="warren_canary_connections_opened_total",
    kind="counter",
    labels=(),
    help="Connections that the canary has opened. Rising means that they do not last.",
)

# connections
CONNECTIONS = _gauge(
    "warren_connections",
    "Connections by what the broker says of them: 'running', 'flow' (slowed down for a moment), 'blocking' "
    "(an alarm is on, and they have not published since) or 'blocked' (what they publish is not read). Asked "
    "in the background, every fifteen seconds.",
    "vhost",
    "state",
)
CONNECTIONS_LIMIT = _gauge(
    "warren_vhost_connections_limit",
    "Connections that the virtual host may have; absent without a limit. Asked with the connections.",
    "vhost",
)

# faults
FAULT_ACTIVE = _gauge(
    "warren_fault_active",
    "1 while chaos has a fault open: from when it is about to act until the cluster is whole again. Absent "
    "otherwise.",
    "fault",
    "target",
)
FAULTS_OPEN = _gauge("warren_faults_open", "Faults that chaos has injected and not yet healed. 0: none.")

ALL: tuple[MetricName, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, MetricName)
)
