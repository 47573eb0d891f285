"""The benchmark: its cells, its reading of PerfTest's words, its window, its document and its table."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from loadgen import roster
from loadgen.bench import cells, meter, ours, perftest, record, stage, streams
from loadgen.bench.cells import Cell
from loadgen.bench.engine import Bench, Plan, as_plan
from loadgen.bench.figures import AMQP, PERFTEST, STREAM, WARREN, Turn, reduce
from loadgen.bench.meter import Used, Window
from loadgen.bench.prepare import STREAMS, newest
from loadgen.bench.record import Record
from loadgen.bench.streams import Streams
from loadgen.bench.table import markdown, table
from loadgen.container import Place
from loadgen.spec import LoadSpec
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputError, BadInputsError, InconclusiveError, NotReadyError
from warren.management import NotFoundError
from warren.process import Completed
from warren.results import Second
from warren.wait import Clock

LINE = (
    "id: test-1, time 3.001 s, sent: 6000 msg/s, confirmed: 5900 msg/s, nacked: 0 msg/s, "
    "received: 5800 msg/s, min/median/75th/95th/99th consumer latency: 1/43564/3/4/169331 µs, "
    "confirm latency: 1/35403/3/4/136872 µs"
)
ONE = Cell(name="one", pairs=1, queues=1, size_bytes=200)
FOUR = Cell(name="four", pairs=4, queues=2, size_bytes=200, rate_per_s=2000)


def turn(client: str, number: int, rate: float = 100.0, cpu: float = 1.0, **more: Any) -> Turn:
    latencies = dict.fromkeys(
        ("confirm_p50_s", "confirm_p99_s", "end_to_end_p50_s", "end_to_end_p99_s"), 0.01
    )
    return Turn(
        cell="one", client=client, turn=number, started_at="", load_average=0.5, sent_per_s=rate,
        received_per_s=rate, client_cpu_us=cpu, broker_cpu_us=9.0, **{**latencies, **more},
    )  # fmt: skip


# --- cells


def test_every_cell_spreads_its_pairs_evenly_and_every_list_names_cells() -> None:
    found = cells.read()
    assert all(cell.pairs == cell.pairs_per_queue * cell.queues for cell in found.cells.values())
    assert [cell.name for cell in found.choose("all")] == list(found.cells)
    assert [cell.name for cell in found.choose("fixed-2000,quick")] == ["fixed-2000", "1p-1q-200b"]


def test_an_unknown_cell_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="1p-9q"):
        cells.read().choose("quick,1p-9q")


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        ("{name: a, pairs: 3, queues: 2, size_bytes: 200}", "3 pairs do not spread evenly"),
        ("{name: a, pairs: 1, queues: 1, size_bytes: 31}", "size_bytes"),
        ("{name: a, pairs: 1, queues: 1, size_bytes: 200, speed: 1}", "speed"),
    ],
)
def test_a_wrong_cell_is_told_by_its_key(tmp_path: Path, cell: str, named: str) -> None:
    path = tmp_path / "cells.yml"
    path.write_text(f"schema: 1\ncells:\n  - {cell}\n", encoding="utf-8")
    with pytest.raises(BadInputsError, match=named):
        cells.read(path)


@pytest.mark.parametrize("listing", ["quick: [b]", "a: [a]", "all: [a]"])
def test_a_list_of_what_is_not_there_or_with_a_cells_name_is_refused(tmp_path: Path, listing: str) -> None:
    path = tmp_path / "cells.yml"
    cell = "{name: a, pairs: 1, queues: 1, size_bytes: 200}"
    path.write_text(f"schema: 1\ncells: [{cell}]\nlists:\n  {listing}\n", encoding="utf-8")
    with pytest.raises(BadInputsError, match="lists"):
        cells.read(path)


# --- what each client is told


def test_perftest_is_given_its_share_of_the_rate_for_each_publisher() -> None:
    options = perftest.arguments(FOUR, 52)
    pairs = dict(itertools.pairwise(options))
    assert pairs["--rate"] == "500"
    assert (pairs["--producers"], pairs["--consumers"], pairs["--queue-pattern-to"]) == ("4", "4", "2")
    assert pairs["--queue-pattern"] % 2 == stage.queue(2)
    assert "--rate" not in perftest.arguments(ONE, 52)


def test_warren_is_given_the_same_pairs_on_the_same_queues() -> None:
    spec = LoadSpec(
        run_id="r", nonce=1, seed=1, profile=ours.PROFILE, vhost=stage.VHOST,
        endpoints=(Endpoint(name="n", host="n", port=1),), ca_pem="", folder="",
        users=(Credentials(username="op", password="x"),),
        publishers=ours.publishers(FOUR, "op"), consumers=ours.consumers(FOUR, "op"),
    )  # fmt: skip
    publishers, consumers = roster.publishers(spec, ""), roster.consumers(spec, "")
    assert [each.routing_key for each in publishers] == ["bench.1", "bench.1", "bench.2", "bench.2"]
    assert [each.queue for each in consumers] == ["bench.1", "bench.1", "bench.2", "bench.2"]
    assert {(each.prefetch, each.ack_batch) for each in consumers} == {(500, 50)}
    expected = roster.expectation(spec).destinations
    assert expected == {0: ("bench.1",), 1: ("bench.1",), 2: ("bench.2",), 3: ("bench.2",)}


# --- PerfTest's words


@pytest.mark.parametrize("line", [LINE, LINE.replace("µ", "?")], ids=["unicode", "ascii"])
def test_a_line_of_perftest_is_the_second_that_it_ends(line: str) -> None:
    found = perftest.second(line)
    assert found is not None
    assert found.t_s == pytest.approx(2.001)
    assert (found.published_per_s, found.consumed_per_s) == (6000, 5800)
    assert (found.confirm_p50_s, found.confirm_p99_s) == pytest.approx((0.035403, 0.136872))
    assert (found.end_to_end_p50_s, found.end_to_end_p99_s) == pytest.approx((0.043564, 0.169331))


@pytest.mark.parametrize(
    "line", ["", "id: test-1, starting producer #0", "test stopped (Reached time limit)"]
)
def test_other_words_of_perftest_are_no_second(line: str) -> None:
    assert perftest.second(line) is None


# --- the window


def seconds(*rates: float) -> list[Second]:
    return [
        Second(t_s=at, published_per_s=rate, consumed_per_s=rate, confirm_p99_s=rate / 1000)
        for at, rate in enumerate(rates)
    ]


def test_only_the_seconds_of_the_window_count() -> None:
    used = Used(client=0.5, brokers=1.0)
    found = reduce(seconds(1, 1, 100, 300, 200, 9), used, warmup_s=2, window_s=3)
    assert found["sent_per_s"] == 200
    assert found["confirm_p99_s"] == pytest.approx(0.2)
    assert found["client_cpu_us"] == pytest.approx(2500)


@pytest.mark.parametrize("rates", [(), (5, 5), (5, 5, 0, 0)])
def test_a_client_that_sent_nothing_in_the_window_is_told_and_not_taken_for_slow(
    rates: Sequence[float],
) -> None:
    with pytest.raises(InconclusiveError, match="sent nothing"):
        reduce(seconds(*rates), Used(client=1, brokers=1), warmup_s=2, window_s=2)


def test_the_meter_is_read_when_the_load_says_so_and_counts_its_own_time() -> None:
    times = iter((100.0, 104.0))
    readings = iter(([1.0, 10.0, 20.0], [3.0, 14.0, 28.0]))
    window = Window(lambda: next(readings), lambda: next(times), warmup_s=2, window_s=3)
    for t_s in (0, 1, 2.1, 3.1, 4.1, 5.2, 6.2):
        window.at(t_s)
    assert window.used() == Used(client=0.5, brokers=3.0)


def test_a_load_that_ends_before_its_window_is_told() -> None:
    window = Window(lambda: [1.0, 1.0], lambda: 1.0, warmup_s=2, window_s=3)
    window.at(2)
    with pytest.raises(NotReadyError, match="before its second 5"):
        window.used()


def test_processor_time_of_both_versions_of_control_groups() -> None:
    assert meter.read("1500000000\n", "box") == 1.5
    assert meter.read("usage_usec 2500000\nuser_usec 1\n", "box") == 2.5
    with pytest.raises(NotReadyError, match="box"):
        meter.read("", "box")


# --- turns


class Api:
    """What the stage asks of the management API: remembers, and shows queues with ``online`` members."""

    def __init__(self, online: int = 3) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.online = online

    def put(self, *path: str, body: Any = None) -> None:
        self.calls.append(("put", *path))

    def post(self, *path: str, body: Any = None) -> None:
        self.calls.append(("post", *path, body["routing_key"]))

    def delete(self, *path: str) -> None:
        self.calls.append(("delete", *path))
        if path[0] == "vhosts":
            raise NotFoundError("vhost", "not there", status=404)

    def queue(self, vhost: str, name: str) -> Any:
        return type("Info", (), {"name": name, "leader": f"rabbit@{name}", "online": ("n",) * self.online})


def a_stage(api: Api) -> stage.Stage:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    clock = Clock(now=lambda: now[0], sleep=sleep)
    return stage.Stage(management=api, user="op", members=3, clock=clock)  # type: ignore[arg-type]


class Measured(Bench):
    """A bench whose clients are not run; the one named in ``fails`` fails at its second turn."""

    played: list[tuple[str, str]]
    fails = ""
    silent = ""

    def _warren(self, cell: Cell, node: str) -> dict[str, Any]:
        if cell.name == self.silent:
            raise InconclusiveError("the measured run", "sent nothing")
        return self._play(WARREN, node)

    def _perftest(self, cell: Cell, node: str) -> dict[str, Any]:
        return self._play(PERFTEST, node)

    def _play(self, client: str, node: str) -> dict[str, Any]:
        if self.fails == client and (client, node) in self.played:
            raise NotReadyError(client, "failed")
        self.played.append((client, node))
        whole = turn(client, 1)
        names = ("sent_per_s", "received_per_s", "client_cpu_us", "broker_cpu_us", "confirm_p50_s")
        names += ("confirm_p99_s", "end_to_end_p50_s", "end_to_end_p99_s")
        return {name: getattr(whole, name) for name in names}


def a_record(path: Path, plan: Plan) -> Record:
    return Record(path=path, facts={"cores": 2, "broker": "4.3"}, plan=as_plan(plan), cells=(ONE,))


def a_bench(tmp_path: Path, api: Api, plan: Plan) -> Measured:
    said: list[str] = []
    context: Any = type("Context", (), {"say": staticmethod(said.append)})
    found = Measured(
        context=context,
        place=Place(docker="", image="", network="", cluster=""),
        image="",
        plan=plan,
        record=a_record(tmp_path / "b.json", plan),
        stage=a_stage(api),
    )
    found.played = []
    return found


PLAN = Plan(repeats=2, warmup_s=30, window_s=20)


def test_clients_alternate_and_so_does_who_begins(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, Api(), PLAN)
    bench.run((ONE,))
    assert [client for client, _ in bench.played] == [WARREN, PERFTEST, PERFTEST, WARREN]
    assert {node for _, node in bench.played} == {"bench.1"}


def test_the_objects_of_a_cell_are_made_emptied_after_each_turn_and_removed(tmp_path: Path) -> None:
    api = Api()
    a_bench(tmp_path, api, PLAN).run((ONE,))
    assert ("post", "bindings", stage.VHOST, "e", "bench", "q", "bench.1", "bench.1") in api.calls
    assert api.calls.count(("delete", "queues", stage.VHOST, "bench.1", "contents")) == 4
    assert api.calls[-1] == ("delete", "vhosts", stage.VHOST)


def test_a_queue_without_all_its_members_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match=r"bench\.1"):
        a_bench(tmp_path, Api(online=2), PLAN).run((ONE,))


def test_a_cell_that_cannot_be_measured_keeps_nobody_from_the_next(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, Api(), PLAN)
    another = dataclasses.replace(ONE, name="another")
    bench.silent = ONE.name
    assert list(bench.run((ONE, another))) == [ONE.name]
    assert len(bench.played) == 4
    assert {each.cell for each in bench.record.turns} == {"another"}


def test_what_was_measured_before_a_failure_is_kept_and_not_measured_again(tmp_path: Path) -> None:
    broken = a_bench(tmp_path, Api(), PLAN)
    broken.fails = PERFTEST
    with pytest.raises(NotReadyError):
        broken.run((ONE,))
    again = a_bench(tmp_path, Api(), PLAN)
    again.record = record.resume(tmp_path / "b.json", again.record)
    again.run((ONE,))
    assert [client for client, _ in again.played] == [PERFTEST, WARREN]
    kept = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["turns"]
    assert [(each["turn"], each["client"]) for each in kept] == [
        (1, WARREN), (1, PERFTEST), (2, PERFTEST), (2, WARREN),
    ]  # fmt: skip


# --- streams


class Shown(Streams):
    """Streams whose runs are not run."""

    def _warren(self, cell: Cell, node: str, protocol: Any = None) -> dict[str, Any]:
        whole = turn("", 1)
        kept = ("cell", "client", "turn", "started_at", "load_average")
        found = {key: value for key, value in dataclasses.asdict(whole).items() if key not in kept}
        return {**found, "sent_per_s": 300.0 if protocol == "stream" else 100.0, "verdict": "passed"}


def test_both_ways_to_a_stream_are_warrens_and_take_turns(tmp_path: Path) -> None:
    api = Api()
    plain = a_bench(tmp_path, api, PLAN)
    plain.record.clients = (STREAM, AMQP)
    stage_of_streams = dataclasses.replace(plain.stage, streams=True)
    bench = Shown(
        context=plain.context, place=plain.place, image="", plan=PLAN, record=plain.record,
        stage=stage_of_streams,
    )  # fmt: skip
    bench.run((ONE,))
    assert [each.client for each in bench.record.turns] == [STREAM, AMQP, AMQP, STREAM]
    text = markdown(bench.record)
    assert "| stream protocol / AMQP 0-9-1 | 3.00 (3.00 to 3.00)" in text
    assert "Ledger: 4 of 4 turns passed" in text
    assert not [call for call in api.calls if call[-1] == "contents"], "a stream cannot be emptied"


def test_roles_on_a_stream_differ_by_their_protocol_only() -> None:
    for protocol in ("stream", "amqp"):
        (publisher,) = ours.publishers(ONE, "op", protocol)  # type: ignore[arg-type]
        (reader,) = ours.consumers(ONE, "op", protocol)  # type: ignore[arg-type]
        assert publisher.protocol == reader.protocol == protocol
        assert (reader.stream, reader.reads, reader.arguments) == (True, "all", {"x-stream-offset": "next"})
        assert (publisher.routing_key, reader.queue) == ("bench.1", "bench.1")
    assert ours.consumers(ONE, "op")[0].stream is False


def test_cells_of_streams_are_read_like_the_others() -> None:
    found = cells.read(streams.FILE)
    assert [each.name for each in found.choose("quick")] == ["1p-1s-200b", "fixed-2000"]


def test_documents_of_streams_are_gone_on_with_by_themselves(tmp_path: Path) -> None:
    for name in ("20260101-000000.json", "streams-20260102-000000.json"):
        (tmp_path / name).touch()
    assert newest(tmp_path).name == "20260101-000000.json"
    assert newest(tmp_path, STREAMS).name == "streams-20260102-000000.json"


# --- the document


def test_more_repeats_go_on_with_the_same_document(tmp_path: Path) -> None:
    a_bench(tmp_path, Api(), PLAN).run((ONE,))
    more = Plan(repeats=3, warmup_s=30, window_s=20)
    found = record.resume(tmp_path / "b.json", a_record(tmp_path / "other.json", more))
    assert found.path == tmp_path / "b.json"
    assert len(found.turns) == 4


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"plan": as_plan(Plan(repeats=2, warmup_s=10, window_s=20))}, "warmup_s"),
        ({"facts": {"cores": 2, "broker": "4.4"}}, "broker"),
        ({"cells": (Cell(name="one", pairs=2, queues=1, size_bytes=200),)}, "cell called one"),
    ],
)
def test_figures_of_another_plan_broker_or_cell_never_stand_in_one_table(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    a_bench(tmp_path, Api(), PLAN).run((ONE,))
    other = a_record(tmp_path / "other.json", PLAN)
    for name, value in change.items():
        setattr(other, name, value)
    with pytest.raises(BadInputError, match=named):
        record.resume(tmp_path / "b.json", other)


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": 2, "turns": [{}]}'])
def test_what_is_no_document_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match=r"x\.json"):
        record.resume(path, a_record(path, PLAN))


def test_nothing_to_resume_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no benchmark"):
        newest(tmp_path)


# --- the table


def test_ratio_is_the_median_of_the_pairs_with_its_spread() -> None:
    rates = ((100.0, 50.0), (90.0, 90.0), (80.0, 40.0))
    turns = [turn(WARREN, at, ours, 1) for at, (ours, _) in enumerate(rates)]
    turns += [turn(PERFTEST, at, theirs, 2) for at, (_, theirs) in reversed(list(enumerate(rates)))]
    lines = table(ONE, turns, 2).splitlines()
    assert lines[4].startswith("| Warren | 90 (80 to 100) |")
    assert lines[6].startswith(
        "| Warren / PerfTest | 2.00 (1.00 to 2.00) | 2.00 (1.00 to 2.00) | 0.50 (0.50 to 0.50)"
    )


def test_the_ceiling_is_what_the_cores_would_carry_at_this_cost() -> None:
    assert turn(WARREN, 1, cpu=11.0).ceiling_per_s(2) == pytest.approx(100_000)


def test_a_turn_whose_ledger_did_not_pass_shows() -> None:
    turns = [
        turn(WARREN, 1, verdict="passed", confirmed=1000),
        turn(WARREN, 2, verdict="failed", confirmed=500),
    ]
    assert "Ledger: 1 of 2 turns passed, 1,500 confirmed" in table(ONE, turns, 2)


def test_cells_that_were_not_measured_are_left_out(tmp_path: Path) -> None:
    found = a_record(tmp_path / "b.json", PLAN)
    found.cells = (ONE, FOUR)
    found.turns = [turn(WARREN, 1)]
    text = markdown(found)
    assert "### one" in text
    assert "### four" not in text
    assert "- broker: 4.3" in text


# --- where processor time is read


class Docker:
    """Answers `inspect` with the process ids 7, 8, … and `exec` with a second of processor time."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str], *, timeout_s: float, **_: Any) -> Completed:
        self.asked.append(argv[1])
        pids = "\n".join(str(7 + at) for at in range(len(argv) - 4))
        out = pids if argv[1] == "inspect" else "1000000000"
        return Completed(argv=tuple(argv), returncode=0, stdout=out, stderr="")


VERSION_1 = "4:memory:/box\n2:cpuacct:/box\n0::/box\n", "cpuacct/box/cpuacct.usage", "2500000000\n"
VERSION_2 = "0::/system.slice/box.scope\n", "system.slice/box.scope/cpu.stat", "usage_usec 2500000\n"


@pytest.mark.parametrize(("groups", "file", "text"), [VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def test_time_is_read_from_the_hosts_files_without_starting_a_program(
    tmp_path: Path, groups: str, file: str, text: str
) -> None:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text(groups, encoding="ascii")
    place = tmp_path / "sys" / "fs" / "cgroup" / file
    place.parent.mkdir(parents=True)
    place.write_text(text, encoding="ascii")
    docker = Docker()
    assert meter.Meter(docker="docker", run=docker, root=tmp_path).cpu_s(["box"]) == [2.5]
    assert docker.asked == ["inspect"]


@pytest.mark.parametrize("groups", ["", "0::/\n", "0::/elsewhere\n"])
def test_time_is_read_inside_where_the_host_does_not_show_it(tmp_path: Path, groups: str) -> None:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text(groups, encoding="ascii")
    docker = Docker()
    assert meter.Meter(docker="docker", run=docker, root=tmp_path).cpu_s(["a", "b"]) == [1.0, 1.0]
    assert docker.asked == ["inspect", "exec", "exec"]
