"""A client that opens channels and forgets them: each is processes and memory of a node's.

The broker's ``channel_max`` ends it for a connection, the account's limit of channels for all of them.
https://www.rabbitmq.com/docs/channels#channel-leaks
"""

from __future__ import annotations

from chaos.access import count
from chaos.client import ACCOUNT, ClientFault, enough, half, own_rows
from chaos.fault import Facts, Parameter, Site
from warren.journal import Fault as Journaled

_NAME = "channel-leak"
#: What a proof can wait for: a tenth of the leak shows that it leaks.
_SHARE = 5


def _bites(site: Site, fault: Journaled) -> Facts:
    args, limit = fault.args, site.topology.user(ACCOUNT).max_channels
    asked = float(args["connections_count"]) * float(args["channels_count"])
    found = sum(count(row, "channels") for row in own_rows(site, _NAME, "connections"))
    wanted = half(asked, limit) / _SHARE
    return {"channels": enough("channels", found, wanted), "channels_allowed": limit}


FAULT = ClientFault(
    name=_NAME,
    summary="channels that are opened and never closed; heal ends their client",
    own={
        "connections_count": Parameter(default=4.0, low=1, high=50, help="connections that leak"),
        "channels_count": Parameter(default=200.0, low=1, high=2000, help="channels on each, at last"),
        "channels_per_s": Parameter(default=20.0, low=1, high=500, help="channels a second on each"),
    },
    bites=_bites,
)
