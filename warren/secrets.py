"""Generated passwords and the Erlang cookie: a file each in the state folder, mode 0600, never elsewhere."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from warren.errors import NotReadyError
from warren.state import write_atomically

#: Accounts of services that are not broker users.
PROMETHEUS_WEB = "prometheus-web"
ALERTMANAGER_WEB = "alertmanager-web"
GRAFANA_ADMIN = "grafana-admin"
VIEW = "view"
VICTORIAMETRICS_WEB = "victoriametrics-web"
COOKIE = "erlang-cookie"
_ALWAYS = (PROMETHEUS_WEB, ALERTMANAGER_WEB, GRAFANA_ADMIN, VIEW)

#: 24 random bytes are 192 bits: no credential validator is needed for what nobody chose.
_BYTES = 24


def hash_name(account: str) -> str:
    """The name under which the hash of a service account's password is kept beside it."""
    return f"{account}.bcrypt"


def service_accounts(*, long_term: bool) -> tuple[str, ...]:
    """Those there are; the long-term store's only where the cluster has one."""
    return (*_ALWAYS, VICTORIAMETRICS_WEB) if long_term else _ALWAYS


@dataclass(frozen=True, slots=True)
class Secrets:
    """Reads and makes the secrets of one cluster."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def ensure(self, name: str) -> str:
        """The secret called ``name``, made now if it is not there yet."""
        path = self.path(name)
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(_BYTES).encode(), mode=0o600)
        return self.read(name)

    def keep(self, name: str, value: str) -> None:
        """Let ``value`` be the secret called ``name``, in one step."""
        write_atomically(self.path(name), value.encode(), mode=0o600)

    def forget(self, name: str) -> None:
        """Remove the secret called ``name``, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def read(self, name: str) -> str:
        """The secret called ``name``; raises NotReadyError when it was never made."""
        try:
            return self.path(name).read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise NotReadyError(
                str(self.path(name)),
                "this secret is not there",
                "bring the cluster up once: make cluster-up; one of hosts: ansible-playbook site.yml",
            ) from error
