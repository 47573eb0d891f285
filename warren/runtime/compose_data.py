"""A stopped node's data folder as one file on this machine, and back: for cold backups."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from warren.runtime.containers import Containers
from warren.runtime.reasons import engine_error

#: A copy of much data takes its time.
_COPY_S = 3600.0
_LOOK_S = 120.0
#: The cookie is the cluster's secret of today, and no data. What is complete gets its name last.
_OUT = (
    'tar --create --numeric-owner --exclude=./.erlang.cookie --file="/backup/$1.part" --directory=/data .'
    ' && chmod 600 "/backup/$1.part" && chown "$2" "/backup/$1.part" && mv "/backup/$1.part" "/backup/$1"'
)
_IN = (
    "find /data -mindepth 1 -delete && exec tar --extract --numeric-owner --same-owner --same-permissions"
    ' --file="/backup/$1" --directory=/data'
)


#: Where Raft members of the metadata store are, in whatever folder the node's own name makes.
_STORE = "find /data -path '*/coordination/*' -type f | head -n 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeData(Containers):
    """What a cold backup needs of a node that is stopped."""

    def keeps_data(self, node: str, *, image: str) -> bool:
        """Whether the data folder of ``node`` has a metadata store in it; its volume is there, its container
        need not be. ``image`` is one with a shell."""
        command = self._helper("none", "DAC_OVERRIDE", interactive=False)
        volume = f"{self.topology.cluster}_{node}-data"
        command.append(f"--mount=type=volume,source={volume},target=/data,readonly")
        command += ["--entrypoint", "sh", image, "-c", _STORE]
        done = self.run(command, timeout_s=_LOOK_S)
        if not done.ok:
            raise engine_error(done, self.topology.cluster)
        return bool(done.stdout.strip())

    def copy_data(self, node: str, to: Path) -> None:
        """Write the whole data folder of ``node``, but for its cookie, to a tar file for the caller only."""
        owner = f"{os.getuid()}:{os.getgid()}"
        self._tar(node, to, _OUT, owner, data="readonly", backup="")

    def fill_data(self, node: str, archive: Path) -> None:
        """Replace the data folder of ``node`` by what `copy_data` wrote; its cookie is to be written anew."""
        self._tar(node, archive, _IN, data="", backup="readonly")

    def _tar(self, node: str, file: Path, script: str, *more: str, data: str, backup: str) -> None:
        command = self._helper("none", "CHOWN", "DAC_OVERRIDE", "FOWNER", interactive=False)
        volume = f"{self.topology.cluster}_{node}-data"
        mounts = (
            f"type=volume,source={volume},target=/data,{data}",
            f"type=bind,source={file.parent.absolute()},target=/backup,{backup}",
        )
        command += [f"--mount={each.rstrip(',')}" for each in mounts]
        command += ["--entrypoint", "sh", self._image(node), "-c", script, "tar", file.name, *more]
        done = self.run(command, timeout_s=_COPY_S)
        if not done.ok:
            raise engine_error(done, self.topology.cluster)
