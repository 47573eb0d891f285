"""A load run in a process of its own: heard second by second, ended in order or by force."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadgen.child import Child, Wish, plan, profiles, refuse_clash
from loadgen.progress import Lines
from warren import checkout
from warren.errors import BadInputError, DeadlineError, NotReadyError
from warren.topology_reader import load

SAYS = """
import json, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
print("this is for people")
print(json.dumps({"type": "note", "text": "worker-0 connected"}))
print(json.dumps({"type": "progress", "t_s": 3, "confirmed": 7}), flush=True)
print("its last words", file=sys.stderr, flush=True)
time.sleep(float(sys.argv[1]))
sys.exit(4)
"""


def child(sleeps_s: float, heard: list[str] | None = None, says: str = SAYS) -> Child:
    return Child([sys.executable, "-c", says, str(sleeps_s)], {}, ([] if heard is None else heard).append)


def test_what_it_says_is_heard_and_its_status_told() -> None:
    heard: list[str] = []
    run = child(0, heard)
    assert run.wait(20) == 4
    assert run.ended
    assert heard == ["worker-0 connected"]
    assert run.last == {"type": "progress", "t_s": 3, "confirmed": 7}
    assert run.publishing.is_set()
    assert run.words == "its last words"


def test_interrupt_ends_it_in_order() -> None:
    run = child(60)
    assert run.publishing.wait(20)
    with pytest.raises(DeadlineError, match=r"still ran after 0\.1 s"):
        run.wait(0.1)
    run.interrupt()
    assert run.wait(20) == 130


def test_held_one_says_that_it_is_ready_and_goes_on_when_it_is_released() -> None:
    held = 'print(json.dumps({"type": "ready"}), flush=True); sys.stdin.read()'
    run = child(0, says=SAYS.replace('print("this is for people")', held))
    assert run.ready.wait(20)
    assert not run.publishing.wait(0.3)
    run.release()
    assert run.publishing.wait(20)
    assert run.wait(20) == 4


def test_one_that_is_deaf_is_killed() -> None:
    run = child(60, says=SAYS.replace("lambda *_: sys.exit(130)", "signal.SIG_IGN"))
    assert run.publishing.wait(20)
    run.kill(within_s=0.2)
    assert run.ended
    assert run.wait(5) == 137


def test_program_that_is_not_there_is_told() -> None:
    with pytest.raises(NotReadyError, match="cannot be started"):
        Child(["/no/such/program"], {}, lambda _: None)


def test_wish_is_said_as_a_user_would_type_it(tmp_path: Path) -> None:
    wish = Wish(profile="work", rate="50", duration="9s", settings={"consumers.worker.count": "1"}, seed=7)
    said = " ".join(wish.arguments(tmp_path / "out.json"))
    assert said == (
        "load run work --purge --events --seed 7 --rate 50 --duration 9s --set consumers.worker.count=1"
        f" --json {tmp_path / 'out.json'}"
    )


def test_held_wish_says_so(tmp_path: Path) -> None:
    assert "--held" in Wish(profile="work", held=True).arguments(tmp_path / "out.json")
    assert "--held" not in Wish(profile="work").arguments(tmp_path / "out.json")


def test_wish_says_where_clients_attach(tmp_path: Path) -> None:
    said = Wish(profile="work", attach=("rmq3", "rmq1")).arguments(tmp_path / "out.json")
    assert said[said.index("--attach") + 1] == "rmq3,rmq1"


def test_wish_that_cannot_be_is_refused_before_it_runs() -> None:
    assert plan(Wish(profile="work", duration="9s")).duration_s == 9
    assert plan(Wish(profile="mixed", duration="70s", rate="50")).duration_s == 70
    assert {"work", "mixed"} <= set(profiles())
    with pytest.raises(BadInputError):
        plan(Wish(profile="wrok"))
    with pytest.raises(BadInputError):
        plan(Wish(profile="work", settings={"consumers.wroker.count": "1"}))


def test_events_are_lines_of_json() -> None:
    written: list[str] = []
    with Lines(written.append) as view:
        view.show({"type": "note", "text": "hello"})
    assert written == ['{"type":"note","text":"hello"}']


def test_runs_beside_each_other_say_so_and_must_share_no_queue() -> None:
    topology = load(checkout.path("deploy", "topology.yml"))
    work, retry = Wish(profile="work", beside=True), Wish(profile="retry", beside=True)
    assert "--beside" in work.arguments(Path("out.json"))
    refuse_clash([work, retry], topology)
    with pytest.raises(BadInputError, match=r"work and work both use orders"):
        refuse_clash([work, work], topology)
    with pytest.raises(BadInputError, match="several profiles at once"):
        refuse_clash([work, Wish(profile="mixed")], topology)
