"""The matrix' table: every fault has a template whose experiment can be read, every interval its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos import fault as catalogue
from chaos.statistics import templates
from chaos.statistics.templates import Timers
from loadgen import scenario
from loadgen.roles import ConsumerRole
from loadgen.spec import LoadSpec
from warren import checkout, rules
from warren.errors import BadInputError, BadInputsError

TABLE = templates.read()
TIMERS = Timers(poll_s=5.0, tick_s=60.0, hold_s=40.0)


def test_every_fault_has_a_template() -> None:
    assert [name for name in catalogue.names() if name not in TABLE.templates] == []


@pytest.mark.parametrize("name", [each for each in TABLE.templates if each in catalogue.names()])
def test_settings_of_a_template_are_settings_of_its_fault(name: str) -> None:
    own = {"{queue}": "orders.work", "{user}": "orders-worker"}
    args = {key: own.get(str(value), str(value)) for key, value in TABLE.templates[name].args.items()}
    catalogue.arguments(name, catalogue.load(name), args)
    assert not (TABLE.templates[name].target and catalogue.load(name).is_wide)


@pytest.mark.parametrize("template", TABLE.templates.values(), ids=lambda each: each.fault)
def test_every_interval_is_one_and_says_where_it_is_from(template: templates.Template) -> None:
    assert template.expected
    for each in template.expected:
        found = each.interval(TIMERS)
        assert len(found["source"]) > 10, each.figure
        assert 0 <= found.get("low", 0.0) <= found.get("high", 1e9), each.figure


def test_every_alert_is_there() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in rules.files())
    named = {each.alert for each in TABLE.templates.values() if each.alert}
    assert named
    assert [name for name in named if f"alert: {name}\n" not in text] == []


def test_sharpest_faults_are_repeated_ten_times_and_all_others_five() -> None:
    repeats = {name: each.repeats for name, each in TABLE.templates.items()}
    assert [name for name in ("kill", "pause", "partition") if repeats[name] < 10] == []
    assert min(repeats.values()) >= 5


def test_quick_matrix_is_the_one_of_every_change() -> None:
    assert TABLE.extents["quick"].faults == ("kill", "pause", "partition", "disk-alarm", "consumer-crash")
    assert TABLE.extents["quick"].profiles == ("work", "retry")


@pytest.mark.parametrize("profile", TABLE.profiles.values(), ids=lambda each: each.name)
def test_profiles_queue_is_the_first_that_its_consumers_take_from(profile: templates.Profile) -> None:
    found = scenario.load(profile.name, {})
    first = next(role for role in found.roles if isinstance(role, ConsumerRole))
    assert (profile.vhost, profile.queue, profile.user) == (found.vhost, first.queue, first.user)


@pytest.mark.parametrize("extent", TABLE.extents.values(), ids=TABLE.extents.keys())
def test_settings_of_profiles_can_be_read(extent: templates.Extent) -> None:
    for name in extent.profiles:
        settings = {key: str(value) for key, value in extent.settings.get(name, {}).items()}
        scenario.load(name, {**settings, "rate": "50", "duration": "20"})


def test_heartbeat_is_that_of_the_load() -> None:
    default = LoadSpec.__dataclass_fields__["heartbeat_s"].default
    assert default == templates.BEAT_S


def test_intervals_follow_the_timers() -> None:
    """What the two settings of the first exhibit expect of a frozen leader."""
    pause = next(e for e in TABLE.templates["pause"].expected if e.figure == "confirm_gap_s")
    slow, fast = (pause.interval(Timers(poll_s=poll, tick_s=60)) for poll in (5.0, 1.0))
    assert (slow["low"], slow["high"]) == (4.0, 31.0)
    assert (fast["low"], fast["high"]) == (0.8, 23.0)


def test_timers_add_up() -> None:
    assert TIMERS.of({"poll": 2, "tick": 0.5, "beat": 1, "hold": 0.1, "plus": 3}) == 10 + 30 + 5 + 4 + 3


GOOD = """
schema: 1
profiles: [{name: work, vhost: /orders, queue: orders.work, user: orders-worker, rate_per_s: 200}]
full: {profiles: [work], lead_s: 10, after_s: 20}
brief: {profiles: [work], lead_s: 5, after_s: 5}
quick: {faults: [kill], profiles: [work], lead_s: 4, after_s: 8}
sources: {closed: "the connection closed"}
faults:
  - name: kill
    hold_s: 40
    expect: [{figure: confirm_gap_s, low: 0.1, high: {poll: 2, plus: 1}, source: closed}]
"""


def read(tmp_path: Path, text: str) -> templates.Table:
    path = tmp_path / "templates.yml"
    path.write_text(text, encoding="utf-8")
    return templates.read(path)


def test_sources_are_shared(tmp_path: Path) -> None:
    (expected,) = read(tmp_path, GOOD).templates["kill"].expected
    assert expected.interval(TIMERS) == {"low": 0.1, "high": 11.0, "source": "the connection closed"}


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("low: 0.1, high: {poll: 2, plus: 1}, ", "", "expect[0].high"),
        ("{poll: 2, plus: 1}", "{pole: 2}", "expect[0].high"),
        ("{poll: 2, plus: 1}", "soon", "expect[0].high"),
        ("figure: confirm_gap_s", "figure: confirm_gap", "expect[0].figure"),
        (", source: closed", "", "expect[0].source"),
        ("hold_s: 40", "hold: 40", "faults[kill].hold_s"),
        ("faults: [kill]", "faults: [kil]", "quick.faults"),
        ("full: {profiles: [work]", "full: {profiles: [wrk]", "full.profiles"),
    ],
)
def test_faults_of_the_file_are_named(tmp_path: Path, old: str, new: str, where: str) -> None:
    assert old in GOOD
    with pytest.raises(BadInputsError) as refused:
        read(tmp_path, GOOD.replace(old, new))
    assert where in str(refused.value)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadInputError, match="--faults: the matrix knows no 'kil'"):
        TABLE.choose_faults(["kill", "kil"])
    with pytest.raises(BadInputError, match="--profiles"):
        TABLE.choose_profiles(["wrk"])
    assert [each.fault for each in TABLE.choose_faults(["pause", "kill", "pause"])] == ["pause", "kill"]


def test_table_is_shipped_with_the_wheel() -> None:
    assert templates.FILE == checkout.ROOT / "chaos" / "statistics" / "templates.yml"
