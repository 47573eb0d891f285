"""The commands as they are typed, where no cluster is needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaos.record import GameDay
from chaos.record_file import FOLDER
from chaos.statistics import matrix, running
from chaos.statistics.store import Store, Turn
from warren import checkout
from warren.cli import root
from warren.errors import BadInputError, StoppedError

MakeDay = Callable[..., GameDay]
TOPOLOGY = ["--topology", str(checkout.ROOT / "deploy" / "topology.yml")]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WARREN_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "warren" / FOLDER


def warren(*words: str) -> Result:
    return CliRunner().invoke(root, ["chaos", *words, *TOPOLOGY])


def test_plan_of_a_matrix_says_every_cell(state: Path) -> None:
    done = warren("matrix", "--plan", "--faults", "kill, pause", "--profiles", "work", "--repeats", "2")
    assert done.exit_code == 0, done.output
    assert "kill-work" in done.output
    assert "confirm gap 4 to 31 s" in done.output
    assert "4 runs" in done.output
    assert not list(state.glob("*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--faults", "kil"], "the matrix knows no 'kil'"),
        (["--profiles", "wrk"], "the matrix knows no 'wrk'"),
        (["--quick", "--brief"], "two different matrices"),
    ],
)
def test_unknown_names_are_refused_before_anything(state: Path, words: list[str], said: str) -> None:
    done = warren("matrix", *words)
    assert isinstance(done.exception, BadInputError)
    assert said in str(done.exception)
    assert not list(state.glob("*"))


def grid_of(state: Path, folder: str, *days: GameDay, **plan: object) -> None:
    store = Store(state / folder / running.RECORDS)
    store.path.parent.mkdir(parents=True)
    method = [{"name": "strike", "fault": "kill", "for": 40}]
    experiment = {"load": {"profile": "work"}, "method": method, "expectations": {}}
    store.begin({"seed": 1, "facts": {"nodes": 3}, "experiments": {"kill-work": experiment}, **plan})
    for number, day in enumerate(days):
        store.keep(Turn(cell="kill-work", repeat=number, seed=day.seed), day)


def test_grid_of_two_clusters_counts_the_days_of_both(state: Path, make_day: MakeDay, tmp_path: Path) -> None:
    grid_of(state, "matrix-1", make_day("a", confirm=0.4), make_day("b", confirm=0.6))
    grid_of(state, "matrix-2", make_day("c", confirm=0.5), seed=2)
    done = warren("grid", "matrix-1", "matrix-2", "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert "3 of 3 runs (3 passed); lost 0 of 3,000, 0 of 3 days" in done.output
    found = json.loads((tmp_path / "out" / "matrix.json").read_text(encoding="utf-8"))
    assert [run["run_id"] for run in found["cells"][0]["runs"]] == ["a", "b", "c"]
    assert (tmp_path / "out" / "matrix.html").is_file()


def test_grid_refuses_another_cluster_another_experiment_and_a_day_given_twice(
    state: Path, make_day: MakeDay
) -> None:
    grid_of(state, "matrix-1", make_day("a"))
    grid_of(state, "five-nodes", make_day("b"), facts={"nodes": 5})
    grid_of(state, "copy", make_day("a"))
    other = {"load": {"profile": "work"}, "method": [{"fault": "kill", "for": 20}]}
    grid_of(state, "short", make_day("c"), experiments={"kill-work": other})
    for name, said in (
        ("five-nodes", "was made with facts"),
        ("copy", "has the record a once more"),
        ("short", "has another experiment called kill-work"),
    ):
        done = warren("grid", "matrix-1", name)
        assert isinstance(done.exception, BadInputError)
        assert said in str(done.exception)
        assert "--resume" not in str(done.exception)  # it has none


@pytest.mark.parametrize("together", [True, False])
def test_matrix_goes_on_as_it_was_begun_at_once_or_apart(state: Path, together: bool) -> None:
    facts = {"together": ["work", "retry"]} if together else {}
    Store(state / "matrix-1" / running.RECORDS).path.parent.mkdir(parents=True)
    Store(state / "matrix-1" / running.RECORDS).begin({"what": "matrix", "seed": 7, "facts": facts})
    done = warren("matrix", "--plan", "--resume", "--faults", "kill", "--repeats", "2")
    assert ("2 runs, of 4 cells" in done.output) is together, done.output
    assert ("4 runs" in done.output) is not together


def test_profiles_that_share_a_queue_are_not_run_at_once(state: Path) -> None:
    words = ["matrix", "--plan", "--faults", "kill", "--profiles", "work,priority"]
    done = warren(*words, "--together")
    assert isinstance(done.exception, BadInputError)
    assert "work and priority both use orders.failed" in str(done.exception)
    assert warren(*words).exit_code == 0
    assert warren(*words, "--quick", "--apart").exit_code == 0
    assert isinstance(warren(*words, "--quick").exception, BadInputError)


@pytest.mark.parametrize("words", [["--faults", "kill,,pause"], ["--repeats", "0"], ["--budget", "soon"]])
def test_words_that_mean_nothing_are_refused(state: Path, words: list[str]) -> None:
    assert warren("matrix", *words).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--budget", "5m"],
        ["--resume"],
        ["--repeat", "3", "--dry-run"],
        ["--repeat", "3", "--out", "somewhere"],
        ["--repeat", "0"],
        ["--beside", "leader-paused", "--repeat", "3"],
        ["--beside", "leader-paused", "--dry-run"],
    ],
)
def test_options_of_repeats_and_of_one_game_day_do_not_mix(state: Path, words: list[str]) -> None:
    done = warren("run", "leader-killed", *words)
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 2, done.output


def test_two_matrices_are_compared_by_their_names(state: Path, make_day: MakeDay, tmp_path: Path) -> None:
    for name, poll_ms, gap_s in (("matrix-1", 5000, 7.0), ("matrix-2", 1000, 2.0)):
        store = Store(state / name / running.RECORDS)
        with store.alone():
            store.begin({"facts": {"poll_ms": poll_ms}, "experiments": {"pause-work": {"for": 40}}})
            for number in range(4):
                day = make_day(f"{name}-{number}", confirm=gap_s + number / 10)
                store.keep(Turn(cell="pause-work", repeat=number, seed=number), day)
    out, page = tmp_path / "out.json", tmp_path / "out.md"
    done = warren("compare", "matrix-1", "matrix-2", "--json", str(out), "--markdown", str(page))
    assert done.exit_code == 0, done.output
    assert "they differ in poll_ms: 5000 / 1000" in done.output
    assert json.loads(out.read_text(encoding="utf-8"))["cells"][0]["rows"][0]["meaning"] == "better"
    assert "### pause-work" in page.read_text(encoding="utf-8")
    assert isinstance(warren("compare", "matrix-1", "matrix-1").exception, BadInputError)
    assert isinstance(warren("compare", "matrix-1", "matrix-3").exception, BadInputError)


def test_repeats_are_handed_on_as_they_were_typed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, object]] = []

    def stand_in(context: object, name: str, **options: object) -> int:
        given.append({"name": name, **options})
        return 4

    monkeypatch.setattr("chaos.cli.repeat", stand_in)
    words = ["--repeat", "3", "--budget", "10m", "--seed", "5", "--set", "load.rate=20", "--resume"]
    done = CliRunner().invoke(
        root, ["chaos", "run", "leader-killed", *words, *TOPOLOGY], standalone_mode=False
    )
    assert done.return_value == 4, done.output
    (found,) = given
    assert (found["name"], found["times"], found["budget_s"], found["seed"]) == ("leader-killed", 3, 600.0, 5)
    assert (found["settings"], found["resume"], found["json_path"]) == ({"load.rate": "20"}, True, None)


def test_resumed_matrix_goes_on_with_its_own_seed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[running.Order] = []

    def stand_in(order: running.Order, *rest: object, **more: object) -> None:
        orders.append(order)
        raise StoppedError("test", "ends here")

    monkeypatch.setattr("chaos.statistics.cli.running.run_matrix", stand_in)
    monkeypatch.setattr("chaos.statistics.cli.wiring.missing", lambda _context: matrix.absent)  # no cluster
    warren("matrix", "--faults", "kill", "--resume", "--seed", "9")
    assert orders[0].seed == 9  # there is none to be resumed: one is begun
    store = Store(orders[0].folder / running.RECORDS)
    with store.alone():
        store.begin({"seed": 9})
    warren("matrix", "--faults", "kill", "--resume")
    warren("matrix", "--faults", "kill", "--quick", "--resume")
    warren("matrix", "--faults", "kill")
    assert [each.seed for each in orders] == [9, 9, 1, 1]
    assert orders[1].folder == orders[0].folder
    assert orders[2].folder.name.startswith(running.PREFIXES["quick"])
    assert {cell.repeats for cell in orders[2].cells} == {1}
