"""What a host is told about files, data and packages, in a real shell with real tar and hashes.

The ssh on PATH runs it here, with the host's places below a folder.
"""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from warren import process
from warren.errors import DeadlineError, NotReadyError
from warren.runtime import host_scripts, ssh_data
from warren.runtime.host_login import Login
from warren.runtime.ssh import SshRuntime
from warren.runtime.ssh_login import Ssh
from warren.topology import Topology

PROGRAMS = Path(__file__).parent / "data_programs"
SECRET = "a-password-that-nobody-may-see"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One host, whose broker is stopped and has data."""
    folder = tmp_path / "hosts" / "192.0.2.1"
    (folder / "config" / "tls").mkdir(parents=True)
    (folder / "data" / "mnesia" / "rabbit@rmq1").mkdir(parents=True)
    (folder / "data" / ".erlang.cookie").write_text("the cookie")
    (folder / "data" / "mnesia" / "rabbit@rmq1" / "queue").write_bytes(bytes(range(256)) * 4096)
    (folder / "ActiveState").write_text("inactive\n")
    monkeypatch.setenv("FAKE_HOSTS", str(folder.parent))
    monkeypatch.setenv("PATH", f"{PROGRAMS}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def runtime(deployed: Topology, host: Path, tmp_path: Path) -> SshRuntime:
    logins = {"rmq1": Login(name="rmq1", address="192.0.2.1")}
    return SshRuntime(ssh=Ssh(logins=logins, sockets=tmp_path, run=process.run), topology=deployed)


def below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Files.


def test_secret_goes_by_standard_input_and_is_in_no_argument(runtime: SshRuntime, host: Path) -> None:
    runtime.put_files("rmq1", {"tls/server.key": SECRET.encode()})
    assert (host / "config/tls/server.key").read_text() == SECRET
    assert SECRET not in (host.parent / "calls").read_text()


def test_new_file_is_the_brokers_alone(runtime: SshRuntime, host: Path) -> None:
    runtime.put_files("rmq1", {"tls/server.key": b"key"})
    assert stat.S_IMODE((host / "config/tls/server.key").stat().st_mode) == 0o400
    assert (host / "chown").read_text() == f"rabbitmq: tls/server.key{host_scripts.BESIDE}\n"
    assert list(below(host / "config")) == ["tls/server.key"]


def test_file_that_is_there_keeps_owner_and_mode(runtime: SshRuntime, host: Path) -> None:
    path = host / "config/tls/server.pem"
    path.write_text("former")
    path.chmod(0o444)
    runtime.put_files("rmq1", {"tls/server.pem": b"new"})
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o444)
    assert (host / "chown").read_text().startswith("--reference=tls/server.pem ")


def test_file_is_replaced_in_one_step_and_is_as_young_as_it_is(runtime: SshRuntime, host: Path) -> None:
    """By its time alone Erlang sees that a certificate of the distribution is another."""
    path = host / "config/tls/inter-node.pem"
    path.write_text("former")
    os.utime(path, (1, 1))
    with path.open() as reader:
        before = path.stat().st_ino
        runtime.put_files("rmq1", {"tls/inter-node.pem": b"new"})
        assert reader.read() == "former", "who reads it has all of one"
    assert path.stat().st_ino != before
    assert abs(path.stat().st_mtime - time.time()) < 60


def test_what_is_alike_is_left_alone_where_only_changes_are_wanted(runtime: SshRuntime, host: Path) -> None:
    for name in ("same", "other"):
        (host / "config" / name).write_text("former")
        os.utime(host / "config" / name, (1, 1))
    files = {"same": b"former", "other": b"new", "third": b"new"}
    replaced = runtime.put("rmq1", "/etc/rabbitmq", files, owner="rabbitmq", only_changed=True)
    assert replaced == ("other", "third")
    assert (host / "config/same").stat().st_mtime == 1
    assert sorted(below(host / "config")) == ["other", "same", "third"]


def test_archive_that_was_cut_short_replaces_nothing(runtime: SshRuntime, host: Path) -> None:
    (host / "config/a").write_text("former")
    with pytest.raises(NotReadyError, match="rmq1: "):
        runtime._script(
            "rmq1", host_scripts.PUT, ["/etc/rabbitmq", "rabbitmq", "all", "a", "b"], stdin=_cut(b"x" * 9000)
        )
    assert (host / "config/a").read_text() == "former"


def _cut(content: bytes) -> bytes:
    from warren.runtime.shipped import tar  # noqa: PLC0415

    names = [f"{name}{host_scripts.BESIDE}" for name in ("a", "b")]
    return tar(dict.fromkeys(names, content), mode=0o400)[:12000]


@pytest.mark.parametrize(("started_s", "restarts"), [(1, True), (4_000_000_000, False)])
def test_service_older_than_its_files_is_restarted(
    runtime: SshRuntime, host: Path, started_s: int, restarts: bool
) -> None:
    (host / "ExecMainStartTimestamp").write_text(f"@{started_s}\n")
    path = host / "config/ca.pem"
    path.write_text("new")
    runtime.have_read("rmq1", "prometheus.service", [str(path)])
    acts = (host / "systemctl").read_text() if (host / "systemctl").exists() else ""
    assert ("try-restart prometheus.service" in acts) is restarts


# Data.


def test_copy_has_everything_but_the_cookie_and_is_its_owners(
    runtime: SshRuntime, host: Path, tmp_path: Path
) -> None:
    (host / "data/.erlang.cookie.next").write_text("the next cookie")
    runtime.copy_data("rmq1", tmp_path / "rmq1.tar")
    with tarfile.open(tmp_path / "rmq1.tar") as archive:
        names = [each.name for each in archive if each.isfile()]
        found = archive.extractfile("./mnesia/rabbit@rmq1/queue")
        assert found is not None
        assert found.read() == (host / "data/mnesia/rabbit@rmq1/queue").read_bytes()
    assert names == ["./mnesia/rabbit@rmq1/queue"]
    assert stat.S_IMODE((tmp_path / "rmq1.tar").stat().st_mode) == 0o600
    assert not (tmp_path / "rmq1.tar.part").exists()


def test_copy_that_fails_has_no_name(runtime: SshRuntime, host: Path, tmp_path: Path) -> None:
    (host / "ActiveState").write_text("active\n")
    with pytest.raises(NotReadyError, match="the broker runs: its data are in use"):
        runtime.copy_data("rmq1", tmp_path / "rmq1.tar")
    assert not (tmp_path / "rmq1.tar").exists()


def test_data_go_back_as_they_were_and_the_cookie_stays(
    runtime: SshRuntime, host: Path, tmp_path: Path
) -> None:
    before = below(host / "data")
    runtime.copy_data("rmq1", tmp_path / "rmq1.tar")
    (host / "data/mnesia/rabbit@rmq1/queue").write_text("since then")
    (host / "data/mnesia/rabbit@rmq1/more").write_text("since then")
    (host / "data/.erlang.cookie").write_text("of today")
    runtime.fill_data("rmq1", tmp_path / "rmq1.tar", sha256=digest(tmp_path / "rmq1.tar"))
    assert below(host / "data") == {**before, ".erlang.cookie": b"of today"}
    assert "-R rabbitmq:rabbitmq" in (host / "chown").read_text()


@pytest.mark.parametrize("cut", ["in the middle", "at the end of a file", "everything"])
def test_data_that_did_not_all_arrive_leave_the_former(
    runtime: SshRuntime, host: Path, tmp_path: Path, cut: str
) -> None:
    """tar alone takes an archive that ends between two files for a whole one."""
    archive = tmp_path / "rmq1.tar"
    runtime.copy_data("rmq1", archive)
    whole, before = digest(archive), below(host / "data")
    size = {"in the middle": 200_000, "at the end of a file": 1024, "everything": 0}[cut]
    archive.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(NotReadyError):
        runtime.fill_data("rmq1", archive, sha256=whole)
    found = {key: value for key, value in below(host / "data").items() if "warren-restored" not in key}
    assert found == before


def test_restore_that_was_killed_is_done_by_the_next(runtime: SshRuntime, host: Path, tmp_path: Path) -> None:
    """Its remains, whatever they are, neither stay nor get in the way."""
    runtime.copy_data("rmq1", tmp_path / "rmq1.tar")
    before = below(host / "data")
    (host / "data/.warren-restored").mkdir()
    (host / "data/.warren-restored/half").write_text("half")
    (host / "data/.warren-restored.sum").write_text("?")
    runtime.fill_data("rmq1", tmp_path / "rmq1.tar", sha256=digest(tmp_path / "rmq1.tar"))
    assert below(host / "data") == before
    assert not (host / "data/.warren-restored").exists()


def test_emptied_folder_has_the_cookie_and_nothing_else(runtime: SshRuntime, host: Path) -> None:
    runtime.empty_data("rmq1")
    assert below(host / "data") == {".erlang.cookie": b"the cookie"}
    runtime.empty_data("rmq1")


@pytest.mark.parametrize("state", ["active", "activating", "deactivating", "reloading"])
def test_data_of_a_broker_that_is_not_stopped_are_not_touched(
    runtime: SshRuntime, host: Path, tmp_path: Path, state: str
) -> None:
    (tmp_path / "rmq1.tar").touch()
    before = below(host / "data")
    (host / "ActiveState").write_text(f"{state}\n")
    for act in (
        lambda: runtime.empty_data("rmq1"),
        lambda: runtime.fill_data("rmq1", tmp_path / "rmq1.tar", sha256=""),
    ):
        with pytest.raises(NotReadyError, match="its data are in use"):
            act()
    assert below(host / "data") == before


def test_copy_has_a_deadline(
    runtime: SshRuntime, host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_data, "_COPY_S", 1.0)
    monkeypatch.setattr(host_scripts, "COPY", "sleep 20")
    with pytest.raises(DeadlineError, match="did not end within 1 s"):
        runtime.copy_data("rmq1", tmp_path / "rmq1.tar")


# The package.


def test_package_is_the_one_of_the_version(runtime: SshRuntime, host: Path) -> None:
    (host / "madison").write_text(
        "rabbitmq-server | 4.3.60-1 | http://x forky/main amd64 Packages\n"
        "rabbitmq-server | 2:4.3.6-1 | http://x forky/main amd64 Packages\n"
        "rabbitmq-server | 4.2.9-1 | http://x forky/main amd64 Packages\n"
    )
    assert runtime.package("rmq1", "4.3.6") == "rabbitmq-server=2:4.3.6-1"
    with pytest.raises(NotReadyError, match="have no such rabbitmq-server"):
        runtime.package("rmq1", "4.3.7")


def test_package_is_installed_anew_without_its_own_start(runtime: SshRuntime, host: Path) -> None:
    runtime.install("rmq1", ["rabbitmq-server=4.3.6-1"])
    told = (host / "apt-get").read_text()
    assert "--reinstall" in told
    assert "--force-confold" in told
    assert told.endswith("install rabbitmq-server=4.3.6-1\n")
    assert "exit 101" in (host / "policy-then").read_text()
    assert not (host / "policy").exists()


def test_policy_of_the_hosts_owner_is_put_back(runtime: SshRuntime, host: Path) -> None:
    (host / "policy").write_text("#!/bin/sh\nexit 0\n")
    (host / "apt-fails").touch()
    with pytest.raises(NotReadyError, match="Unmet dependencies"):
        runtime.install("rmq1", ["rabbitmq-server=4.3.6-1"])
    assert "exit 101" in (host / "policy-then").read_text()
    assert (host / "policy").read_text() == "#!/bin/sh\nexit 0\n"


@pytest.mark.parametrize("own", ["", "#!/bin/sh\nexit 0\n"])
def test_policy_that_a_killed_run_has_left_goes_with_the_next(
    runtime: SshRuntime, host: Path, own: str
) -> None:
    if own:
        (host / "policy").write_text(own)
    (host / "apt-hangs").touch()
    script = host_scripts.INSTALL.replace("/usr/sbin/policy-rc.d", str(host / "policy"))
    environment = {**os.environ, "FAKE_HOST": str(host)}
    child = subprocess.Popen(["sh", "-c", script, "sh", "x"], env=environment, process_group=0)
    end = time.monotonic() + 20
    while not (host / "policy-then").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait(timeout=10)
    assert "exit 101" in (host / "policy").read_text()
    (host / "apt-hangs").unlink()
    runtime.install("rmq1", ["x"])
    assert ((host / "policy").read_text() if own else (host / "policy").exists()) == (own or False)
    assert not (host / "policy.kept").exists()


def test_rehearsal_of_apt_installs_nothing(runtime: SshRuntime, host: Path) -> None:
    runtime.would_install("rmq1", ["rabbitmq-server=4.3.6-1"])
    assert "--simulate" in (host / "apt-get").read_text()


def test_package_is_laid_where_ansible_lays_it(runtime: SshRuntime, host: Path, tmp_path: Path) -> None:
    package = tmp_path / "rabbitmq-server_4.3.6-1_all.deb"
    package.write_bytes(bytes(range(256)))
    runtime.lay_package("rmq1", package)
    assert (host / "packages" / package.name).read_bytes() == package.read_bytes()


@pytest.mark.parametrize(("said", "seconds"), [("10min", 600.0), ("1min 30s", 90.0), ("infinity", 0.0)])
def test_patience_of_systemd_is_read(runtime: SshRuntime, host: Path, said: str, seconds: float) -> None:
    (host / "TimeoutStopUSec").write_text(f"{said}\n")
    assert runtime.stops_s("rmq1") == seconds
