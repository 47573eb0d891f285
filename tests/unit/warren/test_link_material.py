"""What nodes are given for links: the other's authority, our certificate there, and no other secret."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from warren import bundle, service_bundle
from warren.bundle import Material
from warren.context import Context, open_context
from warren.errors import NotReadyError
from warren.links import material
from warren.objects.comparing import password_key
from warren.objects.planning import passwords
from warren.pki import Pki
from warren.secrets import Secrets
from warren.state import State, open_state
from warren.topology import Topology
from warren.topology_links import Links
from warren.topology_reader import load

from . import linked

Data = dict[str, Any]
Reader = Callable[[Data], Topology]
PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


def made(topology: Topology, state: State, path: Path | None = None) -> Material:
    return Material(
        topology=topology,
        state=state,
        secrets=Secrets(state.secrets),
        pki=Pki(state.pki, datetime.now(UTC)),
        topology_path=path,
    )


@dataclass
class Pair:
    """Two clusters that were prepared beside each other."""

    path: Path
    near: Material
    far: Material
    env: dict[str, str]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"WARREN_STATE": str(tmp_path / "states")}


@pytest.fixture
def pair(data: Data, tmp_path: Path, env: dict[str, str]) -> Pair:
    data["links"] = linked.links(linked.SHOVEL, federation=(linked.EVENTS,))
    path = linked.write(tmp_path, data, linked.far(data))
    far = load(tmp_path / linked.FILE)
    other = made(far, open_state(far.cluster, env))
    bundle.prepare(other)
    near = load(path)
    return Pair(path=path, near=made(near, open_state(near.cluster, env), path), far=other, env=env)


def context(pair: Pair) -> Context:
    return open_context(lambda _: None, topology_path=pair.path, env=pair.env)


def test_a_node_gets_the_others_authority_and_our_certificate_there(pair: Pair) -> None:
    bundle.prepare(pair.near)
    config, _ = bundle.node_volumes(pair.near, "rmq1")
    far = pair.far.pki
    expected = {
        "tls/link-far-ca.pem": (far.authority("cluster").certificate.read_bytes(), 0o444),
        "tls/link-far.pem": (far.leaf("clients", "link").certificate.read_bytes(), 0o444),
        "tls/link-far.key": (far.leaf("clients", "link").key.read_bytes(), 0o400),
    }
    assert {name: each for name, each in config.files.items() if "link-" in name} == expected
    own = pair.near.pki.authority("cluster").certificate.read_bytes()
    assert expected["tls/link-far-ca.pem"][0] != own


def test_a_node_gets_no_password_of_the_other_cluster(pair: Pair) -> None:
    bundle.prepare(pair.near)
    config, data = bundle.node_volumes(pair.near, "rmq1")
    secret = pair.far.secrets.read("link").encode()
    assert not [
        name for each in (config, data) for name, (content, _) in each.files.items() if secret in content
    ]


def test_without_links_a_node_gets_what_it_did(pair: Pair) -> None:
    bundle.prepare(pair.near)
    linked_volume, _ = bundle.node_volumes(pair.near, "rmq1")
    plain, _ = bundle.node_volumes(
        replace(pair.near, topology=replace(pair.near.topology, links=Links())), "rmq1"
    )
    extra = set(linked_volume.files) - set(plain.files)
    assert extra == {"tls/link-far-ca.pem", "tls/link-far.pem", "tls/link-far.key"}
    changed = {name for name in plain.files if plain.files[name] != linked_volume.files[name]}
    assert changed == {"enabled_plugins"}


def test_who_watches_for_drift_gets_the_other_topology_too(
    data: Data, tmp_path: Path, env: dict[str, str]
) -> None:
    other = linked.far(data)
    data["links"] = linked.links(linked.SHOVEL)
    data["users"].append({"name": "drift", "tags": ["administrator"]})
    data["monitoring"]["drift"] = {"user": "drift"}
    for vhost in data["vhosts"]:
        vhost["permissions"].append({"user": "drift"})
    path = linked.write(tmp_path, data, other)
    far = load(tmp_path / linked.FILE)
    bundle.prepare(made(far, open_state(far.cluster, env)))
    near = load(path)
    mine = made(near, open_state(near.cluster, env), path)
    bundle.prepare(mine)
    volume = next(each for each in service_bundle.volumes(mine, grafana=False) if each.name == "drift-config")
    for name in ("topology.yml", linked.FILE):
        (tmp_path / "given").mkdir(exist_ok=True)
        (tmp_path / "given" / name).write_bytes(volume.files[name][0])
    assert load(tmp_path / "given" / "topology.yml").links == near.links


def test_the_other_cluster_must_have_been_up_and_nothing_is_made_before(pair: Pair) -> None:
    pair.far.pki.authority("cluster").certificate.unlink()
    with pytest.raises(NotReadyError, match="bring that cluster up first") as caught:
        bundle.prepare(pair.near)
    assert "links.remotes[far]" in str(caught.value)
    assert "WARREN_TOPOLOGY=far.yml" in str(caught.value)
    assert not list(pair.near.state.secrets.iterdir())


def test_the_remotes_password_is_known_beside_those_of_users(pair: Pair) -> None:
    found = passwords(context(pair), make=False)
    assert found[password_key("far")] == pair.far.secrets.read("link")
    pair.far.secrets.forget("link")
    other = passwords(context(pair), make=False)[password_key("far")]
    assert other != found[password_key("far")], "for a mere look one that matches nothing"
    with pytest.raises(NotReadyError):
        passwords(context(pair), make=True)


@pytest.fixture
def site(data: Data, read: Reader, env: dict[str, str]) -> Material:
    """A cluster that links to named hosts, and the files of its owner."""
    shovel = copy.deepcopy(linked.SHOVEL) | {"to": {"remote": "site", "queue": "inbox"}}
    remote = {**linked.SITE, "certificate_file": "site-own.pem", "key_file": "site-own.key"}
    data["links"] = linked.links(shovel, remotes=(remote,))
    topology = read(data)
    state = open_state(topology.cluster, env)
    for name, text in (
        ("site.pem", PEM),
        ("site-own.pem", PEM),
        ("site-own.key", "KEY"),
        ("site.password", "hunter2\n"),
    ):
        (state.secrets / name).write_text(text)
        (state.secrets / name).chmod(0o600)
    return made(topology, state)


def test_files_of_the_owner_are_used_as_they_are(site: Material) -> None:
    found = material.files(site.topology, site.state)
    assert found == {
        "link-site-ca.pem": (PEM.encode(), 0o444),
        "link-site.pem": (PEM.encode(), 0o444),
        "link-site.key": (b"KEY", 0o400),
    }
    assert material.password(site.topology.links.remotes[0], site.state) == "hunter2"


@pytest.mark.parametrize("name", ["site.password", "site.pem", "site-own.pem", "site-own.key"])
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_file_that_is_not_there_or_empty_is_told_with_its_place(
    name: str, how: str, site: Material
) -> None:
    path = site.state.secrets / name
    path.unlink() if how == "missing" else path.write_text(" \n")
    with pytest.raises(NotReadyError) as caught:
        material.files(site.topology, site.state)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["site.password", "site-own.key"])
def test_a_secret_that_others_may_read_is_refused(name: str, site: Material) -> None:
    (site.state.secrets / name).chmod(0o644)
    with pytest.raises(NotReadyError, match="others than its owner may read it"):
        material.files(site.topology, site.state)


def test_what_is_no_certificate_is_refused(site: Material) -> None:
    (site.state.secrets / "site.pem").write_text("hunter2")
    with pytest.raises(NotReadyError, match="holds no certificate") as caught:
        material.files(site.topology, site.state)
    assert "hunter2" not in str(caught.value)
