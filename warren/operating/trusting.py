"""How one of the cluster's authorities is followed by another: what of nodes knows it, and how it is seen
that they trust it, or no more.

``cluster`` signs what nodes show to clients, and is trusted by these; ``clients`` signs what applications
show, and is trusted by the nodes; ``inter-node`` signs what nodes show to each other, and is trusted by them
too. Of the last two a witness is shown to every node: a certificate of the authority that comes, or of the
one that went. https://www.rabbitmq.com/docs/ssl#rotation, https://www.rabbitmq.com/docs/clustering-ssl
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from warren.errors import NotReadyError
from warren.operating import certificates
from warren.operating.model import Site, Step
from warren.pki import Pair
from warren.succession import WITNESS, Succession
from warren.wait import until

#: Erlang looks every two minutes whether a file is newer, where emptying its cache has no effect.
_TAKEN_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Of one authority: ``give`` has every node trust its file, and sees it; ``sign`` has everybody of
    Warren's show a certificate of the one that signs. What people are told to do after each phase, by its
    name; "" where nothing. ``witness`` is whether nodes are shown one."""

    authority: str
    give: Callable[[Site], Sequence[Step]]
    sign: Callable[[Site], Sequence[Step]]
    told: Callable[[Site, str], str]
    witness: bool


def servers() -> Way:
    def give(site: Site) -> Sequence[Step]:
        """Each node shows a certificate that is trusted by the file."""
        found = []
        for node in site.nodes:
            do = partial(certificates.give_authorities, site, "cluster", node)
            found.append(Step(what=f"{node}: give it the file of authorities", do=do, is_act=True))
            found.append(certificates.looking(site, node))
        return found

    def sign(site: Site) -> Sequence[Step]:
        found = []
        for node in site.nodes:
            found.append(_issuing(site, "cluster", node))
            found.append(certificates.giving(site, "cluster", node))
            found.append(certificates.looking(site, node))
        return found

    def told(site: Site, phase: str) -> str:
        path = site.pki.authority("cluster").certificate
        return {
            "trust": f"give {path} to your applications before --phase sign",
            "drop": f"give {path} to your applications: the former authority is not in it",
        }.get(phase, "")

    return Way(authority="cluster", give=give, sign=sign, told=told, witness=False)


def clients() -> Way:
    def sign(site: Site) -> Sequence[Step]:
        """Nodes are not touched: they trust both."""
        return [_issuing(site, "clients", user.name) for user in site.topology.users]

    def told(site: Site, phase: str) -> str:
        folder = site.pki.folder / "clients"
        return f"give your applications their new certificates, of {folder}" if phase == "sign" else ""

    return Way(authority="clients", give=partial(_giving, "clients"), sign=sign, told=told, witness=True)


def inter_node() -> Way:
    def sign(site: Site) -> Sequence[Step]:
        """All are given theirs first: a node takes up to two minutes to see it."""
        found = []
        for node in site.nodes:
            found.append(_issuing(site, "inter-node", node))
            found.append(certificates.giving(site, "inter-node", node))
        return [*found, *(certificates.looking_inside(site, node) for node in site.nodes)]

    return Way(
        authority="inter-node",
        give=partial(_giving, "inter-node"),
        sign=sign,
        told=lambda site, phase: "",  # noqa: ARG005 - nobody but nodes and the probe knows it
        witness=True,
    )


#: By what the user calls it.
WAYS: dict[str, Callable[[], Way]] = {"servers": servers, "clients": clients, "inter-node": inter_node}


def witnessing(site: Site, authority: str, *, taken: bool) -> list[Step]:
    """Looks whether every node takes the witness, or refuses it; the last has it removed."""
    words = "takes a certificate of the new authority" if taken else "refuses one of the other authority"
    found = [
        Step(what=f"{node}: wait until it {words}", do=partial(_see, site, authority, node, taken))
        for node in site.nodes
    ]
    remove = Succession(site.pki, authority).remove_witness
    return [*found, Step(what="remove the certificate that was shown for it", do=remove, is_act=True)]


def _issuing(site: Site, authority: str, name: str) -> Step:
    sign = partial(certificates.sign_anew, site, authority, name)
    return Step(what=f"{name}: issue a certificate of it", do=sign, is_act=True)


def _giving(authority: str, site: Site) -> Sequence[Step]:
    found = []
    for node in site.nodes:
        do = partial(_give, site, authority, node)
        found.append(Step(what=f"{node}: give it the file of authorities", do=do, is_act=True))
    return found


def _give(site: Site, authority: str, node: str) -> None:
    """To a node that runs, or reads it when it starts."""
    pem = site.pki.authority(authority).certificate.read_bytes()
    site.runtime.put_files(node, {f"tls/{authority}-ca.pem": pem})
    certificates.have_read(site, node, inside=authority == "inter-node")


def _see(site: Site, authority: str, node: str, taken: bool) -> None:
    pair = site.pki.leaf(authority, WITNESS)
    if not pair.key.exists():
        return  # it was seen, and removed

    def seen() -> None:
        if _is_taken(site, authority, node, pair) != taken:
            what = "does not take it yet" if taken else "takes it still"
            raise NotReadyError(node, f"a certificate of the other authority: {what}")

    until(
        seen,
        what=f"{node} to read its file of authorities",
        deadline_s=_TAKEN_S,
        every_s=5.0,
        remedy=f"a restart of the node reads it at once: warren cluster restart --node {node}",
        clock=site.clock,
    )


def _is_taken(site: Site, authority: str, node: str, pair: Pair) -> bool:
    if authority == "inter-node":
        return certificates.takes_inside(site, node, pair)
    ca = site.pki.authority("cluster").certificate
    return site.takes(ca, *site.runtime.address(node, "amqps"), node, pair)
