"""The read-only way to Prometheus: few paths, known parameters, a verified certificate, a size limit."""

from __future__ import annotations

import json
import re
import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import urllib3

from dashboards.view.config import LOOPBACK, Prometheus
from dashboards.view.credentials import read_secret
from warren.errors import BadInputError

#: Paths below /api/v1/ that may be asked; all of them only read.
ALLOWED_PATH = re.compile(
    r"query|query_range|series|labels|rules|alerts|targets|label/[A-Za-z_][A-Za-z0-9_]*/values"
)
ALLOWED_PARAMETERS = frozenset(
    {"query", "start", "end", "step", "time", "timeout", "limit", "match[]", "type", "state", "scrapePool"}
)
#: A hundred series of 1,500 points take about 3 MiB, and several answers are held at a time.
LARGEST_ANSWER_BYTES = 8 * 1024 * 1024
_TIMEOUT = urllib3.Timeout(connect=3.0, read=30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status and a JSON body to hand on."""

    status: int
    body: bytes


class Upstream:
    """One Prometheus. Faults of the way there come back as answers in Prometheus' own error form."""

    def __init__(self, config: Prometheus) -> None:
        """Read the password and the CA; raise BadInputError where either cannot be read."""
        self._config = config
        headers = {"User-Agent": "warren-view"}
        if config.user and config.password_file:
            headers |= urllib3.make_headers(basic_auth=f"{config.user}:{read_secret(config.password_file)}")
        self._pool = urllib3.PoolManager(
            maxsize=8,
            block=True,
            headers=headers,
            timeout=_TIMEOUT,
            retries=False,
            ssl_context=_tls_context(config),
        )

    def get(self, path: str, raw_query: str) -> Answer:
        """Ask ``/api/v1/<path>``; parameters that are not known are dropped."""
        if not ALLOWED_PATH.fullmatch(path):
            return _fault(404, "not_found", f"/api/v1/{path} cannot be asked through this preview")
        pairs = [
            pair for pair in parse_qsl(raw_query, keep_blank_values=True) if pair[0] in ALLOWED_PARAMETERS
        ]
        url = f"{self._config.url}/api/v1/{path}" + (f"?{urlencode(pairs)}" if pairs else "")
        try:
            return self._ask(url)
        except urllib3.exceptions.NewConnectionError as error:  # a subclass of the time-outs, which it is not
            return _fault(
                502, "unreachable", f"Prometheus at {self._config.url} cannot be reached: {_reason(error)}"
            )
        except urllib3.exceptions.TimeoutError:
            return _fault(504, "timeout", f"Prometheus at {self._config.url} did not answer in time")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _fault(
                502, "unreachable", f"Prometheus at {self._config.url} cannot be asked: {_reason(error)}"
            )

    def _ask(self, url: str) -> Answer:
        response = self._pool.request("GET", url, preload_content=False, redirect=False)
        try:
            body = response.read(LARGEST_ANSWER_BYTES + 1, decode_content=True)
        finally:
            response.release_conn()
        if len(body) > LARGEST_ANSWER_BYTES:
            response.close()
            return _fault(
                502, "too_large", "the answer is larger than 8 MiB; ask for less time or fewer series"
            )
        return _checked(response.status, body, self._config.url)


def _checked(status: int, body: bytes, url: str) -> Answer:
    if status in {401, 403}:
        return _fault(
            502, "unauthorized", f"Prometheus at {url} refused this preview's credentials ({status})"
        )
    if 300 <= status < 400:  # noqa: PLR2004 - the redirects
        return _fault(
            502, "bad_answer", f"Prometheus at {url} sends elsewhere ({status}): give its own address"
        )
    if not body.lstrip().startswith(b"{"):  # looked at, not parsed: the page parses it anyway
        return _fault(502, "bad_answer", f"Prometheus at {url} answered {status} without JSON")
    return Answer(status=status, body=body)


def _tls_context(config: Prometheus) -> ssl.SSLContext | None:
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
    cause = getattr(error, "reason", None) or error
    return str(cause) or type(cause).__name__


def _fault(status: int, kind: str, text: str) -> Answer:
    body = json.dumps({"status": "error", "errorType": kind, "error": text})
    return Answer(status=status, body=body.encode())
