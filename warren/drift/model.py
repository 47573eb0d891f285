"""What drift is made of: kinds, differences in words that a person reads, and the report over all kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from warren.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK
from warren.objects.steps import Plan


class DriftKind(StrEnum):
    """What is compared, in the order in which it is told; objects are called as the planner calls them."""

    NODE = "node"
    SETTING = "setting"
    LISTENER = "listener"
    FEATURE_FLAG = "feature_flag"
    DEPRECATED_FEATURE = "deprecated_feature"
    VHOST = "vhost"
    VHOST_LIMIT = "vhost_limit"
    USER = "user"
    USER_LIMIT = "user_limit"
    PERMISSION = "permission"
    TOPIC_PERMISSION = "topic_permission"
    POLICY = "policy"
    OPERATOR_POLICY = "operator_policy"
    PARAMETER = "parameter"
    EXCHANGE = "exchange"
    QUEUE = "queue"
    BINDING = "binding"

    @property
    def words(self) -> str:
        """``topic permission``."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as the topology says.

    ``where`` is what a person would call it (``policy orders-work in /orders``), ``what`` the value of it
    that differs, empty where all of it does. ``wanted`` is None for what nobody asked for, ``found`` None for
    what is missing. ``note`` says what a person should know first.
    """

    kind: DriftKind
    where: str
    what: str = ""
    wanted: str | None
    found: str | None
    note: str = ""

    @property
    def line(self) -> str:
        """``policy orders-work in /orders: definition.max-length is 7, wanted 100000``."""
        if self.what:
            told = f"{self.what} is {self.found or 'not there'}, wanted {self.wanted or 'nothing'}"
        elif self.found is None:
            told = "missing"
        else:
            told = f"{self.found}, and nobody asked for it"
        return f"{self.where}: {told}" + (f"  [{self.note}]" if self.note else "")

    def as_result(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "where": self.where,
            "what": self.what or None,
            "wanted": self.wanted,
            "found": self.found,
            "note": self.note or None,
            "line": self.line,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A comparison. ``unread`` says why for each kind that could not be read; no difference is of these.

    ``kinds`` are those that were asked for. ``plan`` holds the objects' part as the planner would mend it.
    """

    user: str
    kinds: tuple[DriftKind, ...]
    differences: tuple[Difference, ...]
    unread: Mapping[DriftKind, str]
    plan: Plan

    @property
    def read(self) -> tuple[DriftKind, ...]:
        """The kinds that were compared."""
        return tuple(kind for kind in self.kinds if kind not in self.unread)

    def of(self, kind: DriftKind) -> tuple[Difference, ...]:
        """The differences of one kind."""
        return tuple(each for each in self.differences if each.kind is kind)

    @property
    def in_sync(self) -> bool:
        """Whether every kind was compared and none differs."""
        return not self.differences and not self.unread

    @property
    def exit_code(self) -> int:
        """1 where anything differs; 4 where nothing does and something could not be read; else 0."""
        if self.differences:
            return EXIT_FAILED
        return EXIT_INCONCLUSIVE if self.unread else EXIT_OK

    def as_result(self) -> dict[str, Any]:
        """For ``--json``: no secret is in it. ``counts`` and ``steps`` are the plan's (objects only)."""
        kinds = {
            kind.value: {
                "read": kind not in self.unread,
                "reason": self.unread.get(kind),
                "differences": [each.as_result() for each in self.of(kind)],
            }
            for kind in self.kinds
        }
        return {**self.plan.as_result(), "in_sync": self.in_sync, "user": self.user, "kinds": kinds}
