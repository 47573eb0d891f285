"""How each alert is provoked on a real cluster, how that is undone, and what the alert must carry.

One provocation may fire several alerts. A provocation is a context manager: it yields the moment at which the
cause began (`provoking.now_s`), and leaving it undoes the cause. Alerts that cannot be provoked are in
``docs/figures/unprovoked.yml``, each with the reason. Deadlines are for the time scale of conftest.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import causes, causes_of_probes, causes_of_queues, causes_of_stores

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

Begin = Callable[["ClusterUnderTest"], AbstractContextManager[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One alert: name and severity, the labels it must have, and how soon it is to fire and to end."""

    alert: str
    severity: str
    labels: Mapping[str, str] = field(default_factory=dict)
    fires_within_s: float = 90.0
    ends_within_s: float = 120.0

    @property
    def key(self) -> str:
        return f"{self.alert} {self.severity}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provocation:
    """One cause and the alerts that it fires. ``short``: `make test` runs it too. ``told``: Alertmanager is
    there to be told. ``alone``: it would get into the way of others, so none is under way meanwhile, nor is
    an alert of one about to end. ``beside``: it takes so long that the next ones begin meanwhile."""

    begin: Begin
    expects: tuple[Expected, ...]
    short: bool = False
    told: bool = True
    alone: bool = False
    beside: bool = False

    @property
    def name(self) -> str:
        return "+".join(each.key.replace(" ", "-") for each in self.expects)


def critical(alert: str, fires: float = 90.0, ends: float = 120.0, **labels: str) -> Expected:
    return _expected("critical", alert, fires, ends, labels)


def warning(alert: str, fires: float = 90.0, ends: float = 120.0, **labels: str) -> Expected:
    return _expected("warning", alert, fires, ends, labels)


def info(alert: str, fires: float = 90.0, ends: float = 120.0, **labels: str) -> Expected:
    return _expected("info", alert, fires, ends, labels)


def _expected(severity: str, alert: str, fires: float, ends: float, labels: Mapping[str, str]) -> Expected:
    return Expected(alert=alert, severity=severity, labels=labels, fires_within_s=fires, ends_within_s=ends)


def _one(begin: Begin, *expects: Expected, short: bool = False, beside: bool = False) -> Provocation:
    return Provocation(begin=begin, expects=expects, short=short, beside=beside)


def _alone(begin: Begin, *expects: Expected, short: bool = False, told: bool = True) -> Provocation:
    return Provocation(begin=begin, expects=expects, short=short, told=told, alone=True)


USERS = {"vhost": "/users"}
PROVOCATIONS: tuple[Provocation, ...] = (
    # Short ones first: these run in `make test`.
    _alone(
        causes.a_node_is_killed,
        critical("WarrenNodeDown", node="rmq3"),
        warning("WarrenQueueUnderReplicated", vhost="/orders", queue="orders.work"),
        warning("WarrenQuorumCritical"),
        short=True,
    ),
    _one(causes.nobody_takes_what_is_published, warning("WarrenUnroutable"), short=True),
    _one(
        causes_of_queues.a_queue_without_consumers,
        warning("WarrenQueueNoConsumers", **USERS, queue="users.email"),
    ),
    _one(
        causes_of_queues.an_almost_full_queue,
        warning("WarrenQueueNearLimit", **USERS, queue="warren.alerts"),
        short=True,
    ),
    # Those that take longest, while the next ones come and go.
    _one(
        causes.the_disk_of_a_second_node_fills,
        warning("WarrenDiskFilling", 600, 900, node="rmq2"),
        beside=True,
    ),
    _one(causes.a_disk_fills, critical("WarrenDiskFilling", 240, 300, node="rmq1"), beside=True),
    # Objectives. The warnings end when a scaled six hours are clean: seven minutes.
    _one(
        causes_of_queues.publishes_are_refused,
        critical("WarrenConfirmObjectiveBurn", 90, 240, objective="confirm_success"),
        warning("WarrenConfirmObjectiveBurn", 120, 700, objective="confirm_success"),
    ),
    # Queues.
    _one(
        causes_of_queues.more_than_is_promised,
        warning("WarrenQueueDepth", **USERS, queue="users.report"),
    ),
    _one(
        causes_of_queues.a_message_waits,
        warning("WarrenQueueLag", **USERS, queue="users.payment-confirmation"),
    ),
    _one(
        causes_of_queues.a_queue_grows,
        warning("WarrenQueueGrowing", 150, 120, **USERS, queue="users.report"),
    ),
    _one(
        causes_of_queues.a_backlog_drains_ever_slower,
        warning("WarrenQueueDrainTimeGrowing", 240, 120, **USERS, queue="users.payment-confirmation"),
    ),
    _one(
        causes_of_queues.consumers_hold_messages_for_long,
        warning("WarrenConsumersSlow", 150, 120, vhost="/orders", queue="orders.work"),
    ),
    _one(
        causes_of_queues.a_consumer_hangs,
        warning("WarrenUnackedStuck", **USERS, queue="users.email"),
    ),
    _one(
        causes_of_queues.a_member_is_taken_away,
        warning("WarrenQueueTooFewMembers", 120, 120, **USERS, queue="users.report"),
    ),
    _one(
        causes_of_queues.leaders_change_again_and_again,
        warning("WarrenElectionsFrequent", 180, 240, **USERS, queue="users.report"),
    ),
    # Messages that are given up.
    _one(causes_of_queues.a_message_is_put_back_too_often, warning("WarrenDeliveryLimitHits")),
    _one(causes_of_queues.a_message_is_thrown_away, warning("WarrenMessagesDropped")),
    _one(
        causes_of_queues.a_failed_queue_fills,
        warning("WarrenFailedQueueGrowing", **USERS, queue="users.failed"),
    ),
    _one(
        causes_of_queues.dead_letters_find_no_room,
        critical("WarrenDeadLetterBacklog", ends=300, **USERS, queue="users.report"),
    ),
    _one(
        causes_of_queues.many_queues_are_late,
        critical("WarrenLagObjectiveBurn", 240, 240, objective="lag"),
        warning("WarrenLagObjectiveBurn", 360, 700, objective="lag"),
    ),
    # Clients.
    _one(causes.clients_that_do_not_stay, warning("WarrenConnectionChurn"), warning("WarrenChannelChurn")),
    _one(causes.logins_fail, warning("WarrenAuthenticationFailing", protocol="http")),
    _alone(causes.as_many_connections_as_may_be, warning("WarrenConnectionsNearLimit", **USERS)),
    # Nodes.
    _alone(causes.a_node_is_restarted, info("WarrenNodeRestarted", 120, 240, node="rmq3")),
    _alone(
        causes.two_nodes_refuse_each_other,
        critical("WarrenNodesDisconnected", 120, 240, node="rmq1"),
        warning("WarrenCanaryPairFailing", 180, 240),
    ),
    _alone(
        causes.the_majority_is_gone,
        critical("WarrenQueueQuorumLost", 180, 240, vhost="/orders", queue="orders.work"),
        critical("WarrenQueueNoLeader", 180, 240, vhost="/orders", queue="orders.work"),
    ),
    _alone(causes.one_node_leads_all, info("WarrenLeadersUnbalanced", 120, 180)),
    _alone(causes.memory_is_almost_at_the_watermark, warning("WarrenMemoryHigh", node="rmq1")),
    _alone(
        causes.memory_alarm_under_load,
        critical("WarrenMemoryAlarm", node="rmq1"),
        critical("WarrenPublishersBlocked"),
        critical("WarrenCanaryVhostFailing", vhost="/orders"),
    ),
    _alone(causes.disk_alarm, critical("WarrenDiskAlarm", node="rmq1")),
    _alone(
        causes_of_queues.commits_are_slow,
        warning("WarrenCommitLatency", 240, 240, vhost="/orders", queue="orders.work"),
    ),
    _alone(
        causes.a_node_is_killed,
        critical("WarrenEndToEndObjectiveBurn", 120, 300, objective="end_to_end"),
        warning("WarrenEndToEndObjectiveBurn", 180, 700, objective="end_to_end"),
    ),
    # Certificates, which the probe looks at once a minute.
    _alone(
        causes_of_probes.a_certificate_ends_today,
        *(
            expect("WarrenCertificateExpires", 150, 200, member="rmq3", listener="amqps")
            for expect in (critical, warning, info)
        ),
    ),
    _alone(
        causes_of_probes.a_certificate_names_another_host,
        critical("WarrenCertificateNameMismatch", 150, 200, member="rmq3", listener="amqps"),
    ),
    _alone(
        causes_of_probes.a_certificate_of_another_authority,
        critical("WarrenCertificateNotTrusted", 150, 200, member="rmq3", listener="amqps"),
        warning("WarrenTlsNodesDiffer", 240, 240, listener="amqps"),
    ),
    _alone(
        causes_of_probes.a_listener_is_closed,
        warning("WarrenListenerSilent", 150, 200, member="rmq3", listener="amqps"),
    ),
    # The long-term store, where there is one: behind by two minutes at any time scale, and six seconds more.
    _alone(
        causes_of_stores.the_long_term_store_is_gone,
        warning("WarrenRemoteWriteFailing", 180, 150, remote_name="long-term"),
    ),
    # Drift, where it is watched.
    _alone(
        causes_of_probes.somebody_changes_a_policy, warning("WarrenTopologyDrift", 150, 150, kind="policy")
    ),
    _alone(causes_of_probes.nobody_sees_drift, warning("WarrenDriftUnreadable", 90, 120)),
    # The monitoring itself.
    _alone(causes_of_probes.the_probe_is_gone, warning("WarrenProbeDown")),
    _alone(causes.the_exporter_is_gone, warning("WarrenExporterDown")),
    _alone(
        causes.alertmanager_is_gone,
        warning("WarrenTargetDown", job="alertmanager"),
        critical("WarrenNotificationsFailing"),
        told=False,
    ),
    _alone(causes.prometheus_stands_still, warning("WarrenRulesFailing", 60, 120)),
    _alone(causes.a_configuration_is_broken, warning("WarrenConfigurationRefused", job="alertmanager")),
)
