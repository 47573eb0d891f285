"""The read-only way to what the preview asks: few paths, known parameters, a verified certificate."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import urllib3

from dashboards.view.config import LOOPBACK, Backend
from dashboards.view.credentials import read_secret
from warren.errors import BadInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What may be asked of a server: ``paths`` below ``prefix`` that only read, and ``parameters`` known."""

    name: str
    prefix: str
    paths: re.Pattern[str]
    parameters: frozenset[str]


PROMETHEUS = Api(
    name="Prometheus",
    prefix="api/v1/",
    paths=re.compile(
        r"query|query_range|series|labels|rules|alerts|targets|label/[A-Za-z_][A-Za-z0-9_]*/values"
    ),
    parameters=frozenset(
        {
            "query",
            "start",
            "end",
            "step",
            "time",
            "timeout",
            "limit",
            "match[]",
            "type",
            "state",
            "scrapePool",
        }
    ),
)
#: Whatever has Prometheus' API for queries. What is scraped, what rules say and what fires is Prometheus' to
#: tell: of these a store has none of its own, and would answer with empty lists.
LONG_TERM = Api(
    name="The long-term store",
    prefix=PROMETHEUS.prefix,
    paths=re.compile(r"query|query_range|series|labels|label/[A-Za-z_][A-Za-z0-9_]*/values"),
    parameters=PROMETHEUS.parameters,
)
#: Its status, which holds the configuration, is left out.
ALERTMANAGER = Api(
    name="Alertmanager",
    prefix="api/v2/",
    paths=re.compile(r"alerts|silences"),
    parameters=frozenset({"filter", "active", "silenced", "inhibited", "unprocessed"}),
)

#: A hundred series of 1,500 points take about 3 MiB, and several answers are held at a time.
LARGEST_ANSWER_BYTES = 8 * 1024 * 1024
_TIMEOUT = urllib3.Timeout(connect=3.0, read=30.0)
#: Connections to one server, and how long a question waits for one of them.
_MOST_CONNECTIONS = 8
_TURN_S = 5.0


#: Where urllib3 begins what it says with the object that it says it of.
_OBJECT = re.compile(r"^<?[\w.]*HTTPS?Connection[^:]*(?:>|\)): ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status and a JSON body to hand on."""

    status: int
    body: bytes


class Upstream:
    """One server. Faults of the way there come back as answers in Prometheus' own error form."""

    def __init__(self, config: Backend, api: Api = PROMETHEUS) -> None:
        """Read the password and the CA; raise BadInputError where either cannot be read."""
        self._config = config
        self._api = api
        self._place = f"{api.name} at {config.url}"
        headers = {"User-Agent": "warren-view"}
        if config.user and config.password_file:
            headers |= urllib3.make_headers(basic_auth=f"{config.user}:{read_secret(config.password_file)}")
        self._pool = urllib3.PoolManager(
            maxsize=_MOST_CONNECTIONS,
            block=True,
            headers=headers,
            timeout=_TIMEOUT,
            retries=False,
            ssl_context=_tls_context(config),
        )

    def get(self, path: str, raw_query: str) -> Answer:
        """Ask ``/<prefix><path>``; parameters that are not known are dropped."""
        known, place = self._api.parameters, self._place
        if not self._api.paths.fullmatch(path):
            return _fault(404, "not_found", f"/{self._api.prefix}{path} cannot be asked through this preview")
        pairs = [pair for pair in parse_qsl(raw_query, keep_blank_values=True) if pair[0] in known]
        url = f"{self._config.url}/{self._api.prefix}{path}" + (f"?{urlencode(pairs)}" if pairs else "")
        try:
            return self._ask(url)
        except urllib3.exceptions.NewConnectionError as error:  # a subclass of the time-outs, which it is not
            return _fault(502, "unreachable", f"{place} cannot be reached: {_reason(error)}")
        except urllib3.exceptions.EmptyPoolError:
            return _fault(504, "timeout", f"{place} is busy with other questions of this preview")
        except urllib3.exceptions.TimeoutError:
            return _fault(504, "timeout", f"{place} did not answer in time")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _fault(502, "unreachable", f"{place} cannot be asked: {_reason(error)}")

    def _ask(self, url: str) -> Answer:
        response = self._pool.request("GET", url, preload_content=False, redirect=False, pool_timeout=_TURN_S)
        try:
            body = response.read(LARGEST_ANSWER_BYTES + 1, decode_content=True)
            if len(body) > LARGEST_ANSWER_BYTES:
                response.close()  # while it has its connection: the rest would be read for the next answer
        finally:
            response.release_conn()
        if len(body) > LARGEST_ANSWER_BYTES:
            return _fault(
                502, "too_large", "the answer is larger than 8 MiB; ask for less time or fewer series"
            )
        return _checked(response.status, body, self._place)


def _checked(status: int, body: bytes, place: str) -> Answer:
    if status in {401, 403}:
        return _fault(502, "unauthorized", f"{place} refused this preview's credentials ({status})")
    if status == http.client.SERVICE_UNAVAILABLE and not body.lstrip().startswith(b"{"):
        return _fault(503, "unavailable", f"{place} is starting or stopping (503)")
    if 300 <= status < 400:  # noqa: PLR2004 - the redirects
        return _fault(502, "bad_answer", f"{place} sends elsewhere ({status}): give its own address")
    if not body.lstrip().startswith((b"{", b"[", b'"')):  # looked at, not parsed: the page parses it anyway
        return _fault(502, "bad_answer", f"{place} answered {status} without JSON")
    return Answer(status=status, body=body)


def _tls_context(config: Backend) -> ssl.SSLContext | None:
    url = urlsplit(config.url)
    if url.scheme != "https":
        if url.hostname not in LOOPBACK:
            raise BadInputError(config.url, "plain HTTP is for loopback addresses only")
        return None
    try:
        context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
    except OSError as error:
        raise BadInputError(str(config.ca_file), f"the CA cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _reason(error: Exception) -> str:
    """What the reader must know of it: the place is named already, and 30 panels say the same."""
    cause = getattr(error, "reason", None) or error
    return _OBJECT.sub("", str(cause)) or type(cause).__name__


def _fault(status: int, kind: str, text: str) -> Answer:
    body = json.dumps({"status": "error", "errorType": kind, "error": text})
    return Answer(status=status, body=body.encode())
