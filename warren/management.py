"""Typed client of the RabbitMQ management HTTP API over verified TLS.

Every call has a timeout, names the node and path in its errors, and repeats the broker's own reason.
https://www.rabbitmq.com/docs/http-api-reference
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError

from warren import management_facts as facts
from warren.errors import NotReadyError
from warren.https import HttpEndpoint, node_pool
from warren.management_errors import (
    ApiError,
    NotFoundError,
    RejectedError,
    UnreachableError,
    refusal,
    unreachable,
)
from warren.management_facts import HealthCheck, Listener, NodeInfo, Overview, QueueInfo

__all__ = [
    "ApiError",
    "HealthCheck",
    "Listener",
    "ManagementClient",
    "NodeInfo",
    "NotFoundError",
    "Overview",
    "QueueInfo",
    "RejectedError",
    "UnreachableError",
]

#: A connection that is not made in this time goes on to the next node; the whole timeout is for answers.
_CONNECT_TIMEOUT_S = 5.0
#: Connections to a node that are kept for the next question.
_MOST_KEPT = 4
_UNAVAILABLE = 503


class ManagementClient:
    """Speaks to the management API of a cluster as one user.

    Reads go to the endpoint that answered last and, when it does not answer or answers 5xx, to the next
    one. Writes go on to the next only when no connection could be made, so nothing is ever sent twice.
    Safe to use from several threads. Raises NotReadyError when ``ca`` or the client certificate is missing.
    """

    def __init__(
        self,
        endpoints: Sequence[HttpEndpoint],
        *,
        user: str,
        password: str,
        ca: Path,
        timeout_s: float,
        client_certificate: Path | None = None,
        client_key: Path | None = None,
    ) -> None:
        if not endpoints:
            raise NotReadyError("management API", "no endpoint was given")
        for path in (ca, client_certificate, client_key):
            if path is not None and not path.is_file():
                raise NotReadyError(str(path), "this file is not there", "bring the cluster up first")
        self.user = user
        self._timeout_s = timeout_s
        self._headers = urllib3.make_headers(basic_auth=f"{user}:{password}")
        self._headers["content-type"] = "application/json"
        timeout = urllib3.Timeout(connect=min(timeout_s, _CONNECT_TIMEOUT_S), read=timeout_s)
        self._pools = {
            each.node: (
                each,
                node_pool(
                    each,
                    ca=ca,
                    timeout=timeout,
                    maxsize=_MOST_KEPT,
                    client_certificate=client_certificate,
                    client_key=client_key,
                ),
            )
            for each in endpoints
        }
        self._preferred = endpoints[0].node

    def __repr__(self) -> str:
        places = ", ".join(f"{e.node}={e.host}:{e.port}" for e, _ in self._pools.values())
        return f"ManagementClient({places}, user={self.user!r})"

    def __enter__(self) -> ManagementClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections; the client can go on being used."""
        for _, pool in self._pools.values():
            pool.close()

    @property
    def nodes_known(self) -> tuple[str, ...]:
        """Names of the endpoints' nodes, in the order given."""
        return tuple(self._pools)

    # -- typed reads ---------------------------------------------------------------------------------

    def overview(self, *, node: str | None = None) -> Overview:
        """``/api/overview``, as ``node`` sees it where one is named."""
        return facts.overview(self.get("overview", node=node))

    def nodes(self, *, node: str | None = None) -> tuple[NodeInfo, ...]:
        """Every member of the cluster, running or not, as ``node`` sees them where one is named."""
        return tuple(facts.node(each) for each in self.rows("nodes", node=node))

    def queues(self, vhost: str | None = None) -> tuple[QueueInfo, ...]:
        """The queues of ``vhost``, or of every vhost that the user sees."""
        path = ("queues",) if vhost is None else ("queues", vhost)
        return tuple(facts.queue(each) for each in self.rows(*path))

    def queue(self, vhost: str, name: str) -> QueueInfo:
        """One queue; raises NotFoundError when it is not there."""
        return facts.queue(self.get("queues", vhost, name))

    def definitions(self) -> dict[str, Any]:
        """``/api/definitions``: the whole cluster's. It holds password hashes: never log it."""
        return dict(self.get("definitions"))

    def health(self, *check: str, node: str | None = None) -> HealthCheck:
        """Run ``/api/health/checks/…`` (path segments in ``check``) on ``node``, or on any node.

        A failed check is returned, not raised; an unreachable node raises.
        """
        chosen = node or self._preferred
        try:
            body = self.get("health", "checks", *check, node=node)
        except ApiError as error:
            if error.status != _UNAVAILABLE:
                raise
            body = {"reason": error.what, "queues": error.answer.get("queues")}
        return facts.health_check(chosen, "/".join(check), body)

    def alarms(self) -> HealthCheck:
        """No memory, disk or other resource alarm anywhere in the cluster."""
        return self.health("alarms")

    def quorum_queues_have_leaders(self, pattern: str = ".*", *, node: str) -> HealthCheck:
        """``node`` knows a leader of every quorum queue of every vhost whose name matches. It knows that of
        those only that it has a member of: `rabbit_quorum_queue:leader_health_check` of 4.3.6 looks into the
        node's own ``ra_leaderboard``, which members write, and takes what is not there for leaderless.
        """
        check = ("quorum-queues-without-elected-leaders", "all-vhosts", "pattern", pattern)
        return self.health(*check, node=node)

    def not_quorum_critical(self, node: str) -> HealthCheck:
        """``node`` can stop and every queue with a member on it keeps its majority. Ask before a drain:
        a drained node passes vacuously."""
        return self.health("node-is-quorum-critical", node=node)

    def ready_to_serve_clients(self, node: str) -> HealthCheck:
        """``node`` has booted, is not under maintenance and listens."""
        return self.health("ready-to-serve-clients", node=node)

    def listens(self, node: str, port: int) -> HealthCheck:
        """``node`` has a listener on ``port``; one under maintenance has none for clients."""
        return self.health("port-listener", str(port), node=node)

    def certificates_valid_for(self, amount: int, unit: str, node: str) -> HealthCheck:
        """No certificate of ``node``'s listeners expires within ``amount`` of ``unit`` (days, weeks, …)."""
        return self.health("certificate-expiration", str(amount), unit, node=node)

    # -- the raw API ---------------------------------------------------------------------------------

    def get(self, *path: str, node: str | None = None, query: Mapping[str, str] | None = None) -> Any:
        """GET ``/api/`` + the segments of ``path`` (each is quoted here) and return the JSON.

        With ``node`` only that node is asked, otherwise the others too when the first does not answer.
        """
        return self._first_answer("GET", path, None, query, self._order(node))

    def rows(self, *path: str, node: str | None = None, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
        """`get` of a path that answers with a list of objects; raises NotReadyError when it does not.

        ``columns``: only these keys of each (https://www.rabbitmq.com/docs/http-api-reference#filtering).
        """
        answer = self.get(*path, node=node, query={"columns": ",".join(columns)} if columns else None)
        if isinstance(answer, list) and all(isinstance(each, dict) for each in answer):
            return answer
        raise UnreachableError("/api/" + "/".join(path), "expected a list of objects")

    def put(self, *path: str, body: Any = None) -> None:
        """PUT ``body`` as JSON."""
        self._first_answer("PUT", path, body, None, self._order(None))

    def post(self, *path: str, body: Any = None) -> Any:
        """POST ``body`` as JSON and return the JSON of the answer, None where it is empty."""
        return self._first_answer("POST", path, body, None, self._order(None))

    def delete(self, *path: str, query: Mapping[str, str] | None = None) -> None:
        """DELETE the object; raises NotFoundError when it is not there."""
        self._first_answer("DELETE", path, None, query, self._order(None))

    def _order(self, node: str | None) -> list[str]:
        if node is None:
            return [self._preferred, *(name for name in self._pools if name != self._preferred)]
        if node not in self._pools:
            raise NotReadyError(node, "no management endpoint is known for this node")
        return [node]

    def _first_answer(
        self, method: str, path: Sequence[str], body: Any, query: Mapping[str, str] | None, order: list[str]
    ) -> Any:
        for place, node in enumerate(order):
            try:
                answer = self._once(node, method, path, body, query)
            except (UnreachableError, ApiError) as error:
                if place + 1 == len(order) or not _worth_another_node(method, path[0], error):
                    raise
                continue
            if len(order) > 1:
                self._preferred = node
            return answer
        raise AssertionError("the order names at least one node")

    def _once(
        self, node: str, method: str, path: Sequence[str], body: Any, query: Mapping[str, str] | None
    ) -> Any:
        endpoint, pool = self._pools[node]
        url = "/api/" + "/".join(quote(segment, safe="~") for segment in path)
        where = f"{node} {method} {url}"
        target = f"{url}?{urlencode(query)}" if query else url
        payload = None if body is None else json.dumps(body).encode()
        try:
            response = pool.request(method, target, body=payload, headers=self._headers)
        except HTTPError as error:
            address = f"{endpoint.host}:{endpoint.port}"
            raise unreachable(where, address, error, self._timeout_s) from error
        if response.status >= 300:  # noqa: PLR2004 - no path used here redirects
            raise refusal(where, response.status, response.data, self.user)
        if not response.data:
            return None
        try:
            return json.loads(response.data)
        except ValueError as error:
            raise UnreachableError(where, "the answer is not JSON; is this the management API?") from error


def _worth_another_node(method: str, kind: str, error: UnreachableError | ApiError) -> bool:
    if isinstance(error, ApiError):  # a failed health check is an answer, and 4xx is the same everywhere
        return method == "GET" and kind != "health" and error.status >= 500  # noqa: PLR2004
    return method == "GET" or not error.sent
