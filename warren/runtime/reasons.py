"""What the engine's own error lines mean to the person who has to mend the cause."""

from __future__ import annotations

import re

from warren.errors import NotReadyError
from warren.process import Completed

#: With the first version of control groups, a process that is born or executes another while its group is
#: frozen goes on; runc tries a limited number of times and thaws all again (opencontainers/runc#2774), and
#: leaves it to its callers to try for longer (opencontainers/runc#4388).
UNFROZEN = "the kernel did not get all of its processes to stand still"
#: What an engine's or Compose's output says -> where, what, what to try. ``{cluster}`` is the cluster's name,
#: other names are groups of the pattern. The first that fits counts.
_MEANINGS = (
    (
        r"127\.0\.0\.1:(?P<port>\d+).*(?:address already in use|port is already allocated)",
        "port {port} on 127.0.0.1",
        "is in use by another program or cluster",
        "see which: ss -ltnp 'sport = :{port}'; or give this cluster another published.base_port",
    ),
    (
        r"address already in use|port is already allocated",
        "a port of cluster '{cluster}'",
        "is in use by another program or cluster",
        "see which: ss -ltnp; or give this cluster another published.base_port",
    ),
    (
        r"pool overlaps",
        "network '{cluster}'",
        "its subnet, which follows from the cluster's name, is in use by another network",
        "give the cluster another name, or remove the other network: docker network ls",
    ),
    (
        r"memory\.[\w.]+[\s\S]*device or resource busy|unable to set memory limit to \d+ \(current usage",
        "memory limit",
        "the kernel cannot bring it that low: device or resource busy",
        "give more",
    ),
    (
        r"no space left on device",
        "the engine's disk",
        "is full",
        "see what takes the room: docker system df; then try again",
    ),
    (
        r"cannot connect to the docker daemon|error during connect",
        "container engine",
        "has gone away",
        "bring it and the cluster up again: make cluster-up",
    ),
    (
        r"unable to freeze",
        "container engine",
        UNFROZEN,
        "the machine is too busy: give it less to do, then try again",
    ),
    (
        r"has active endpoints",
        "network '{cluster}'",
        "other containers are connected to it",
        "see which: docker network inspect {cluster}; stop them, then try again",
    ),
    (
        r"volume is in use",
        "cluster '{cluster}'",
        "another container uses one of its volumes",
        "see which: docker ps --all --filter volume={cluster}_NAME; remove it, then try again",
    ),
)


def engine_error(done: Completed, cluster: str) -> NotReadyError:
    """The failure of an engine's command as an error with its remedy; one that is not known carries the
    engine's own last line."""
    text = f"{done.stderr}\n{done.stdout}"
    for pattern, where, what, remedy in _MEANINGS:
        if match := re.search(pattern, text, re.IGNORECASE):
            names = {"cluster": cluster, **match.groupdict()}
            return NotReadyError(where.format(**names), what, remedy.format(**names))
    return NotReadyError(" ".join(done.argv[:2]), done.reason(), "see: docker ps --all; then try again")
