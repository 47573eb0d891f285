"""Where samples go beside the cluster's Prometheus: settings, what they render to, and whom secrets reach."""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.view.config import load_config
from warren import bundle, imagebuild, render, service_bundle, shipping
from warren.bundle import Material, Volume
from warren.errors import BadInputsError, NotReadyError
from warren.pki import Pki
from warren.secrets import Secrets
from warren.state import State, open_state
from warren.topology import Topology
from warren.topology_shipping import LONG_TERM_IMAGE, RemoteWrite, Shipping

Reader = Callable[[dict[str, Any]], Topology]
Data = dict[str, Any]

URL = "https://metrics.example:8428/api/v1/write"
CENTRAL = {"name": "central", "url": URL, "user": "lab", "password_file": "central.password"}
CLOUD = {
    "name": "cloud",
    "url": "https://cloud.example/push",
    "token_file": "cloud.token",
    "ca_file": "cloud.pem",
}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


@pytest.fixture
def shipped(data: Data) -> Data:
    """The deployed topology with all of it on, as docs/long-term.md says."""
    data["monitoring"] |= {
        "long_term": {"retention": "1y"},
        "external_labels": {"site": "berlin", "stage": "prod/eu 1"},
        "remote_write": [copy.deepcopy(CENTRAL), copy.deepcopy(CLOUD)],
    }
    return data


def prometheus(topology: Topology) -> Data:
    variables = {**render.role_vars(topology), **render.CONTAINER_PATHS}
    return dict(yaml.safe_load(render.role_template("prometheus", "prometheus.yml", variables)))


def services(topology: Topology, *, grafana: bool = False) -> Data:
    return dict(yaml.safe_load(render.compose_file(topology, grafana=grafana))["services"])


# -- off, and on


def test_it_is_off_by_default_and_then_nothing_of_it_is_rendered(deployed: Topology) -> None:
    assert deployed.shipping == Shipping()
    assert "victoriametrics" not in render.compose_file(deployed, grafana=True)
    assert "flush-deadline" not in render.compose_file(deployed, grafana=True)
    assert "victoriametrics" not in deployed.images, "its image would be had for nothing"
    config = prometheus(deployed)
    assert "remote_write" not in config
    assert config["global"]["external_labels"] == {"cluster": "warren"}
    assert "victoriametrics" not in {job["job_name"] for job in config["scrape_configs"]}


def test_settings_are_read(shipped: Data, read: Reader) -> None:
    found = read(shipped).shipping
    assert (found.retention, found.long_term) == ("1y", True)
    assert dict(found.external_labels) == {"site": "berlin", "stage": "prod/eu 1"}
    assert [store.secret_file for store in found.remote_writes] == ["central.password", "cloud.token"]
    assert found.remote_writes[0] == RemoteWrite(**CENTRAL, token_file="", ca_file="")


def test_retention_need_not_be_given_and_the_image_may_be(data: Data, read: Reader) -> None:
    data["monitoring"]["long_term"] = {}
    del data["images"]["victoriametrics"], data["cluster"]["ports"]["victoriametrics"]
    topology = read(data)
    assert topology.shipping.retention == "1y"
    assert topology.images["victoriametrics"] == LONG_TERM_IMAGE
    assert topology.ports.victoriametrics == 8428
    data["images"]["victoriametrics"] = "mine/store:v1.200.0"
    assert read(data).images["victoriametrics"] == "mine/store:v1.200.0"


def test_the_deployed_image_is_the_default_and_debian_may_stand_in_for_it(
    data: Data, checkout_root: Path
) -> None:
    assert data["images"]["victoriametrics"] == LONG_TERM_IMAGE
    recipe = imagebuild.recipes(checkout_root)["victoriametrics"]
    assert "1.145.0".startswith(recipe.series(LONG_TERM_IMAGE))
    dockerfile = (checkout_root / "deploy/images/victoriametrics/Dockerfile").read_text(encoding="utf-8")
    assert f"ARG {recipe.version_argument}\n" in dockerfile
    assert f'"{recipe.package}=${{{recipe.version_argument}}}*"' in dockerfile


def test_the_store_runs_as_the_others_do_with_tls_and_a_password(shipped: Data, read: Reader) -> None:
    topology = read(shipped)
    store = services(topology)["victoriametrics"]
    flags = dict((flag.lstrip("-") + "=").split("=", 1) for flag in store["command"])
    assert "tls" in flags
    assert flags["tlsMinVersion"] == "TLS12="
    assert flags["retentionPeriod"] == "1y="
    assert flags["httpAuth.username"] == "victoriametrics="
    assert flags["httpAuth.password"] == "file:///etc/victoriametrics/secrets/victoriametrics.password="
    mounts = {mount["target"]: mount for mount in store["volumes"]}
    assert mounts["/etc/victoriametrics"]["read_only"] is True
    assert mounts[flags["storageDataPath"].rstrip("=")]["source"] == "victoriametrics-data"
    assert store["ports"] == [f"127.0.0.1:{topology.base_port + 6}:8428"]
    assert "--storage.remote.flush-deadline=5s" in services(topology)["prometheus"]["command"]


def test_turning_it_on_asks_no_node_to_restart(shipped: Data, read: Reader, deployed: Topology) -> None:
    before, after = services(deployed), services(read(shipped))
    for node in deployed.nodes:
        assert before[node.name] == after[node.name]
    assert render.broker_files(deployed) == render.broker_files(read(shipped))


def test_prometheus_sends_to_each_store_by_verified_tls(shipped: Data, read: Reader) -> None:
    config = prometheus(read(shipped))
    assert config["global"]["external_labels"] == {
        "cluster": "warren",
        "site": "berlin",
        "stage": "prod/eu 1",
    }
    own, central, cloud = config["remote_write"]
    assert own["url"] == "https://victoriametrics:8428/api/v1/write"
    assert own["basic_auth"]["password_file"] == "/etc/prometheus/secrets/victoriametrics.password"
    assert own["tls_config"] == {"ca_file": "/etc/prometheus/tls/ca.pem", "min_version": "TLS12"}
    assert central["url"] == URL
    assert central["basic_auth"] == {
        "username": "lab",
        "password_file": "/etc/prometheus/secrets/remote-write-central.secret",
    }
    assert central["tls_config"] == {"min_version": "TLS12"}
    assert cloud["authorization"] == {"credentials_file": "/etc/prometheus/secrets/remote-write-cloud.secret"}
    assert cloud["tls_config"]["ca_file"] == "/etc/prometheus/tls/remote-write-cloud-ca.pem"
    assert not [key for each in config["remote_write"] for key in each if "relabel" in key], "all is sent"


def test_the_store_is_scraped_so_that_it_is_missed(shipped: Data, read: Reader) -> None:
    jobs = {job["job_name"]: job for job in prometheus(read(shipped))["scrape_configs"]}
    store = jobs["victoriametrics"]
    assert store["scheme"] == "https"
    assert store["static_configs"] == [{"targets": ["victoriametrics:8428"], "labels": {"cluster": "warren"}}]


def test_grafana_gets_it_as_a_second_source_and_keeps_the_first_as_default(
    shipped: Data, read: Reader, deployed: Topology
) -> None:
    def sources(topology: Topology) -> list[Data]:
        variables = {**render.role_vars(topology), **render.CONTAINER_PATHS}
        text = render.role_template("grafana", "datasource.yml", variables)
        return list(yaml.safe_load(text)["datasources"])

    assert [each["uid"] for each in sources(deployed)] == ["warren-prometheus"]
    first, second = sources(read(shipped))
    assert (first["isDefault"], second["isDefault"]) == (True, False)
    assert (second["uid"], second["type"]) == ("warren-long-term", "prometheus")
    assert second["url"] == "https://victoriametrics:8428"
    assert second["secureJsonData"]["basicAuthPassword"] == (
        "$__file{/etc/grafana/secrets/victoriametrics.password}"
    )


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("parts", [(), ("long_term",), ("remote_write",), ("long_term", "remote_write")])
def test_promtool_takes_the_configuration(
    shipped: Data, read: Reader, tmp_path: Path, parts: tuple[str, ...]
) -> None:
    for part in {"long_term", "remote_write"} - set(parts):
        del shipped["monitoring"][part]
    topology = read(shipped)
    variables = {
        **render.role_vars(topology),
        **render.CONTAINER_PATHS,
        "prometheus_secrets_dir": str(tmp_path),
        "prometheus_tls_dir": str(tmp_path),
    }
    path = tmp_path / "prometheus.yml"
    path.write_text(render.role_template("prometheus", "prometheus.yml", variables), encoding="utf-8")
    for name in ("ca.pem", "scrape.pem", "scrape.key", "remote-write-cloud-ca.pem"):
        (tmp_path / name).write_text(CERTIFICATE, encoding="utf-8")
    for store in ("victoriametrics.password", "remote-write-central.secret", "remote-write-cloud.secret"):
        (tmp_path / store).write_text("x", encoding="utf-8")
    for service in ("monitoring", "alertmanager", "prometheus"):
        (tmp_path / f"{service}.password").write_text("x", encoding="utf-8")
    done = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# -- bad settings, each refused by name


def _write(data: Data, **values: Any) -> None:
    data["monitoring"]["remote_write"][0] |= values


def _without(data: Data, *keys: str) -> None:
    for key in keys:
        del data["monitoring"]["remote_write"][0][key]


STORE = "monitoring.remote_write[central]"
FAULTS: dict[str, tuple[Callable[[Data], Any], str, str]] = {
    "long_term is a flag": (
        lambda d: d["monitoring"].update(long_term=True),
        "monitoring.long_term",
        "a mapping",
    ),
    "months, which Prometheus has not": (
        lambda d: d["monitoring"].update(long_term={"retention": "6M"}),
        "monitoring.long_term.retention",
        "'6M'",
    ),
    "shorter than Prometheus": (
        lambda d: d["monitoring"].update(long_term={"retention": "3d"}),
        "monitoring.long_term.retention",
        "shorter than what Prometheus keeps",
    ),
    "unknown key": (
        lambda d: d["monitoring"]["long_term"].update(replicas=2),
        "monitoring.long_term.replicas",
        "unknown key",
    ),
    "a label twice": (
        lambda d: d["monitoring"]["external_labels"].update(cluster="other"),
        "monitoring.external_labels.cluster",
        "the cluster's own name",
    ),
    "a label of the series": (
        lambda d: d["monitoring"]["external_labels"].update(node="x"),
        "monitoring.external_labels.node",
        "a label of the series",
    ),
    "a reserved label": (
        lambda d: d["monitoring"]["external_labels"].update(__site="x"),
        "monitoring.external_labels.__site",
        "no name of a label",
    ),
    "a label with a dash": (
        lambda d: d["monitoring"]["external_labels"].update({"data-centre": "x"}),
        "monitoring.external_labels.data-centre",
        "no name of a label",
    ),
    "a number for a label": (
        lambda d: d["monitoring"]["external_labels"].update(site=7),
        "monitoring.external_labels.site",
        "must be text",
    ),
    "an empty label": (
        lambda d: d["monitoring"]["external_labels"].update(site=""),
        "monitoring.external_labels.site",
        "is empty",
    ),
    "a variable of the environment": (
        lambda d: d["monitoring"]["external_labels"].update(site="${HOME}"),
        "monitoring.external_labels.site",
        "'${HOME}'",
    ),
    "no list": (lambda d: d["monitoring"].update(remote_write={}), "monitoring.remote_write", "a list"),
    "no address": (lambda d: _without(d, "url"), f"{STORE}.url", "must be given"),
    "plain http": (lambda d: _write(d, url="http://metrics.example/w"), f"{STORE}.url", "must be https"),
    "no host": (lambda d: _write(d, url="https:///api"), f"{STORE}.url", "a host and a path"),
    "a port that is none": (lambda d: _write(d, url="https://a:port/"), f"{STORE}.url", "no address"),
    "a query": (lambda d: _write(d, url="https://a/w?token=geheim"), f"{STORE}.url", "a host and a path"),
    "nobody's sample": (
        lambda d: _without(d, "user", "password_file"),
        STORE,
        "takes samples from just anyone",
    ),
    "a user alone": (lambda d: _without(d, "password_file"), f"{STORE}.user", "one is missing"),
    "a password alone": (lambda d: _without(d, "user"), f"{STORE}.user", "one is missing"),
    "a password and a token": (
        lambda d: _write(d, token_file="central.token"),
        f"{STORE}.token_file",
        "stands beside password_file",
    ),
    "a path": (
        lambda d: _write(d, password_file="../operator"),
        f"{STORE}.password_file",
        "'../operator'",
    ),
    "a secret of Warren's own": (
        lambda d: _write(d, password_file="operator"),
        f"{STORE}.password_file",
        "'operator'",
    ),
    "a user's password under another ending": (
        lambda d: d["users"].append({"name": "central.password"}),
        STORE,
        "the password of a user of the broker",
    ),
    "a password in the topology": (lambda d: _write(d, password="x"), f"{STORE}.password", "unknown key"),
    "a name twice": (lambda d: d["monitoring"]["remote_write"].append(CENTRAL), STORE, "given 2 times"),
    "the name of the cluster's own": (
        lambda d: _write(d, name="long-term"),
        "monitoring.remote_write[long-term]",
        "the cluster's own store",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_bad_setting_is_refused_by_name(name: str, shipped: Data, read: Reader) -> None:
    edit, path, reason = FAULTS[name]
    edit(shipped)
    with pytest.raises(BadInputsError) as caught:
        read(shipped)
    assert [str(each) for each in caught.value.faults if each.where == f"topology.yml:{path}"], caught.value
    assert reason in str(caught.value)


@pytest.mark.parametrize("address", ["https://lab:geheim@metrics.example/w", "https://geheim@a/w"])
def test_a_password_in_an_address_is_refused_and_not_repeated(
    shipped: Data, read: Reader, address: str
) -> None:
    _write(shipped, url=address)
    with pytest.raises(BadInputsError, match="no password stands in an address") as caught:
        read(shipped)
    assert "geheim" not in str(caught.value)


# -- the files of stores elsewhere


@pytest.fixture
def state(tmp_path: Path) -> State:
    """With every file that `shipped` names, as its owner would leave them."""
    state = open_state("lab", {"WARREN_STATE": str(tmp_path / "state")})
    put(state, "central.password", "one\n")
    put(state, "cloud.token", "two")
    put(state, "cloud.pem", CERTIFICATE, mode=0o644)
    return state


def put(state: State, name: str, text: str, mode: int = 0o600) -> None:
    path = state.secrets / name
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_files_are_taken_as_the_configuration_names_them(shipped: Data, read: Reader, state: State) -> None:
    assert shipping.files(read(shipped), state) == {
        "secrets/remote-write-central.secret": (b"one", 0o400),
        "secrets/remote-write-cloud.secret": (b"two", 0o400),
        "tls/remote-write-cloud-ca.pem": (CERTIFICATE.encode(), 0o444),
    }


BAD_FILES: dict[str, tuple[Callable[[State], Any], str]] = {
    "no password": (lambda s: (s.secrets / "central.password").unlink(), "is not there"),
    "others may read": (lambda s: put(s, "cloud.token", "two", mode=0o640), "others than its owner"),
    "empty": (lambda s: put(s, "central.password", "\n"), "is empty"),
    "no authority": (lambda s: (s.secrets / "cloud.pem").unlink(), "is not there"),
    "a key for an authority": (
        lambda s: put(s, "cloud.pem", "-----BEGIN PRIVATE KEY-----"),
        "no certificate",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_used_is_told_by_name(
    name: str, shipped: Data, read: Reader, state: State
) -> None:
    edit, reason = BAD_FILES[name]
    edit(state)
    with pytest.raises(NotReadyError, match=reason) as caught:
        shipping.files(read(shipped), state)
    assert caught.value.where.startswith(str(state.secrets))


def test_a_file_that_cannot_be_used_is_told_before_anything_is_made(
    shipped: Data, read: Reader, state: State
) -> None:
    """`cluster up` prepares first: found out later, Prometheus would be made anew and not started."""
    (state.secrets / "central.password").unlink()
    pki = Pki(state.pki, datetime.now(UTC))
    material = Material(topology=read(shipped), state=state, secrets=Secrets(state.secrets), pki=pki)
    with pytest.raises(NotReadyError, match="is not there"):
        bundle.prepare(material)
    assert not (state.secrets / "operator").exists()


@pytest.fixture
def volumes(shipped: Data, read: Reader, state: State) -> tuple[Material, dict[str, Volume]]:
    pki = Pki(state.pki, datetime.now(UTC))
    material = Material(topology=read(shipped), state=state, secrets=Secrets(state.secrets), pki=pki)
    bundle.prepare(material)
    both = [*service_bundle.volumes(material, grafana=True), *service_bundle.volumes(material, grafana=False)]
    return material, {each.name: each for each in both}


def test_secrets_reach_who_needs_them_and_nobody_else(
    volumes: tuple[Material, dict[str, Volume]],
) -> None:
    material, made = volumes

    def holders(secret: bytes) -> set[str]:
        return {
            name for name, each in made.items() for content, _ in each.files.values() if secret in content
        }

    assert holders(b"one") >= {"prometheus-config"}
    assert {
        name for name, each in made.items() if any(content == b"two" for content, _ in each.files.values())
    } == {"prometheus-config"}
    store = material.secrets.read("victoriametrics-web").encode()
    assert holders(store) == {"prometheus-config", "victoriametrics-config", "view-config", "grafana-config"}
    own = made["victoriametrics-config"]
    assert {path: mode for path, (_, mode) in own.files.items()} == {
        "secrets/victoriametrics.password": 0o400,
        "tls/ca.pem": 0o444,
        "tls/server.pem": 0o444,
        "tls/server.key": 0o400,
    }
    assert {(made[name].uid, made[name].gid) for name in made if name.startswith("victoria")} == {
        (65534, 65534)
    }


def test_the_preview_reads_what_it_is_given(
    volumes: tuple[Material, dict[str, Volume]], tmp_path: Path
) -> None:
    _, made = volumes
    files = made["view-config"].files
    (tmp_path / "view.json").write_bytes(files["view.json"][0])
    store = load_config(tmp_path / "view.json").long_term
    assert store is not None
    assert (store.url, store.user) == ("https://victoriametrics:8428", "victoriametrics")
    for path in (store.ca_file, store.password_file):
        assert path is not None
        assert path.name in files


def test_every_file_that_prometheus_is_told_of_is_there(volumes: tuple[Material, dict[str, Volume]]) -> None:
    _, made = volumes
    files = made["prometheus-config"].files
    for store in yaml.safe_load(files["prometheus.yml"][0])["remote_write"]:
        named = [store.get("basic_auth", {}).get("password_file")]
        named += [store.get("authorization", {}).get("credentials_file"), store["tls_config"].get("ca_file")]
        for path in filter(None, named):
            assert path.removeprefix("/etc/prometheus/") in files
