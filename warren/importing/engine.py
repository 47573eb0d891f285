"""An export as the text of a topology file, and what there is to say about it.

The file has what the export says of users, virtual hosts and what is in them. What it cannot know (nodes,
ports, images, monitoring, Warren's own accounts) is that of another topology. Passwords are in neither:
`warren cluster up` makes new ones, and hashes are not read.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from warren.errors import BadInputError
from warren.importing.mend import mended
from warren.importing.notes import Note, What
from warren.importing.rows import Export
from warren.importing.translate import slim, translate
from warren.importing.translation import Translation
from warren.reader import parse_file
from warren.topology import Topology
from warren.topology_checks import CANARY_RIGHT
from warren.topology_reader import loads

#: What is the other topology's.
_KEPT = ("schema", "cluster", "images", "monitoring", "objectives", "waivers")
_ALL = {"configure": ".*", "write": ".*", "read": ".*"}
_NOTHING = {"configure": "^$", "write": "^$", "read": "^$"}
_CANARY = {"configure": CANARY_RIGHT, "write": CANARY_RIGHT, "read": CANARY_RIGHT}
_RIGHTS = {"operator": _ALL, "canary": _CANARY, "monitoring": _NOTHING, "application": _NOTHING}
_WIDTH = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A topology that passes its checks, its file's text, and what was left out, changed or added."""

    topology: Topology
    text: str
    notes: tuple[Note, ...]

    def as_result(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"notes": [note.as_result() for note in self.notes]}


def like(path: Path) -> dict[str, Any]:
    """The data of the topology file whose cluster, images, monitoring and own accounts are taken over; raises
    BadInputError where it is not readable YAML."""
    return dict(parse_file(path)[1].data)


def bring_in(export: Export, base: Mapping[str, Any], *, cluster: str) -> Imported:
    """The topology of a cluster called ``cluster`` with the objects of ``export`` and all else of ``base``.

    Raises BadInputsError where ``base`` is at fault, BadInputError where nothing of the export can be said.
    """
    found = translate(export)
    if not found.vhosts:
        raise BadInputError(
            f"{export.name}:vhosts",
            "no virtual host of it can be said in a topology",
            "export a whole cluster",
        )
    data: dict[str, Any] = {key: copy.deepcopy(base[key]) for key in _KEPT if key in base}
    if isinstance(data.get("cluster"), dict):
        data["cluster"]["name"] = cluster
    notes = found.notes
    own = _own_accounts(base, found)
    data["users"] = [*own, *(each for each in found.users if all(each["name"] != one["name"] for one in own))]
    data["vhosts"] = list(found.vhosts.values())
    for vhost in data["vhosts"]:
        _own_rights(vhost, own, notes)
    _objectives(base, data["vhosts"])
    mended(data, notes, name="topology.yml")
    data["vhosts"] = list(slim({each["name"]: each for each in data["vhosts"]}))
    notes.append(Note(what=What.CHANGED, place="users", name="passwords", why=_PASSWORDS))
    text = _head(export, notes) + yaml.safe_dump(data, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return Imported(topology=loads(text, "topology.yml"), text=text, notes=tuple(notes))


_PASSWORDS = "hashes are not taken over: each account gets a new password, made by 'warren cluster up'"


def _own_accounts(base: Mapping[str, Any], found: Translation) -> list[dict[str, Any]]:
    """Warren's own accounts as ``base`` has them; one of the same name in the export becomes that account."""
    monitoring = base.get("monitoring") if isinstance(base.get("monitoring"), dict) else {}
    drift = (monitoring or {}).get("drift")
    watcher = drift.get("user") if isinstance(drift, dict) else None
    users = base.get("users") if isinstance(base.get("users"), list) else []
    own: list[dict[str, Any]] = []
    for user in users or ():
        if not isinstance(user, dict) or (user.get("role") is None and user.get("name") != watcher):
            continue
        name, role = user.get("name"), user.get("role", "drift")
        there = next((each for each in found.users if each["name"] == name), None)
        if there is None:
            own.append(dict(user))
            found.added(f"users[{name}]", str(name), f"Warren's own account ({role})")
            continue
        tags = sorted({*there["tags"], *(user.get("tags") or ())})
        if tags != there["tags"]:
            why = f"as Warren's own account ({role}) it has the tags {', '.join(tags)}"
            found.changed(f"users[{name}]", str(name), why)
        own.append({**there, **({"role": user["role"]} if "role" in user else {}), "tags": tags})
    return own


def _own_rights(vhost: dict[str, Any], own: list[dict[str, Any]], notes: list[Note]) -> None:
    """Give Warren's own accounts the rights in ``vhost`` that they need, and no others."""
    for user in own:
        role = str(user.get("role", "application"))
        wanted = {"user": user["name"], **_RIGHTS.get(role, _NOTHING)}
        there = next((each for each in vhost["permissions"] if each["user"] == user["name"]), None)
        place = f"vhosts[{vhost['name']}].permissions[{user['name']}]"
        if there is None:
            vhost["permissions"].append(wanted)
            notes.append(
                Note(what=What.ADDED, place=place, name=user["name"], why="Warren's own account needs it")
            )
        elif there != wanted and role in ("operator", "canary"):
            there.update(wanted)
            notes.append(
                Note(
                    what=What.CHANGED,
                    place=place,
                    name=user["name"],
                    why="to what Warren's own account needs",
                )
            )


def _objectives(base: Mapping[str, Any], vhosts: list[dict[str, Any]]) -> None:
    """No export has what a queue's owner promises: queues of the same name keep what ``base`` says."""
    promised = {
        (vhost.get("name"), queue.get("name")): queue["objective"]
        for vhost in base.get("vhosts") or ()
        if isinstance(vhost, dict)
        for queue in vhost.get("queues") or ()
        if isinstance(queue, dict) and "objective" in queue
    }
    for vhost in vhosts:
        for queue in vhost["queues"]:
            if (vhost["name"], queue["name"]) in promised:
                queue["objective"] = copy.deepcopy(promised[vhost["name"], queue["name"]])


def _head(export: Export, notes: list[Note]) -> str:
    """A comment above the file: where it is from, and what differs."""
    version = f" of RabbitMQ {export.version}" if export.version else ""
    lines = [
        f"Imported from an export{version} by warren topology import. Check it with warren topology check."
    ]
    lines += ["What differs from the export:", *(str(each) for each in notes)] if notes else []
    return "".join(f"# {_plain(line)}\n" for line in lines)


def _plain(line: str) -> str:
    return "".join(each if each.isprintable() else " " for each in line)


def write(path: Path, text: str) -> None:
    """Write a new file; raises BadInputError where there is one already, or none can be. Half a file stays
    nowhere: it would be refused as one that is there already."""
    made = False
    try:
        with path.open("x", encoding="utf-8") as file:
            made = True
            file.write(text)
    except OSError as error:
        if made:
            path.unlink(missing_ok=True)
        raise BadInputError(
            "--output", f"{path}: {error.strerror}", "give a new file in a folder that is there"
        ) from error
