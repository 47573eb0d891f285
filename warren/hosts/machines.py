"""The containers in which test hosts live, their network, and their part of the machine's control groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from warren import render
from warren.errors import NotReadyError, RefusedError
from warren.hosts.place import USER, Place, places
from warren.process import Completed
from warren.runtime.containers import ACT_S, Containers
from warren.runtime.reasons import engine_error

ROLE = "host"
#: Of a host: what the broker is given (it is told so, see its configuration), and as much again for the rest.
_REST_MIB = 1024
_STOP_S = 20
_TMP = "/tmp:rw,nosuid,nodev,mode=1777"  # noqa: S108 - inside the container
_NO_GROUPS = "there is no control group hierarchy of version 2 (cgroup2) at /sys/fs/cgroup or below it"
_NO_GROUPS_REMEDY = (
    "mount it: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified\n"
    "the engine has to run on a Linux machine that permits it"
)
#: systemd needs a part of the hierarchy that it may write to: a folder a host. Prints the folder's parent.
_MAKE_GROUPS = """\
base=/groups/unified
[ -e $base/cgroup.procs ] || base=/groups
[ -e $base/cgroup.procs ] || exit 9
for each; do mkdir -p $base/$each || exit 1; done
echo ${base#/groups}"""
_NO_HIERARCHY = 9
_REMOVE_GROUPS = """\
for each; do
  for base in /groups/unified /groups; do
    [ ! -d $base/$each ] || find $base/$each -depth -type d -exec rmdir {} ';' || exit 1
  done
done"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines(Containers):
    """The hosts of one cluster, as the engine sees them."""

    def found(self) -> Mapping[str, str]:
        """Each host that there is, by name, and the engine's word on it (``running``, ``exited``, …)."""
        return {
            labels["warren.node"]: str(container["State"]["Status"])
            for container in self.containers()
            if (labels := container["Config"]["Labels"]).get("warren.role") == ROLE
        }

    def refuse_foreign(self) -> None:
        """Raise RefusedError when a host was made from another state folder that is still there: its key and
        its inventory lie there."""
        for container in self.containers():
            owner = container["Config"]["Labels"].get("warren.state", str(self.state.root))
            if owner != str(self.state.root) and Path(owner).exists():
                what = f"the hosts belong to the state folder {owner}, not to {self.state.root}"
                remedy = f"set WARREN_STATE={Path(owner).parent} to work with them"
                raise RefusedError(f"cluster '{self.topology.cluster}'", what, remedy)

    def make_groups(self, image: str) -> str:
        """Make each host's folder of the control groups; returns what has to stand before its name.

        In a container, so that the right to use the engine suffices. Raises NotReadyError where the machine
        has no such hierarchy, or the engine lets nobody write to it.
        """
        done = self._in_groups(image, _MAKE_GROUPS)
        if done.returncode == _NO_HIERARCHY:
            raise NotReadyError("control groups", _NO_GROUPS, _NO_GROUPS_REMEDY)
        if not done.ok:
            raise NotReadyError("control groups", f"cannot be made: {done.reason()}", _NO_GROUPS_REMEDY)
        return f"/sys/fs/cgroup{done.stdout.strip()}"

    def make_network(self) -> None:
        """Make the bridge network that the hosts are on, if it is not there."""
        if not self._labelled("network"):
            subnet = ("--subnet", render.subnet(self.topology.cluster))
            self._checked("network", "create", *subnet, *self._labels(), self.topology.cluster)

    def create(self, place: Place, *, image: str, groups: str) -> None:
        """Make and start the container of one host.

        The rights are what systemd and the packet filter need inside: no more can be left out, and the
        engine's own profiles forbid the mounts that sandboxed services ask for.
        """
        name, memory = self.container(place.name), f"{self._memory_mib()}m"
        others = [each for each in places(self.topology) if each.name != place.name]
        self._checked(
            "run", "--detach", "--pull", "never", "--name", name, "--hostname", place.name,
            "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN",
            "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
            "--cgroupns", "host", "--volume", f"{groups}/{name}:/sys/fs/cgroup:rw",
            "--tmpfs", "/run:rw,nosuid,nodev,mode=755", "--tmpfs", _TMP,
            "--env", "container=docker", "--memory", memory, "--memory-swap", memory,
            "--network", self.topology.cluster, "--ip", place.address, "--network-alias", place.name,
            *(part for each in others for part in ("--add-host", f"{each.name}:{each.address}")),
            *self._labels(), "--label", f"warren.role={ROLE}", "--label", f"warren.node={place.name}",
            image,
        )  # fmt: skip

    def start(self, place: Place) -> None:
        """Start a host that is there and does not run."""
        self._act(place.name, "start")

    def inside(self, host: str, *argv: str, stdin: bytes | None = None, user: str = "root") -> Completed:
        """Run a command on a host by the engine, past its sshd."""
        interactive = ["--interactive"] if stdin is not None else []
        command = [self.engine.docker, "exec", *interactive, "--user", user, self.container(host), *argv]
        return self.run(command, timeout_s=ACT_S, stdin=stdin)

    def authorise(self, host: str, public_key: str) -> None:
        """Let the holder of ``public_key`` log in as the account that may become root."""
        write = f"umask 077; cat > /home/{USER}/.ssh/authorized_keys"
        done = self.inside(host, "sh", "-c", write, stdin=f"{public_key} warren\n".encode(), user=USER)
        if not done.ok:
            raise NotReadyError(host, f"does not take the key: {done.reason()}", "warren hosts down")

    def host_key(self, host: str) -> str:
        """The host's own public key, read out of it: nobody between us and it can have changed it."""
        done = self.inside(host, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
        if not done.ok:
            raise NotReadyError(host, f"has no key yet: {done.reason()}")
        return done.stdout.strip()

    def remove(self) -> None:
        """Remove everything of the cluster's that carries its labels, and the folders of its control
        groups."""
        image = self._any_image()
        if ids := self._labelled("container", "--all"):
            self.run([self.engine.docker, "stop", "-t", str(_STOP_S), *ids], timeout_s=_STOP_S + 2 * ACT_S)
            self._remove(ids)
        for network in self._labelled("network"):
            self._checked("network", "rm", network)
        if image:
            done = self._in_groups(image, _REMOVE_GROUPS)
            if not done.ok:
                raise NotReadyError("control groups", f"cannot be removed: {done.reason()}")

    def _remove(self, ids: Collection[str]) -> None:
        done = self.run([self.engine.docker, "rm", "--force", "--volumes", *ids], timeout_s=2 * ACT_S)
        if not done.ok and self._labelled("container", "--all"):
            raise engine_error(done, self.topology.cluster)

    def _any_image(self) -> str:
        """The image of a host that there is: a helper for the control groups is made of it."""
        for container in self.containers():
            if container["Config"]["Labels"].get("warren.role") == ROLE:
                return str(container["Image"])
        return ""

    def _in_groups(self, image: str, script: str) -> Completed:
        names = [self.container(place.name) for place in places(self.topology)]
        command = self._helper("none", "DAC_OVERRIDE", interactive=False)  # the hierarchy's root is read-only
        command += ["--mount", "type=bind,source=/sys/fs/cgroup,target=/groups"]
        command += ["--entrypoint", "sh", image, "-c", script, "groups", *names]
        return self.run(command, timeout_s=ACT_S)

    def _labels(self) -> list[str]:
        labels = {
            "warren.cluster": self.topology.cluster,
            "warren.state": str(self.state.root),
            "warren.state-id": self.state.id,
        }
        return [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]

    def _memory_mib(self) -> int:
        return self.topology.broker.memory_limit_mib + _REST_MIB
