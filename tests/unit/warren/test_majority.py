from __future__ import annotations

import pytest

from warren import majority
from warren.errors import NotReadyError
from warren.management_facts import HealthCheck, health_check
from warren.wait import Clock

QUEUES = [{"name": name, "virtual_host": "/orders"} for name in ("orders.work", "orders.vip")]
CRITICAL = {"status": "failed", "reason": "There are quorum queues that would lose", "queues": QUEUES}


class Asked:
    """Answers with each of ``answers`` in turn, the last one for ever; a second passes with each sleep."""

    def __init__(self, *answers: dict[str, object] | NotReadyError) -> None:
        self.answers = list(answers)
        self.now_s = 0.0

    def not_quorum_critical(self, node: str) -> HealthCheck:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, NotReadyError):
            raise answer
        return health_check(node, "node-is-quorum-critical", answer)

    def lost(self) -> str:
        return majority.lost_with(self, "rmq3", clock=Clock(now=lambda: self.now_s, sleep=self._pass))

    def _pass(self, _: float) -> None:
        self.now_s += 1


def test_queue_that_elects_a_leader_is_no_reason() -> None:
    """Seen a moment after the leaders were spread: one answer of many hundred named one queue."""
    asked = Asked(CRITICAL, CRITICAL, {"status": "ok"})
    assert asked.lost() == ""
    assert asked.now_s == 2


def test_nothing_is_waited_for_where_nothing_would_be_lost() -> None:
    asked = Asked({"status": "ok"})
    assert asked.lost() == ""
    assert asked.now_s == 0


def test_what_would_be_lost_is_named_once_it_has_stayed_so() -> None:
    asked = Asked(CRITICAL)
    assert asked.lost() == "queue orders.vip in /orders and 1 more"
    assert asked.now_s == majority.SETTLES_S


@pytest.mark.parametrize("answer", [{"status": "failed", "reason": "metadata store"}, {"status": "failed"}])
def test_reason_stands_where_no_queue_is_named(answer: dict[str, object]) -> None:
    assert Asked(answer).lost() == (answer.get("reason") or "something that the broker does not name")


def test_api_that_cannot_be_asked_is_no_answer() -> None:
    with pytest.raises(NotReadyError, match="does not answer"):
        Asked(CRITICAL, NotReadyError("management API", "does not answer")).lost()
