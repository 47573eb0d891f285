"""PerfTest as a client to measure: its image, its run on the cluster's network, its output read.

https://rabbitmq.github.io/rabbitmq-perf-test/stable/htmlsingle/
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from warren.context import Context
from warren.errors import NotReadyError
from warren.imagebuild import Builder, hash_files, short_hash
from warren.process import check

_FETCH_S = 300.0
_NUMBER = r"(\d+)"
_RATE = re.compile(rf"time (\d+\.\d+) s, sent: {_NUMBER} msg/s")
_LATENCIES = r"latency min/median/75th/95th/99th ([\d/]+) "


def ensure_image(context: Context, builder: Builder, root: Path) -> str:
    """Have the image with Java and PerfTest; raises NotReadyError where Maven is missing."""
    folder = root / "deploy" / "images" / "perftest"
    tag = f"warren/perftest:{short_hash(hash_files(folder, [folder]))}"
    if builder.has(tag):
        return tag
    base = builder.base()
    builder.begin("perftest")
    maven = shutil.which("mvn")
    if maven is None:
        raise NotReadyError(
            "PerfTest", "needs Maven to be fetched, which is missing", "apt-get install maven"
        )
    builder.step("fetch PerfTest and what it needs by Maven")
    build = builder.context("perftest", folder)
    copy = [maven, "--quiet", "--batch-mode", "--file", str(build / "pom.xml")]
    copy += ["dependency:copy-dependencies", f"-DoutputDirectory={build / 'lib'}"]
    check(context.run(copy, timeout_s=_FETCH_S), "see whether this machine's Maven reaches its repository")
    builder.docker_build(build, tag, {"BASE": base})
    return tag


def arguments(seconds: int, *, rate: float | None) -> list[str]:
    """The work profile's shape: one publisher, one consumer, the topology's own queue."""
    fixed = ["--rate", f"{rate:g}"] if rate else []
    return [
        "--predeclared", "--queue", "orders.work", "--exchange", "orders.direct", "--type", "direct",
        "--routing-key", "order.created", "--flag", "persistent", "--confirm", "200",
        "--multi-ack-every", "50", "--qos", "500", "--size", "200", "--producers", "1",
        "--consumers", "1", "--time", str(seconds), *fixed,
    ]  # fmt: skip


def command(context: Context, image: str, name: str, options: Sequence[str]) -> list[str]:
    """The `docker run` line: on the cluster's network, hardened as Warren's own load is."""
    return [
        context.engine.docker, "run", "--rm", "--interactive", "--name", name,
        "--network", context.topology.cluster, "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--tmpfs", "/tmp:mode=1777,size=64m",  # noqa: S108
        "--label", f"warren.cluster={context.topology.cluster}", "--label", "warren.role=load",
        "--mount", f"type=bind,source={context.cluster_ca},target=/run/ca.pem,readonly",
        image, *options,
    ]  # fmt: skip


def uris(context: Context) -> bytes:
    """One line with the address of every node, for the container's standard input."""
    operator = context.topology.account("operator").name
    password = quote(context.secrets.read(operator), safe="")
    port, vhost = context.topology.ports.amqps, quote("/orders", safe="")
    places = (f"amqps://{operator}:{password}@{node.name}:{port}/{vhost}" for node in context.topology.nodes)
    return (",".join(places) + "\n").encode()


def rate_after(output: str, warmup_s: float) -> float:
    """Mean of the per-second sending rates after the warm-up; raises NotReadyError when there is none."""
    rates = [float(rate) for at, rate in _RATE.findall(output) if float(at) > warmup_s]
    if not rates:
        raise NotReadyError("PerfTest", f"printed no rate: {output.strip()[-200:]}")
    return sum(rates) / len(rates)


def latencies_s(output: str) -> tuple[float, float, float, float]:
    """Confirm p50 and p99, then consumer (end-to-end) p50 and p99, of the closing summary."""
    found = []
    for kind in ("confirm", "consumer"):
        match = re.search(f"{kind} {_LATENCIES}", output)
        if match is None:
            raise NotReadyError("PerfTest", f"printed no {kind} latency: {output.strip()[-200:]}")
        values = [int(value) / 1e6 for value in match[1].split("/")]
        found += [values[1], values[4]]
    return found[0], found[1], found[2], found[3]
