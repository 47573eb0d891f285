"""Brings translated data to where the topology's checks pass: what cannot be kept as it was is changed or
left out, one fault after the other, and told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from warren.errors import BadInputError, BadInputsError
from warren.importing.notes import Note, What
from warren.topology import Topology
from warren.topology_reader import from_data
from warren.topology_settings import compile_fault

#: One mending brings the next to light: what is bound to a queue that was left out, say.
_ROUNDS = 60
_PATH = re.compile(r"(users|vhosts)\[([^\]]*)\](?:\.(\w+))?(?:\[([^\]]*)\])?(?:\.(.+))?")
_DEAD_LETTERS = ("dead-letter-exchange", "dead-letter-routing-key", "dead-letter-strategy")
_TOO_SMALL = re.compile(r"(max-length|max-length-bytes) \d+ is less than")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """Where a fault is: ``row`` of the list ``rows``, and the key path within it. ``vhost`` is the row's."""

    fault: BadInputError
    path: str
    rows: list[dict[str, Any]]
    row: dict[str, Any]
    vhost: dict[str, Any]
    kind: str
    key: str

    @property
    def name(self) -> str:
        said = self.row.get("name") or self.row.get("user")
        if said is None:
            said = f"{self.row.get('source')} -> {self.row.get('queue') or self.row.get('exchange')}"
        place = f" in {self.vhost['name']}" if self.vhost is not self.row and self.vhost else ""
        return f"{said}{place}"


def mended(data: dict[str, Any], notes: list[Note], *, name: str) -> Topology:
    """The topology that ``data`` says once every fault is out of it; ``data`` is changed, and each change is
    added to ``notes``. Raises BadInputsError with the faults that nothing here can mend."""
    for _ in range(_ROUNDS):
        try:
            return from_data(data, name)
        except BadInputsError as error:
            faults = error.faults
        spots = [spot for fault in faults if (spot := _spot(data, fault, name)) is not None]
        if not spots:
            raise BadInputsError(faults)
        done: set[int] = set()
        for spot in spots:
            if id(spot.row) in done or all(each is not spot.row for each in spot.rows):
                continue  # mended in this round: look again first
            if _is_negative(spot) and spot.row["priority"] >= 0:
                continue  # lifted with another of the list
            done.add(id(spot.row))
            what, why = _mend(spot)
            notes.append(Note(what=what, place=spot.path, name=spot.name, why=why))
    raise BadInputsError(faults)


def _spot(data: dict[str, Any], fault: BadInputError, name: str) -> _Spot | None:
    path = fault.where.removeprefix(f"{name}:")
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    top, first, kind, second, key = found.groups()
    row = _pick(data.get(top) or [], first)
    if row is None:
        return None
    vhost = row if top == "vhosts" else {}
    if second is None or not isinstance(row.get(kind), list):
        inner = ".".join(part for part in (kind, key) if part)
        return _Spot(fault=fault, path=path, rows=data[top], row=row, vhost=vhost, kind=top, key=inner)
    item = _pick(row[kind], second, lambda each: _is_told(each, fault, key or ""))
    if item is None:
        return None
    return _Spot(fault=fault, path=path, rows=row[kind], row=item, vhost=vhost, kind=kind, key=key or "")


def _pick(
    rows: list[dict[str, Any]], said: str, meant: Callable[[dict[str, Any]], bool] = lambda _: False
) -> dict[str, Any] | None:
    """The row of this name or of this user (of several the one that is ``meant``, else the last), or the one
    at this place."""
    named = [each for each in rows if said == each.get("name", each.get("user"))]
    topics = [
        each for each in rows if "exchange" in each and said == f"{each.get('user')} on {each['exchange']}"
    ]
    if named or topics:
        return next((each for each in named if meant(each)), (named or topics)[-1])
    return rows[int(said)] if said.isdigit() and int(said) < len(rows) else None


def _is_told(row: dict[str, Any], fault: BadInputError, key: str) -> bool:
    """Whether a topic permission, one of several of its user, is the one of the fault."""
    pattern = row.get(key)
    broken = key in ("write", "read") and isinstance(pattern, str) and bool(compile_fault(pattern))
    return broken or (key == "exchange" and f"'{row.get('exchange')}'" in fault.what)


def _mend(spot: _Spot) -> tuple[What, str]:
    """Change or leave out what is at ``spot``; returns what was done and why."""
    for fits, act in _RULES:
        if fits(spot):
            return act(spot)
    spot.rows[:] = [each for each in spot.rows if each is not spot.row]
    return What.LEFT_OUT, spot.fault.what


def _settings_key(spot: _Spot) -> bool:
    return re.fullmatch(r"(arguments|definition|limits)\..+", spot.key) is not None


def _drop_setting(spot: _Spot) -> tuple[What, str]:
    table, _, key = spot.key.partition(".")
    value = spot.row[table].pop(key, None)
    if key.removeprefix("x-") == "dead-letter-exchange":
        for other in _DEAD_LETTERS[1:]:
            spot.row[table].pop(other, None)
    return What.LEFT_OUT, f"{key} of {value!r}: {spot.fault.what}{_of_the_broker(value)}"


def _of_the_broker(value: Any) -> str:
    own = isinstance(value, str) and value.startswith("amq.")
    return " (the broker's own exchanges are not said in a topology)" if own else ""


def _is_tie(spot: _Spot) -> bool:
    return spot.key == "priority" and "at the same priority" in spot.fault.what


def _break_tie(spot: _Spot) -> tuple[What, str]:
    spot.row["priority"] += 1
    return (
        What.CHANGED,
        f"{spot.fault.what}, and the broker does not say which held: its priority is one more now",
    )


def _is_negative(spot: _Spot) -> bool:
    return spot.key == "priority" and "out of range" in spot.fault.what


def _lift_all(spot: _Spot) -> tuple[What, str]:
    least = min(each["priority"] for each in spot.rows)
    for each in spot.rows:
        each["priority"] -= least
    return (
        What.CHANGED,
        f"a priority of {least} cannot be said: all here are {-least} more, their order is the same",
    )


def _is_queue(words: str) -> Callable[[_Spot], bool]:
    return lambda spot: spot.kind == "queues" and not spot.key and words in spot.fault.what


def _without(keys: tuple[str, ...]) -> Callable[[_Spot], tuple[What, str]]:
    def act(spot: _Spot) -> tuple[What, str]:
        tables = [(spot.row["arguments"], "x-")]
        tables += [(each["definition"], "") for each in _holding(spot, "policies")]
        tables += [(each["definition"], "") for each in _holding(spot, "operator_policies")]
        gone = [
            table.pop(f"{prefix}{key}")
            for key in keys
            for table, prefix in tables
            if f"{prefix}{key}" in table
        ]
        own = _of_the_broker(gone[0] if gone else None)
        return What.CHANGED, f"{spot.fault.what}: it goes without {', '.join(keys)}{own}"

    return act


def _holding(spot: _Spot, kind: str) -> list[dict[str, Any]]:
    """The policy of this kind that holds for the queue at ``spot``, the one of greatest priority, or none."""
    kinds = ("all", "queues", "streams" if spot.row["type"] == "stream" else f"{spot.row['type']}_queues")
    fitting = [
        each
        for each in spot.vhost[kind]
        if each["apply_to"] in kinds and re.search(each["pattern"], spot.row["name"])
    ]
    return sorted(fitting, key=lambda each: -int(each["priority"]))[:1]


def _raise_limit(spot: _Spot) -> tuple[What, str]:
    key = str((_TOO_SMALL.match(spot.fault.what) or [""] * 2)[1])
    wanted = int(re.search(r"raise it to (\d+)", spot.fault.remedy)[1])  # type: ignore[index]
    arguments = spot.row["arguments"]
    if isinstance(arguments.get(f"x-{key}"), int) and arguments[f"x-{key}"] < wanted:
        arguments[f"x-{key}"] = wanted
    for kind in ("policies", "operator_policies"):
        for each in _holding(spot, kind):
            if isinstance(each["definition"].get(key), int) and each["definition"][key] < wanted:
                _own_policy(spot, kind, each)["definition"][key] = wanted
    return What.CHANGED, f"{spot.fault.what}: {key} is {wanted} now"


def _own_policy(spot: _Spot, kind: str, held: dict[str, Any]) -> dict[str, Any]:
    """A policy for this queue alone, of which nobody else is changed."""
    queue = spot.row
    own = f"{queue['name'][:180]}.imported"
    if held["name"] == own:
        return held
    made = {
        "name": own,
        "pattern": f"^{re.escape(queue['name'])}$",
        "apply_to": "streams" if queue["type"] == "stream" else f"{queue['type']}_queues",
        "priority": max(int(each["priority"]) for each in spot.vhost[kind]) + 1,
        "definition": dict(held["definition"]),
    }
    spot.vhost[kind].append(made)
    return made


_RULES: tuple[tuple[Callable[[_Spot], bool], Callable[[_Spot], tuple[What, str]]], ...] = (
    (_is_tie, _break_tie),
    (_is_negative, _lift_all),
    (_settings_key, _drop_setting),
    (_is_queue("silently is at-most-once"), _without(("dead-letter-strategy",))),
    (_is_queue("dead-letters"), _without(_DEAD_LETTERS)),
    (_is_queue(" times that of its sources"), _raise_limit),
)
