"""What every listener shows and takes of TLS: certificates, versions, suites, and where nodes differ."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client.core import Metric

from exporters import names, tls_facts
from exporters.collector import Family, Reach, Scrape, family
from exporters.names import MetricName
from exporters.tls_look import Seen, look
from exporters.tls_probe import Offers, Target, offers, shake, verifying

#: One unfinished handshake for each listener, of which no broker's log tells.
EVERY_S = 60.0
#: A handshake for each version and suite. Three of them are refused, which AMQPS's log tells of as errors
#: (seen on 4.3.6; management's and metrics' do not).
OFFERS_EVERY_S = 900.0
#: For the offers of one listener, which are about twenty handshakes; the last may take its timeout besides.
_OFFERS_BUDGET_S = 20.0
#: The listener with an authority of its own, so that no application's certificate joins the cluster.
INTER_NODE = "inter-node"

_Look = Mapping[Target, tuple[Seen, Offers | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remembered:
    offers: Offers
    fingerprint: str
    at_s: float


class CertificatesCollector:
    """Looks at all hosts at once, and at the listeners of one host one after another.

    What a listener offers is asked for again after `OFFERS_EVERY_S`, and at once where it was away at the
    last look, shows another certificate, or was not asked to the end.
    """

    every_s = EVERY_S

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        ca: Path,
        inter_node_ca: Path | None = None,
        timeout_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._targets, self._timeout_s, self._now = tuple(targets), timeout_s, now
        self._ca, self._inter_node_ca = ca, inter_node_ca
        self._remembered: dict[Target, _Remembered] = {}

    def collect(self, scrape: Scrape) -> Iterable[Metric]:  # noqa: ARG002 - the broker's API is not asked
        """Families of every listener; one that shows nothing has its failure only. Raises NotReadyError where
        an authority's file cannot be used; it is read anew each time."""
        authority = verifying(self._ca)
        inter_node = verifying(self._inter_node_ca) if self._inter_node_ca is not None else None
        by_host: dict[str, list[Target]] = {}
        for target in self._targets:
            by_host.setdefault(target.host, []).append(target)
        with ThreadPoolExecutor(max_workers=max(1, len(by_host))) as pool:
            looks = pool.map(partial(self._one_host, authority, inter_node), by_host.values())
            return _families({target: found for host in looks for target, found in host.items()})

    def _one_host(
        self, authority: ssl.SSLContext, inter_node: ssl.SSLContext | None, targets: Sequence[Target]
    ) -> _Look:
        found = {}
        for target in targets:
            signer = inter_node if target.listener == INTER_NODE else authority
            seen = look(target, signer, self._timeout_s)
            found[target] = seen, self._offers(target, seen)
        return found

    def _offers(self, target: Target, seen: Seen) -> Offers | None:
        if seen.certificate is None:
            self._remembered.pop(target, None)
            return None
        fingerprint, began_s = seen.certificate.fingerprint, self._now()
        known = self._remembered.get(target)
        fresh = known is not None and began_s - known.at_s < OFFERS_EVERY_S
        if known is None or not fresh or known.fingerprint != fingerprint or not known.offers.complete:
            asked = offers(
                lambda context: shake(target, context, self._timeout_s),
                cut_short=lambda: self._now() - began_s > _OFFERS_BUDGET_S,
            )
            known = _Remembered(offers=asked, fingerprint=fingerprint, at_s=began_s)
            self._remembered[target] = known
        return known.offers


def _families(looks: _Look) -> Iterable[Metric]:
    """All families, in the order of the names' list."""
    families = {
        metric: family(metric)
        for metric in (
            names.TLS_SUCCESS,
            names.TLS_FAULT,
            names.TLS_NOT_AFTER,
            names.TLS_CHAIN_NOT_AFTER,
            names.TLS_CERTIFICATE,
            names.TLS_TRUSTED,
            names.TLS_NAMES_HOST,
            names.TLS_VERSION,
            names.TLS_NEGOTIATED,
            names.TLS_CIPHER,
            names.TLS_VARIANTS,
        )
    }
    for target, (seen, offered) in looks.items():
        labels = (target.name, target.listener)
        _seen(families, labels, seen)
        if offered is not None:
            _offered(families, labels, offered)
    for listener in sorted({target.listener for target in looks}):
        alike = tls_facts.variants(
            [
                (seen.certificate, offered)
                for target, (seen, offered) in looks.items()
                if target.listener == listener and seen.certificate is not None and offered is not None
            ]
        )
        _add(families[names.TLS_VARIANTS], [listener], alike)
    return families.values()


def _seen(families: Mapping[MetricName, Family], labels: Sequence[str], seen: Seen) -> None:
    families[names.TLS_SUCCESS].add_metric(labels, float(seen.certificate is not None))
    if seen.fault:
        families[names.TLS_FAULT].add_metric([*labels, seen.fault], 1)
    if seen.certificate is not None:
        shown = seen.certificate
        families[names.TLS_NOT_AFTER].add_metric(labels, shown.not_after_s)
        families[names.TLS_CERTIFICATE].add_metric(
            [*labels, shown.issuer, shown.serial, shown.fingerprint], 1
        )
    _add(families[names.TLS_CHAIN_NOT_AFTER], labels, seen.chain_not_after_s)
    _add(families[names.TLS_TRUSTED], labels, seen.trusted)
    _add(families[names.TLS_NAMES_HOST], labels, seen.names_host)


def _offered(families: Mapping[MetricName, Family], labels: Sequence[str], offered: Offers) -> None:
    for version, taken in offered.versions.items():
        families[names.TLS_VERSION].add_metric([*labels, version], float(taken))
    for version, cipher in offered.negotiated.items():
        families[names.TLS_NEGOTIATED].add_metric([*labels, version, cipher], 1)
    for cipher in offered.ciphers or ():
        families[names.TLS_CIPHER].add_metric([*labels, cipher], 1)


def _add(to: Family, labels: Sequence[str], value: float | None) -> None:
    if value is not None:
        to.add_metric(labels, float(value))


def targets(reach: Reach) -> tuple[Target, ...]:
    """Every listener of every node, and those that flags add, each to name the host that it is reached by."""
    of_nodes = (
        Target(listener=listener, name=node.host, host=node.host, port=port)
        for node in reach.nodes
        for listener, port in (
            ("amqps", node.amqps_port),
            (INTER_NODE, node.inter_node_port),
            ("management", node.management_port),
            ("metrics", node.metrics_port),
        )
    )
    others = (
        Target(listener=each.name, name=each.host, host=each.host, port=each.port) for each in reach.listeners
    )
    return (*of_nodes, *others)


def collector(reach: Reach) -> CertificatesCollector:
    return CertificatesCollector(
        targets(reach), ca=reach.ca, inter_node_ca=reach.inter_node_ca, timeout_s=reach.timeout_s
    )
