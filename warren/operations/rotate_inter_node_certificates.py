"""New certificates for the links between nodes, without a restart: links that there are stay, and who links
anew sees the new one. https://www.rabbitmq.com/docs/clustering-ssl
"""

from __future__ import annotations

from collections.abc import Sequence

from warren.operating import certificates, parts
from warren.operating.model import Args, Facts, Parameter, Site, Step

_AUTHORITY = "inter-node"


class RotateInterNodeCertificates:
    summary = "give every node a new certificate for its links to the others, without a restart"
    parameters: tuple[Parameter, ...] = ()
    promise = "no connection ends and no publish fails"
    undoing = "nothing is to be undone: nodes trust the former certificates and the new ones alike"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        return {"serials_before": certificates.serials(site, _AUTHORITY)}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        """All are given theirs first: a node takes up to two minutes to see it."""
        serials = facts["serials_before"]
        found = [parts.look_whole(site)]
        for node, before in serials.items():
            found.append(certificates.issuing(site, _AUTHORITY, node, before))
            found.append(certificates.giving(site, _AUTHORITY, node))
        return [
            *found,
            *(certificates.looking_inside(site, node) for node in serials),
            parts.wait_whole(site),
        ]

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


OPERATION = RotateInterNodeCertificates()
