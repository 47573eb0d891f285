"""PerfTest as a client to measure: its image, its run on the cluster's network, its output read.

https://rabbitmq.github.io/rabbitmq-perf-test/stable/htmlsingle/
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from loadgen.bench import stage
from loadgen.bench.cells import ACK_BATCH, PREFETCH, WINDOW, Cell
from loadgen.container import CPU_SHARES
from warren.context import Context
from warren.errors import NotReadyError
from warren.imagebuild import Builder, hash_files, short_hash
from warren.process import check
from warren.results import Second

_FOLDER = Path("deploy", "images", "perftest")
_FETCH_S = 300.0
_VERSION_S = 30.0
_NUMBER = r"(\d+(?:\.\d+)?)"
#: The unit is µs; where Java writes plain ASCII, ?s.
_SPREAD = r"\d+/(\d+)/\d+/\d+/(\d+) [^ ,]?s"
_LINE = re.compile(
    rf"time {_NUMBER} s, sent: {_NUMBER} msg/s, confirmed: {_NUMBER} msg/s, nacked: {_NUMBER} msg/s, "
    rf"received: {_NUMBER} msg/s, min/median/75th/95th/99th "
    rf"consumer latency: {_SPREAD}, confirm latency: {_SPREAD}"
)


def ensure_image(context: Context, builder: Builder, root: Path) -> str:
    """Have the image with Java and PerfTest; raises NotReadyError where Maven is missing."""
    folder = root / _FOLDER
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


def arguments(cell: Cell, seconds: int) -> list[str]:
    """PerfTest's options for ``cell``. Where there is a pattern of queues, publisher and consumer number n
    use queue n and its name as the routing key, round and round."""
    fixed = [] if cell.rate_per_s is None else ["--rate", f"{cell.rate_per_s / cell.pairs:g}"]
    return [
        "--predeclared", "--exchange", stage.EXCHANGE, "--type", "direct",
        "--queue-pattern", stage.queue_pattern(), "--queue-pattern-from", "1",
        "--queue-pattern-to", str(cell.queues), "--flag", "persistent", "--confirm", str(WINDOW),
        "--multi-ack-every", str(ACK_BATCH), "--qos", str(PREFETCH), "--size", str(cell.size_bytes),
        "--producers", str(cell.pairs), "--consumers", str(cell.pairs), "--time", str(seconds), *fixed,
    ]  # fmt: skip


def command(context: Context, image: str, name: str, options: Sequence[str]) -> list[str]:
    """The `docker run` line: on the cluster's network, hardened as Warren's own load is, and with the same
    share of the processor, so that neither client is before the other."""
    return [
        context.engine.docker, "run", "--rm", "--interactive", "--name", name,
        "--network", context.topology.cluster, "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--tmpfs", "/tmp:mode=1777,size=64m",  # noqa: S108
        "--cpu-shares", CPU_SHARES, "--log-driver", "none",
        "--label", f"warren.cluster={context.topology.cluster}", "--label", "warren.role=load",
        "--mount", f"type=bind,source={context.cluster_ca},target=/run/ca.pem,readonly",
        image, *options,
    ]  # fmt: skip


def uri(context: Context, node: str) -> bytes:
    """One line with the address of ``node``, for the container's standard input."""
    operator = context.topology.account("operator").name
    password = quote(context.secrets.read(operator), safe="")
    vhost = quote(stage.VHOST, safe="")
    return f"amqps://{operator}:{password}@{node}:{context.topology.ports.amqps}/{vhost}\n".encode()


def second(line: str) -> Second | None:
    """One of the lines that PerfTest prints each second, or None; it names a second by its end.

    Its latencies are of that second: the reservoir of at most 1,028 samples is renewed at each line.
    Source: DefaultPerformanceMetrics of PerfTest 2.22.
    """
    found = _LINE.search(line)
    if found is None:
        return None
    at, sent, confirmed, _nacked, received, *micros = map(float, found.groups())
    end_to_end_p50, end_to_end_p99, confirm_p50, confirm_p99 = (each / 1e6 for each in micros)
    return Second(
        t_s=at - 1,
        published_per_s=sent,
        confirmed_per_s=confirmed,
        consumed_per_s=received,
        confirm_p50_s=confirm_p50,
        confirm_p99_s=confirm_p99,
        end_to_end_p50_s=end_to_end_p50,
        end_to_end_p99_s=end_to_end_p99,
    )


def java_version(context: Context, image: str) -> str:
    """The first line of ``java -version`` in the image, which goes to standard error."""
    argv = [
        context.engine.docker,
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "java",
        image,
        "-version",
    ]
    done = context.run(argv, timeout_s=_VERSION_S)
    return next(iter(done.stderr.splitlines()), "unknown")


def version(root: Path) -> str:
    """The version that the image is built with."""
    text = (root / _FOLDER / "pom.xml").read_text(encoding="utf-8")
    found = re.search(r"<artifactId>perf-test</artifactId>\s*<version>([^<]+)</version>", text)
    return found[1] if found else "unknown"
