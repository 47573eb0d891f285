"""From a cluster to a benchmark that can run: images, facts, the document to write to or to go on with."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from loadgen import launch
from loadgen.bench import perftest, record
from loadgen.bench.cells import Cell
from loadgen.bench.engine import Bench, Plan, as_plan
from loadgen.bench.facts import facts
from loadgen.bench.figures import AMQP, STREAM
from loadgen.bench.stage import Stage
from loadgen.bench.streams import Streams
from warren import checkout
from warren.context import Context
from warren.errors import BadInputError
from warren.imagebuild import Builder
from warren.runtime.stream import stream
from warren.topology import STREAM_PLUGIN

#: How the documents of streams begin.
STREAMS = "streams-"


def prepare(context: Context, cells: Sequence[Cell], plan: Plan, *, resuming: bool) -> Bench:
    """Have all that the benchmark needs.

    Raises NotReadyError when the cluster is not whole or PerfTest cannot be had, BadInputError when there is
    nothing to resume or it was made by another plan.
    """
    older = newest(context.state.benches) if resuming else None
    context.gate.check()
    image = perftest_image(context)
    where = launch.place(context)
    found = record.Record(
        path=context.state.benches / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json",
        facts=facts(context, ours=where.image, theirs=image, root=checkout.ROOT),
        plan=as_plan(plan),
        cells=cells,
    )
    found = _document(found, older)
    return Bench(context=context, place=where, image=image, plan=plan, record=found, stage=_stage(context))


def prepare_streams(context: Context, cells: Sequence[Cell], plan: Plan, *, resuming: bool) -> Streams:
    """The same for Warren's two ways to a stream. Raises NotReadyError when the cluster is not whole,
    BadInputError when the brokers do not speak the stream protocol, or as `prepare` does.
    """
    if not context.topology.broker.streams:
        what = f"has no {STREAM_PLUGIN} among cluster.broker.plugins"
        raise BadInputError(str(context.topology_path), what, "add it, and start the cluster anew")
    older = newest(context.state.benches, STREAMS) if resuming else None
    context.gate.check()
    where = launch.place(context)
    found = record.Record(
        path=context.state.benches / f"{STREAMS}{datetime.now(UTC):%Y%m%d-%H%M%S}.json",
        facts=facts(context, ours=where.image, theirs=None, root=checkout.ROOT),
        plan=as_plan(plan),
        cells=cells,
        clients=(STREAM, AMQP),
    )
    found = _document(found, older)
    stage = _stage(context, streams=True)
    return Streams(context=context, place=where, image="", plan=plan, record=found, stage=stage)


def _document(found: record.Record, older: Path | None) -> record.Record:
    """``found``, or the older document that it goes on with; its folder is there."""
    if older is not None:
        found = record.resume(older, found)
    found.path.parent.mkdir(mode=0o700, exist_ok=True)
    return found


def _stage(context: Context, *, streams: bool = False) -> Stage:
    return Stage(
        management=context.management,
        user=context.topology.account("operator").name,
        members=len(context.topology.nodes),
        clock=context.clock,
        streams=streams,
    )


def newest(folder: Path, prefix: str = "") -> Path:
    """The newest document in ``folder`` of those that begin with ``prefix`` and then the time; raises
    BadInputError when there is none."""
    found = sorted(folder.glob(f"{prefix}[0-9]*.json"))
    if not found:
        raise BadInputError("--resume", f"there is no benchmark in {folder}", "run without --resume")
    return found[-1]


def perftest_image(context: Context) -> str:
    """The image with PerfTest, made where it is not there; raises NotReadyError where it cannot be had."""
    with tempfile.TemporaryDirectory(prefix="warren-perftest-") as scratch:
        builder = Builder(
            docker=context.engine.docker, run=context.run, follow=stream, say=context.say,
            clock=context.clock, scratch=Path(scratch), root=checkout.ROOT,
        )  # fmt: skip
        return perftest.ensure_image(context, builder, checkout.ROOT)
