"""Runs both clients in turn, and meters them and the brokers from outside over the same window."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadgen.bench import perftest
from loadgen.bench.figures import Figures
from loadgen.bench.meter import Meter
from warren.context import Context
from warren.errors import DeadlineError, NotReadyError
from warren.results import read_result
from warren.wait import until

_START_DEADLINE_S, _END_DEADLINE_S = 60.0, 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``rate`` None: as fast as the window lets."""

    repeats: int
    warmup_s: int
    window_s: int
    rate: float | None

    @property
    def seconds(self) -> int:
        return self.warmup_s + self.window_s


@dataclass(slots=True, kw_only=True)
class Bench:
    """Two clients on one cluster. ``env`` is what the load command is started with."""

    context: Context
    image: str
    plan: Plan
    env: Mapping[str, str]

    def run(self) -> list[Figures]:
        """Warren, PerfTest, Warren, PerfTest, …; raises NotReadyError when one of them fails."""
        found: list[Figures] = []
        for turn in range(self.plan.repeats):
            self.context.say(f"turn {turn + 1} of {self.plan.repeats}, {self.plan.seconds} s each")
            found.append(self._warren())
            found.append(self._perftest())
        return found

    def _warren(self) -> Figures:
        rate = "max" if self.plan.rate is None else f"{self.plan.rate:g}"
        with tempfile.TemporaryDirectory(prefix="warren-bench-") as folder:
            path = Path(folder) / "result.json"
            argv = [sys.executable, "-m", "warren", "load", "run", "work", "--rate", rate, "--purge"]
            argv += ["--duration", f"{self.plan.seconds}s", "--size", "200", "--publishers", "1"]
            argv += ["--consumers", "1", "--prefetch", "500", "--window", "200", "--quiet"]
            argv += ["--set", "consumers.worker.failure_rate=0", "--json", str(path)]
            _output, client_s, broker_s = self._metered(argv, b"")
            result = read_result(path)
        rate_s = sum(
            second.published_per_s for second in result.series if second.t_s > self.plan.warmup_s
        ) / max(1, sum(second.t_s > self.plan.warmup_s for second in result.series))
        messages, latency = rate_s * self.plan.window_s, result.latency_s
        return Figures(
            client="Warren",
            messages_per_s=rate_s,
            client_cpu_us=client_s / messages * 1e6,
            broker_cpu_us=broker_s / messages * 1e6,
            confirm_p50_s=latency.confirm.p50,
            confirm_p99_s=latency.confirm.p99,
            end_to_end_p50_s=latency.end_to_end.p50,
            end_to_end_p99_s=latency.end_to_end.p99,
        )

    def _perftest(self) -> Figures:
        name = f"{self.context.topology.cluster}-perftest"
        options = perftest.arguments(self.plan.seconds, rate=self.plan.rate)
        argv = perftest.command(self.context, self.image, name, options)
        try:
            output, client_s, broker_s = self._metered(argv, perftest.uris(self.context))
        finally:
            self.context.run([self.context.engine.docker, "rm", "--force", name], timeout_s=30)
        rate_s = perftest.rate_after(output, self.plan.warmup_s)
        messages = rate_s * self.plan.window_s
        latencies = perftest.latencies_s(output)
        return Figures(
            client="PerfTest",
            messages_per_s=rate_s,
            client_cpu_us=client_s / messages * 1e6,
            broker_cpu_us=broker_s / messages * 1e6,
            confirm_p50_s=latencies[0],
            confirm_p99_s=latencies[1],
            end_to_end_p50_s=latencies[2],
            end_to_end_p99_s=latencies[3],
        )

    def _metered(self, argv: Sequence[str], stdin: bytes) -> tuple[str, float, float]:
        """Run ``argv``; its output, and processor seconds of client and brokers over the window."""
        meter = Meter(docker=self.context.engine.docker, run=self.context.run)
        nodes = [self.context.runtime.container(node.name) for node in self.context.topology.nodes]
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(self.env)
        ) as child:
            assert child.stdin is not None  # noqa: S101 - started with a pipe
            child.stdin.write(stdin)
            child.stdin.close()
            child.stdin = None
            try:
                container = until(
                    self._load_container,
                    what="the client to start",
                    deadline_s=_START_DEADLINE_S,
                    every_s=0.2,
                )
                self.context.clock.sleep(self.plan.warmup_s)
                before = meter.cpu_s([container]), meter.cpu_s(nodes)
                self.context.clock.sleep(self.plan.window_s - 2)
                after = meter.cpu_s([container]), meter.cpu_s(nodes)
                output = child.communicate(timeout=_END_DEADLINE_S)[0].decode(errors="replace")
            except subprocess.TimeoutExpired as error:
                raise DeadlineError(argv[0], f"did not end within {_END_DEADLINE_S:g} s") from error
            finally:
                if child.poll() is None:
                    child.terminate()
        if child.returncode != 0:
            raise NotReadyError(
                " ".join(argv[1:4]), f"ended with {child.returncode}: {output.strip()[-300:]}"
            )
        scale = self.plan.window_s / (self.plan.window_s - 2)
        return output, (after[0] - before[0]) * scale, (after[1] - before[1]) * scale

    def _load_container(self) -> str:
        """The one container of load on this cluster, whichever client it is."""
        filters = [f"label=warren.cluster={self.context.topology.cluster}", "label=warren.role=load"]
        argv = [self.context.engine.docker, "ps", "--quiet"]
        for each in filters:
            argv += ["--filter", each]
        found = self.context.run(argv, timeout_s=15).stdout.split()
        if len(found) != 1:
            raise NotReadyError("load on this cluster", f"{len(found)} containers run, one is wanted")
        return found[0]
