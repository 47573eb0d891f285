"""Samples how fast messages are published to a cluster's queues, as a curve that a profile can replay.

Rates come from the management API's counters, which a node tells every 5 s
(https://www.rabbitmq.com/docs/management#statistics-interval), so a rate over 10 s may take in or leave out
half of a burst at its edge; over the whole curve nothing is lost.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen import address
from warren.errors import BadInputError, NotReadyError
from warren.https import HttpEndpoint
from warren.management import ManagementClient
from warren.wait import Clock

#: How often the broker's counters change.
SHORTEST_S = 5.0
HEADER = "t_s,rate_per_s"
#: What has left a queue of messages that came, where the broker does not count those that come.
_GONE = ("ack", "deliver_no_ack", "get_no_ack")

_HTTPS_PORT = 15671
_FORM = "https://host[:port]: passwords go over verified TLS only"
_TIMEOUT_S = 10.0

#: Messages that have come to each queue so far.
Read = Callable[[], Mapping[str, int]]
Note = Callable[[str], None]


@dataclass(slots=True)
class Arrivals:
    """What came between two readings, over counters that a restart or a new declaration sets back."""

    note: Note
    last: dict[str, int] = field(default_factory=dict)

    def since(self, now: Mapping[str, int]) -> int:
        total = 0
        for queue, count in now.items():
            before = self.last.get(queue)
            if before is not None and count < before:
                self.note(f"{queue}: its counter was set back from {before} to {count}; counted from 0")
                before = 0
            total += count - before if before is not None else 0
        self.last |= now
        return total


def rows(
    read: Read, *, for_s: float, every_s: float, clock: Clock, note: Note
) -> Iterator[tuple[float, float]]:
    """(seconds after the start, messages per second until the next row), the last with a rate of 0.

    A reading that fails is passed over: the next tells of the longer time. ^C ends the curve early. Raises
    NotReadyError when the first reading fails.
    """
    arrivals = Arrivals(note)
    arrivals.since(read())
    start = clock.now()
    before = 0.0
    for at in _times(for_s, every_s):
        try:
            clock.sleep(max(0.0, start + at - clock.now()))
            now = read()
        except NotReadyError as error:
            note(f"{clock.now() - start:.0f} s: {error.where}: {error.what}; passed over")
            continue
        except KeyboardInterrupt:
            note("interrupted: the curve ends here")
            break
        t_s = clock.now() - start
        yield before, arrivals.since(now) / max(t_s - before, 1e-9)
        before = t_s
    yield before, 0.0


def _times(for_s: float, every_s: float) -> Iterator[float]:
    """When to read: every so often, and at the end."""
    count = int(for_s // every_s)
    yield from (every_s * (at + 1) for at in range(count))
    if for_s - count * every_s > every_s / 2 or not count:
        yield for_s


def write(found: Iterable[tuple[float, float]], out: Path, *, say: Callable[[float, float], None]) -> int:
    """Write rows as they come, so that a killed recording leaves what it had; returns how many there are.

    Raises BadInputError when ``out`` is there already or its folder is not.
    """
    try:
        file = out.open("x", encoding="utf-8")
    except OSError as error:
        raise BadInputError(str(out), f"cannot be made: {error.strerror}", "give a new file") from error
    count = 0
    with file:
        file.write(f"{HEADER}\n")
        for t_s, rate in found:
            file.write(f"{t_s:.3f},{rate:.6g}\n")
            file.flush()
            count += 1
            say(t_s, rate)
    return count


def foreign(urls: str, *, user: str, password: str, ca_file: Path | None) -> ManagementClient:
    """A client of the management API at ``https://host[:port],…``; without a CA file the system's own
    authorities verify it. Raises BadInputError, naming the URL without an account, for anything else."""
    endpoints = []
    for url in urls.split(","):
        _, found = address.read(url, {"https": _HTTPS_PORT}, form=_FORM)
        name = found.host
        endpoints.append(HttpEndpoint(node=name, host=name, port=found.port, server_name=name))
    authorities = ca_file or Path(
        ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    )
    return ManagementClient(endpoints, user=user, password=password, ca=authorities, timeout_s=_TIMEOUT_S)


def reader(management: ManagementClient, vhost: str, queues: Sequence[str]) -> Read:
    """Reads how many messages have come to each of ``queues``.

    Raises NotReadyError when a queue is not there, or the broker keeps no counters.
    """
    with suppress(NotReadyError):
        if management.get("overview").get("rates_mode") == "none":
            raise BadInputError(
                "management.rates_mode", "is 'none': the broker counts no messages", "set it to basic"
            )

    def read() -> Mapping[str, int]:
        listed = {row["name"]: row for row in management.rows("queues", vhost)}
        for queue in queues:
            if queue not in listed:
                raise NotReadyError(f"queue {queue}", f"is not in vhost {vhost}")
        return {queue: came(listed[queue]) for queue in queues}

    return read


def came(row: Mapping[str, Any]) -> int:
    """How many messages have come to a queue, of its row of ``/api/queues``.

    The counter of publishes is missing for some protocols (https://github.com/rabbitmq/rabbitmq-server,
    issue 16528): then what is there and what was settled.
    """
    stats = row.get("message_stats") or {}
    if "publish" in stats:
        return int(stats["publish"])
    return int(row.get("messages") or 0) + sum(int(stats.get(name) or 0) for name in _GONE)
