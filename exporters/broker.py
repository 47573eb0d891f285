"""Reads the broker for one scrape: every node's counters at once, the queues from whichever node answers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from exporters.detailed import LENGTHS, RATES, ByQueue, Published, read_counters, read_published
from exporters.queue_facts import QueueFacts, critical_queues
from exporters.queue_list import ANSWER_S, KNOWN_FOR_S, OneAtATime, QueueList
from exporters.snapshot import Snapshot
from warren.connection import Credentials
from warren.errors import BadInputError, NotReadyError
from warren.https import HttpEndpoint, node_pool
from warren.management import ManagementClient

_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A broker node: ``host`` is its label and must be in its certificate."""

    host: str
    management_port: int
    metrics_port: int
    amqps_port: int = 5671
    inter_node_port: int = 25672


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What one node's metrics say of some families."""

    by_queue: Mapping[str, ByQueue]
    published: Published


class QueueFilter:
    """Which queues are shown: ``include`` and not ``exclude``, both matched whole against ``vhost:queue``;
    exclusive queues never (their names are made up anew for each connection); at most ``most``, by name."""

    def __init__(self, *, include: str = ".*", exclude: str | None = None, most: int = 20_000) -> None:
        try:
            self._include = re.compile(include)
            self._exclude = re.compile(exclude) if exclude else None
        except re.error as error:
            raise BadInputError("--include or --exclude", f"is not a regular expression: {error}") from error
        self._most = most

    def apply(self, queues: Sequence[QueueFacts]) -> tuple[tuple[QueueFacts, ...], int]:
        """The queues that pass, and how many more would have passed but for the limit."""
        fitting = sorted((each for each in queues if self._fits(each)), key=lambda each: each.key)
        return tuple(fitting[: self._most]), max(0, len(fitting) - self._most)

    def _fits(self, queue: QueueFacts) -> bool:
        whole = f"{queue.vhost}:{queue.name}"
        if queue.exclusive or not self._include.fullmatch(whole):
            return False
        return not (self._exclude and self._exclude.fullmatch(whole))


class Broker(Protocol):
    """What a scrape asks; raises nothing: what could not be read is said in the snapshot."""

    def snapshot(self, deadline_s: float) -> Snapshot:
        """Read the broker; return within ``deadline_s`` seconds with what was read by then."""


class HttpsBroker:
    """Reads over HTTPS, verified against ``ca``, as ``credentials`` (a user tagged ``monitoring`` is enough).

    A node that does not give the list of queues within a third of ``deadline_s`` is not the only one that is
    asked, so that two silent nodes leave time for another. Of each thing only one reading goes on at a time:
    one that outlasts its scrape, as of a node that answers drop by drop, is waited for by the next, and takes
    no worker from the others.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        credentials: Credentials,
        ca: Path,
        queue_filter: QueueFilter,
        deadline_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nodes = tuple(node.host for node in nodes)
        self._filter, self._now = queue_filter, now
        management = ManagementClient(
            [_endpoint(node, node.management_port) for node in nodes],
            user=credentials.username,
            password=credentials.password,
            ca=ca,
            timeout_s=ANSWER_S,
        )
        self._headers = urllib3.make_headers(
            basic_auth=f"{credentials.username}:{credentials.password}", accept_encoding=True
        )
        timeout = urllib3.Timeout(total=deadline_s)
        self._pools = {
            node.host: node_pool(_endpoint(node, node.metrics_port), ca=ca, timeout=timeout, maxsize=2)
            for node in nodes
        }
        # Rates and lengths of each node, the list of queues from each, and who waits for those.
        executor = ThreadPoolExecutor(max_workers=3 * len(nodes) + 1, thread_name_prefix="scrape")
        self._readings = OneAtATime(executor)
        self._list = QueueList(
            self._nodes, management=management, readings=self._readings, silent_s=deadline_s / 3, now=now
        )

    def snapshot(self, deadline_s: float) -> Snapshot:
        start = self._now()
        parts: dict[tuple[str, tuple[str, ...]], Future[_Told]] = {
            (node, families): self._readings.begin((node, families), partial(self._counters, node, families))
            for node in self._nodes
            for families in (RATES, LENGTHS)
        }
        queues, good = self._list.begin(), self._good(start)
        started: list[Future[Any]] = [*parts.values()]
        if queues is not None and not good:
            started.append(queues)
        wait(started, timeout=deadline_s)
        errors: list[str] = []
        answers = {key: _result(future, key[0], errors) for key, future in parts.items()}
        if not good:
            complaints = None if queues is None else _result(queues, "management API", errors)
            errors += complaints or ()
            good = complaints is not None
        known = self._list.known
        known = known if known and start - known.at_s <= KNOWN_FOR_S else None
        shown, left_out = self._filter.apply(known.facts) if known else ((), 0)
        return Snapshot(
            at_s=self._now(),
            duration_s=self._now() - start,
            nodes=self._nodes,
            queues=shown if known else None,
            queues_age_s=max(0.0, start - known.at_s) if known else None,
            fresh=good,
            dead_letter_targets=known.dead_letter_targets if known else frozenset(),
            counters=_merged(answers),
            published={
                node: told.published for (node, what), told in answers.items() if told and what == RATES
            },
            critical=critical_queues(known.facts) if known else {},
            left_out=left_out,
            errors=tuple(dict.fromkeys(errors)),
        )

    def _good(self, now_s: float) -> bool:
        return self._list.known is not None and self._list.known.good(now_s)

    def _counters(self, node: str, families: tuple[str, ...]) -> _Told:
        path = "/metrics/detailed?" + urlencode({"family": families}, doseq=True)
        try:
            response = self._pools[node].request("GET", path, headers=self._headers)
        except HTTPError as error:
            raise NotReadyError(node, f"its metrics cannot be read: {error}") from error
        if response.status != _OK:
            raise NotReadyError(node, f"its metrics endpoint answers {response.status}")
        text = response.data.decode()
        return _Told(by_queue=read_counters(text), published=read_published(text))


def _merged(
    answers: Mapping[tuple[str, tuple[str, ...]], _Told | None],
) -> dict[str, Mapping[str, ByQueue]]:
    """Rates and lengths of each node whose rates were read."""
    merged: dict[str, Mapping[str, ByQueue]] = {}
    for (node, families), rates in answers.items():
        if families == RATES and rates is not None:
            lengths = answers[node, LENGTHS]
            more = lengths.by_queue if lengths is not None else {}
            merged[node] = {
                name: {**by_queue, **more.get(name, {})} for name, by_queue in rates.by_queue.items()
            }
    return merged


def _result(future: Future[Any], where: str, errors: list[str]) -> Any:
    if not future.done():
        errors.append(f"{where}: no answer within the scrape's deadline")
        return None
    try:
        return future.result()
    except (NotReadyError, KeyError, ValueError) as error:
        errors.append(f"{where}: {error}")
        return None


def _endpoint(node: Node, port: int) -> HttpEndpoint:
    return HttpEndpoint(node=node.host, host=node.host, port=port, server_name=node.host)
