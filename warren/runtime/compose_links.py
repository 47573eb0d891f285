"""The relay of a cluster's links: a container that stands on its network and on those that it links to.

Nodes themselves join no other network. Since version 25 of the engine a container is known on each of its
networks by its host name too (``buildEndpointDNSNames`` in moby), and nodes of two clusters are called alike:
a node that looks for its peer would find the other cluster's. See docs/adr/0021-links-through-a-relay.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from warren.links.addresses import Route
from warren.runtime.compose_helpers import Helpers
from warren.runtime.containers import ACT_S
from warren.runtime.reasons import engine_error
from warren.topology_link_checks import RELAY

_IMAGE_USER = "10001:10001"
_LIMITS = ("--memory", "96m", "--memory-swap", "96m", "--pids-limit", "64", "--cpus", "1")
_TMPFS = "/tmp:rw,noexec,nosuid,nodev,size=1m,mode=1777"  # noqa: S108 - inside the container


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRelay(Helpers):
    """Making, looking at and removing the relay."""

    def has_relay(self) -> bool:
        """Whether there is one, running or not."""
        return self._state(RELAY) is not None

    def ensure_relay(self, routes: Sequence[Route]) -> tuple[str, ...]:
        """Have the relay run with exactly ``routes``; one that already does is left alone, and without
        routes none is left. Returns the networks of other clusters that are not there: their routes lead
        nowhere yet."""
        if not routes:
            self.remove_helper(self.container(RELAY))
            return ()
        networks = {name: self._network_id(name) for name in dict.fromkeys(each.network for each in routes)}
        there = {name: found for name, found in networks.items() if found}
        if not self._relays(routes, there):
            self._make_relay(routes, there)
        return tuple(name for name, found in networks.items() if not found)

    def lost_networks(self, routes: Sequence[Route]) -> tuple[str, ...]:
        """Networks of ``routes`` that the relay does not stand on as they are now, or all where it does not
        run: their cluster was removed, or made anew since."""
        container = self._relay()
        running = bool(container and container["State"]["Running"])
        on = container["NetworkSettings"]["Networks"] if running and container else {}
        names = dict.fromkeys(each.network for each in routes)
        return tuple(
            name for name in names if on.get(name, {}).get("NetworkID") != (self._network_id(name) or "none")
        )

    def free_networks(self, networks: Iterable[str]) -> None:
        """Take every container that is still on one of ``networks`` off it: what is left there once ours are
        gone is the relay of another cluster, and would keep the network from being removed."""
        for network in networks:
            done = self._checked("network", "inspect", "--format", "{{json .Containers}}", network)
            for left in json.loads(done.stdout or "{}") or {}:
                command = [self.engine.docker, "network", "disconnect", "--force", network, left]
                freed = self.run(command, timeout_s=ACT_S)
                if not freed.ok and "is not connected" not in freed.stderr.lower():
                    raise engine_error(freed, self.topology.cluster)

    def _relays(self, routes: Sequence[Route], networks: dict[str, str]) -> bool:
        """Whether the relay runs as it is wanted: the same routes, image, and networks, by their ids."""
        container = self._relay()
        if container is None or not container["State"]["Running"]:
            return False
        on = container["NetworkSettings"]["Networks"]
        stands = all(on.get(name, {}).get("NetworkID") == found for name, found in networks.items())
        argv = container["Config"]["Cmd"][-len(routes) :]
        same = argv == list(map(str, routes)) and container["Image"] == self._image("exporter")
        return stands and same and len(on) == len(networks) + 1

    def _make_relay(self, routes: Sequence[Route], networks: dict[str, str]) -> None:
        name = self.container(RELAY)
        self.remove_helper(name)
        self._checked(
            "create", "--name", name, "--hostname", RELAY, "--network", self.topology.cluster,
            "--network-alias", RELAY, "--pull", "never", "--user", _IMAGE_USER, "--read-only",
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges", *_LIMITS, "--tmpfs", _TMPFS,
            "--log-driver", "json-file", "--log-opt", "max-size=1m", "--log-opt", "max-file=1",
            "--label", f"warren.cluster={self.topology.cluster}", "--label", "warren.role=link",
            "--entrypoint", "python3", self._image("exporter"), "-m", "warren.links", *map(str, routes),
        )  # fmt: skip
        for network in networks:
            self._checked("network", "connect", network, name)
        self._checked("start", name)

    def _relay(self) -> dict[str, Any] | None:
        """The engine's word on the relay's container; None where there is none."""
        done = self.run([self.engine.docker, "container", "inspect", self.container(RELAY)], timeout_s=ACT_S)
        if done.ok:
            return dict(json.loads(done.stdout)[0])
        if "no such container" in done.stderr.lower():
            return None
        raise engine_error(done, self.topology.cluster)

    def _network_id(self, name: str) -> str:
        """The network's id; empty where there is none of exactly that name."""
        done = self._checked("network", "ls", "--no-trunc", "--format", "{{.Name}}\t{{.ID}}")
        rows = dict(line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
        return rows.get(name, "")
