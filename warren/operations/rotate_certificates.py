"""New certificates for the nodes' listeners, without a restart. https://www.rabbitmq.com/docs/ssl#rotation"""

from __future__ import annotations

from collections.abc import Sequence

from warren.operating import certificates, parts
from warren.operating.model import Args, Facts, Parameter, Site, Step

_AUTHORITY = "cluster"


class RotateCertificates:
    summary = "give every node a new server certificate of the same authority, without a restart"
    parameters: tuple[Parameter, ...] = ()
    promise = "no connection ends and no publish fails; who connects anew sees the new certificate"
    undoing = "nothing is to be undone: clients trust the former certificates and the new ones alike"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        return {"serials_before": certificates.serials(site, _AUTHORITY)}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        found = [parts.look_whole(site)]
        for node, before in facts["serials_before"].items():
            found.append(certificates.issuing(site, _AUTHORITY, node, before))
            found.append(certificates.giving(site, _AUTHORITY, node))
            found.append(certificates.looking(site, node))
        return [*found, parts.wait_whole(site)]

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


OPERATION = RotateCertificates()
