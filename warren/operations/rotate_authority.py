"""An authority of the cluster replaced by another one, with a time in which both are trusted: first everybody
trusts both, then the new one signs, then the old one is dropped.

Each phase is a run of its own, for between them applications must be given the new file, or their new
certificates, by their owners. https://www.rabbitmq.com/docs/ssl#rotation
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from warren.errors import RefusedError
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operating.trusting import WAYS, Way, witnessing
from warren.succession import Succession

_SERVERS = "servers"
_TRUST, _SIGN, _DROP = "trust", "sign", "drop"
#: By phase, the stage of the succession in which it is begun.
_BEGINS = {_TRUST: "none", _SIGN: "trusted", _DROP: "signing"}
_REMEDY = "the phases in their order: --phase trust, --phase sign, --phase drop"


class RotateAuthority:
    summary = "replace the authority of servers, clients or the links between nodes, in three phases"
    parameters = (
        Parameter(
            name="phase",
            kind="choice",
            default=_TRUST,
            choices=(_TRUST, _SIGN, _DROP),
            help="Have both trusted, have the new one sign, or drop the former",
        ),
        Parameter(
            name="of",
            kind="choice",
            default=_SERVERS,
            choices=tuple(WAYS),
            help="Whose authority: what nodes show to clients, clients to nodes, or nodes to each other",
        ),
    )
    promise = (
        "no connection ends and no publish fails, if those who connect anew have the file with both "
        "authorities before --phase sign (--of servers), or their new certificates before --phase drop "
        "(--of clients)"
    )
    undoing = "goes back to the phase before; what was dropped is gone"

    def before(self, site: Site, args: Args) -> Facts:
        stage = _succession(site, _way(args)).stage
        if stage != _BEGINS[args["phase"]]:
            what = f"cannot be done now: the succession of {args['of']} is at '{stage}'"
            raise RefusedError(f"phase {args['phase']}", what, _REMEDY)
        return {}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        phases: dict[str, Callable[[Site, Way], list[Step]]] = {_TRUST: _trust, _SIGN: _sign, _DROP: _drop}
        way = _way(args)
        told = way.told(site, args["phase"])
        people = [Step(what=told, do=_nothing)] if told else []
        done = [*phases[args["phase"]](site, way), _services(site), *people]
        return (parts.look_whole(site), *done, parts.wait_whole(site))

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        """Of the drop only as long as the former authority is there."""
        way = _way(args)
        succession = _succession(site, way)
        if args["phase"] == _TRUST:
            back = Step(what="trust the authority in use alone", do=succession.give_up, is_act=True)
            given = [*way.give(site), *_witnessing(site, way, taken=False)]
        elif args["phase"] == _SIGN:
            back = Step(what="have the former authority sign again", do=succession.demote, is_act=True)
            given = list(way.sign(site))
        else:
            return ()
        return (back, *given, _services(site), parts.wait_whole(site))


def _way(args: Args) -> Way:
    return WAYS[args["of"]]()


def _succession(site: Site, way: Way) -> Succession:
    return Succession(site.pki, way.authority)


def _trust(site: Site, way: Way) -> list[Step]:
    begin = _succession(site, way).begin
    make = Step(what="make a second authority, and one file with both", do=begin, is_act=True)
    return [make, *_showing(site, way), *way.give(site), *_witnessing(site, way, taken=True)]


def _sign(site: Site, way: Way) -> list[Step]:
    promote = _succession(site, way).promote
    turn = Step(what="have the new authority sign from now on", do=promote, is_act=True)
    return [turn, *way.sign(site)]


def _drop(site: Site, way: Way) -> list[Step]:
    drop = Step(what="drop the former authority", do=_succession(site, way).drop, is_act=True)
    return [*_showing(site, way), drop, *way.give(site), *_witnessing(site, way, taken=False)]


def _showing(site: Site, way: Way) -> list[Step]:
    """While the other authority's key is there to sign what is shown."""
    if not way.witness:
        return []
    make = _succession(site, way).make_witness
    return [
        Step(what="make a certificate of the other authority, to be shown to nodes", do=make, is_act=True)
    ]


def _witnessing(site: Site, way: Way, *, taken: bool) -> list[Step]:
    return witnessing(site, way.authority, taken=taken) if way.witness else []


def _services(site: Site) -> Step:
    what = "give the services around the nodes theirs, and restart them"
    return Step(what=what, do=site.have_services_take, is_act=True)


def _nothing() -> None:
    """What is to be done here is for people."""


OPERATION = RotateAuthority()
