"""Several game days played as one on a fake cluster: one fault, a load and a verdict of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos import beside, check, fault, record_file
from chaos.conduct import Wanted, conduct
from chaos.experiment import Experiment
from chaos.experiment_reader import load
from chaos.known import known
from chaos.record import GameDay, Verdict
from chaos.statistics.days import struck
from warren.errors import BadInputError, NotReadyError
from warren.results import Availability, Ledger, LoadResult

from .fake_day import TEXT, FakeDay, FakeLoad

#: The same day under another load, whose queue is another one.
RETRY = TEXT.replace("profile: work, rate: 300", "profile: retry, rate: 30").replace(
    "leader-of: orders.work", "leader-of: payments.work"
)


class Together(FakeDay):
    """Two days as one; ``of`` changes the result of one profile's load."""

    texts: tuple[str, ...] = (TEXT, RETRY)

    def __init__(self, ground: Any, folder: Path) -> None:
        super().__init__(ground, folder)
        self.of: dict[str, dict[str, Any]] = {}

    def result(self, run: FakeLoad) -> LoadResult:
        plain = FakeDay.result(self, run)
        found = replace(plain, profile=run.wish.profile, run_id=f"{run.wish.profile}-1")
        return replace(found, **self.of.get(run.wish.profile, {}))

    def experiments(self) -> list[Experiment]:
        there = known(self.ground.topology, faults=fault.names(), checks=check.names())
        found = []
        for place, text in enumerate(self.texts):
            path = self.folder / f"day{place}.yml"
            path.write_text(text, encoding="utf-8")
            found.append(load(str(path), there))
        return found

    def both(self) -> tuple[GameDay, ...]:
        wanted = []
        for each in self.experiments():
            folder = self.folder / each.name
            folder.mkdir(exist_ok=True)
            wanted.append(Wanted(experiment=each, seed=7, run_id=f"{each.name}-1", folder=folder))
        return conduct(self.stage(), *wanted)[0]


@pytest.fixture
def day(ground: Any, tmp_path: Path) -> Together:
    return Together(ground, tmp_path)


def test_one_fault_under_two_loads_gives_two_records(day: Together, tmp_path: Path) -> None:
    work, retry = day.both()
    assert (work.verdict, retry.verdict) == (Verdict.PASSED, Verdict.PASSED), (work.reasons, retry.reasons)
    assert [(run.wish.profile, run.wish.beside) for run in day.loads] == [("work", True), ("retry", True)]
    (done,) = day.ground.journal.read().faults
    assert [each.faults[0]["fault_id"] for each in (work, retry)] == [done.fault_id] * 2
    assert (done.run_id, done.target) == ("day0-1", "rmq2")
    assert work.together == {"day": "day0-1", "beside": {"retry": "day1-1"}, "bystander": ""}
    assert retry.together == {"day": "day0-1", "beside": {"work": "day0-1"}, "bystander": ""}
    assert [each.load["run_id"] for each in (work, retry)] == ["work-1", "retry-1"]
    assert struck(work)
    assert struck(retry)
    path = tmp_path / "gameday.json"
    record_file.write(retry, path)
    assert record_file.read(path).together == retry.together


def test_each_is_judged_by_its_own_load(day: Together) -> None:
    day.of["retry"] = {"ledger": Ledger(confirmed=9, lost=2, lost_examples=("a",))}
    day.of["work"] = {"availability": Availability(confirm_gap_max_s=0.3), "silences": ()}
    work, retry = day.both()
    assert retry.verdict is Verdict.FAILED
    assert "2 confirmed messages are lost" in "; ".join(retry.reasons)
    assert work.verdict is Verdict.INCONCLUSIVE  # its gap is none: faster than the fault allows
    assert [each.value for each in (work.expectations[0], retry.expectations[0])] == [0.0, 0.6]


def test_leader_of_the_other_queue_is_brought_to_the_node_that_is_struck(day: Together) -> None:
    day.ground.broker.led["payments.work"] = "rmq3"
    _, retry = day.both()
    assert day.ground.broker.moved == [("/orders", "payments.work", "rmq2")]
    assert retry.verdict is Verdict.PASSED, retry.reasons


def test_nothing_is_moved_where_one_node_leads_both(day: Together) -> None:
    day.both()
    assert day.ground.broker.moved == []


def test_load_whose_queue_was_led_elsewhere_was_a_bystander_and_counts_for_nothing(day: Together) -> None:
    day.ground.broker.led["payments.work"], day.ground.broker.obeys = "rmq3", False
    work, retry = day.both()
    assert work.verdict is Verdict.PASSED, work.reasons
    assert retry.verdict is Verdict.INCONCLUSIVE
    assert "its queue was led by rmq3 while rmq2 was struck" in retry.reasons[0]
    assert retry.together["bystander"]
    assert struck(work)
    assert not struck(retry)


def test_no_load_publishes_before_the_last_is_ready(day: Together) -> None:
    """Each publishes for its own time: where one had begun 7 s before another, a short day had no time left
    for its fault."""

    class Late(FakeLoad):
        @property
        def starts_after_s(self) -> float:
            return day.starts_after_s + (7.0 if self.wish.profile == "retry" else 0.0)

    day.live = lambda at_s: {"suspected": 0}
    day.kind = Late
    work, _ = day.both()
    began = {event.what: event.t_s for event in work.events if event.kind == "load"}
    struck_s = next(event.t_s for event in work.events if event.kind == "fault")
    assert began["retry is ready"] - began["work is ready"] >= 6.8
    assert began["work publishes"] == began["retry publishes"]
    assert struck_s - began["retry publishes"] == pytest.approx(20, abs=1)


def test_load_that_is_never_ready_hangs_the_day(day: Together) -> None:
    day.starts_after_s = 1e6
    work, _ = day.both()
    assert work.verdict == Verdict.HANG
    assert any("was not ready within 240 s" in why for why in work.reasons), work.reasons


def test_load_that_dies_ends_the_day_for_both_and_is_named(day: Together) -> None:
    day.dies_at_s = 25.0
    work, retry = day.both()
    assert [each.verdict for each in (work, retry)] == [Verdict.INCONCLUSIVE] * 2
    assert "the load work ended before the method was over" in retry.reasons
    assert day.ground.journal.open_faults() == ()


def test_alone_it_is_beside_nobody(day: Together) -> None:
    day.texts = (TEXT,)
    (work,) = day.both()
    assert work.together == {}
    assert not day.loads[0].wish.beside


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("at: 20s", "at: 21s"), "must do the same at the same time"),
        (("for: 10s", "for: 11s"), "must do the same at the same time"),
        (("fault: kill", "fault: pause"), "must do the same at the same time"),
        (("leader-of: payments.work", "node: rmq1"), "strikes others"),
    ],
)
def test_days_that_break_different_things_are_refused(
    day: Together, change: tuple[str, str], said: str
) -> None:
    assert change[0] in RETRY
    day.texts = (TEXT, RETRY.replace(*change))
    with pytest.raises(BadInputError, match=said):
        beside.method(day.experiments())
    with pytest.raises(BadInputError):
        day.both()
    assert day.loads == []


def crash(queue: str) -> str:
    head, _, tail = TEXT.partition("method:")
    _, _, rest = tail.partition("expectations:")
    step = f"{{name: crash, at: 20s, fault: consumer-crash, args: {{queue: {queue}}}, for: 5s}}"
    return f"{head}method:\n  - {step}\nexpectations:{rest}"


def test_names_that_differ_are_joined_where_the_fault_takes_several(day: Together) -> None:
    day.texts = (crash("orders.work"), crash("payments.work"))
    (step,) = beside.method(day.experiments())
    assert step.args == {"queue": "orders.work,payments.work"}
    day.texts = tuple(text.replace("consumer-crash", "stuck-consumer") for text in day.texts)
    with pytest.raises(BadInputError, match="takes one"):
        beside.method(day.experiments())


def test_other_timers_than_either_presumes_are_refused(day: Together) -> None:
    day.texts = (TEXT, RETRY + "presumes: {net_ticktime_s: 60}\n")
    with pytest.raises(NotReadyError, match="net_ticktime_s"):
        day.both()
    assert day.loads == []
