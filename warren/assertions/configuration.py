"""Assertions about a node's configuration: nothing dead or fatal in it, nothing left to a default that
production should not have. https://www.rabbitmq.com/docs/configure and the release notes of 4.0 to 4.3."""

from __future__ import annotations

import re
from collections.abc import Callable

from warren.assertions.facts import Facts
from warren.assertions.model import Assertion, Outcome, everywhere

#: Metadata are in Khepri alone since then; before, these keys of Mnesia's are what a cluster needs.
_NO_MNESIA = (4, 3)
_OF_MNESIA = r"cluster_partition_handling|mnesia_table_loading_retry_"
#: Pattern of a key -> what 4.3 does with it.
DEAD_KEYS = {
    r"cluster_formation\.randomized_startup_delay_range\.": "stops the boot since 4.0",
    r"classic_queue\.default_version": "stops the boot since 4.0 when it is 1",
    r"(ssl_options|management\.ssl|prometheus\.ssl)\.cacerts": "is gone since 4.2",
    r"cluster_partition_handling": "does nothing: Khepri decides by majority",
    r"queue_master_locator": "does nothing: queue_leader_locator took its place",
    r"mnesia_table_loading_retry_": "does nothing: Khepri has its own waiting",
    r"max_channels$": "is no key of the schema: max_channels_per_connection is",
    r"(management|prometheus)\.tcp\.(?!listener)": "reopens plain HTTP",
    r"ssl_options\.honor_(cipher|ecc)_order": "must not stand beside TLS 1.3",
}


def keys(configuration: str) -> dict[str, str]:
    """The keys and values of a configuration in the sysctl form that the broker reads."""
    lines = (line.split("#", 1)[0].strip() for line in configuration.splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _no_dead_keys(facts: Facts) -> Outcome:
    bad: dict[str, str] = {}
    for name, node in facts.nodes.items():
        for key in keys(node.configuration):
            if facts.topology.broker.series < _NO_MNESIA and re.match(_OF_MNESIA, key):
                continue
            for pattern, why in DEAD_KEYS.items():
                if re.match(pattern, key):
                    bad[f"{name} {key}"] = why
    count = min(len(keys(node.configuration)) for node in facts.nodes.values())
    return everywhere(bad, f"{count} keys, none of them dead")


def _defaults_masked(facts: Facts) -> Outcome:
    bad = {name: ", ".join(node.default_files) for name, node in facts.nodes.items() if node.default_files}
    return everywhere(bad, "no file in conf.d but ours")


def _is(key: str, wanted: Callable[[Facts], str]) -> Callable[[Facts], Outcome]:
    """Checks that the effective value of ``key`` is ``wanted`` on every node."""

    def check(facts: Facts) -> Outcome:
        value = wanted(facts)
        seen = facts.environment(key)
        return everywhere(
            {name: f"{key} is {each}" for name, each in seen.items() if each != value}, f"{key} is {value}"
        )

    return check


def _constant(value: str) -> Callable[[Facts], str]:
    return lambda facts: value  # noqa: ARG005


def _definitions_once(facts: Facts) -> Outcome:
    seen = facts.environment("rabbit.definitions")
    bad = {name: value for name, value in seen.items() if "{skip_if_unchanged,true}" not in value}
    return everywhere(bad, "an unchanged document is not imported again")


def _reset_guard(facts: Facts) -> Outcome:
    if facts.topology.broker.series < (4, 3):
        return Outcome(True, "not in this series")
    return _is("rabbit.prevent_startup_if_node_was_reset", _constant("true"))(facts)


def _size_hint(facts: Facts) -> Outcome:
    hint = f"{{target_cluster_size_hint,{len(facts.topology.nodes)}}}"
    seen = facts.environment("rabbit.cluster_formation")
    return everywhere({name: value for name, value in seen.items() if hint not in value}, hint)


def _deprecated(facts: Facts) -> Outcome:
    names = [str(feature.get("name")) for feature in facts.deprecated_in_use]
    return Outcome(not names, ", ".join(names) or "none is in use")


def _flags(facts: Facts) -> Outcome:
    off = [
        str(flag["name"])
        for flag in facts.feature_flags
        if flag.get("state") != "enabled" and flag.get("stability") != "experimental"
    ]
    count = len(facts.feature_flags)
    return Outcome(not off, f"off: {', '.join(off)}" if off else f"all stable ones of {count} are on")


_EVAL, _FILE, _API = "the node's effective configuration", "the node's files", "management API"


def _value(name: str, title: str, key: str, wanted: Callable[[Facts], str]) -> Assertion:
    return Assertion(id=name, level="must", title=title, reads=_EVAL, check=_is(key, wanted))


ASSERTIONS = (
    Assertion(
        id="no-dead-keys",
        level="must",
        title="no key is set that 4.3 refuses, ignores or punishes",
        reads=_FILE,
        check=_no_dead_keys,
    ),
    Assertion(
        id="image-defaults-masked",
        level="must",
        title="the image's own conf.d, which opens guest to everybody, is not read",
        reads=_FILE,
        on="containers",
        check=_defaults_masked,
    ),
    _value(
        "leader-locator-balanced",
        "new leaders go to the node with the fewest",
        "rabbit.queue_leader_locator",
        _constant('<<"balanced">>'),
    ),
    _value(
        "default-queue-quorum",
        "a queue is a quorum queue where nobody says otherwise",
        "rabbit.default_queue_type",
        _constant("rabbit_quorum_queue"),
    ),
    _value(
        "membership-reconciled",
        "queues get members on nodes that join",
        "rabbit.quorum_membership_reconciliation_enabled",
        _constant("true"),
    ),
    _value(
        "membership-target",
        "a queue has a member on every node",
        "rabbit.quorum_membership_reconciliation_target_group_size",
        lambda facts: str(len(facts.topology.nodes)),
    ),
    Assertion(
        id="cluster-size-hint",
        level="must",
        title="the cluster waits for all its nodes before it declares queues",
        reads=_EVAL,
        check=_size_hint,
    ),
    Assertion(
        id="lost-volume-guard",
        level="must",
        title="a node whose data was lost does not come back as an empty member",
        reads=_EVAL,
        check=_reset_guard,
    ),
    _value(
        "consumer-timeout",
        "the consumer timeout is set, not left to a default on which sources disagree",
        "rabbit.consumer_timeout",
        lambda facts: str(facts.topology.broker.consumer_timeout_ms),
    ),
    _value(
        "channel-limit",
        "a connection's channels are limited",
        "rabbit.channel_max",
        lambda facts: str(facts.topology.broker.channel_max),
    ),
    _value(
        "message-size-limit",
        "a message's size is limited",
        "rabbit.max_message_size",
        lambda facts: str(facts.topology.broker.max_message_bytes),
    ),
    _value(
        "net-ticktime",
        "a silent peer is given up after the topology's time",
        "kernel.net_ticktime",
        lambda facts: str(facts.topology.broker.net_ticktime_s),
    ),
    Assertion(
        id="definitions-once",
        level="must",
        title="a restart does not import definitions again, which would revert a rotated password",
        reads=_EVAL,
        check=_definitions_once,
    ),
    Assertion(
        id="no-deprecated-features",
        level="must",
        title="no deprecated feature is in use",
        reads=_API,
        check=_deprecated,
    ),
    Assertion(
        id="feature-flags-on",
        level="must",
        title="every stable feature flag is on, as the next upgrade needs",
        reads=_API,
        check=_flags,
    ),
)
