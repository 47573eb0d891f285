"""The result of a load run, version 1: what `--json` writes, what reports and chaos experiments read.

Keys are stable; more may be added, and a reader ignores keys that it does not know. Times are ISO-8601
in UTC, durations in seconds. docs/results.md defines every count of the ledger.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from warren import dashboards_record
from warren.dashboards_record import DashboardsRecord
from warren.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_INTERRUPTED, EXIT_OK, BadInputError
from warren.fault_record import FaultRecord
from warren.json_file import read_object

SCHEMA = 1

T = TypeVar("T")


class Verdict(StrEnum):
    """What a run proves. ``inconclusive`` is no weaker ``failed``: it says that nothing can be said."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> int:
        return {"passed": EXIT_OK, "failed": EXIT_FAILED, "inconclusive": EXIT_INCONCLUSIVE}[self.value]


def exit_code_of(verdict: Verdict, *, interrupted: bool = False) -> int:
    """The exit status of a run: an interrupted one is 130 whatever its verdict."""
    return EXIT_INTERRUPTED if interrupted else verdict.exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Counts of the run. The first five count messages, the others (message, destination queue) pairs.

    ``published = confirmed + nacked + in_doubt``. ``reordered`` is None where order was not judged.
    ``deliveries`` counts every delivery, repeated ones included; ``received`` each pair once. ``stuck``: came
    only when the consumers had connected anew, or a queue had another leader, at the end of a drain that
    waited in vain.
    """

    published: int = 0
    confirmed: int = 0
    nacked: int = 0
    in_doubt: int = 0
    returned: int = 0
    nacked_delivered: int = 0
    recovered: int = 0
    received: int = 0
    lost: int = 0
    stuck: int = 0
    unexpected: int = 0
    duplicates_redelivered: int = 0
    duplicates_unflagged: int = 0
    duplicates_own_retry: int = 0
    reordered: int | None = None
    reordered_after_redelivery: int | None = None
    reordered_after_reconnect: int | None = None
    dead_lettered: Mapping[str, int] = field(default_factory=dict)
    expired: int = 0
    foreign: int = 0
    republished: int = 0
    deliveries: int = 0
    lost_examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Messages per second over the time of publishing (consumed: until the last delivery)."""

    published_per_s: float = 0.0
    confirmed_per_s: float = 0.0
    consumed_per_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Seconds, exact to three significant digits; all zero when ``count`` is."""

    p50: float = 0.0
    p75: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    p9999: float = 0.0
    max: float = 0.0
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """``confirm`` and ``end_to_end`` run from the intended send time; the lags are parts of it.

    The last three split the way from sending to delivery by the broker's stamps, good to a millisecond;
    they are empty where the broker stamps nothing.
    """

    confirm: Percentiles = field(default_factory=Percentiles)
    end_to_end: Percentiles = field(default_factory=Percentiles)
    schedule_lag_self: Percentiles = field(default_factory=Percentiles)
    schedule_lag_blocked: Percentiles = field(default_factory=Percentiles)
    to_broker: Percentiles = field(default_factory=Percentiles)
    in_broker: Percentiles = field(default_factory=Percentiles)
    to_consumer: Percentiles = field(default_factory=Percentiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """One second of the run, ``t_s`` after its start; a latency is None where nothing was measured."""

    t_s: float
    published_per_s: float = 0.0
    confirmed_per_s: float = 0.0
    consumed_per_s: float = 0.0
    confirm_p50_s: float | None = None
    confirm_p99_s: float | None = None
    end_to_end_p50_s: float | None = None
    end_to_end_p99_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFigures:
    """One phase of the run, ``t_from_s`` to ``t_to_s`` after its start, by the messages meant for it.

    The rates are what was asked for (0 for as fast as possible); a latency is None where nothing was
    measured.
    """

    name: str
    t_from_s: float
    t_to_s: float
    rate_from_per_s: float = 0.0
    rate_to_per_s: float = 0.0
    rate_mean_per_s: float = 0.0
    published: int = 0
    published_per_s: float = 0.0
    confirmed: int = 0
    confirm_p50_s: float | None = None
    confirm_p99_s: float | None = None
    end_to_end_p50_s: float | None = None
    end_to_end_p99_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """The longest silences while publishing, the time to drain, and publishes past their deadline."""

    confirm_gap_max_s: float = 0.0
    delivery_gap_max_s: float = 0.0
    drain_s: float = 0.0
    failed_publishes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A time in which nothing of ``kind`` (``confirm``, ``delivery``) came: from ``t_s`` after publishing
    began, for ``length_s``."""

    kind: str
    t_s: float
    length_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the generator itself used, summed over its processes."""

    client_cpu_s: float = 0.0
    client_max_rss_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the run's processes sent and got on their connections, repeats included.

    ``sent`` counts publishes, ``acked`` and ``nacked`` the answers to them, ``rejected`` the rejects that
    dead-letter, ``streamed`` those deliveries that came over the stream protocol, ``links_opened`` and
    ``links_lost`` connections, ``died`` processes, ``skewed`` stamps that contradict this machine's clock.
    """

    sent: int = 0
    acked: int = 0
    nacked: int = 0
    returned: int = 0
    deliveries: int = 0
    streamed: int = 0
    rejected: int = 0
    links_opened: int = 0
    links_lost: int = 0
    died: int = 0
    skewed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdOutcome:
    """One threshold of the profile: the figure, and whether it holds; both None where there is no figure."""

    expression: str
    value: float | None
    passed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """One run. ``oracles`` maps a check's name to ``{"passed": bool, …figures}``; ``reconciliation`` holds
    the broker's own counts beside ``traffic``, None where they were not to be had; ``parts`` names the runs
    of a composite, each with its verdict; ``dashboards`` where they were, None where that is not known.
    ``publishing_at`` is when publishing began, ``silences`` are the longest ones while it lasted; a composite
    has neither."""

    run_id: str
    profile: str
    started_at: str
    ended_at: str
    verdict: Verdict
    schema: int = SCHEMA
    params: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    interrupted: bool = False
    ledger: Ledger = field(default_factory=Ledger)
    rates: Rates = field(default_factory=Rates)
    series: tuple[Second, ...] = ()
    phases: tuple[PhaseFigures, ...] = ()
    latency_s: Latencies = field(default_factory=Latencies)
    availability: Availability = field(default_factory=Availability)
    resources: Resources = field(default_factory=Resources)
    faults: tuple[FaultRecord, ...] = ()
    oracles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    thresholds: tuple[ThresholdOutcome, ...] = ()
    parts: tuple[Mapping[str, Any], ...] = ()
    traffic: Traffic = field(default_factory=Traffic)
    reconciliation: Mapping[str, Any] | None = None
    dashboards: DashboardsRecord | None = None
    publishing_at: str | None = None
    silences: tuple[Silence, ...] = ()

    @property
    def exit_code(self) -> int:
        return exit_code_of(self.verdict, interrupted=self.interrupted)

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-ready values, keys in the schema's order."""
        head = ("schema", "run_id", "profile", "started_at", "ended_at", "params", "verdict", "reasons")
        plain = dataclasses.asdict(self)
        ordered = {key: plain.pop(key) for key in head}
        ordered["verdict"] = self.verdict.value
        return {**ordered, **plain}

    @staticmethod
    def from_dict(raw: Mapping[str, Any], *, where: str = "result") -> LoadResult:
        """Read a result back; unknown keys are ignored.

        Raises BadInputError, naming ``where`` and the key, for a missing key or another schema.
        """
        if raw.get("schema") != SCHEMA:
            raise BadInputError(f"{where}: schema", f"is {raw.get('schema')!r}, this version reads {SCHEMA}")
        try:
            return _load_result(raw)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(where, f"is not a load result: {error}") from error


def _load_result(raw: Mapping[str, Any]) -> LoadResult:
    latency = {name: _pick(Percentiles, value) for name, value in raw.get("latency_s", {}).items()}
    nested = {
        "verdict": Verdict(raw["verdict"]),
        "reasons": tuple(raw.get("reasons", ())),
        "ledger": _pick(Ledger, raw.get("ledger", {})),
        "rates": _pick(Rates, raw.get("rates", {})),
        "series": tuple(_pick(Second, second) for second in raw.get("series", ())),
        "phases": tuple(_pick(PhaseFigures, phase) for phase in raw.get("phases", ())),
        "latency_s": _pick(Latencies, latency),
        "availability": _pick(Availability, raw.get("availability", {})),
        "resources": _pick(Resources, raw.get("resources", {})),
        "silences": tuple(_pick(Silence, each) for each in raw.get("silences", ())),
        "traffic": _pick(Traffic, raw.get("traffic", {})),
        "faults": tuple(_pick(FaultRecord, fault) for fault in raw.get("faults", ())),
        "parts": tuple(raw.get("parts", ())),
        "dashboards": dashboards_record.read(raw.get("dashboards")),
        "thresholds": tuple(_pick(ThresholdOutcome, each) for each in raw.get("thresholds", ())),
    }
    return _pick(LoadResult, {**raw, **nested})


def _pick(cls: type[T], raw: Mapping[str, Any]) -> T:
    known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values = {key: value for key, value in raw.items() if key in known}
    if "lost_examples" in values:
        values["lost_examples"] = tuple(values["lost_examples"])
    return cls(**values)


def iso(at: datetime) -> str:
    """ISO-8601 in UTC with milliseconds, as the schema writes times."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_result(result: LoadResult, path: Path) -> None:
    """Write ``result`` as JSON to ``path``, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(result.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)


def read_result(path: Path) -> LoadResult:
    """Read what `write_result` wrote; raises BadInputError when the file is no load result."""
    return LoadResult.from_dict(read_object(path), where=str(path))
