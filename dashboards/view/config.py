"""The preview's configuration: a JSON file, read strictly, into frozen dataclasses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from warren.errors import BadInputError, BadInputsError
from warren.json_file import read_object

#: Hosts that plain HTTP may go to: nothing of it leaves the machine.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_REQUIRED = (
    "listen_host",
    "listen_port",
    "tls_certificate_file",
    "tls_key_file",
    "users",
    "prometheus_url",
    "dashboards_dir",
)
_OPTIONAL = (
    "prometheus_ca_file",
    "prometheus_user",
    "prometheus_password_file",
    "alertmanager_url",
    "alertmanager_ca_file",
    "alertmanager_user",
    "alertmanager_password_file",
    "long_term_url",
    "long_term_ca_file",
    "long_term_user",
    "long_term_password_file",
    "runbooks_dir",
    "scrape_interval_s",
)
#: Servers that need not be there; keys of one that is not named by its address are faults.
_ASKED_BESIDES = ("alertmanager", "long_term")
_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One user of the preview: either a bcrypt hash or a file holding the password, never both."""

    user: str
    password_bcrypt: str | None = None
    password_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A server that the preview asks; ``ca_file`` verifies an https address."""

    url: str
    ca_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """All that the preview's server needs. ``listen_port`` 0 takes a free port.

    Without ``alertmanager`` the page of alerts cannot say which are silenced; without ``runbooks_dir`` it
    names an alert's runbook and cannot show it. ``long_term`` has Prometheus' API for queries and keeps its
    series for longer: the boards may be drawn from either.
    """

    listen_host: str
    listen_port: int
    tls_certificate_file: Path
    tls_key_file: Path
    credentials: tuple[Credential, ...]
    prometheus: Backend
    dashboards_dir: Path
    alertmanager: Backend | None = None
    long_term: Backend | None = None
    runbooks_dir: Path | None = None
    scrape_interval_s: float = 15.0


def load_config(path: Path) -> ViewConfig:
    """Read the JSON file at ``path``; relative paths in it count from its own folder.

    Raises BadInputsError naming every fault by file and key.
    """
    raw = read_object(path)
    faults = _faults(raw, str(path))
    if faults:
        raise BadInputsError(faults)
    return _build(raw, path.parent)


def _build(raw: Mapping[str, Any], base: Path) -> ViewConfig:
    return ViewConfig(
        listen_host=raw["listen_host"],
        listen_port=raw["listen_port"],
        tls_certificate_file=base / raw["tls_certificate_file"],
        tls_key_file=base / raw["tls_key_file"],
        credentials=tuple(_credential(user, base) for user in raw["users"]),
        prometheus=_backend(raw, base, "prometheus"),
        dashboards_dir=base / raw["dashboards_dir"],
        alertmanager=_backend(raw, base, "alertmanager") if "alertmanager_url" in raw else None,
        long_term=_backend(raw, base, "long_term") if "long_term_url" in raw else None,
        runbooks_dir=base / raw["runbooks_dir"] if "runbooks_dir" in raw else None,
        scrape_interval_s=float(raw.get("scrape_interval_s", 15.0)),
    )


def _backend(raw: Mapping[str, Any], base: Path, name: str) -> Backend:
    def file(key: str) -> Path | None:
        return base / raw[key] if raw.get(key) is not None else None

    return Backend(
        url=raw[f"{name}_url"].rstrip("/"),
        ca_file=file(f"{name}_ca_file"),
        user=raw.get(f"{name}_user"),
        password_file=file(f"{name}_password_file"),
    )


def _credential(raw: Mapping[str, str], base: Path) -> Credential:
    if "password_file" in raw:
        return Credential(user=raw["user"], password_file=base / raw["password_file"])
    return Credential(user=raw["user"], password_bcrypt=raw["password_bcrypt"])


def _faults(raw: Mapping[str, Any], where: str) -> list[BadInputError]:
    faults = [BadInputError(f"{where}:{key}", "is required") for key in _REQUIRED if key not in raw]
    known = {*_REQUIRED, *_OPTIONAL}
    faults += [
        BadInputError(
            f"{where}:{key}", "is not a key of this file", f"the keys are {', '.join(sorted(known))}"
        )
        for key in raw
        if key not in known
    ]
    for key in known & raw.keys():
        reason = _value_fault(key, raw[key])
        if reason:
            faults.append(BadInputError(f"{where}:{key}", reason))
    users = raw.get("users")
    if isinstance(users, list):
        for number, user in enumerate(users):
            reason = _user_fault(user)
            if reason:
                faults.append(BadInputError(f"{where}:users[{number}]", reason))
    return faults + _backend_faults(raw, where)


def _backend_faults(raw: Mapping[str, Any], where: str) -> list[BadInputError]:
    faults = [
        BadInputError(f"{where}:{name}_user", f"goes with {name}_password_file; one is missing")
        for name in ("prometheus", *_ASKED_BESIDES)
        if (f"{name}_user" in raw) != (f"{name}_password_file" in raw)
    ]
    faults += [
        BadInputError(f"{where}:{key}", f"needs {name}_url")
        for name in _ASKED_BESIDES
        if f"{name}_url" not in raw
        for key in sorted(raw)
        if key.startswith(f"{name}_")
    ]
    return faults


def _value_fault(key: str, value: object) -> str | None:
    if key == "listen_port":
        good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST_PORT
        return None if good else "must be a port number, 0 to 65535"
    if key == "scrape_interval_s":
        number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        return None if number else "must be a number of seconds above 0"
    if key == "users":
        return None if isinstance(value, list) and value else "must be a list of at least one user"
    if not isinstance(value, str) or not value:
        return "must be a text that is not empty"
    return _url_fault(value) if key.endswith("_url") else None


def _url_fault(value: str) -> str | None:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname:
        return "must be an http or https address"
    if url.username or url.password:
        return "must hold no password; use prometheus_user and prometheus_password_file"
    if url.query or url.fragment:
        return "must end with its path"
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        return "must be https: plain HTTP is for loopback addresses only"
    return None


def _user_fault(user: object) -> str | None:
    if not isinstance(user, dict) or set(user) not in (
        {"user", "password_bcrypt"},
        {"user", "password_file"},
    ):
        return "must hold user, and either password_bcrypt or password_file"
    if not all(isinstance(value, str) and value for value in user.values()) or ":" in user["user"]:
        return "must hold texts that are not empty, the user without a colon"
    if "password_bcrypt" in user and not _BCRYPT.fullmatch(user["password_bcrypt"]):
        return "password_bcrypt must be a bcrypt hash, such as htpasswd -nB makes"
    return None
