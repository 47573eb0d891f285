from __future__ import annotations

import dataclasses
import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import bcrypt
import pytest
import yaml

from warren import bundle, render, secrets, service_bundle
from warren.bundle import Material, Volume
from warren.pki import Pki
from warren.secrets import Secrets
from warren.state import open_state
from warren.topology import Topology
from warren.topology_reader import load
from warren.volume_archive import archive


def opened(topology: Topology, base: Path) -> Material:
    state = open_state("lab", {"WARREN_STATE": str(base)})
    pki = Pki(state.pki, datetime.now(UTC))
    return Material(topology=topology, state=state, secrets=Secrets(state.secrets), pki=pki)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, checkout_root: Path) -> Path:
    """A prepared state, made once (keys and hashes cost a second) and copied for each test."""
    base = tmp_path_factory.mktemp("prepared")
    made = opened(load(checkout_root / "deploy" / "topology.yml"), base)
    bundle.prepare(made)
    assert list(volumes(made))
    return base


@pytest.fixture(scope="module")
def built(prepared: Path, checkout_root: Path) -> list[Volume]:
    """The volumes of the prepared state."""
    return list(volumes(opened(load(checkout_root / "deploy" / "topology.yml"), prepared)))


@pytest.fixture
def material(deployed: Topology, prepared: Path, tmp_path: Path) -> Material:
    shutil.copytree(prepared, tmp_path / "copy")
    return opened(deployed, tmp_path / "copy")


def volumes(material: Material) -> Iterator[Volume]:
    for node in material.topology.nodes:
        yield from bundle.node_volumes(material, node.name)
    yield from service_bundle.volumes(material, grafana=False)
    yield from service_bundle.volumes(material, grafana=True)


def secret_texts(material: Material) -> dict[str, bytes]:
    """Every secret of the state folder by the name of its file: passwords, the cookie, hashes, keys."""
    found = {
        path.name: path.read_bytes().strip() for path in material.state.secrets.iterdir() if path.is_file()
    }
    document = json.loads(found.pop("boot-definitions.json"))
    found |= {f"hash of {user['name']}": user["password_hash"].encode() for user in document["users"]}
    keys = {f"{path.parent.name}/{path.name}": path for path in material.state.pki.rglob("*.key")}
    return found | {name: path.read_bytes().splitlines()[1] for name, path in keys.items()}


def test_preparing_twice_changes_nothing(material: Material) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in material.state.root.rglob("*") if path.is_file()}

    first = contents()
    bundle.prepare(material)
    assert contents() == first


def test_no_secret_is_in_a_file_that_others_may_read(material: Material, built: list[Volume]) -> None:
    secret = secret_texts(material)
    assert len(secret) > 40
    for volume in built:
        for path, (content, mode) in volume.files.items():
            if mode & 0o077:
                leaked = [name for name, text in secret.items() if text in content]
                assert not leaked, f"{volume.name}/{path} shows {leaked}"


def test_every_secret_file_has_the_owner_alone(built: list[Volume]) -> None:
    for volume in built:
        for path, (content, mode) in volume.files.items():
            private = path.endswith((".key", ".password", "web.yml", "definitions.json", "cookie"))
            assert (mode == 0o400) or not (private or b"PRIVATE KEY" in content), f"{volume.name}/{path}"


@pytest.mark.parametrize("grafana", [True, False])
def test_no_secret_is_in_the_compose_file(material: Material, grafana: bool) -> None:
    text = render.compose_file(material.topology, grafana=grafana).encode()
    assert not [name for name, secret in secret_texts(material).items() if secret in text]


def test_application_passwords_reach_no_volume_but_as_hashes(material: Material, built: list[Volume]) -> None:
    served = ("monitoring", "canary")
    ours = {user.name for user in material.topology.users if user.role not in served}
    passwords = {name: material.secrets.read(name).encode() for name in ours}
    for volume in built:
        for path, (content, _) in volume.files.items():
            leaked = [name for name, password in passwords.items() if password in content]
            assert not leaked, f"{volume.name}/{path} holds the password of {leaked}"


def test_the_probe_alone_gets_the_canarys_password_and_certificate(
    material: Material, built: list[Volume]
) -> None:
    password = material.secrets.read("canary").encode()
    key = material.pki.leaf("clients", "canary").key.read_bytes()
    for secret in (password, key):
        holders = {
            volume.name for volume in built for content, _ in volume.files.values() if content == secret
        }
        assert holders == {"probe-config"}
    probe = next(volume for volume in built if volume.name == "probe-config")
    assert material.secrets.read("monitoring").encode() not in [
        content for content, _ in probe.files.values()
    ]


def test_authorities_keys_reach_no_volume(material: Material, built: list[Volume]) -> None:
    keys = [material.pki.authority(name).key.read_bytes() for name in ("cluster", "clients", "inter-node")]
    for volume in built:
        assert not [path for path, (content, _) in volume.files.items() if content in keys]


def test_a_node_gets_its_own_keys_and_no_others(material: Material) -> None:
    config, _ = bundle.node_volumes(material, "rmq1")
    others = [path.read_bytes() for path in material.state.pki.rglob("*.key") if path.stem != "rmq1"]
    assert config.files["tls/server.key"][0] == material.pki.leaf("cluster", "rmq1").key.read_bytes()
    assert not [path for path, (content, _) in config.files.items() if content in others]


def test_hash_of_a_password_is_kept_while_it_is_right_and_made_anew_after(material: Material) -> None:
    list(service_bundle.volumes(material, grafana=False))
    path = material.secrets.path(f"{secrets.VIEW}.bcrypt")
    first = path.read_bytes()
    list(service_bundle.volumes(material, grafana=False))
    assert path.read_bytes() == first
    material.secrets.path(secrets.VIEW).write_text("rotated")
    list(service_bundle.volumes(material, grafana=False))
    assert bcrypt.checkpw(b"rotated", path.read_bytes())


def test_digests_of_an_unchanged_state_are_the_same_again(material: Material) -> None:
    first = [(each.name, each.digest()) for each in volumes(material)]
    assert [(each.name, each.digest()) for each in volumes(material)] == first


@pytest.mark.parametrize(
    "other",
    [
        Volume(name="v", uid=1, gid=2, files={"a": (b"1", 0o400)}),
        Volume(name="v", uid=9, gid=2, files={"a": (b"0", 0o400)}),
        Volume(name="v", uid=1, gid=2, files={"a": (b"0", 0o444)}),
        Volume(name="v", uid=1, gid=2, files={"b": (b"0", 0o400)}),
        Volume(name="v", uid=1, gid=2, files={}),
    ],
)
def test_digest_tells_content_mode_path_and_owner_apart(other: Volume) -> None:
    assert Volume(name="v", uid=1, gid=2, files={"a": (b"0", 0o400)}).digest() != other.digest()


def test_boot_definitions_stay_as_they_were_imported(material: Material) -> None:
    before = material.state.boot_definitions.read_bytes()
    material.secrets.path("orders-shop").write_text("rotated")
    bundle.prepare(material)
    assert material.state.boot_definitions.read_bytes() == before


def test_definitions_that_were_put_away_stay_so_for_every_node(material: Material) -> None:
    assert bundle.put_definitions_away(material.state)
    assert not bundle.put_definitions_away(material.state)
    bundle.prepare(material)
    for node in material.topology.nodes:
        assert bundle.node_volumes(material, node.name)[0].files["definitions.json"] == (b"{}", 0o400)


def test_archive_holds_every_file_with_owner_mode_and_folders_before_files(material: Material) -> None:
    wanted = list(bundle.node_volumes(material, "rmq1"))
    with tarfile.open(fileobj=io.BytesIO(archive(wanted))) as tar:
        entries = tar.getmembers()
        by_name = {entry.name: entry for entry in entries}
        for volume in wanted:
            for path, (content, mode) in volume.files.items():
                entry = by_name[f"{volume.name}/{path}"]
                assert (entry.uid, entry.gid, entry.mode) == (999, 999, mode)
                extracted = tar.extractfile(entry)
                assert extracted is not None
                assert extracted.read() == content
    seen: set[str] = set()
    for entry in entries:
        parent = entry.name.rpartition("/")[0]
        assert not parent or parent in seen, f"{entry.name} comes before its folder"
        assert entry.isdir() or entry.isfile()
        seen.add(entry.name)
    assert (by_name["rmq1-config/tls"].uid, by_name["rmq1-config/tls"].mode) == (999, 0o755)


def test_archive_is_the_same_bytes_again(material: Material) -> None:
    wanted = list(bundle.node_volumes(material, "rmq1"))
    assert archive(wanted) == archive(wanted)


def test_data_volumes_belong_to_whom_the_service_runs_as(built: list[Volume]) -> None:
    owners = {each.name: (each.uid, each.gid) for each in built}
    assert owners["prometheus-data"] == owners["prometheus-config"] == (65534, 65534)
    assert owners["grafana-data"] == owners["grafana-config"] == (472, 0)
    assert owners["rmq1-data"] == owners["rmq1-config"] == (999, 999)


def test_who_watches_for_drift_has_a_volume_only_where_it_runs(
    material: Material, built: list[Volume], checkout_root: Path
) -> None:
    assert "drift-config" not in {each.name for each in built}
    watched = dataclasses.replace(
        material,
        topology=dataclasses.replace(material.topology, drift_user="users-reports"),
        topology_path=checkout_root / "deploy" / "topology.yml",
    )
    bundle.prepare(watched)
    found = {each.name: each for each in service_bundle.volumes(watched, grafana=False)}
    assert found["drift-config"].files["drift.password"][0] == watched.secrets.read("users-reports").encode()


def test_tests_of_rules_are_not_loaded_as_rules(built: list[Volume]) -> None:
    config = next(each for each in built if each.name == "prometheus-config")
    assert {"rules/objectives.yml", "rules/queue-lag.yml", "rules/queues.yml", "rules/raft.yml"} <= set(
        config.files
    )
    assert not [path for path in config.files if path.endswith("_test.yml")]


def config_of(material: Material, name: str) -> Mapping[str, tuple[bytes, int]]:
    volumes = {volume.name: volume for volume in service_bundle.volumes(material, grafana=False)}
    return volumes[f"{name}-config"].files


@pytest.mark.parametrize(("scale", "wait"), [(1.0, "2m"), (0.1, "12s")])
def test_rules_reach_prometheus_with_the_scale_of_the_topology(
    material: Material, scale: float, wait: str
) -> None:
    paced = dataclasses.replace(material, topology=dataclasses.replace(material.topology, time_scale=scale))
    files = config_of(paced, "prometheus")
    assert yaml.safe_load(files["rules/exporter-down.yml"][0])["groups"][0]["rules"][0]["for"] == wait
    told = yaml.safe_load(files["rules/objectives.yml"][0])["groups"][0]["rules"][0]
    assert (told["record"], told["expr"]) == ("warren_time_scale", f"vector({scale})")


def test_receivers_reach_alertmanager_and_nobody_else_reads_them(material: Material) -> None:
    named = dataclasses.replace(material.topology, receivers_file="receivers.yml")
    own = dataclasses.replace(material, topology=named)
    path = material.state.secrets / "receivers.yml"
    hook = "https://hooks.example/8c1f"
    path.write_text(f"receivers: [{{name: critical, webhook_configs: [{{url: '{hook}'}}]}}]\n")
    path.chmod(0o600)
    text, mode = config_of(own, "alertmanager")["alertmanager.yml"]
    assert mode == 0o400
    receivers = yaml.safe_load(text)["receivers"]
    assert {"name": "critical", "webhook_configs": [{"url": hook}]} in receivers
    assert sorted(each["name"] for each in receivers) == ["critical", "info", "nobody", "warning"]
    others = [
        f"{volume.name}/{place}"
        for volume in volumes(own)
        for place, (content, _) in volume.files.items()
        if hook.encode() in content
    ]
    assert set(others) == {"alertmanager-config/alertmanager.yml"}
