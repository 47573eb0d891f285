"""A middleman in a container on the cluster's network, from the side of the one who starts it."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets as random
import selectors
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from loadgen.container import Child, Place, Starter
from loadgen.selftest.act import Plan
from loadgen.selftest.middleman import Post
from warren.connection import Endpoint
from warren.context import Context
from warren.errors import DeadlineError, NotReadyError

_MEMORY = "512m"
_USER = "10001:10001"
_LISTEN_S, _REPORT_S, _REMOVE_S = 30.0, 15.0, 30.0
_TMPFS = "/tmp:rw,noexec,nosuid,nodev,size=1m,mode=1777"  # noqa: S108 - inside the container


class Box:
    """A middleman that stands. ``endpoint`` is where a run is to connect."""

    def __init__(self, endpoint: Endpoint, child: Child) -> None:
        self.endpoint = endpoint
        self._child = child
        self._lines = _Lines(child)

    def wait_listening(self) -> None:
        """Raises NotReadyError when it does not come to listen."""
        self._event("listening", _LISTEN_S)

    def report(self) -> Mapping[str, Any]:
        """End it; what it says that it did. Raises NotReadyError when it says nothing."""
        assert self._child.stdin is not None  # noqa: S101 - started with a pipe
        self._child.stdin.close()
        return self._event("report", _REPORT_S)

    def _event(self, kind: str, within_s: float) -> Mapping[str, Any]:
        last = ""
        for line in self._lines.until(time.monotonic() + within_s):
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and event.get("type") == kind:
                    return event
            last = line.strip()
        raise DeadlineError(
            self.endpoint.name, f"said no '{kind}' within {within_s:g} s; last: {last[-200:] or 'nothing'}"
        )


class _Lines:
    """Lines of a child's output, waited for no longer than told."""

    def __init__(self, child: Child) -> None:
        assert child.stdout is not None  # noqa: S101 - started with a pipe
        self._fd = child.stdout.fileno()
        self._buffer = b""
        self._whole: deque[str] = deque()

    def until(self, end_s: float) -> Iterator[str]:
        """Lines up to the end of the output, or until ``end_s`` of the monotonic clock."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            while self._whole or selector.select(max(0.0, end_s - time.monotonic())):
                if self._whole:
                    yield self._whole.popleft()
                    continue
                data = os.read(self._fd, 1 << 16)
                if not data:
                    return
                *lines, self._buffer = (self._buffer + data).split(b"\n")
                self._whole.extend(line.decode(errors="replace") for line in lines)


@contextmanager
def standing(context: Context, place: Place, plan: Plan, *, starter: Starter) -> Iterator[Box]:
    """A middleman that follows ``plan``, for as long as the context lasts; its certificate goes with it.

    Raises NotReadyError when it does not come to stand.
    """
    name = f"{place.cluster}-middleman-{random.token_hex(4)}"
    port = context.topology.ports.amqps
    pair = context.pki.ensure_leaf("cluster", name, hosts=(name,), purpose="server")
    post = Post(
        brokers=tuple(Endpoint(name=node.name, host=node.name, port=port) for node in context.topology.nodes),
        plan=plan,
        port=port,
        certificate=pair.certificate.read_text(encoding="utf-8"),
        key=pair.key.read_text(encoding="utf-8"),
        ca=context.cluster_ca.read_text(encoding="utf-8"),
        client=_client(context),
    )
    try:
        child = starter(command(place, name))
        assert child.stdin is not None  # noqa: S101 - started with a pipe
        child.stdin.write(json.dumps(dataclasses.asdict(post)).encode() + b"\n")
        child.stdin.flush()
        box = Box(Endpoint(name=name, host=name, port=port), child)
        box.wait_listening()
        yield box
    except BrokenPipeError as error:
        raise NotReadyError(name, "its container did not start; see what the engine said above") from error
    finally:
        context.run([place.docker, "rm", "--force", name], timeout_s=_REMOVE_S)
        for path in (pair.certificate, pair.key):
            path.unlink(missing_ok=True)


def command(place: Place, name: str) -> list[str]:
    """The whole `docker run` line: hardened and labelled as a run's own container is."""
    return [
        place.docker, "run", "--rm", "--interactive", "--name", name, "--hostname", name,
        "--network", place.network, "--user", _USER, "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--memory", _MEMORY, "--pids-limit", "64",
        "--tmpfs", _TMPFS, "--log-driver", "none",
        "--label", f"warren.cluster={place.cluster}", "--label", "warren.role=middleman",
        "--entrypoint", "python3", place.image, "-m", "loadgen.selftest",
    ]  # fmt: skip


def _client(context: Context) -> str | None:
    """What the middleman shows to brokers that ask for a certificate: the operator's."""
    if context.topology.tls.client_certificate != "required":
        return None
    pair = context.pki.leaf("clients", context.topology.account("operator").name)
    return pair.certificate.read_text(encoding="utf-8") + pair.key.read_text(encoding="utf-8")
