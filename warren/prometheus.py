"""A small client of Prometheus' HTTP API over verified TLS: what the gate, the tests and the report ask.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from warren.answers import json_object
from warren.errors import BadInputError, NotReadyError

_OK, _BAD_REQUEST, _UNPROCESSABLE = 200, 400, 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One scrape target: ``health`` is up, down or unknown; ``error`` is the last scrape's, and
    ``scraped_at`` its time as Prometheus writes it."""

    job: str
    instance: str
    health: str
    error: str
    scraped_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One series of an instant query's answer."""

    labels: Mapping[str, str]
    value: float


class PrometheusClient:
    """Asks one Prometheus. Raises NotReadyError when it does not answer, BadInputError for a bad query.

    ``server_name`` is what its certificate must name, where that is not the address in ``base_url``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        user: str,
        password: str,
        ca: Path,
        timeout_s: float = 10.0,
        server_name: str | None = None,
    ) -> None:
        self.base_url = base_url
        named: dict[str, Any] = {}
        if server_name is not None:
            named = {"server_hostname": server_name, "assert_hostname": server_name}
        self._headers = urllib3.make_headers(basic_auth=f"{user}:{password}")
        self._pool = urllib3.PoolManager(
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca),
            timeout=urllib3.Timeout(total=timeout_s),
            retries=False,
            **named,
        )

    def __repr__(self) -> str:
        return f"PrometheusClient({self.base_url})"

    def query(self, expression: str) -> list[Sample]:
        """The instant vector (or scalar, as one sample without labels) that ``expression`` gives now."""
        data = self.get("query", query=expression)
        if data["resultType"] == "scalar":
            return [Sample(labels={}, value=float(data["result"][1]))]
        return [Sample(labels=dict(each["metric"]), value=float(each["value"][1])) for each in data["result"]]

    def query_range(
        self, expression: str, *, start: float, end: float, step_s: float
    ) -> list[dict[str, Any]]:
        """Series of ``{"metric": labels, "values": [[unix seconds, text], …]}`` over a time range."""
        data = self.get("query_range", query=expression, start=f"{start}", end=f"{end}", step=f"{step_s}")
        return list(data["result"])

    def targets(self) -> list[Target]:
        """Every active scrape target."""
        return [
            Target(
                job=each["labels"]["job"],
                instance=each["labels"]["instance"],
                health=each["health"],
                error=each["lastError"],
                scraped_at=each["lastScrape"],
            )
            for each in self.get("targets", state="active")["activeTargets"]
        ]

    def get(self, path: str, **parameters: str) -> Any:
        """The ``data`` of ``/api/v1/<path>``."""
        try:
            answer = self._pool.request(
                "GET", f"{self.base_url}/api/v1/{path}", fields=parameters, headers=self._headers
            )
        except urllib3.exceptions.HTTPError as error:
            raise NotReadyError("Prometheus", f"does not answer: {error}", "make cluster-status") from error
        body = json_object(answer.data)
        if answer.status in (_BAD_REQUEST, _UNPROCESSABLE) and "error" in body:
            raise BadInputError("Prometheus", str(body["error"]))
        if answer.status != _OK or "data" not in body:
            raise NotReadyError("Prometheus", f"answers {answer.status} to {path}", "make cluster-status")
        return body["data"]
