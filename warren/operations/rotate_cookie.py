"""The secret by which nodes and tools know each other, changed while the nodes run.

Nodes ask for it when a link is made, and never again: so it can be changed on all of them within seconds,
where RabbitMQ's own way is to stop them all. https://www.erlang.org/doc/system/distributed.html#security
(``erlang:set_cookie/1``), https://www.rabbitmq.com/docs/clustering#erlang-cookie
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import broker_tools
from warren.errors import NotReadyError
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.secrets import COOKIE

_NEXT, _FORMER = f"{COOKIE}.next", f"{COOKIE}.former"
_FILE = "/var/lib/rabbitmq/.erlang.cookie"
#: On standard input, so that no list of processes shows it; in one step, so that nobody reads half of it;
#: with the mode of the file that it will replace.
_LAY = (
    f"umask 077 && rm -f {_FILE}.laid && cat > {_FILE}.laid && chmod 400 {_FILE}.laid"
    f" && mv -f {_FILE}.laid {_FILE}.next"
)
#: The node itself takes what was laid beside its file: before, its tools know the former, and after, the new.
#: It prints whether the node's cookie is what its file says.
_TAKE = f"""
File = "{_FILE}",
case file:rename(File ++ ".next", File) of ok -> ok; {{error, enoent}} -> ok end,
{{ok, Text}} = file:read_file(File),
Cookie = binary_to_atom(string:trim(Text)),
true = erlang:set_cookie(Cookie),
io:format("taken=~s~n", [erlang:get_cookie() =:= Cookie]).
"""
_LEFT = "nodes may differ in their cookies: their links hold, and none that breaks comes back; go on at once"


class RotateCookie:
    summary = "change the Erlang cookie of all nodes, without a restart"
    parameters: tuple[Parameter, ...] = ()
    promise = "no connection ends and no publish fails, if no link between nodes breaks in these seconds"
    undoing = "sets the former cookie again"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        return {}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        make = Step(what="make a new cookie beside the former", do=partial(_make, site), is_act=True)
        adopt = Step(what="keep the new cookie in the state folder", do=partial(_adopt, site), is_act=True)
        forget = Step(what="forget the former cookie", do=partial(_forget, site), is_act=True)
        return (parts.look_whole(site), make, *_switching(site, _NEXT), adopt, parts.wait_whole(site), forget)

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        forget = Step(what="forget the new cookie", do=partial(_give_up, site), is_act=True)
        if not site.secrets.path(_FORMER).exists():
            return (forget, parts.wait_whole(site))
        return (*_switching(site, _FORMER), forget, parts.wait_whole(site))


def _switching(site: Site, secret: str) -> tuple[Step, ...]:
    return (
        Step(what="lay it beside the one in use on every node", do=partial(_lay, site, secret), is_act=True),
        Step(what="have every node take it, all at once", do=partial(_take, site), is_act=True, left=_LEFT),
        Step(
            what="look whether every node lets the tools of every other in",
            do=partial(_prove, site),
            left=_LEFT,
        ),
    )


def _make(site: Site) -> None:
    if not site.secrets.path(_FORMER).exists():
        site.secrets.keep(_FORMER, site.secrets.read(COOKIE))
    if site.secrets.read(COOKIE) == site.secrets.read(_FORMER):
        site.secrets.ensure(_NEXT)
    else:  # it was adopted already
        site.secrets.keep(_NEXT, site.secrets.read(COOKIE))


def _lay(site: Site, secret: str) -> None:
    cookie = site.secrets.read(secret).encode()
    lay = ["sh", "-c", _LAY]
    parts.at_once(lambda node: broker_tools.run(site.runtime, node, lay, stdin=cookie), site.nodes)


def _take(site: Site) -> None:
    """Where a reply is lost the node may have taken it: who is asked again knows it by its file."""

    def take(node: str) -> None:
        if "taken=true" not in broker_tools.evaluate(site.runtime, node, _TAKE, tries=3):
            raise NotReadyError(node, "did not take the cookie")

    parts.at_once(take, site.nodes)


def _prove(site: Site) -> Facts:
    """Each asks the next one, over a link that is made for it, and that the cookie on either side opens."""
    pairs = dict(zip(site.nodes, (*site.nodes[1:], site.nodes[0]), strict=True))

    def ask(node: str) -> None:
        other = site.topology.node(pairs[node]).erlang_name
        argv = ["rabbitmqctl", "-n", other, "eval", 'io:format("here=~s~n", [node()]).']
        if f"here={other}" not in broker_tools.run(site.runtime, node, argv):
            raise NotReadyError(node, f"is not let in by {other}")

    parts.at_once(ask, pairs)
    return {"links_proven": len(pairs)}


def _adopt(site: Site) -> None:
    site.secrets.keep(COOKIE, site.secrets.read(_NEXT))


def _forget(site: Site) -> None:
    site.secrets.forget(_NEXT)
    site.secrets.forget(_FORMER)


def _give_up(site: Site) -> None:
    if site.secrets.path(_FORMER).exists():
        site.secrets.keep(COOKIE, site.secrets.read(_FORMER))
    _forget(site)


OPERATION = RotateCookie()
