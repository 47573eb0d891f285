"""Where samples go beside this cluster's own Prometheus: the settings of it, how they are read and checked.

``monitoring.external_labels``, ``monitoring.remote_write`` and ``monitoring.long_term`` of the topology.
Secrets are named by their files in the state's folder of secrets and never stand here
(`warren.shipping` reads them).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from warren.reader import Section

#: Taken where the topology names none; the version of the Debian package that images are built from.
LONG_TERM_IMAGE = "victoriametrics/victoria-metrics:v1.145.0"
#: What the samples sent to the cluster's own store are called; nobody else may be.
LONG_TERM_NAME = "long-term"
#: An external label gives way to one that a series has: by these, some would be told apart and some not.
_OWN_LABELS = frozenset(
    {"alertname", "alertstate", "instance", "job", "le", "node", "quantile", "queue", "severity", "vhost"}
)
_LABEL = r"[A-Za-z_][A-Za-z0-9_]*"
#: No dollar sign: Prometheus 3 takes what follows for a variable of its environment.
_VALUE = r"[A-Za-z0-9][A-Za-z0-9 ._/-]{0,99}"
_NAME = r"[a-z][a-z0-9-]{0,39}"
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "y": 365}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWrite:
    """A store elsewhere that takes Prometheus' remote write.

    Either ``user`` and ``password_file`` or ``token_file`` are given, the other is empty. ``ca_file`` is
    empty where an authority that the image trusts has signed the store's certificate. Files are bare names.
    """

    name: str
    url: str
    user: str
    password_file: str
    token_file: str
    ca_file: str

    @property
    def secret_file(self) -> str:
        """The file with the password or the token."""
        return self.password_file or self.token_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipping:
    """Everywhere that samples go. ``retention`` is that of the cluster's own long-term store, empty: none."""

    external_labels: Mapping[str, str] = field(default_factory=dict)
    remote_writes: tuple[RemoteWrite, ...] = ()
    retention: str = ""

    @property
    def long_term(self) -> bool:
        """Whether the cluster has a long-term store of its own."""
        return bool(self.retention)


def read(monitoring: Section) -> Shipping:
    """The settings below ``monitoring``; faults are noted in its document."""
    return Shipping(
        external_labels=_external_labels(monitoring),
        remote_writes=monitoring.sections("remote_write", _remote_write),
        retention=_long_term(monitoring),
    )


def _long_term(monitoring: Section) -> str:
    if "long_term" not in monitoring.data:
        return ""
    section = monitoring.section("long_term")
    retention = section.text("retention", "1y", pattern=r"[1-9]\d{0,4}(d|w|y)", hint="like 90d, 26w or 1y")
    section.finish()
    return retention


def _external_labels(monitoring: Section) -> Mapping[str, str]:
    section = monitoring.section("external_labels", required=False)
    labels: dict[str, str] = {}
    for name in section.data:
        if not isinstance(name, str) or not re.fullmatch(_LABEL, name) or name.startswith("__"):
            section.fault(str(name), "is no name of a label", "letters, digits and underscores, no two first")
        elif name == "cluster":
            section.fault(name, "is always there, and the cluster's own name", "change cluster.name instead")
        elif name in _OWN_LABELS:
            section.fault(name, "is a label of the series themselves", "choose another, like site or region")
        else:
            hint = "letters, digits, spaces, dots, dashes, slashes and underscores, 100 at most"
            labels[name] = section.text(name, pattern=_VALUE, hint=hint)
            if section.data[name] == "":
                section.fault(name, "is empty, which is the same as not there", "give it a value")
    return labels


def _remote_write(section: Section) -> RemoteWrite:
    def file(key: str, ending: str) -> str:
        what = f"the bare name of a .{ending} file in the state's folder of secrets, like central.{ending}"
        return section.text(key, "", pattern=rf"[a-z0-9][a-z0-9-]*\.{ending}", hint=what)

    name = section.text("name", pattern=_NAME, hint="lower-case letters, digits and dashes")
    url = section.text("url")
    if reason := _url_fault(url):
        # Not the address itself: what is wrong with it may be a password.
        section.fault("url", reason, "give the store's https address, like https://host/api/v1/write")
    found = RemoteWrite(
        name=name,
        url=url,
        user=section.text("user", "", pattern=r"[^:\s]{1,200}", hint="without a colon or a space"),
        password_file=file("password_file", "password"),
        token_file=file("token_file", "token"),
        ca_file=file("ca_file", "pem"),
    )
    if bool(found.user) != bool(found.password_file):
        section.fault("user", "goes with password_file; one is missing", "give both")
    if found.password_file and found.token_file:
        section.fault("token_file", "stands beside password_file", "give one of them")
    if not found.secret_file and not found.user:
        section.fault(
            "", "nobody takes samples from just anyone", "give user and password_file, or token_file"
        )
    return found


def _url_fault(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, account = parts.hostname, parts.username is not None or parts.password is not None
        _ = parts.port
    except ValueError:
        return "is no address"
    if account:
        return "holds an account; no password stands in an address"
    if not url or parts.scheme != "https":
        return "must be https: samples and password would travel in plain text" if url else ""
    if not host or parts.query or parts.fragment or re.search(r"[\s$]", url):
        return "must be a host and a path, nothing after it"
    return ""


def faults(shipping: Shipping, *, retention: str, users: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """What the parts say against each other and the rest of the topology: (key path, reason, remedy).

    ``retention`` is that of Prometheus, ``users`` the names of the broker's accounts, whose passwords lie in
    the same folder as the files that are named here.
    """
    for name, count in Counter(each.name for each in shipping.remote_writes).items():
        path = f"monitoring.remote_write[{name}]"
        if count > 1:
            yield path, f"'{name}' is given {count} times", "give each its own name"
        if name == LONG_TERM_NAME:
            yield path, "is what the cluster's own store is called", "choose another name"
    for each in shipping.remote_writes:
        for file in (each.password_file, each.token_file):
            if file and file in users:
                path = f"monitoring.remote_write[{each.name}]"
                yield path, f"'{file}' is the password of a user of the broker", "name another file"
    if shipping.long_term and _days(shipping.retention) < _days(retention):
        yield (
            "monitoring.long_term.retention",
            f"{shipping.retention} is shorter than what Prometheus keeps by itself ({retention})",
            "give a longer one",
        )


def _days(text: str) -> float:
    """Days of "7d", "26w"; nothing of what was refused already."""
    match = re.fullmatch(r"(\d+)([hdwy])", text)
    return int(match[1]) * _DAYS[match[2]] if match else 0.0
