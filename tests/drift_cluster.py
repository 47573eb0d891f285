"""The management API of a cluster that has what a topology asks for, with the answers of a live 4.3.6."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tests.unit.warren.test_plan import broker_of
from warren.management_errors import UnreachableError, refusal
from warren.topology import Topology

_RECORDED = Path(__file__).parent / "unit" / "warren" / "recorded" / "drift.json"
#: Lists that leave out what is in a virtual host that their reader may not enter.
_ONLY_ENTERED = ("exchanges", "queues", "bindings", "policies", "operator-policies", "parameters")


class RecordedCluster:
    """Answers ``user`` as the broker does: an administrator called operator, or one tagged monitoring.

    ``tables`` may be edited. ``hidden`` are virtual hosts that the user may not enter, ``broken`` the status
    with which a path answers, ``silent`` whether anybody answers; ``asked`` are the paths in their order.
    """

    def __init__(self, topology: Topology, user: str = "operator") -> None:
        self._recorded = json.loads(_RECORDED.read_text(encoding="utf-8"))
        self.user, self.silent = user, False
        self.hidden: set[str] = set()
        self.broken: dict[str, int] = {}
        self.asked: list[str] = []
        objects = broker_of(topology).tables
        self.tables: dict[str, Any] = {**objects, **copy.deepcopy(self._recorded)}
        self.tables["whoami"] = self._recorded["whoami"].get(user, {"name": user, "tags": ["monitoring"]})
        self.refused = {} if user == "operator" else dict(self._recorded["refused to monitoring"])

    def get(self, *path: str, **_: Any) -> Any:
        name = "/".join(path)
        self.asked.append(name)
        where = f"rmq1 GET /api/{name}"
        if self.silent:
            raise UnreachableError(where, "no connection to rmq1:15671", sent=False)
        if name in self.refused:
            raise refusal(where, 401, json.dumps(self.refused[name]).encode(), self.user)
        if name in self.broken:
            raise refusal(where, self.broken[name], b'{"reason": "made to fail"}', self.user)
        answer = copy.deepcopy(self.tables[name])
        if name in _ONLY_ENTERED:
            return [row for row in answer if row["vhost"] not in self.hidden]
        return answer

    def row(self, table: str, **match: Any) -> Any:
        """The one row of ``table`` with these values, to be edited."""
        (found,) = [
            row for row in self.tables[table] if all(row.get(key) == value for key, value in match.items())
        ]
        return found

    def listener(self, node: str, protocol: str) -> Any:
        (found,) = [
            row
            for row in self.tables["overview"]["listeners"]
            if (row["node"], row["protocol"]) == (node, protocol)
        ]
        return found
