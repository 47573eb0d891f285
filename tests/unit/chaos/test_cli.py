from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaos import fault as catalogue
from chaos.cli import chaos
from warren.errors import BadInputError, NotReadyError, RefusedError
from warren.runtime.protocol import NodeState


@pytest.fixture
def call(ground: Any) -> Any:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(chaos, arguments, obj=ground.context())

    return invoke


def test_every_fault_is_a_command_and_is_listed(call: Any) -> None:
    listed = call("list").output
    for name in catalogue.names():
        assert name in listed
        assert call(name, "--help").exit_code == 0


def test_kill_leaves_the_node_down_and_says_how_to_heal(ground: Any, call: Any) -> None:
    done = call("kill", "rmq2")
    assert done.exit_code == 0, done.output
    assert "rmq2: kill since" in done.output
    assert "make chaos-heal" in done.output
    assert ground.states() == ["running", "stopped", "running"]


def test_heal_says_what_it_healed_and_when_the_cluster_was_whole(ground: Any, call: Any) -> None:
    call("pause", "rmq2")
    done = call("heal")
    assert "rmq2: healed of pause" in done.output
    assert "the cluster is whole" in done.output
    assert "nothing was broken" in call("heal").output
    assert ground.states() == ["running"] * 3


def test_for_holds_and_heals(ground: Any, call: Any) -> None:
    begun_s = ground.time.seconds
    assert call("kill", "--leader-of", "orders.work", "--for", "1.5m").exit_code == 0
    assert ground.time.seconds - begun_s == pytest.approx(90, abs=2)
    assert ground.states() == ["running"] * 3


def test_options_can_come_from_variables_named_after_them(ground: Any) -> None:
    env = {"WARREN_CHAOS_PAUSE_FOR": "7s", "WARREN_CHAOS_PAUSE_LEADER_OF": "orders.work"}
    begun_s = ground.time.seconds
    done = CliRunner().invoke(
        chaos, ["pause"], obj=ground.context(), env=env, auto_envvar_prefix="WARREN_CHAOS"
    )
    assert done.exit_code == 0, done.output
    assert ground.time.seconds - begun_s == pytest.approx(7, abs=1)


@pytest.mark.parametrize("text", ["", "s", "-3s", "20 s", "1h30", "zwanzig"])
def test_bad_duration_is_wrong_usage(ground: Any, call: Any, text: str) -> None:
    done = call("kill", "rmq2", "--for", text)
    assert done.exit_code == 2
    assert ground.runtime.calls == []


def test_refusal_passes_through_to_the_front_door(ground: Any, call: Any) -> None:
    call("kill", "rmq1")
    assert isinstance(call("kill", "rmq2").exception, RefusedError)
    assert call("kill", "rmq2", "--majority-loss").exit_code == 0
    assert ground.states() == ["stopped", "stopped", "running"]


def test_json_tells_the_same(ground: Any, call: Any, tmp_path: Path) -> None:
    result = tmp_path / "fault.json"
    call("stop", "rmq3", "--set", "grace_s=5", "--json", str(result))
    written = json.loads(result.read_text(encoding="utf-8"))
    assert (written["name"], written["target"], written["args"]) == ("stop", "rmq3", {"grace_s": 5.0})
    call("status", "--json", str(result))
    assert json.loads(result.read_text(encoding="utf-8"))["nodes"]["rmq3"] == "stopped"
    call("heal", "--json", str(result))
    assert json.loads(result.read_text(encoding="utf-8"))["healed"][0]["target"] == "rmq3"
    call("list", "--json", str(result))
    assert [each["name"] for each in json.loads(result.read_text(encoding="utf-8"))] == list(
        catalogue.names()
    )


def test_result_that_could_not_be_written_is_refused_before_the_act(
    ground: Any, call: Any, tmp_path: Path
) -> None:
    refused = call("kill", "rmq2", "--json", str(tmp_path / "no" / "such.json")).exception
    assert isinstance(refused, BadInputError)
    assert refused.where == "--json"
    assert ground.runtime.calls == []


def test_result_that_cannot_be_written_any_more_does_not_hide_what_was_done(
    ground: Any, call: Any, tmp_path: Path
) -> None:
    result = tmp_path / "fault.json"
    ground.runtime.on("kill", result.mkdir)
    done = call("kill", "rmq2", "--json", str(result))
    assert "left as it is until: make chaos-heal" in done.output
    assert isinstance(done.exception, NotReadyError), "the input was good, and something was changed"


@pytest.mark.parametrize("setting", ["grace_s", "grace_s=long", "="])
def test_bad_setting_is_wrong_usage(ground: Any, call: Any, setting: str) -> None:
    done = call("stop", "rmq2", "--set", setting)
    assert done.exit_code == 2 or isinstance(done.exception, BadInputError)
    assert ground.runtime.calls == []


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1"])
def test_setting_that_is_no_amount_is_refused_before_anything_is_journaled(
    ground: Any, call: Any, value: str
) -> None:
    refused = call("stop", "rmq2", "--set", f"grace_s={value}").exception
    assert isinstance(refused, BadInputError)
    assert "grace_s" in str(refused)
    assert ground.runtime.calls == []
    assert ground.journal.read().faults == ()


def test_status_names_the_fault_and_the_way_back(ground: Any, call: Any) -> None:
    assert "no fault is open" in call("status").output
    call("pause", "rmq2")
    shown = call("status").output
    assert "rmq2     paused" in shown
    assert "rmq2: pause since" in shown
    assert "make chaos-heal" in shown


def test_status_of_a_cluster_that_is_down_sends_to_cluster_up(ground: Any, call: Any) -> None:
    for node in ground.runtime.nodes:
        ground.runtime.put(node, NodeState.ABSENT)
    shown = call("status").output
    assert "make cluster-up" in shown
    assert "chaos-heal" not in shown


def test_dry_run_says_whom_it_would_strike_and_touches_nothing(
    ground: Any, call: Any, tmp_path: Path
) -> None:
    result = tmp_path / "plan.json"
    done = call("kill", "--follower-of", "orders.work", "--seed", "3", "--dry-run", "--json", str(result))
    assert done.exit_code == 0, done.output
    assert "would be struck by kill (follower of orders.work in /orders)" in done.output
    assert "seed: 3" in done.output
    written = json.loads(result.read_text(encoding="utf-8"))
    assert (written["fault"], written["seed"]) == ("kill", 3)
    assert len(written["targets"]) == 1
    assert ground.runtime.calls == []
    assert ground.journal.read().faults == ()


def test_dry_run_refuses_what_the_run_would_refuse(ground: Any, call: Any) -> None:
    ground.runtime.put("rmq1", NodeState.STOPPED)
    assert isinstance(call("kill", "rmq2", "--dry-run").exception, RefusedError)


def test_several_faults_are_listed_one_by_one(ground: Any, call: Any, tmp_path: Path) -> None:
    result = tmp_path / "faults.json"
    done = call("disk-alarm", "--all", "--json", str(result))
    assert done.exit_code == 0, done.output
    assert [f"rmq{place}: disk-alarm since" in done.output for place in (1, 2, 3)] == [True] * 3
    assert len(json.loads(result.read_text(encoding="utf-8"))["faults"]) == 3


def test_restart_has_no_target_and_no_hold_and_says_that_it_has_ended(ground: Any, call: Any) -> None:
    assert call("restart", "rmq2").exit_code == 2
    assert call("restart", "--for", "20s").exit_code == 2
    done = call("restart", "--set", "drain=no")
    assert done.exit_code == 0, done.output
    assert "it has ended, and the cluster is whole" in done.output
    assert "chaos-heal" not in done.output


def test_halt_stops_refuses_and_releases(ground: Any, call: Any, tmp_path: Path) -> None:
    call("kill", "rmq2")
    result = tmp_path / "halt.json"
    done = call("halt", "--json", str(result))
    assert done.exit_code == 0, done.output
    assert "rmq2: healed of kill" in done.output
    assert json.loads(result.read_text(encoding="utf-8"))["halted_since"]
    assert isinstance(call("kill", "rmq2").exception, RefusedError)
    assert "chaos is halted since" in call("status").output
    assert "may begin again" in call("halt", "--release").output
    assert "was not halted" in call("halt", "--release").output
    assert call("kill", "rmq2").exit_code == 0


def test_list_is_no_wider_than_a_terminal_and_says_what_is_needed(call: Any) -> None:
    listed = call("list").output
    assert max(len(line) for line in listed.splitlines()) <= 100
    assert "needs RabbitMQ 4.3 or later" in listed


def test_many_processes_are_told_as_a_number(ground: Any, call: Any) -> None:
    ground.runtime.machine("rmq2")["raft"].update({f"vh_{place}": 1 for place in range(20)})
    done = call("kill-member", "rmq2")
    assert "processes of 22" in done.output
