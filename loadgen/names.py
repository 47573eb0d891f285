"""Names, labels and help of the metrics that a run serves. Base units: seconds, messages."""

from __future__ import annotations

LABELS = ("profile", "run_id")

PUBLISHED = "warren_load_messages_published_total"
CONFIRMED = "warren_load_messages_confirmed_total"
NACKED = "warren_load_messages_nacked_total"
CONSUMED = "warren_load_messages_consumed_total"
SETTLED = "warren_load_messages_settled_total"
REDELIVERED = "warren_load_messages_redelivered_total"
DUPLICATES = "warren_load_messages_duplicate_total"
REPUBLISHED = "warren_load_messages_republished_total"
FAILED_PUBLISHES = "warren_load_publishes_failed_total"
FOREIGN = "warren_load_messages_foreign_total"
IN_FLIGHT = "warren_load_messages_in_flight"
CLIENT_CPU = "warren_load_client_cpu_seconds_total"
CONFIRM_LATENCY = "warren_load_confirm_latency_seconds"
END_TO_END_LATENCY = "warren_load_end_to_end_latency_seconds"
LAG_SELF = "warren_load_schedule_lag_self_seconds"
LAG_BLOCKED = "warren_load_schedule_lag_blocked_seconds"

#: Counter -> (the workers' own name of the count, help).
COUNTERS = {
    PUBLISHED: ("published", "Messages sent for the first time."),
    CONFIRMED: ("confirmed", "Messages that the broker confirmed."),
    NACKED: ("nacked", "Negative answers to publishes."),
    CONSUMED: ("consumed", "Deliveries, repeated ones included."),
    SETTLED: ("settled", "Messages brought to a final state: done, or found dead-lettered."),
    REDELIVERED: ("redelivered", "Deliveries that carry the redelivered flag and are no scheduled retry."),
    DUPLICATES: ("duplicates", "Deliveries of messages that the same consumer had finished already."),
    REPUBLISHED: ("republished", "Publishes again of messages that were nacked or in doubt."),
    FAILED_PUBLISHES: ("failed", "Messages without a confirm within the publish deadline."),
    FOREIGN: ("foreign", "Messages of other runs or damaged ones."),
}
#: Histogram -> (the workers' own name, help). All count from the intended send time.
HISTOGRAMS = {
    CONFIRM_LATENCY: ("confirm", "From the intended send time to the broker's confirm."),
    END_TO_END_LATENCY: ("end_to_end", "From the intended send time to the first delivery."),
    LAG_SELF: ("self", "How much later than it could have a message left, by the generator's own doing."),
    LAG_BLOCKED: ("blocked", "How long a message waited for the broker: window, flow control, connection."),
}
GAUGES = {IN_FLIGHT: "Messages published and not answered yet."}
CPU_HELP = "CPU time of the generator's processes."

#: Upper bounds of the histograms' buckets, in seconds.
BUCKETS_S = (
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
