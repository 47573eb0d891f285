"""An account replaced by a second one with the same rights, so that a password is changed without a moment
in which a client that connects anew knows the wrong one: made beside the first, and the first deleted once
nobody uses it. Between the two runs people move the applications.

https://www.rabbitmq.com/docs/access-control#user-management
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from warren.definitions import HASHING_ALGORITHM, password_hash, stable_salt
from warren.errors import NotReadyError, RefusedError
from warren.operating import accounts, parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operations.rotate_password import gets_in
from warren.wait import until

_ADD, _DROP = "add", "drop"
#: The management API tells of a connection that is closed within a few seconds.
_CLOSED_S = 30.0


class ReplaceUser:
    summary = "replace an account by a second one with its rights and another password, in two phases"
    parameters = (
        Parameter(name="user", kind="names", help="The account whose password is to go"),
        Parameter(name="second", kind="names", help="The account that takes its place"),
        Parameter(
            name="phase",
            kind="choice",
            default=_ADD,
            choices=(_ADD, _DROP),
            help="Make the second account, or delete the first one that nobody uses any more",
        ),
    )
    promise = "no connection ends and no publish fails: both accounts are good until the first is deleted"
    undoing = "deletes the second account, or puts back the first, until the phase has ended"

    def before(self, site: Site, args: Args) -> Facts:
        """The rights of the account that is copied or deleted, as the broker has them.

        Raises BadInputError for a name that the topology would not take; RefusedError for an account of the
        cluster's own, one that is there already, and a drop that the topology would undo or a client notice.
        """
        accounts.refuse_name(args["second"])
        rights = accounts.rights(site, args["user"])
        if args["phase"] == _ADD:
            _refuse_add(site, args["user"], args["second"])
        else:
            _refuse_drop(site, args["user"], args["second"])
        return {"rights": rights}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        phase = _add if args["phase"] == _ADD else _drop
        return (parts.look_whole(site), *phase(site, args["user"], args["second"], facts["rights"]))

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        user, second = args["user"], args["second"]
        if args["phase"] == _ADD:
            what, do = f"delete the account {second}", partial(_remove, site, second)
        else:
            what = f"put the account {user} back, with its password"
            do = partial(_put, site, user, facts["rights"])
        return (Step(what=what, do=do, is_act=True), parts.wait_whole(site))


def _refuse_add(site: Site, user: str, second: str) -> None:
    if site.topology.is_own(user):
        what = "is used by the cluster's own services, which know one account"
        raise RefusedError(user, what, f"warren cluster rotate-password {user}")
    if accounts.is_there(site, second):
        what = "is there already: its password and rights are somebody's"
        raise RefusedError(second, what, "choose a name that no account has")


def _refuse_drop(site: Site, user: str, second: str) -> None:
    known = {each.name for each in site.topology.users}
    if user in known or second not in known:
        what = f"must have {second} in place of {user} by now: it would bring the first one back"
        raise RefusedError("the topology", what, "change users and permissions, then warren topology plan")
    _unused(site, user)


def _add(site: Site, user: str, second: str, rights: Mapping[str, Any]) -> Sequence[Step]:
    left = f"{second} may be there beside {user}, which is as it was"
    path = site.secrets.path(second)
    make = partial(_make, site, user, second, rights)
    prove = partial(_prove, site, user, second)
    return (
        Step(what=f"make {second} with the rights of {user}", do=make, is_act=True, left=left),
        Step(what=f"look whether it has them, and nodes take its password of {path}", do=prove, left=left),
        parts.wait_whole(site),
        Step(
            what=f"put {second} in place of {user} in the topology, move clients, then --phase drop", do=_nil
        ),
    )


def _drop(site: Site, user: str, second: str, rights: Mapping[str, Any]) -> Sequence[Step]:
    left = f"{user} may be there still"
    forget = partial(_forget, site, user)
    return (
        Step(what=f"look whether {second} has its rights", do=partial(_alike, site, rights, second)),
        Step(what=f"look whether nobody is connected as {user}", do=partial(_wait_unused, site, user)),
        Step(what=f"delete {user}", do=partial(_delete, site, user), is_act=True, left=left),
        Step(
            what="look whether every node refuses its password",
            do=partial(_refused, site, user),
            left=left,
        ),
        parts.wait_whole(site),
        Step(what=f"forget the password and the certificate of {user}", do=forget, is_act=True),
    )


def _make(site: Site, user: str, second: str, rights: Mapping[str, Any]) -> None:
    site.secrets.ensure(second)
    if site.secrets.read(second) == site.secrets.read(user):
        raise NotReadyError(second, "has the password of the first account in the state folder")
    site.pki.ensure_leaf("clients", second, hosts=(second,), purpose="client")
    _put(site, second, rights)


def _put(site: Site, name: str, rights: Mapping[str, Any]) -> None:
    """With its password of the state folder, as a hash. An import adds and changes what it names, in one."""
    password = site.secrets.read(name)
    hashed = {
        "password_hash": password_hash(password, stable_salt(name, password)),
        "hashing_algorithm": HASHING_ALGORITHM,
    }
    site.management.post("definitions", body=accounts.as_definitions(rights, name, hashed))


def _prove(site: Site, user: str, second: str) -> None:
    _alike(site, accounts.rights(site, user), second)
    for node in site.running():
        if not gets_in(site, node, second, site.secrets.read(second)):
            raise NotReadyError(node, f"does not take the password of {second}")


def _alike(site: Site, rights: Mapping[str, Any], second: str) -> None:
    if accounts.rights(site, second) != rights:
        what = "has other rights than the account that it replaces"
        raise NotReadyError(second, what, "warren topology plan; warren topology apply")


def _unused(site: Site, user: str) -> None:
    rows = site.management.rows("connections", columns=("name", "user"))
    if theirs := [str(row["name"]) for row in rows if row.get("user") == user]:
        more = f" and {len(theirs) - 1} more" if theirs[1:] else ""
        raise RefusedError(user, f"is in use, by {theirs[0]}{more}", "move its clients first")


def _wait_unused(site: Site, user: str) -> None:
    """What was closed a moment ago may be told of still."""

    def unused() -> None:
        try:
            _unused(site, user)
        except RefusedError as error:
            raise NotReadyError(error.where, error.what, error.remedy) from error

    until(unused, what=f"nobody to be connected as {user}", deadline_s=_CLOSED_S, clock=site.clock)


def _delete(site: Site, user: str) -> None:
    if accounts.is_there(site, user):
        site.management.delete("users", user)


def _refused(site: Site, user: str) -> None:
    """Its password is forgotten last of all: without it nobody gets in, and no node can be asked."""
    if not site.secrets.path(user).exists():
        return
    for node in site.running():
        if gets_in(site, node, user, site.secrets.read(user)):
            raise NotReadyError(node, f"still lets {user} in")


def _forget(site: Site, name: str) -> None:
    site.secrets.forget(name)
    pair = site.pki.leaf("clients", name)
    pair.key.unlink(missing_ok=True)
    pair.certificate.unlink(missing_ok=True)


def _remove(site: Site, name: str) -> None:
    _delete(site, name)
    _forget(site, name)


def _nil() -> None:
    """What is to be done here is for people."""


OPERATION = ReplaceUser()
