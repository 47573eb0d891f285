"""The way from one cluster's network to another's: the relay on an engine in memory, and for real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from warren.errors import BadInputError, NotReadyError
from warren.links import addresses
from warren.links.__main__ import read_route
from warren.links.addresses import Route
from warren.links.relay import serve
from warren.process import Completed
from warren.runtime.compose import ComposeRuntime
from warren.runtime.engine import Engine
from warren.state import open_state
from warren.topology import Topology

from . import linked

Data = dict[str, Any]
ENGINE = Engine(
    docker="docker", compose=("docker", "compose"), server_version="20.10", compose_version="2.26"
)
ROUTES = (
    Route(remote="far", node="rmq1", port=5700, network="far", host="far-rmq1", far_port=5671),
    Route(remote="two", node="rmq1", port=5701, network="two", host="two-rmq1", far_port=5671),
)


@dataclass
class Docker:
    """Containers and networks as an engine keeps them, as far as the relay needs them."""

    networks: dict[str, str] = field(default_factory=lambda: {"warren": "w1", "far": "f1", "two": "t1"})
    containers: dict[str, Data] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=lambda: {"warren-exporter": "sha256:one"})
    log: list[str] = field(default_factory=list)

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        assert timeout_s > 0
        words = list(argv)[1:]
        answer = getattr(self, f"_{words[0]}")(words)
        if isinstance(answer, str):
            return Completed(argv=tuple(argv), returncode=0, stdout=answer, stderr="")
        return Completed(argv=tuple(argv), returncode=1, stdout="", stderr=answer[0])

    def _container(self, words: list[str]) -> str | tuple[str]:
        if words[1] == "ls":
            rows = [
                f"{name}\t{'running' if each['State']['Running'] else 'exited'}\t"
                for name, each in self.containers.items()
            ]
            return "\n".join(rows) if "label=warren.role=link" in words else ""
        if words[-1] not in self.containers:
            return ("Error: No such container: x",)
        if "--format" in words:
            return json.dumps(self.containers[words[-1]]["State"])
        return json.dumps([self.containers[words[-1]]])

    def _inspect(self, words: list[str]) -> str:
        return self.images[words[-1]]

    def _network(self, words: list[str]) -> str | tuple[str]:
        if words[1] == "ls":
            if "--quiet" in words:
                return "w1" if "warren" in self.networks else ""
            return "\n".join(f"{name}\t{each}" for name, each in self.networks.items())
        if words[1] == "connect":
            self._join(words[3], words[2])
        elif words[1] == "inspect":
            on = [name for name, each in self.containers.items() if self._stands(each, words[-1])]
            return json.dumps({name: {} for name in on})
        elif words[1] == "disconnect":
            networks = self.containers[words[-1]]["NetworkSettings"]["Networks"]
            networks.pop(next(name for name, each in networks.items() if each["NetworkID"] == words[-2]))
        elif words[1] == "rm" and any(self._stands(each, words[2]) for each in self.containers.values()):
            return ("network has active endpoints",)
        self.log.append(" ".join(words[:3]))
        return ""

    def _stands(self, container: Data, network_id: str) -> bool:
        joined = container["NetworkSettings"]["Networks"].values()
        return any(each["NetworkID"] == network_id for each in joined)

    def _join(self, container: str, network: str) -> None:
        joined = self.containers[container]["NetworkSettings"]["Networks"]
        joined[network] = {"NetworkID": self.networks[network]}

    def _create(self, words: list[str]) -> str:
        name, image = words[words.index("--name") + 1], words[words.index("-m") - 1]
        self.containers[name] = {
            "Image": image,
            "Config": {"Cmd": words[words.index("-m") :]},
            "State": {"Running": False},
            "NetworkSettings": {"Networks": {}},
            "words": words,
        }
        self._join(name, words[words.index("--network") + 1])
        self.log.append(f"create {name}")
        return ""

    def _start(self, words: list[str]) -> str:
        self.containers[words[1]]["State"]["Running"] = True
        self.log.append(f"start {words[1]}")
        return ""

    def _rm(self, words: list[str]) -> str | tuple[str]:
        if self.containers.pop(words[-1], None) is None:
            return ("No such container",)
        self.log.append(f"rm {words[-1]}")
        return ""


@pytest.fixture
def docker() -> Docker:
    return Docker()


@pytest.fixture
def runtime(deployed: Topology, docker: Docker, tmp_path: Path) -> ComposeRuntime:
    state = open_state("warren", {"WARREN_STATE": str(tmp_path)})
    return ComposeRuntime(engine=ENGINE, topology=deployed, state=state, run=docker)


def test_every_node_of_every_remote_in_containers_has_a_port_of_the_relay(data: Data, tmp_path: Path) -> None:
    data["links"] = linked.links(linked.SHOVEL)
    far = linked.far(data)
    far["cluster"]["nodes"] = [{"name": name} for name in ("rmq1", "rmq2", "rmq3")]
    links = linked.read(tmp_path, data, far).links
    assert [str(each) for each in addresses.routes(links)] == [
        "5700=far-rmq1:5671",
        "5701=far-rmq2:5671",
        "5702=far-rmq3:5671",
    ]
    assert [read_route(str(each)).far_port for each in addresses.routes(links)] == [5671] * 3
    assert (
        addresses.shown_hosts(addresses.there(links, links.remotes[0]))
        == "links:5700, links:5701, links:5702"
    )


def test_the_relay_stands_on_all_networks_and_may_do_nothing_else(
    runtime: ComposeRuntime, docker: Docker
) -> None:
    assert runtime.ensure_relay(ROUTES) == ()
    relay = docker.containers["warren-links"]
    assert set(relay["NetworkSettings"]["Networks"]) == {"warren", "far", "two"}
    assert relay["Config"]["Cmd"] == ["-m", "warren.links", "5700=far-rmq1:5671", "5701=two-rmq1:5671"]
    for word in ("--read-only", "no-new-privileges", "ALL", "10001:10001", "warren.role=link"):
        assert word in relay["words"]
    assert not [word for word in relay["words"] if word in ("-p", "--publish")]
    assert docker.log[-1] == "start warren-links"


def test_a_relay_that_is_as_wanted_is_left_alone(runtime: ComposeRuntime, docker: Docker) -> None:
    runtime.ensure_relay(ROUTES)
    docker.log.clear()
    runtime.ensure_relay(ROUTES)
    assert docker.log == []
    assert runtime.has_relay()
    assert runtime.lost_networks(ROUTES) == ()


CHANGES: dict[str, Any] = {
    "its network was made anew": lambda docker: docker.networks.update(far="f2"),
    "its image changed": lambda docker: docker.images.update({"warren-exporter": "sha256:two"}),
    "it ended": lambda docker: docker.containers["warren-links"]["State"].update(Running=False),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_is_made_anew_where(change: Any, runtime: ComposeRuntime, docker: Docker) -> None:
    runtime.ensure_relay(ROUTES)
    change(docker)
    docker.log.clear()
    assert runtime.ensure_relay(ROUTES) == ()
    assert docker.log[:2] == ["rm warren-links", "create warren-links"]
    assert (
        docker.containers["warren-links"]["NetworkSettings"]["Networks"]["far"]["NetworkID"]
        == docker.networks["far"]
    )


def test_it_is_made_anew_for_other_routes_and_removed_without_any(
    runtime: ComposeRuntime, docker: Docker
) -> None:
    runtime.ensure_relay(ROUTES)
    runtime.ensure_relay(ROUTES[:1])
    assert set(docker.containers["warren-links"]["NetworkSettings"]["Networks"]) == {"warren", "far"}
    runtime.ensure_relay(())
    assert not docker.containers
    runtime.ensure_relay(())


def test_a_cluster_that_is_not_up_is_told_and_the_others_are_reached(
    runtime: ComposeRuntime, docker: Docker
) -> None:
    del docker.networks["two"]
    assert runtime.ensure_relay(ROUTES) == ("two",)
    assert set(docker.containers["warren-links"]["NetworkSettings"]["Networks"]) == {"warren", "far"}
    assert runtime.lost_networks(ROUTES) == ("two",)
    docker.networks["two"] = "t9"
    assert runtime.lost_networks(ROUTES) == ("two",), "it is up now, and the relay does not stand on it"
    assert runtime.ensure_relay(ROUTES) == ()
    assert runtime.lost_networks(ROUTES) == ()


def test_a_network_is_freed_of_another_clusters_relay(runtime: ComposeRuntime, docker: Docker) -> None:
    docker.containers["other-links"] = {"State": {"Running": True}, "NetworkSettings": {"Networks": {}}}
    docker._join("other-links", "warren")
    with pytest.raises(NotReadyError):
        runtime._checked("network", "rm", "w1")
    runtime.free_networks(["w1"])
    runtime._checked("network", "rm", "w1")


@pytest.mark.parametrize("text", ["5700", "5700=far", "x=far:5671", "5700=far;rm:5671", "5700=far:5671:1"])
def test_what_is_no_route_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="is no route"):
        read_route(text)


async def _relayed(far: asyncio.Server | None, talk: Any) -> list[str]:
    """Run a relay before ``far`` (None: nobody listens there) and let ``talk`` use its port."""
    probe = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    free = int(probe.sockets[0].getsockname()[1])
    probe.close()
    port = int(far.sockets[0].getsockname()[1]) if far else free
    listening = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    own = int(listening.sockets[0].getsockname()[1])
    listening.close()
    route = Route(remote="", node="", port=own, network="", host="127.0.0.1", far_port=port)
    said: list[str] = []
    stop = asyncio.Event()
    serving = asyncio.ensure_future(serve([route], said.append, host="127.0.0.1", stop=stop))
    while not said:
        await asyncio.wait([serving], timeout=0.01)
    await asyncio.wait_for(talk(own), 10)
    stop.set()
    await asyncio.wait_for(serving, 10)
    return said


def test_bytes_go_through_in_both_directions_and_an_end_is_passed_on() -> None:
    sent = bytes(range(256)) * 4096

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = await reader.read(-1)  # to the end that the client says, not before
        writer.write(got[::-1])
        writer.close()

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        assert await reader.read(-1) == sent[::-1]
        writer.close()

    async def whole() -> list[str]:
        return await _relayed(await asyncio.start_server(echo, "127.0.0.1", 0), talk)

    said = asyncio.run(whole())
    assert said[1].endswith(": open")
    assert said[-1].endswith(": closed")


def test_a_far_end_that_is_not_there_closes_the_connection_at_once_and_is_told() -> None:
    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read(-1) == b""
        writer.close()

    async def whole() -> list[str]:
        return await _relayed(None, talk)

    assert "Connect call failed" in asyncio.run(whole())[1]


def test_connections_are_ended_with_the_relay() -> None:
    """Both ends must see a cut, or a broker would hold a dead connection until its heartbeat is missed."""
    open_ends: list[asyncio.StreamReader] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        await writer.drain()
        open_ends.append(reader)

    async def whole() -> bytes:
        await _relayed(await asyncio.start_server(hold, "127.0.0.1", 0), talk)
        return await asyncio.wait_for(open_ends[0].read(-1), 10)

    assert asyncio.run(whole()) == b""
