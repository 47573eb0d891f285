"""TLS and drift: when certificates end, what listeners take, and whether the nodes are alike."""

from __future__ import annotations

from dashboards.choices import CLUSTER, JOB
from dashboards.house import Board, Column, Query, Section, lines, number, states, table
from dashboards.looks import GREEN, ORANGE, RED, Thresholds
from dashboards.queries import PROBE
from dashboards.sections.drift import drift
from exporters import names
from exporters.names import MetricName

_LISTENER = {"member": "Node", "listener": "Listener"}
_YES: Thresholds = ((float("-inf"), RED), (1, GREEN))
#: Days at which the three severities of WarrenCertificateExpires begin.
_DAYS: Thresholds = ((float("-inf"), RED), (7, ORANGE), (30, GREEN))
_OLD = 'version=~"TLSv1|TLSv1[.]1"'


def board() -> Board:
    # What of topology.yml does not hold on the cluster is a section of its own, which belongs after these.
    return Board(
        uid="warren-tls",
        title="Warren / TLS and drift",
        description="Would clients still be let in tomorrow, and is every node what it should be?",
        variables=(JOB, CLUSTER),
        sections=(_now(), _certificates(), _offered(), _differences(), drift()),
    )


def _by_listener(metric: MetricName) -> str:
    """A figure by node and listener, without the labels of the exporter itself."""
    return f"max by (member, listener) ({metric.name}{{{PROBE}}})"


def _days_left(metric: MetricName) -> str:
    return f"({_by_listener(metric)} - time()) / 86400"


def _now() -> Section:
    return Section(
        title="Now",
        panels=(
            number(
                "Listeners",
                "TLS listeners that showed a certificate at the last look, and those that did not. Good: "
                "none silent. Which and why is in the table Answers; see docs/runbooks/listener-silent.md.",
                "none",
                Query(expr=f"sum({names.TLS_SUCCESS.name}{{{PROBE}}})", legend="answer"),
                Query(expr=f"sum({names.TLS_SUCCESS.name}{{{PROBE}}} == bool 0)", legend="silent"),
                apart={"silent": ((1, RED),)},
                graph=False,
            ),
            number(
                "Days to the first expiry",
                "Days until the first certificate of any chain expires; from then on clients refuse that "
                "listener. Good: more than 30. See docs/runbooks/certificate-expires.md.",
                "none",
                Query(expr=f"floor(min({_days_left(names.TLS_CHAIN_NOT_AFTER)}))", legend="days"),
                limits=_DAYS,
                graph=False,
            ),
            number(
                "Wrong names",
                "Certificates that do not name the host that clients reach them by. Good: 0. See "
                "docs/runbooks/certificate-name-mismatch.md.",
                "none",
                Query(expr=f"sum({names.TLS_NAMES_HOST.name}{{{PROBE}}} == bool 0)", legend="listeners"),
                limits=((1, RED),),
                graph=False,
            ),
            number(
                "Not trusted",
                "Listeners whose chain a client that trusts the cluster's authority refuses. Good: 0. See "
                "docs/runbooks/certificate-not-trusted.md.",
                "none",
                Query(expr=f"sum({names.TLS_TRUSTED.name}{{{PROBE}}} == bool 0)", legend="listeners"),
                limits=((1, RED),),
                graph=False,
            ),
            number(
                "Old versions",
                "Listeners and nodes that still take TLS 1.0 or 1.1, counted for each. Good: 0. See "
                "docs/runbooks/tls-version-weak.md.",
                "none",
                Query(expr=f"sum({names.TLS_VERSION.name}{{{PROBE},{_OLD}}})", legend="offers"),
                limits=((1, ORANGE),),
                graph=False,
            ),
            number(
                "Nodes that differ",
                "Listeners that are not alike on all nodes, by issuer, versions and suites. Good: 0. See "
                "docs/runbooks/tls-nodes-differ.md.",
                "none",
                Query(expr=f"sum({names.TLS_VARIANTS.name}{{{PROBE}}} > bool 1)", legend="listeners"),
                limits=((1, ORANGE),),
                graph=False,
            ),
        ),
    )


def _certificates() -> Section:
    return Section(
        title="Certificates",
        panels=(
            table(
                "Certificates",
                "One row a listener, first what expires first. Good: all green. That of the chain is "
                "of all that were sent, and of the authority's. An empty Trusted was not judged: no "
                "authority was given, or the listener speaks old versions only.",
                _LISTENER,
                (
                    Column(
                        heading="Days left",
                        expr=f"floor({_days_left(names.TLS_NOT_AFTER)})",
                        unit="none",
                        limits=_DAYS,
                    ),
                    Column(
                        heading="Days left of chain",
                        expr=f"floor({_days_left(names.TLS_CHAIN_NOT_AFTER)})",
                        unit="none",
                        limits=_DAYS,
                    ),
                    Column(
                        heading="Names the node",
                        expr=_by_listener(names.TLS_NAMES_HOST),
                        unit="bool_yes_no",
                        limits=_YES,
                    ),
                    Column(
                        heading="Trusted",
                        expr=_by_listener(names.TLS_TRUSTED),
                        unit="bool_yes_no",
                        limits=_YES,
                    ),
                ),
                width=12,
                lowest="Days left",
            ),
            lines(
                "Days left",
                "Days until each listener's own certificate expires. Good: falling by one a day, and a step "
                "up in time. No step after a renewal is a listener that still shows the old one.",
                "none",
                Query(expr=_days_left(names.TLS_NOT_AFTER), legend="{{member}} {{listener}}"),
                height=10,
                limits=((float("-inf"), RED), (7, ORANGE), (30, "transparent")),
            ),
            table(
                "Which certificate",
                "The certificate that each listener shows now. Sort by Node: after a renewal every serial "
                "number of a node is another one.",
                {**_LISTENER, "issuer": "Issuer", "serial": "Serial"},
                (
                    Column(
                        heading="Days left",
                        expr=f"max by (member, listener, issuer, serial) ({names.TLS_CERTIFICATE.name}"
                        f"{{{PROBE}}}) * on (member, listener) group_left () "
                        f"floor({_days_left(names.TLS_NOT_AFTER)})",
                        unit="none",
                        limits=_DAYS,
                    ),
                ),
                width=14,
            ),
            table(
                "Answers",
                "Whether each listener showed a certificate at the last look, and what was wrong with it. "
                "Good: yes, and nothing wrong.",
                {**_LISTENER, "reason": "What is wrong"},
                (Column(heading="Answers", expr=_reasons(), unit="bool_yes_no", limits=_YES),),
                width=10,
                lowest="Answers",
            ),
        ),
    )


def _reasons() -> str:
    """Whether each listener answers, with a label that says what is wrong, where something is."""
    answers = _by_listener(names.TLS_SUCCESS)
    faults = f"max by (member, listener, reason) ({names.TLS_FAULT.name}{{{PROBE}}})"
    sound = f'label_replace({answers}, "reason", "nothing", "", "")'
    return f"{faults} * on (member, listener) group_left () {answers} or on (member, listener) {sound}"


def _offered() -> Section:
    offered = f"{names.TLS_VERSION.name}{{{PROBE}}}"
    return Section(
        title="What listeners take",
        panels=(
            table(
                "Versions",
                "How many nodes take and refuse each version. Good: TLS 1.2 and 1.3 by all, older ones by "
                "none. A version that the probe itself cannot ask for is not here.",
                {"listener": "Listener", "version": "Version"},
                (
                    Column(heading="Take it", expr=f"sum by (listener, version) ({offered})", unit="none"),
                    Column(
                        heading="Refuse it",
                        expr=f"sum by (listener, version) ({offered} == bool 0)",
                        unit="none",
                    ),
                ),
                width=8,
            ),
            table(
                "Suite that is taken",
                "What each listener takes of all that OpenSSL knows, by version, and on how many nodes. Good:"
                " one line for each version, with GCM or CHACHA20.",
                {"listener": "Listener", "version": "Version", "cipher": "Suite"},
                (
                    Column(
                        heading="Nodes",
                        expr=f"count by (listener, version, cipher) ({names.TLS_NEGOTIATED.name}{{{PROBE}}})",
                        unit="none",
                    ),
                ),
                width=8,
            ),
            table(
                "Suites of TLS 1.2",
                "Everything that a listener takes in TLS 1.2, and on how many nodes. Good: the same number of"
                " nodes everywhere, GCM, CCM or CHACHA20, and no NULL, ADH or AECDH.",
                {"listener": "Listener", "cipher": "Suite"},
                (
                    Column(
                        heading="Nodes",
                        expr=f"count by (listener, cipher) ({names.TLS_CIPHER.name}{{{PROBE}}})",
                        unit="none",
                    ),
                ),
                width=8,
            ),
        ),
    )


def _differences() -> Section:
    return Section(
        title="Over time",
        panels=(
            lines(
                "Variants among the nodes",
                "Different sets of issuer, versions and suites among the nodes of each listener. Good: 1. "
                "More while certificates are renewed node by node; see docs/runbooks/tls-nodes-differ.md.",
                "none",
                Query(
                    expr=f"max by (listener) ({names.TLS_VARIANTS.name}{{{PROBE}}})", legend="{{listener}}"
                ),
                steps=True,
                limits=((float("-inf"), "transparent"), (2, ORANGE)),
                height=11,
            ),
            states(
                "Listener shows a certificate",
                "Whether each listener showed one at each look. Good: unbroken green. Red while its node is "
                "up is a listener that is closed, frozen or speaks no TLS: docs/runbooks/listener-silent.md.",
                Query(expr=_by_listener(names.TLS_SUCCESS), legend="{{member}} {{listener}}"),
                {"1": ("shows it", GREEN), "0": ("does not", RED)},
                height=11,
            ),
        ),
    )
