"""What operations need of a host: files of its services, a stopped broker's data, the broker's package."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warren.errors import NotReadyError
from warren.runtime import host_scripts, units
from warren.runtime.shipped import tar
from warren.runtime.ssh_host import ACT_S, ASK_S, Hosts
from warren.runtime.units import BROKER_USER

#: A copy of much data takes its time, and so does a package from a slow mirror.
_COPY_S, _INSTALL_S, _SERVICE_S = 3600.0, 900.0, 120.0
#: Where Ansible lays packages that it installs from files.
_PACKAGES = "/var/cache/warren-packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostData(Hosts):
    """``host`` may be that of a service beside the nodes; a ``node`` is a host with a broker."""

    def put(
        self, host: str, folder: str, files: Mapping[str, bytes], *, owner: str, only_changed: bool = False
    ) -> tuple[str, ...]:
        """Replace ``files`` (by path below ``folder``), which keep owner and mode; new ones are ``owner``'s
        alone. Returns those that were replaced: with ``only_changed`` those that differed."""
        content = tar({f"{path}{host_scripts.BESIDE}": data for path, data in files.items()}, mode=0o400)
        arguments = [folder, owner, "changed" if only_changed else "all", *files]
        return tuple(self._script(host, host_scripts.PUT, arguments, stdin=content).splitlines())

    def have_read(self, host: str, unit: str, paths: Sequence[str]) -> None:
        """Restart ``unit`` if it runs and started before one of its files was written."""
        self._script(host, host_scripts.REREAD, [unit, *paths], timeout_s=_SERVICE_S)

    def knows(self, host: str, unit: str) -> bool:
        """Whether a host has a service; raises NotReadyError where it is not reached."""
        asked = ["systemctl", "show", unit, "--property=LoadState", "--value"]
        return self.ssh.checked(host, asked, timeout_s=ASK_S).stdout.strip() == "loaded"

    def has_folder(self, host: str, path: str) -> bool:
        """Whether there is the folder in which ``path`` lies."""
        asked = ["test", "-d", path.rpartition("/")[0]]
        return self.ssh.as_root(host, asked, timeout_s=ASK_S).ok

    def keeps_data(self, node: str) -> bool:
        """Whether the data folder of a broker has a metadata store in it."""
        return bool(self._script(node, host_scripts.KEEPS).strip())

    def empty_data(self, node: str) -> None:
        """Remove all data of a broker that is stopped, but for its cookie."""
        self._script(node, host_scripts.EMPTY)

    def copy_data(self, node: str, to: Path) -> None:
        """Write the data folder of a broker that is stopped, but for its cookie, to a tar file for the caller
        only."""
        part = to.with_name(f"{to.name}.part")
        command = ["sh", "-c", host_scripts.COPY]
        self.ssh.moved(node, command, timeout_s=_COPY_S, sink=part)
        part.replace(to)

    def fill_data(self, node: str, archive: Path, *, sha256: str) -> None:
        """Replace the data of a broker that is stopped by what `copy_data` wrote, whose hash (hexadecimal) is
        ``sha256``; the cookie stays. Raises NotReadyError, with the former data in place, where not all of it
        arrived."""
        command = ["sh", "-c", host_scripts.FILL, "sh", sha256]
        self.ssh.moved(node, command, timeout_s=_COPY_S, source=archive)

    def package(self, node: str, version: str) -> str:
        """What apt is to be told for the broker's package of ``version``; raises NotReadyError where the
        host's package sources do not have it."""
        return self._script(node, host_scripts.WANTED, [re.escape(version)]).strip()

    def would_install(self, node: str, packages: Sequence[str]) -> str:
        """What apt says it would do."""
        return self._script(node, host_scripts.SIMULATE, packages)

    def erlang(self, node: str) -> str:
        """The series of Erlang that is installed, like ``27``; empty where it is not Debian's package."""
        asked = ["dpkg-query", "--show", "--showformat=${Version}", "erlang-base"]
        said = self.ssh.as_root(node, asked, timeout_s=ASK_S).stdout
        found = re.match(r"(?:\d+:)?(\d+)", said)
        return found[1] if found else ""

    def install(self, node: str, packages: Sequence[str]) -> None:
        """Install ``packages`` anew, the version that is there included, without starting the broker."""
        self._script(node, host_scripts.INSTALL, packages, timeout_s=_INSTALL_S)

    def lay_package(self, node: str, package: Path) -> str:
        """Bring a package to a host; returns where it lies there."""
        place = f"{_PACKAGES}/{package.name}"
        command = ["sh", "-c", host_scripts.LAY, "sh", place]
        self.ssh.moved(node, command, timeout_s=_INSTALL_S, source=package)
        return place

    def stops_s(self, node: str) -> float:
        """How long systemd lets the broker stop before it kills it, in seconds; 0: for ever."""
        return units.span_s(self._script(node, host_scripts.STOPS).strip())

    def refuse_unreached(self, host: str) -> None:
        """Raise NotReadyError where a host is not reached, or gives no right."""
        self.ssh.checked(host, ["true"], timeout_s=ASK_S)

    def put_files(self, node: str, files: Mapping[str, bytes]) -> None:
        self.put(node, units.CONFIG, files, owner=BROKER_USER)

    def _script(
        self,
        host: str,
        script: str,
        arguments: Sequence[str] = (),
        *,
        timeout_s: float = ACT_S,
        stdin: bytes | None = None,
    ) -> str:
        """What a script prints; raises NotReadyError with its last line where it fails."""
        done = self.ssh.as_root(
            host, ["sh", "-c", script, "sh", *arguments], timeout_s=timeout_s, stdin=stdin
        )
        if not done.ok:
            raise NotReadyError(host, done.reason())
        return done.stdout
