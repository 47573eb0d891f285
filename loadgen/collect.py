"""Sums up what workers tell each second: totals, histograms, the series, silences, resources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from loadgen.curve import SECOND_NS, Phase, phase_of
from loadgen.histogram import Counts, merge, percentile_s, percentiles
from loadgen.reporting import END_TO_END, pairs, unpairs
from loadgen.seconds import Seconds
from loadgen.stamps import PARTS
from warren.results import Latencies, PhaseFigures, Resources, Second, Traffic


class Totals:
    """Everything that ticks brought. ``counts`` keys are the workers' own."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.histograms: defaultdict[str, Counts] = defaultdict(dict)
        self.in_flight: dict[str, int] = {}
        self.last_progress = 0
        self._phases: dict[int, defaultdict[str, Counts]] = defaultdict(lambda: defaultdict(dict))
        self._seconds: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._latencies = Seconds()
        self._published: dict[str, int] = defaultdict(int)
        self._gaps: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._silent_ns: dict[str, int] = {}
        self._cpu_s: dict[str, float] = {}
        self._rss_bytes: dict[str, int] = {}

    def add(self, worker: str, tick: Mapping[str, Any]) -> None:
        """Take in one tick of ``worker``."""
        second = int(tick.get("s", -1))
        for name, count in tick.get("counts", {}).items():
            self.counts[name] += count
            if name == "published":
                self._published[worker] += count
            if second >= 0:
                self._seconds[second][name] += count
        for numbered, flat in tick.get("histograms", {}).items():
            counts = unpairs(flat)
            name, phase = phase_of(numbered)
            merge(self.histograms[name], counts)
            short = "end_to_end" if name.startswith(END_TO_END) else name
            merge(self._phases[phase][short], counts)
            if second >= 0 and short in ("confirm", "end_to_end"):
                self._latencies.add(second, short, counts)
        self._gaps[worker] += [(int(start), int(end)) for start, end in tick.get("gaps", ())]
        if "silent_ns" in tick:
            self._silent_ns[worker] = int(tick["silent_ns"])
        self._cpu_s[worker] = float(tick.get("cpu_s", 0.0))
        self._rss_bytes[worker] = int(tick.get("max_rss_bytes", 0))
        if "in_flight" in tick:
            self.in_flight[worker] = int(tick["in_flight"])

    def died(self, worker: str, at_ns: int) -> None:
        """``worker`` is no more: from then on it is silent."""
        self._silent_ns[worker] = at_ns

    def used(self, process: str, *, cpu_s: float, max_rss_bytes: int) -> None:
        """What a process that ticks do not tell of has used: the coordinator itself."""
        self._cpu_s[process] = cpu_s
        self._rss_bytes[process] = max_rss_bytes

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the workers so far."""
        return sum(self._cpu_s.values())

    def end_to_end(self, name: str | None = None) -> Counts:
        """End-to-end latencies of one class of messages, or of all."""
        if name is not None:
            return self.histograms.get(END_TO_END + name, {})
        merged: Counts = {}
        for key, counts in self.histograms.items():
            if key.startswith(END_TO_END):
                merge(merged, counts)
        return merged

    def latencies(self) -> Latencies:
        return Latencies(
            confirm=percentiles(self.histograms["confirm"]),
            end_to_end=percentiles(self.end_to_end()),
            schedule_lag_self=percentiles(self.histograms["self"]),
            schedule_lag_blocked=percentiles(self.histograms["blocked"]),
            **{part: percentiles(self.histograms.get(f"stamps.{part}", {})) for part in PARTS},
        )

    def traffic(self) -> Traffic:
        """What went over the connections of all workers."""
        counts = self.counts
        return Traffic(
            sent=counts["published"] + counts["republished"] + counts["relay_sent"],
            acked=counts["confirmed"] + counts["acked_again"] + counts["relay_confirmed"],
            nacked=counts["nacked"] + counts["relay_nacked"],
            returned=counts["returned"],
            deliveries=counts["consumed"] + counts["replies"],
            streamed=counts["streamed"],
            rejected=counts["rejected"],
            links_opened=counts["links_opened"],
            links_lost=counts["links_lost"],
            died=counts["died"],
            skewed=sum(self.histograms.get("stamps.skewed", {}).values()),
        )

    def phases(self, phases: Sequence[Phase]) -> tuple[PhaseFigures, ...]:
        """The figures of each phase: of the messages that were meant to be sent in it."""
        found, start_s = [], 0.0
        for index, phase in enumerate(phases):
            found.append(_phase_figures(phase, start_s, self._phases.get(index, {})))
            start_s += phase.for_s
        return tuple(found)

    def published_by(self, worker: str) -> int:
        """How many messages one publisher has said that it sent."""
        return self._published[worker]

    def progress(self, at: int) -> dict[str, Any]:
        """What a person sees in second ``at``: totals so far, and the rates of the second before."""
        last = self.second(at - 1)
        names = ("published", "confirmed", "nacked", "consumed", "redelivered", "settled")
        return {
            **{name: self.counts[name] for name in names},
            "in_flight": sum(self.in_flight.values()),
            "published_per_s": last.published_per_s,
            "confirmed_per_s": last.confirmed_per_s,
            "consumed_per_s": last.consumed_per_s,
            "confirm_p99_s": last.confirm_p99_s,
            "end_to_end_p99_s": last.end_to_end_p99_s,
        }

    def series(self) -> tuple[Second, ...]:
        """One entry per second from the start to the last in which anything happened."""
        active = [second for second, counts in self._seconds.items() if counts]
        return tuple(self.second(at) for at in range(max(active, default=-1) + 1))

    def second(self, at: int) -> Second:
        """The figures of second ``at`` (0 first)."""
        counts = self._seconds.get(at, {})
        latencies = self._latencies.of(at)
        confirm, end_to_end = latencies.get("confirm", {}), latencies.get("end_to_end", {})
        return Second(
            t_s=float(at),
            published_per_s=float(counts.get("published", 0)),
            confirmed_per_s=float(counts.get("confirmed", 0)),
            consumed_per_s=float(counts.get("consumed", 0)),
            confirm_p50_s=percentile_s(confirm, 0.5),
            confirm_p99_s=percentile_s(confirm, 0.99),
            end_to_end_p50_s=percentile_s(end_to_end, 0.5),
            end_to_end_p99_s=percentile_s(end_to_end, 0.99),
        )

    def counted(self, name: str) -> list[int]:
        """What workers counted as ``name`` in each second, from the start to the last one that there is."""
        return [self._seconds.get(at, {}).get(name, 0) for at in range(max(self._seconds, default=-1) + 1)]

    def gap_max_s(self, workers: Iterable[str], *, start_ns: int, end_ns: int) -> float:
        """The longest time in [start, end] in which none of ``workers`` had an event (10 ms and more)."""
        common = self.gaps(workers, start_ns=start_ns, end_ns=end_ns)
        return max((end - start for start, end in common), default=0) / SECOND_NS

    def gaps(self, workers: Iterable[str], *, start_ns: int, end_ns: int) -> Sequence[tuple[int, int]]:
        """The times in [start, end] in which none of ``workers`` had an event."""
        common: Sequence[tuple[int, int]] = [(start_ns, end_ns)]
        for worker in workers:
            gaps = self._gaps.get(worker, [])
            if worker in self._silent_ns:
                gaps = [*gaps, (self._silent_ns[worker], end_ns)]
            common = intersect(common, gaps)
        return common

    def resources(self) -> Resources:
        return Resources(
            client_cpu_s=round(self.cpu_s, 3), client_max_rss_bytes=sum(self._rss_bytes.values())
        )

    def seconds(self, name: str) -> Iterator[tuple[int, Counts]]:
        """The latencies called ``name`` (``confirm`` or ``end_to_end``) of each second, in order."""
        for second in self._latencies:
            yield second, self._latencies.of(second).get(name, {})

    # --- over the border between runs that shared nothing

    def to_plain(self) -> dict[str, Any]:
        """Everything, as JSON-ready values, for `add_plain`; nothing is rounded."""
        return {
            "counts": dict(self.counts),
            "histograms": _flat(self.histograms),
            "phases": {str(at): _flat(each) for at, each in self._phases.items()},
            "seconds": {str(at): dict(each) for at, each in self._seconds.items()},
            "latencies": {str(at): _flat(self._latencies.of(at)) for at in self._latencies},
            "gaps": {worker: [[*gap] for gap in gaps] for worker, gaps in self._gaps.items()},
            "silent_ns": dict(self._silent_ns),
            "cpu_s": dict(self._cpu_s),
            "max_rss_bytes": dict(self._rss_bytes),
        }

    def add_plain(self, raw: Mapping[str, Any], *, prefix: str, later_ns: int = 0, later_s: int = 0) -> None:
        """Add another run's `to_plain`, exactly. ``prefix`` keeps its processes' names apart, ``later_ns``
        brings its monotonic times to this one's clock, ``later_s`` its seconds to this one's start."""
        for name, count in raw["counts"].items():
            self.counts[name] += count
        _merge_all(self.histograms, raw["histograms"])
        for at, each in raw["phases"].items():
            _merge_all(self._phases[int(at)], each)
        for at, each in raw["seconds"].items():
            for name, count in each.items():
                self._seconds[int(at) + later_s][name] += count
        for at, each in raw["latencies"].items():
            for name, flat in each.items():
                self._latencies.add(int(at) + later_s, name, unpairs(flat))
        for worker, gaps in raw["gaps"].items():
            self._gaps[prefix + worker] += [(start + later_ns, end + later_ns) for start, end in gaps]
        for worker, since in raw.get("silent_ns", {}).items():
            self._silent_ns[prefix + worker] = since + later_ns
        self._cpu_s |= {prefix + process: used for process, used in raw["cpu_s"].items()}
        self._rss_bytes |= {prefix + process: used for process, used in raw["max_rss_bytes"].items()}


def _flat(histograms: Mapping[str, Counts]) -> dict[str, list[int]]:
    return {name: pairs(dict(counts)) for name, counts in histograms.items()}


def _merge_all(into: defaultdict[str, Counts], flat: Mapping[str, list[int]]) -> None:
    for name, each in flat.items():
        merge(into[name], unpairs(each))


def _phase_figures(phase: Phase, start_s: float, counts: Mapping[str, Counts]) -> PhaseFigures:
    confirm, end_to_end = counts.get("confirm", {}), counts.get("end_to_end", {})
    published = sum(counts.get("blocked", {}).values())
    return PhaseFigures(
        name=phase.name,
        t_from_s=round(start_s, 3),
        t_to_s=round(start_s + phase.for_s, 3),
        rate_from_per_s=phase.segments[0].from_per_s,
        rate_to_per_s=phase.segments[-1].to_per_s,
        rate_mean_per_s=round(phase.messages / phase.for_s, 3),
        published=published,
        published_per_s=round(published / phase.for_s, 1),
        confirmed=sum(confirm.values()),
        confirm_p50_s=percentile_s(confirm, 0.5),
        confirm_p99_s=percentile_s(confirm, 0.99),
        end_to_end_p50_s=percentile_s(end_to_end, 0.5),
        end_to_end_p99_s=percentile_s(end_to_end, 0.99),
    )


def intersect(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The times that lie in an interval of both; each side is sorted and free of overlaps."""
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, end = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if start < end:
            found.append((start, end))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return found
