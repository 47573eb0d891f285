"""The text of one node's own ``/metrics``: for what only that node knows, at this very moment.

https://www.rabbitmq.com/docs/prometheus#metric-collection
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import urllib3

from warren.errors import NotReadyError
from warren.https import HttpEndpoint, node_pool

_OK = 200


class NodeMetrics:
    """Asks the nodes over verified TLS with a monitoring account's password, or who serves metrics to those
    with a scraper's certificate (``client``: its path, and its key's)."""

    def __init__(
        self,
        endpoints: Sequence[HttpEndpoint],
        *,
        ca: Path,
        user: str = "",
        password: str = "",
        client: tuple[Path, Path] | None = None,
        timeout_s: float = 5.0,
    ) -> None:
        self._endpoints = {each.node: each for each in endpoints}
        self._headers = urllib3.make_headers(basic_auth=f"{user}:{password}") if user else {}
        self._client = client
        self._ca = ca
        self._timeout = urllib3.Timeout(total=timeout_s)

    def __repr__(self) -> str:
        return f"NodeMetrics({', '.join(self._endpoints)})"

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self._endpoints)

    def page(self, node: str) -> str:
        """The page of ``node``. Raises NotReadyError when it does not answer or refuses."""
        where = f"metrics of {node}"
        pool = node_pool(
            self._endpoints[node],
            ca=self._ca,
            timeout=self._timeout,
            client_certificate=self._client[0] if self._client else None,
            client_key=self._client[1] if self._client else None,
        )
        try:
            answer = pool.request("GET", "/metrics", headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise NotReadyError(where, f"does not answer: {error}", "make cluster-status") from error
        finally:
            pool.close()
        if answer.status != _OK:
            raise NotReadyError(where, f"answers {answer.status}", "make cluster-status")
        return str(answer.data.decode())
