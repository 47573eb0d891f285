"""The authority that signs every server of the cluster, replaced by another one, with a time in which both
are trusted: first everybody trusts both, then the new one signs, then the old one is dropped.

Each phase is a run of its own, for between them applications must be given the new file, by their owners.
https://www.rabbitmq.com/docs/ssl#rotation
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from warren.errors import RefusedError
from warren.operating import certificates, parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.succession import Succession

_AUTHORITY = "cluster"
_TRUST, _SIGN, _DROP = "trust", "sign", "drop"
#: By phase, the stage of the succession in which it is begun.
_BEGINS = {_TRUST: "none", _SIGN: "trusted", _DROP: "signing"}
_REMEDY = "the phases in their order: --phase trust, --phase sign, --phase drop"


class RotateAuthority:
    summary = "replace the authority of the server certificates, in three phases"
    parameters = (
        Parameter(
            name="phase",
            kind="choice",
            default=_TRUST,
            choices=(_TRUST, _SIGN, _DROP),
            help="Have both trusted, have the new one sign, or drop the former",
        ),
    )
    promise = (
        "no connection ends and no publish fails, if those who connect anew have the file with both "
        "authorities before --phase sign"
    )
    undoing = "goes back to the phase before; what was dropped is gone"

    def before(self, site: Site, args: Args) -> Facts:
        stage = _of(site).stage
        if stage != _BEGINS[args["phase"]]:
            what = f"cannot be done now: the succession is at '{stage}'"
            raise RefusedError(f"phase {args['phase']}", what, _REMEDY)
        return {}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        phases: dict[str, Callable[[Site], Sequence[Step]]] = {_TRUST: _trust, _SIGN: _sign, _DROP: _drop}
        return (parts.look_whole(site), *phases[args["phase"]](site), parts.wait_whole(site))

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        """Of the drop only as long as the former authority is there."""
        if args["phase"] == _TRUST:
            back = [Step(what="trust the authority in use alone", do=_of(site).give_up, is_act=True)]
            return (*back, *_giving(site), _services(site), parts.wait_whole(site))
        if args["phase"] == _SIGN:
            back = [Step(what="have the former authority sign again", do=_of(site).demote, is_act=True)]
            return (*back, *_signing(site), _services(site), parts.wait_whole(site))
        return ()


def _of(site: Site) -> Succession:
    return Succession(site.pki, _AUTHORITY)


def _trust(site: Site) -> Sequence[Step]:
    path = site.pki.authority(_AUTHORITY).certificate
    return (
        Step(what="make a second authority, and one file with both", do=_of(site).begin, is_act=True),
        *_giving(site),
        _services(site),
        Step(what=f"give {path} to your applications before --phase sign", do=_nothing),
    )


def _sign(site: Site) -> Sequence[Step]:
    return (
        Step(what="have the new authority sign from now on", do=_of(site).promote, is_act=True),
        *_signing(site),
        _services(site),
    )


def _drop(site: Site) -> Sequence[Step]:
    path = site.pki.authority(_AUTHORITY).certificate
    return (
        Step(what="drop the former authority", do=_of(site).drop, is_act=True),
        *_giving(site),
        _services(site),
        Step(what=f"give {path} to your applications: the former authority is not in it", do=_nothing),
    )


def _giving(site: Site) -> Sequence[Step]:
    """The file with the authorities given to every node, which shows a certificate that is trusted by it."""
    found = []
    for node in site.nodes:
        give = partial(certificates.give_authorities, site, _AUTHORITY, node)
        found.append(Step(what=f"{node}: give it the file of authorities", do=give, is_act=True))
        found.append(certificates.looking(site, node))
    return found


def _signing(site: Site) -> Sequence[Step]:
    """A new certificate for every node that has none of the authority that signs."""
    found = []
    for node in site.nodes:
        sign = partial(certificates.sign_anew, site, _AUTHORITY, node)
        found.append(Step(what=f"{node}: issue a certificate of it", do=sign, is_act=True))
        found.append(certificates.giving(site, _AUTHORITY, node))
        found.append(certificates.looking(site, node))
    return found


def _services(site: Site) -> Step:
    what = "give the services around the nodes theirs, and restart them"
    return Step(what=what, do=site.have_services_take, is_act=True)


def _nothing() -> None:
    """What is to be done here is for people."""


OPERATION = RotateAuthority()
