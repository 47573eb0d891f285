"""Settings of older brokers that 4.3 refuses or no longer heeds, with what to know of each.

Sources: https://www.rabbitmq.com/docs/deprecated-features, the release notes of 4.0 and 4.3, and
https://www.rabbitmq.com/docs/ha (3.13).
"""

from __future__ import annotations

from collections.abc import Mapping

_MIRRORED = "classic queues are mirrored no more since 4.0: make it a quorum queue to have it replicated"
_LINK = (
    "write it below links: by hand, with the other cluster's password and authority in files (docs/links.md)"
)
_FEDERATED = f"comes with a link's own policy: {_LINK}"

#: Key of a policy's definition, or of a queue's arguments without ``x-`` -> why it is left out.
SETTINGS: Mapping[str, str] = {
    "ha-mode": _MIRRORED,
    "ha-params": _MIRRORED,
    "ha-policy": _MIRRORED,
    "ha-sync-mode": _MIRRORED,
    "ha-sync-batch-size": _MIRRORED,
    "ha-promote-on-shutdown": _MIRRORED,
    "ha-promote-on-failure": _MIRRORED,
    "queue-mode": "not heeded since 3.12: classic queues keep little in memory anyway",
    "queue-version": "4.3 has one version of classic queues and refuses the argument",
    "queue-master-locator": "gone with mirrored queues: queue-leader-locator is balanced by configuration",
    "federation-upstream": _FEDERATED,
    "federation-upstream-set": _FEDERATED,
    "max-in-memory-length": "quorum queues keep no bodies in memory since 3.10",
    "max-in-memory-bytes": "quorum queues keep no bodies in memory since 3.10",
}
#: Component of a parameter -> why it is left out. Values may hold passwords: they are never shown.
COMPONENTS: Mapping[str, str] = {
    "shovel": _LINK,
    "federation-upstream": _LINK,
    "federation-upstream-set": _LINK,
}
GLOBAL: Mapping[str, str] = {
    "cluster_name": "the cluster's name is that of the topology",
    "internal_cluster_id": "each cluster makes its own",
    "cluster_tags": "a topology says nothing of cluster tags",
}
