"""Files as nobody should write them: refused with a place, in little time and memory, and nothing is changed.

What a fault is between the parts of a topology is test_topology's; here it is what is no topology at all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warren import cli
from warren.bounded import is_slow, short
from warren.errors import BadInputError
from warren.importing import engine
from warren.importing.engine import bring_in
from warren.importing.rows import read
from warren.topology_reader import loads

from . import bad_files

ROOT = Path(__file__).parents[3]
DEPLOYED = ROOT / "deploy" / "topology.yml"
#: Of processor time, for one file: the longest is that of a pattern that would never end, stopped after one.
MOST_CPU_S = 15

_BASE = DEPLOYED.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, Any]]:
    """What a process of little memory said of every bad file."""
    folder = tmp_path_factory.mktemp("bad")
    bad_files.write(folder, _BASE)
    done = subprocess.run(
        [sys.executable, bad_files.__file__, str(folder)],
        capture_output=True, text=True, timeout=250, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    found = {row["file"]: row for row in map(json.loads, done.stdout.splitlines())}
    wanted = len(bad_files.TOPOLOGIES) + len(bad_files.EXPORTS)
    assert len(found) == wanted, f"status {done.returncode} after {len(found)}: {done.stderr[-2000:]}"
    return found


def _is_refused(answer: Mapping[str, Any], place: str, said: str) -> None:
    assert answer["code"] == 2, answer
    assert answer["out"] == ""
    assert answer["err"].startswith(f"warren: {place}")
    assert said in answer["err"]
    assert "Traceback" not in answer["err"]
    assert "\n  try: " in answer["err"]
    assert len(answer["err"]) < 40_000
    assert answer["left"] == [place]
    assert answer["cpu_s"] < MOST_CPU_S


@pytest.mark.parametrize("kind", bad_files.TOPOLOGIES)
def test_bad_topology_is_refused_with_a_place(answers: Mapping[str, Any], kind: str) -> None:
    place, (spoil, said) = list(bad_files.TOPOLOGIES).index(kind), bad_files.TOPOLOGIES[kind]
    _is_refused(answers[f"t{place}"], "bad.yml", said.replace("LINE", str(_first_change(spoil(_BASE)))))


def _first_change(text: str) -> int:
    """The line, counted from 1, in which ``text`` begins to differ from the topology that is deployed."""
    pairs = zip(text.splitlines(), _BASE.splitlines(), strict=False)
    return next((line for line, (is_now, was) in enumerate(pairs, 1) if is_now != was), 0)


@pytest.mark.parametrize("kind", bad_files.EXPORTS)
def test_bad_export_is_refused_with_a_place(answers: Mapping[str, Any], kind: str) -> None:
    place = list(bad_files.EXPORTS).index(kind)
    _is_refused(answers[f"e{place}"], "bad.json", bad_files.EXPORTS[kind][1])


@pytest.mark.parametrize(
    "command",
    [
        "cluster up", "cluster status", "cluster destroy", "topology apply --yes", "topology plan",
        "topology diff", "chaos heal", "load run work",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["key twice", "aliases for a name", "truncated in a mapping"])
def test_no_command_does_anything_with_a_bad_topology(
    kind: str,
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even a state folder is made, and no engine is asked."""
    path = tmp_path / "bad.yml"
    built = bad_files.TOPOLOGIES[kind][0](_BASE)
    path.write_text(str(built), encoding="utf-8")
    monkeypatch.setenv("WARREN_TOPOLOGY", str(path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        cli.main(command.split())
    assert ended.value.code == 2
    assert str(path) in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["bad.yml"]


def test_import_that_cannot_be_written_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "made.yml"

    class Full:
        def __enter__(self) -> Full:
            target.touch()
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def write(self, _text: str) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda *_a, **_k: Full())
    with pytest.raises(BadInputError, match="No space left"):
        engine.write(target, "text")
    assert not target.exists()


def test_few_aliases_are_as_good_as_what_they_stand_for() -> None:
    anchored = _BASE.replace("limits: {max-queues: 200}", "limits: &most {max-queues: 9}", 1)
    again = anchored.replace("limits: {max-queues: 200}", "limits: *most", 1)
    assert [dict(vhost.limits) for vhost in loads(again).vhosts] == [{"max-queues": 9}] * 2


@pytest.mark.timeout(120)
def test_thousands_of_queues_are_read_in_seconds() -> None:
    """What was looked up for each pair of queues is looked up once for each queue."""
    names = [f"q{n}" for n in range(3000)]
    letters = {"x-dead-letter-exchange": "dead"}
    export = {
        "vhosts": [{"name": "/"}],
        "exchanges": [{"name": each, "vhost": "/", "type": "fanout"} for each in ("in", "dead")],
        "queues": [
            *({"name": name, "vhost": "/", "arguments": letters} for name in names),
            *({"name": f"dead{n}", "vhost": "/"} for n in range(10)),
        ],
        "bindings": [
            {
                "source": source,
                "vhost": "/",
                "destination": name,
                "destination_type": "queue",
                "routing_key": "",
            }
            for source, queues in (("in", names), ("dead", [f"dead{n}" for n in range(10)]))
            for name in queues
        ],
    }
    found = bring_in(read(json.dumps(export), "many.json"), engine.like(DEPLOYED), cluster="many")
    assert len(found.topology.vhost("/").queues) == 3010


def test_pattern_is_slow_only_where_it_is() -> None:
    names = ["a" * 60 + ".b", "orders.work"]
    assert is_slow("^(a|aa)+$", names, seconds=0.05)
    assert not is_slow(r"^orders\.", names, seconds=0.05)


def test_pattern_is_not_tried_where_it_could_not_be_stopped() -> None:
    found: list[bool] = []
    thread = threading.Thread(
        target=lambda: found.append(is_slow("^(a|aa)+$", ["a" * 60 + "b"])), daemon=True
    )
    thread.start()
    thread.join(10)
    assert found == [False]


def test_long_value_is_shown_by_its_ends() -> None:
    assert short("x" * 1000).startswith("'xxx")
    assert len(short(["x" * 1000] * 1000)) < 1000
    assert short("orders") == "'orders'"


# -- fuzzing of the text itself; what well-formed files hold is test_topology's and test_importing's ---------

_BITS = st.sampled_from(
    [
        "\t", "\0", "\ufeff", "\x85", "\u2028", "&a ", "*a", "<<: *a", "!!int ", "!!binary ", "- ", "? ",
        ": ", "[", "]", "{", "}", "'", '"', "|", ">", "%", "@", "`", "#", "---\n", "...\n", "\n", "\r",
        "  ", "~", "1e999", ".inf", "-0", "0x7fffffffffffffff", "9" * 25, "2001-01-01", "true", "null", "=",
        "\ud7ff", "😀",
    ]
)  # fmt: skip
_FUZZ = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
#: The deployed topology with one vhost: a quarter of the time.
_SMALL = _BASE[: _BASE.index("  - name: /orders")] + _BASE[_BASE.index("  - name: /users") :]


def _spoilt(data: st.DataObject, text: str) -> str:
    """``text`` with some bits put in, some cut out, some said twice, and perhaps not to its end."""
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(text) - 1, 0)))
        end = at + data.draw(st.sampled_from([0, 0, 1, 3, 40, 400]))
        what = data.draw(st.sampled_from(["in", "in", "over", "out", "twice", "end"]))
        if what == "end":
            text = text[:at]
        elif what == "twice":
            text = text[:end] + text[at:]
        else:
            bit = "" if what == "out" else data.draw(_BITS | st.text(max_size=3))
            text = text[:at] + bit + text[at if what == "in" else end :]
    return text


def _has_places(error: BadInputError, name: str) -> None:
    for fault in getattr(error, "faults", (error,)):
        assert fault.where.startswith(name), str(error)
        assert fault.what


@_FUZZ
@given(st.data())
def test_spoilt_topology_is_read_or_refused_with_a_place(data: st.DataObject) -> None:
    try:
        loads(_spoilt(data, _SMALL), "odd.yml")
    except BadInputError as error:
        _has_places(error, "odd.yml")


@_FUZZ
@given(st.data())
def test_spoilt_export_is_taken_or_refused_with_a_place(data: st.DataObject) -> None:
    whole = (Path(__file__).parent / "exports" / "4.1-one-vhost.json").read_text(encoding="utf-8")
    vhost = data.draw(st.sampled_from(["/", ""]))
    try:
        export = read(_spoilt(data, whole), "odd.json", vhost=vhost)
        found = bring_in(export, engine.like(DEPLOYED), cluster="odd")
    except BadInputError as error:
        _has_places(error, "odd.json")
    else:
        assert loads(found.text)


_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
_LISTS = (
    "vhosts", "users", "permissions", "topic_permissions", "parameters", "global_parameters", "policies",
    "exchanges", "queues", "bindings", "metadata", "limits", "rabbitmq_version",
)  # fmt: skip


@_FUZZ
@given(
    st.dictionaries(st.sampled_from(_LISTS), _ANY | st.lists(_ANY, max_size=3), max_size=4),
    st.sampled_from(["", "/", "/a", "a b", "\0"]),
)
def test_any_json_is_taken_or_refused_with_a_place(document: Any, vhost: str) -> None:
    try:
        bring_in(read(json.dumps(document), "any.json", vhost=vhost), engine.like(DEPLOYED), cluster="any")
    except BadInputError as error:
        _has_places(error, "any.json")
