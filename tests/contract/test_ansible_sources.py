"""Where the broker's packages come from: a signed repository of this machine's, read by apt itself with its
folders elsewhere, and packages that are built here. Nothing is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.refusing import KEY
from warren import checkout, inventory
from warren.errors import BadInputError
from warren.provision import openpgp
from warren.topology import Topology

KNOWN = "F4B6DA08FA92BC47A49674471B241C3B11629704"
PROGRAMS = ("apt-get", "apt-cache", "dpkg-deb", "gpg", "gpgv")

_ABOUT = "Maintainer: Nobody <nobody@example.org>\nDescription: an empty package\n"

pytestmark = pytest.mark.timeout(600)


def test_the_fingerprint_of_an_armoured_key_is_the_one_that_gnupg_shows() -> None:
    assert openpgp.fingerprints(KEY) == (KNOWN,)


def test_several_keys_of_a_file_are_all_seen(tmp_path: Path) -> None:
    """One that is hidden behind the known one would be trusted as well."""
    (tmp_path / "two.asc").write_bytes(KEY.read_bytes() * 2)
    assert openpgp.fingerprints(tmp_path / "two.asc") == (KNOWN, KNOWN)


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"\x99\x00\x20\x04", b"\xc6\xf0", KEY.read_bytes()[:120]]
)
def test_what_is_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "team.gpg").write_bytes(content)
    with pytest.raises(BadInputError, match="key"):
        openpgp.fingerprints(tmp_path / "team.gpg")
    with pytest.raises(BadInputError, match="cannot be read"):
        openpgp.fingerprints(tmp_path / "none.gpg")


@dataclass(frozen=True)
class Site:
    """A repository, a host's own apt folders, and a key that signs."""

    root: Path

    @property
    def apt(self) -> Path:
        return self.root / "apt"

    @property
    def key(self) -> Path:
        return self.root / "team.gpg"

    @property
    def fingerprint(self) -> str:
        shown = self.run("gpg", "--with-colons", "--fingerprint").stdout
        return next(line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr"))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "GNUPGHOME": str(self.root / "gnupg"), "LC_ALL": "C"}
        done = subprocess.run(
            argv, env=env, cwd=self.root, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def package(self, name: str, version: str) -> Path:
        """An empty package of that name."""
        folder = self.root / "build" / f"{name}-{version.replace(':', '_')}"
        (folder / "DEBIAN").mkdir(parents=True)
        (folder / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: all\n{_ABOUT}", encoding="utf-8"
        )
        target = self.root / "repository" / f"{name}_{version.partition(':')[2] or version}_all.deb"
        target.parent.mkdir(exist_ok=True)
        self.run("dpkg-deb", "--root-owner-group", "--build", str(folder), str(target))
        return target

    def publish(self) -> None:
        """Index and sign the packages that were built: a suite of its own, main only."""
        folder = self.root / "repository"
        entries = []
        for deb in sorted(folder.glob("*.deb")):
            control = self.run("dpkg-deb", "--field", str(deb)).stdout.strip()
            content = deb.read_bytes()
            entries.append(
                f"{control}\nFilename: {deb.name}\nSize: {len(content)}\n"
                f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
            )
        index = "\n".join(entries).encode()
        place = folder / "dists" / "trixie" / "main" / "binary-amd64"
        place.mkdir(parents=True)
        (place / "Packages").write_bytes(index)
        release = (
            "Origin: Tests\nSuite: trixie\nCodename: trixie\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
            "Architectures: amd64 all\nComponents: main\n"
            f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-amd64/Packages\n"
        )
        path = folder / "dists" / "trixie" / "Release"
        path.write_text(release, encoding="utf-8")
        self.run(
            "gpg", "--batch", "--yes", "--clearsign", "--output", str(path.with_name("InRelease")), str(path)
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking or os.geteuid() != 0:
        pytest.skip(f"wants Debian's {', '.join(lacking)}" if lacking else "files are made for root")
    made = Site(tmp_path_factory.mktemp("site"))
    made.root.chmod(0o755)
    (made.root / "gnupg").mkdir(mode=0o700)
    made.run(
        "gpg",
        "--batch",
        "--quick-gen-key",
        "--passphrase",
        "",
        "Team <team@example.org>",
        "ed25519",
        "sign",
        "never",
    )
    made.run("gpg", "--batch", "--output", str(made.key), "--export")
    for name, version in (
        ("rabbitmq-server", "4.3.6-1"), ("rabbitmq-server", "4.3.7-1"), ("erlang-base", "1:27.3.4-1"),
        ("erlang-base", "1:29.0-1"),
    ):  # fmt: skip
        made.package(name, version)
    made.publish()
    for name in ("sources.list.d", "preferences.d", "keyrings", "apt.conf.d", "trusted.gpg.d"):
        (made.apt / name).mkdir(parents=True)
    (made.root / "var" / "lib" / "lists" / "partial").mkdir(parents=True)
    (made.root / "var" / "cache" / "archives" / "partial").mkdir(parents=True)
    (made.root / "var" / "status").touch()
    settings = {
        "Dir::Etc": made.apt,
        "Dir::Etc::main": "/dev/null",
        "Dir::State": made.root / "var" / "lib",
        "Dir::State::status": made.root / "var" / "status",
        "Dir::Cache": made.root / "var" / "cache",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
        # What cannot be verified is an error here, as it is to Ansible's own module.
        "APT::Update::Error-Mode": "any",
    }
    text = "".join(f'{key} "{value}";\n' for key, value in settings.items())
    (made.root / "apt.conf").write_text(text, encoding="utf-8")
    yield made
    subprocess.run(
        ["gpgconf", "--kill", "all"], env={**os.environ, "GNUPGHOME": str(made.root / "gnupg")}, check=False
    )


def _play(site: Site, deployed: Topology, *files: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Play task files of the role. Its helper that reads lists is ours here, with apt's folders elsewhere."""
    hosts = site.root / "collections" / "ansible_collections" / "warren" / "hosts"
    if not hosts.exists():
        (hosts / "roles" / "packages" / "tasks").mkdir(parents=True)
        (hosts / "plugins").mkdir()
        (hosts / "plugins" / "filter").symlink_to(checkout.ROOT / "ansible" / "plugins" / "filter")
        (hosts / "roles" / "rabbitmq").symlink_to(checkout.ROOT / "ansible" / "roles" / "rabbitmq")
        read = {"ansible.builtin.command": f"apt-get -c {site.root}/apt.conf update", "changed_when": False}
        (hosts / "roles" / "packages" / "tasks" / "main.yml").write_text(
            yaml.safe_dump([read]), encoding="utf-8"
        )
        (site.root / "bin").mkdir()
        cache = site.root / "bin" / "apt-cache"
        cache.write_text(f'#!/bin/sh\nexec {shutil.which("apt-cache")} -c {site.root}/apt.conf "$@"\n')
        cache.chmod(0o755)
    listed = inventory.inventory(deployed)
    listed["all"]["vars"]["ansible_python_interpreter"] = sys.executable
    repository = {
        "name": "server", "url": f"file://{site.root}/repository", "suite": "trixie", "key": str(site.key),
        "fingerprints": [site.fingerprint],
    }  # fmt: skip
    (site.root / "hosts.yml").write_text(yaml.safe_dump(listed), encoding="utf-8")
    tasks = [
        {"ansible.builtin.include_role": {"name": "warren.hosts.rabbitmq", "tasks_from": each}}
        for each in files
    ]
    play = {
        "hosts": "rmq1", "connection": "local", "gather_facts": False, "tasks": tasks,
        "environment": {"PATH": f"{site.root}/bin:{os.environ['PATH']}"},
        "vars": {
            "rabbitmq_version": "4.3.6", "__rabbitmq_installed": "", "rabbitmq_apt_dir": str(site.apt),
            "rabbitmq_repositories": [repository],
            "rabbitmq_package_dir": str(site.root / "packages"), **variables,
        },
    }  # fmt: skip
    (site.root / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    (site.root / "ansible.cfg").touch()
    env = {
        **os.environ,
        "ANSIBLE_CONFIG": str(site.root / "ansible.cfg"),
        "ANSIBLE_HOME": str(site.root / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(site.root / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONPATH": str(checkout.ROOT),
    }
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.yml", "play.yml"],
        cwd=site.root, env=env, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def _words(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.full
def test_a_repository_is_named_pinned_and_its_signature_checked_by_apt(
    site: Site, deployed: Topology
) -> None:
    done = _play(site, deployed, "install_repository.yml", "install_offered.yml", rabbitmq_erlang_series="27")
    assert done.returncode == 0, _words(done)
    shown = (site.apt / "sources.list.d" / "warren-rabbitmq.sources").read_text("utf-8")
    for line in (
        "Types: deb", f"URIs: file://{site.root}/repository", "Suites: trixie", "Components: main",
        f"Signed-By: {site.apt}/keyrings/warren-server.gpg",
    ):  # fmt: skip
        assert line in shown.splitlines()
    policy = site.run(
        "apt-cache", "-c", str(site.root / "apt.conf"), "policy", "rabbitmq-server", "erlang-base"
    ).stdout
    # Newer ones are there; the pins hold.
    assert "Candidate: 4.3.6-1" in policy
    assert "Candidate: 1:27.3.4-1" in policy
    again = _play(
        site, deployed, "install_repository.yml", "install_offered.yml", rabbitmq_erlang_series="27"
    )
    assert "changed=0" in _words(again)


@pytest.mark.full
def test_the_erlang_that_apt_would_take_is_the_one_that_is_judged(site: Site, deployed: Topology) -> None:
    done = _play(site, deployed, "install_repository.yml", "install_offered.yml")
    assert done.returncode != 0
    assert "supports Erlang 27, 28, this host would run it on 29.0-1" in _words(done)


@pytest.mark.full
def test_a_repository_signed_by_another_key_is_not_read(site: Site, deployed: Topology) -> None:
    """The key is the one whose fingerprint is named, but it did not sign."""
    repository = {
        "name": "server", "url": f"file://{site.root}/repository", "suite": "trixie", "key": str(KEY),
        "fingerprints": [f"{KNOWN[:20].lower()} {KNOWN[20:]}"],
    }  # fmt: skip
    done = _play(site, deployed, "install_repository.yml", rabbitmq_repositories=[repository])
    assert done.returncode != 0
    assert "not signed" in _words(done) or "NO_PUBKEY" in _words(done)


@pytest.mark.full
def test_a_file_with_one_more_key_is_refused_and_nothing_is_brought(site: Site, deployed: Topology) -> None:
    """The known one first, so that who looks at it sees nothing."""
    (site.root / "both.gpg").write_bytes(site.key.read_bytes() + _binary(KEY, site))
    repository = {
        "name": "more", "url": f"file://{site.root}/repository", "suite": "trixie",
        "key": str(site.root / "both.gpg"), "fingerprints": [site.fingerprint],
    }  # fmt: skip
    done = _play(site, deployed, "install_repository.yml", rabbitmq_repositories=[repository])
    assert done.returncode != 0
    assert f"holds {site.fingerprint}, {KNOWN}" in _words(done)
    assert not (site.apt / "keyrings" / "warren-more.gpg").exists()


def _binary(key: Path, site: Site) -> bytes:
    done = subprocess.run(
        ["gpg", "--dearmor"], input=key.read_bytes(), capture_output=True, cwd=site.root, check=True
    )
    return done.stdout


@pytest.mark.full
def test_packages_of_the_controller_are_brought_and_judged(site: Site, deployed: Topology) -> None:
    """Up to what would install them: apt is told of an Erlang that this broker does not run on."""
    built = site.root / "repository"
    files = [str(built / "erlang-base_29.0-1_all.deb"), str(built / "rabbitmq-server_4.3.6-1_all.deb")]
    done = _play(site, deployed, "install_file.yml", rabbitmq_package_files=files)
    assert done.returncode != 0
    assert "this host would run it on 29.0-1" in _words(done)
    assert sorted(path.name for path in (site.root / "packages").iterdir()) == sorted(
        Path(each).name for each in files
    )
    other = [str(built / "rabbitmq-server_4.3.7-1_all.deb")]
    refused = _play(site, deployed, "install_file.yml", rabbitmq_package_files=other)
    assert "must hold one package of rabbitmq-server 4.3.6; it holds rabbitmq-server 4.3.7-1" in _words(
        refused
    )


@pytest.mark.full
def test_an_erlang_that_is_on_the_host_counts_where_none_is_brought(site: Site, deployed: Topology) -> None:
    """For packages and for repositories: apt leaves alone what is there."""
    (site.root / "var" / "status").write_text(
        f"Package: erlang-base\nStatus: install ok installed\nVersion: 1:25.2.3\nArchitecture: all\n{_ABOUT}",
        encoding="utf-8",
    )  # fmt: skip
    try:
        files = [str(site.root / "repository" / "rabbitmq-server_4.3.6-1_all.deb")]
        done = _play(site, deployed, "install_file.yml", rabbitmq_package_files=files)
        offered = _play(
            site, deployed, "install_repository.yml", "install_offered.yml", rabbitmq_erlang_series="27"
        )
    finally:
        (site.root / "var" / "status").write_text("", encoding="utf-8")
    for each in (done, offered):
        assert each.returncode != 0
        assert "this host would run it on 25.2.3" in _words(each)
