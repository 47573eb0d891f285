"""An account's password changed. Connections that there are stay; who connects anew needs the new one.

https://www.rabbitmq.com/docs/access-control#user-management
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import broker_tools
from warren.definitions import HASHING_ALGORITHM, password_hash, stable_salt
from warren.errors import NotReadyError, RefusedError
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step

_NEXT, _FORMER = ".next", ".former"
_KEEP, _CLOSE = "keep", "close"
#: What the broker's tool says to a password that is not the account's, and to nothing else.
_REFUSED = "failed to authenticate user"


class RotatePassword:
    summary = "change an account's password; the new one is in its file in the state folder"
    parameters = (
        Parameter(name="user", kind="user", help="The account"),
        Parameter(
            name="connections",
            kind="choice",
            default=_KEEP,
            choices=(_KEEP, _CLOSE),
            help="Those that were made with the former password: keep them, or close them at the end",
        ),
    )
    promise = "connections stay, unless they are to be closed; who connects anew needs the new password"
    undoing = "sets the former password again"

    def before(self, site: Site, args: Args) -> Facts:
        if site.topology.user(args["user"]).role == "operator":
            what = "is the account by which this command works"
            raise RefusedError(args["user"], what, "see docs/operations.md for how to change it")
        return {}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        user = args["user"]
        left = f"both passwords of {user} are in the state folder, as {user}{_FORMER} and {user}{_NEXT}"
        acts = [
            (f"make a new password of {user} beside the former", partial(_make, site, user)),
            ("have the broker take it", partial(_set, site, user, _NEXT)),
        ]
        found = [parts.look_whole(site)]
        found += [Step(what=what, do=do, is_act=True, left=left) for what, do in acts]
        prove = partial(_prove, site, user, new=_NEXT, old=_FORMER)
        found.append(
            Step(what="look whether nodes take the new one and refuse the former", do=prove, left=left)
        )
        found.append(
            Step(what="keep the new one as the account's", do=partial(_adopt, site, user), is_act=True)
        )
        if site.topology.is_own(user):
            found.append(
                Step(what="give it to the services that use it", do=site.have_services_take, is_act=True)
            )
        if args["connections"] == _CLOSE:
            close = partial(_close, site, user)
            found.append(Step(what=f"close the connections of {user}", do=close, is_act=True))
        forget = partial(_forget, site, user)
        return [
            *found,
            parts.wait_whole(site),
            Step(what="forget the former password", do=forget, is_act=True),
        ]

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        user = args["user"]
        return (
            Step(what=f"set the former password of {user}", do=partial(_back, site, user), is_act=True),
            Step(what="give it to the services that use it", do=site.have_services_take, is_act=True),
            parts.wait_whole(site),
        )


def _make(site: Site, user: str) -> None:
    """The former is kept under a name of its own before anything else, so that no moment is without it."""
    if not site.secrets.path(user + _FORMER).exists():
        site.secrets.keep(user + _FORMER, site.secrets.read(user))
    if site.secrets.read(user) == site.secrets.read(user + _FORMER):
        site.secrets.ensure(user + _NEXT)
    else:  # it was adopted already
        site.secrets.keep(user + _NEXT, site.secrets.read(user))


def _set(site: Site, user: str, suffix: str) -> None:
    """As a hash, and with the account's tags, which a change without them would take away."""
    password = site.secrets.read(user + suffix)
    body = {
        "password_hash": password_hash(password, stable_salt(user, password)),
        "hashing_algorithm": HASHING_ALGORITHM,
        "tags": sorted(site.topology.user(user).tags),
    }
    site.management.put("users", user, body=body)


def _prove(site: Site, user: str, *, new: str, old: str) -> None:
    for node in site.running():
        if not gets_in(site, node, user, site.secrets.read(user + new)):
            raise NotReadyError(node, f"does not take the new password of {user}")
        if gets_in(site, node, user, site.secrets.read(user + old)):
            raise NotReadyError(node, f"still takes the former password of {user}")


def gets_in(site: Site, node: str, user: str, password: str) -> bool:
    """By a node's own tool, which reads the password from its standard input."""
    argv = ["rabbitmqctl", "authenticate_user", user]
    timeout_s = broker_tools.TOOL_S
    done = site.runtime.execute(node, argv, timeout_s=timeout_s, stdin=password.encode() + b"\n")
    if not done.ok and _REFUSED not in (done.stderr + done.stdout).lower():
        raise NotReadyError(node, f"cannot be asked for {user}: {done.reason()}")
    return done.ok


def _adopt(site: Site, user: str) -> None:
    site.secrets.keep(user, site.secrets.read(user + _NEXT))


def _close(site: Site, user: str) -> Facts:
    rows = site.management.rows("connections", columns=("name", "user"))
    site.management.delete("connections", "username", user)
    return {"connections_closed": sum(row.get("user") == user for row in rows)}


def _forget(site: Site, user: str) -> None:
    for suffix in (_NEXT, _FORMER):
        site.secrets.forget(user + suffix)


def _back(site: Site, user: str) -> None:
    if not site.secrets.path(user + _FORMER).exists():
        return  # nothing was changed, or all of it was done
    _set(site, user, _FORMER)
    site.secrets.keep(user, site.secrets.read(user + _FORMER))
    _forget(site, user)


OPERATION = RotatePassword()
