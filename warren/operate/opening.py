"""Opens what serves the cluster's dashboards: Grafana, or the preview where its image is missing."""

from __future__ import annotations

import urllib3

from warren.context import Context
from warren.errors import NotReadyError
from warren.operate.status import dashboards_place

_TIMEOUT_S = 5.0


def open_text(context: Context) -> tuple[str, str]:
    """The dashboards' address, once it has answered, and what to say about it.

    Raises NotReadyError when nothing answers there.
    """
    place = dashboards_place(context)
    pool = urllib3.PoolManager(
        cert_reqs="CERT_REQUIRED", ca_certs=str(context.cluster_ca), timeout=_TIMEOUT_S, retries=False
    )
    try:
        pool.request("GET", place.url)
    except urllib3.exceptions.HTTPError as error:
        raise NotReadyError(place.url, f"does not answer: {error}", "make cluster-up") from error
    return place.url, (
        f"{place.url}  ({place.kind})\n  user {place.user}, password in {place.password_file}\n"
        f"  a browser trusts it once it knows {context.cluster_ca}"
    )
