"""A dead-letter worker that waits for answers which nobody owes it: provoked, told from loss, and cured.

The worker of `payments.wait-5s` is told, as an old leader of its target would, that a node leads it which is
none. From then on it has its 32 messages pending for ever; docs/surprises.md has how that comes about.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warren import broker_tools

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

_VHOST, _WAITING, _TARGET = "/orders", "payments.wait-5s", "payments.work"
#: Again and again, for answers of the true leader that are under way turn it back.
_MISLEAD = f"""
Ref = fun(Name) -> rabbit_misc:r(<<"{_VHOST}">>, queue, Name) end,
Source = Ref(<<"{_WAITING}">>),
[Worker] = [Pid || {{_, Pid, _, _}} <- supervisor:which_children(rabbit_fifo_dlx_sup), is_pid(Pid),
            element(2, sys:get_state(Pid)) =:= Source],
Event = {{queue_event, Ref(<<"{_TARGET}">>), {{{{'/orders_{_TARGET}', 'rabbit@nowhere'}}, {{applied, []}}}}}},
[begin gen_server:cast(Worker, Event), timer:sleep(5) end || _ <- lists:seq(1, 200)],
done.
"""


@pytest.mark.full
@pytest.mark.timeout(600)
def test_what_a_dead_letter_worker_holds_is_stuck_and_comes_with_another_leader(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    cluster.purge()
    wanted = ["retry", "--rate", "50", "--duration", "25s", "--purge"]
    for setting in ("consumers.payer.failures=[0.6, 0.4, 0, 0, 0]", "hold_back_s=8", "drain_silence_s=10"):
        wanted += ["--set", setting]
    run, path = cluster.begin_load(wanted, tmp_path)
    cluster.wait_for(lambda: cluster.management.queue(_VHOST, _WAITING).messages, "messages that wait", 120)
    leader = str(cluster.management.queue(_VHOST, _WAITING).leader).removeprefix("rabbit@")
    broker_tools.evaluate(cluster.runtime, leader, _MISLEAD)
    run.wait(timeout=300)

    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["verdict"], found["ledger"]["lost"]) == ("failed", 0), found["reasons"]
    assert found["ledger"]["stuck"] > 0
    assert any(
        why.startswith(f"{found['ledger']['stuck']} confirmed messages were stuck")
        for why in found["reasons"]
    )
    assert any(
        f"{_WAITING}: " in note and "leads it now in place of" in note for note in found["params"]["notes"]
    )
    cluster.wait_for(
        lambda: cluster.management.queue(_VHOST, _WAITING).messages_dlx == 0, "nothing to be held", 30
    )
