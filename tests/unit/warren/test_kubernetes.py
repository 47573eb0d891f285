"""A topology on Kubernetes: nothing is left out in silence, no name is taken twice, no file has a secret."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.cli import serve
from loadgen.cli import run as load_run
from warren import checkout, cli, render
from warren.errors import BadInputError, WarrenError
from warren.kubernetes import (
    configuration,
    dashboards,
    exporters,
    folder,
    load,
    monitors,
    rules,
    secrets,
    writing,
)
from warren.kubernetes.place import Document, Place
from warren.kubernetes.yaml_text import dump
from warren.objects import wanted
from warren.objects.model import BrokerObject, Kind, binding_name
from warren.pki import Pki
from warren.secrets import Secrets
from warren.topology import Exchange, Policy, Topology, User

from . import linked

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
TOPOLOGY = checkout.ROOT / "deploy" / "topology.yml"
Run = Callable[..., tuple[int, str, str]]


def place_of(topology: Topology) -> Place:
    return Place(topology=topology, namespace="messages")


@pytest.fixture
def place(deployed: Topology) -> Place:
    return place_of(deployed)


@pytest.fixture(scope="module")
def everything(deployed: Topology) -> folder.Rendered:
    return folder.render(place_of(deployed), writing.sources(TOPOLOGY))


def objects_of(place: Place) -> list[Document]:
    """The resources of the topology operator, as they stand in their files."""
    texts = folder.of_topology(place)
    return [
        document
        for path, text in texts.items()
        if path.parent.name == "objects" and path.name != folder.KUSTOMIZATION
        for document in yaml.safe_load_all(text)
    ]


# -- names -------------------------------------------------------------------------------------------------


PARTS = st.lists(st.from_regex(r"[A-Za-z0-9./_#*-]{0,80}", fullmatch=True), min_size=1, max_size=4)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=PARTS, second=PARTS, suffix=st.sampled_from(["", "password"]))
def test_names_are_labels_and_two_objects_never_share_one(
    deployed: Topology, first: list[str], second: list[str], suffix: str
) -> None:
    place = place_of(dataclasses.replace(deployed, cluster="c" * 40))
    names = [place.named(*parts, suffix=suffix) for parts in (first, second)]
    assert all(LABEL.fullmatch(name) for name in names)
    assert (names[0] == names[1]) == (first == second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b-c"), ("a-b", "c")),
        (("orders.work",), ("orders-work",)),
        (("Orders",), ("orders",)),
        (("x" * 70,), ("x" * 71,)),
        (("/",), ("",)),
    ],
)
def test_names_that_look_alike_differ(place: Place, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert place.named(*one) != place.named(*other)


def test_a_name_that_can_be_kept_is_kept(place: Place) -> None:
    assert place.named("orders-shop") == "warren-orders-shop"
    assert place.of_vhost("/orders").startswith("warren-orders")
    assert place.of_vhost("/") != place.of_vhost("/orders")


def test_every_resource_has_a_name_of_its_own(everything: folder.Rendered) -> None:
    found = [each for documents in everything.documents.values() for each in documents]
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(names)) == len(names)
    assert all(LABEL.fullmatch(name) for _, name in names)
    assert {each["metadata"]["namespace"] for each in found} == {"messages"}


def test_two_resources_of_one_name_are_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "named", lambda *_, **__: "same")
    with pytest.raises(WarrenError, match="Queue same"):
        folder.of_topology(place)


@pytest.mark.parametrize("name", ["Messages", "a.b", "-a", "", "x" * 64])
def test_a_namespace_that_cannot_be_is_refused(deployed: Topology, name: str) -> None:
    with pytest.raises(BadInputError, match="--namespace"):
        Place(topology=deployed, namespace=name)


# -- completeness: resources back into broker objects ------------------------------------------------------


def broker_objects(place: Place) -> Iterator[BrokerObject]:
    """What the topology operator would make of the rendered resources."""
    documents = objects_of(place)
    users = {
        each["metadata"]["name"]: each["spec"]["importCredentialsSecret"]["name"]
        for each in documents
        if each["kind"] == "User"
    }
    accounts = {place.password(user.name): user.name for user in place.topology.users}
    for each in documents:
        spec = each["spec"]
        assert spec["rabbitmqClusterReference"] == {"name": place.cluster}
        yield from READERS[each["kind"]](spec, {name: accounts[secret] for name, secret in users.items()})


def _user(spec: dict[str, Any], users: dict[str, str]) -> Iterator[BrokerObject]:
    name = next(
        user for user in users.values() if place_password(user) == spec["importCredentialsSecret"]["name"]
    )
    yield BrokerObject(kind=Kind.USER, vhost="", name=(name,), body={"tags": spec.get("tags", [])})
    for key, value in spec.get("limits", {}).items():
        yield BrokerObject(kind=Kind.USER_LIMIT, vhost="", name=(name, f"max-{key}"), body={"value": value})


def place_password(user: str) -> str:
    return f"warren-{user}-password"


def _vhost(spec: dict[str, Any], _: Any) -> Iterator[BrokerObject]:
    name = spec["name"]
    body = {"default_queue_type": spec["defaultQueueType"]}
    yield BrokerObject(kind=Kind.VHOST, vhost=name, name=(name,), body=body)
    for key, value in spec.get("limits", {}).items():
        yield BrokerObject(kind=Kind.VHOST_LIMIT, vhost=name, name=(f"max-{key}",), body={"value": value})


def _permission(spec: dict[str, Any], users: dict[str, str]) -> Iterator[BrokerObject]:
    user = users[spec["userReference"]["name"]]
    yield BrokerObject(kind=Kind.PERMISSION, vhost=spec["vhost"], name=(user,), body=spec["permissions"])


def _topic(spec: dict[str, Any], users: dict[str, str]) -> Iterator[BrokerObject]:
    body = dict(spec["permissions"])
    name = users[spec["userReference"]["name"]], body.pop("exchange")
    yield BrokerObject(kind=Kind.TOPIC_PERMISSION, vhost=spec["vhost"], name=name, body=body)


def _policy_of(kind: Kind) -> Callable[..., Iterator[BrokerObject]]:
    def read(spec: dict[str, Any], _: Any) -> Iterator[BrokerObject]:
        body = {
            "pattern": spec["pattern"],
            "apply-to": spec["applyTo"],
            "priority": spec["priority"],
            "definition": spec["definition"],
        }
        yield BrokerObject(kind=kind, vhost=spec["vhost"], name=(spec["name"],), body=body)

    return read


def _exchange(spec: dict[str, Any], _: Any) -> Iterator[BrokerObject]:
    body = {
        "type": spec["type"],
        "durable": spec["durable"],
        "auto_delete": spec["autoDelete"],
        "arguments": spec.get("arguments", {}),
    }
    yield BrokerObject(kind=Kind.EXCHANGE, vhost=spec["vhost"], name=(spec["name"],), body=body)


def _queue(spec: dict[str, Any], _: Any) -> Iterator[BrokerObject]:
    body = {
        "durable": spec["durable"],
        "auto_delete": spec["autoDelete"],
        "arguments": {**spec.get("arguments", {}), "x-queue-type": spec["type"]},
    }
    yield BrokerObject(kind=Kind.QUEUE, vhost=spec["vhost"], name=(spec["name"],), body=body)


def _binding(spec: dict[str, Any], _: Any) -> Iterator[BrokerObject]:
    arguments = spec.get("arguments", {})
    name = binding_name(
        spec["source"], spec["destinationType"], spec["destination"], spec.get("routingKey", ""), arguments
    )
    yield BrokerObject(kind=Kind.BINDING, vhost=spec["vhost"], name=name, body={"arguments": arguments})


READERS: dict[str, Callable[..., Iterator[BrokerObject]]] = {
    "User": _user,
    "Vhost": _vhost,
    "Permission": _permission,
    "TopicPermission": _topic,
    "Policy": _policy_of(Kind.POLICY),
    "OperatorPolicy": _policy_of(Kind.OPERATOR_POLICY),
    "Exchange": _exchange,
    "Queue": _queue,
    "Binding": _binding,
}
#: Kind -> what its resource has no field for; a note tells of each where it says something.
NO_FIELD = {Kind.VHOST: {"description", "protected_from_deletion"}, Kind.EXCHANGE: {"internal"}}


def test_the_resources_make_every_object_of_the_topology_and_no_other(place: Place) -> None:
    expected = {
        each.key: {key: value for key, value in each.body.items() if key not in NO_FIELD.get(each.kind, ())}
        for each in wanted.objects(place.topology)
    }
    found = {each.key: dict(each.body) for each in broker_objects(place)}
    assert len(expected) > 100
    assert found == expected


def odd(topology: Topology) -> Topology:
    """Whatever the operators have no field for, at once."""
    first, *rest = topology.vhosts
    policy = Policy(name="everywhere", pattern=".*", apply_to="all", priority=1, definition={"max-length": 5})
    vhost = dataclasses.replace(
        first,
        limits={**first.limits, "max-something": 3},
        exchanges=(
            *first.exchanges,
            Exchange(name="inner", type="fanout", durable=True, internal=True, arguments={}),
        ),
        operator_policies=(
            policy,
            dataclasses.replace(policy, name="outside", apply_to="exchanges", definition={}),
        ),
    )
    user = User(
        name="o'dd", tags=("impersonator",), role="application", max_connections=None, max_channels=None
    )
    ports = dataclasses.replace(topology.ports, amqps=5999)
    tls = dataclasses.replace(topology.tls, client_certificate="required")
    return dataclasses.replace(
        topology,
        vhosts=(vhost, *rest),
        users=(*topology.users, user),
        ports=ports,
        tls=tls,
        drift_user="drift",
        receivers_file="receivers.yml",
    )


def test_whatever_has_no_field_is_told_by_name(deployed: Topology) -> None:
    nothing = folder.Sources(rules={}, dashboards={}, topology_text="")
    told = "\n".join(str(note) for note in folder.render(place_of(odd(deployed)), nothing).notes)
    for word in (
        "vhost /orders: a Vhost has no description",
        "vhost /users: a Vhost has no protection from deletion",
        "vhost /orders: a Vhost has no limit 'max-something'",
        "user o'dd: a User cannot have the tag 'impersonator'",
        "exchange inner of vhost /orders: an Exchange cannot be internal",
        "operator policy everywhere of vhost /orders: an OperatorPolicy cannot apply to 'all'",
        "operator policy outside of vhost /orders: an OperatorPolicy cannot apply to 'exchanges'",
        "cluster.ports.amqps: the cluster operator has 5671 for it, not 5999",
        "load: has no client certificate to show",
        "monitoring.drift: the process that watches for drift is not rendered",
        "monitoring.receivers_file",
    ):
        assert word in told
    plain = "\n".join(str(note) for note in folder.render(place_of(deployed), nothing).notes)
    for word in ("max-something", "impersonator", "internal", "5999", "left out", "certificate to show"):
        assert word not in plain


def test_deleting_a_resource_deletes_no_message(place: Place) -> None:
    kept = [
        each["spec"]["deletionPolicy"] for each in objects_of(place) if each["kind"] in ("Vhost", "Queue")
    ]
    assert set(kept) == {"retain"}
    assert len(kept) == len(place.topology.vhosts) + sum(len(vhost.queues) for vhost in place.topology.vhosts)


# -- configuration -----------------------------------------------------------------------------------------


def keys(text: str) -> set[str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.partition("=")[0].strip() for line in lines}


#: What the operator writes itself for such a cluster: `internal/resource/configmap.go`, beside its defaults.
BY_OPERATOR = {
    "cluster_name", "cluster_formation.peer_discovery_backend", "cluster_formation.target_cluster_size_hint",
    "listeners.tcp", "listeners.ssl.default", "stream.listeners.tcp", "stream.listeners.ssl.default",
    "ssl_options.cacertfile", "ssl_options.certfile", "ssl_options.keyfile", "ssl_options.verify",
    "management.ssl.port", "management.ssl.cacertfile", "management.ssl.certfile", "management.ssl.keyfile",
    "prometheus.ssl.port", "prometheus.ssl.cacertfile", "prometheus.ssl.certfile", "prometheus.ssl.keyfile",
}  # fmt: skip


def test_the_configuration_is_the_labs_but_for_what_the_operator_writes(place: Place) -> None:
    lab = render.broker_files(place.topology)["rabbitmq.conf"]
    there = configuration.additional_config(place)
    left_out = keys(lab) - keys(there)
    assert left_out - BY_OPERATOR == {
        *(f"cluster_formation.classic_config.nodes.{number}" for number in (1, 2, 3)),
        *(f"definitions.{name}" for name in ("import_backend", "local.path", "skip_if_unchanged")),
    }
    assert keys(there) & BY_OPERATOR == set()
    assert keys(there) - keys(lab) == {"management_agent.disable_metrics_collector"}
    assert keys(lab) >= BY_OPERATOR


def test_remarks_without_a_setting_are_left_out(place: Place) -> None:
    there = configuration.additional_config(place)
    assert "Objects of the first boot" not in there
    assert "prevent_startup_if_node_was_reset = true" in there
    assert re.search(r"# AMQP: TLS only\nssl_options.versions.1", there)


def test_nodes_speak_tls_to_each_other_with_files_that_are_mounted(everything: folder.Rendered) -> None:
    config_map, cluster = everything.documents[Path("cluster", "rabbitmq-cluster.yaml")]
    pod = cluster["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"]
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    items = pod["volumes"][0]["secret"]["items"]
    mounted = {f"{mounts['inter-node-tls']}/{each['path']}" for each in items}
    named = set(re.findall(r'file, "([^"]+)"', config_map["data"]["inter_node_tls.config"]))
    assert named == mounted
    assert mounts["inter-node-config"] in cluster["spec"]["rabbitmq"]["envConfig"]


# -- monitoring --------------------------------------------------------------------------------------------


def test_every_job_of_the_lab_is_scraped_or_told(place: Place) -> None:
    found = {
        relabel["replacement"]
        for document in monitors.documents(place)
        for endpoint in document["spec"]["endpoints"]
        for relabel in endpoint["relabelings"]
        if relabel.get("targetLabel") == "job"
    }
    told = {note.where.removeprefix("scrape job ") for note in monitors.notes(place)}
    assert found | (told & set(monitors.jobs(place))) == set(monitors.jobs(place))
    assert found & told == set()
    assert {"rabbitmq", "rabbitmq-detailed", "rabbitmq-raft", "exporter", "probe"} <= found


def test_endpoints_keep_what_the_job_drops_and_asks(place: Place) -> None:
    broker = monitors.documents(place)[0]["spec"]["endpoints"]
    by_job = {each["relabelings"][0]["replacement"]: each for each in broker}
    assert by_job["rabbitmq-raft"]["params"] == {"family": ["ra_metrics"]}
    assert by_job["rabbitmq-raft"]["interval"] == "15s"
    assert by_job["rabbitmq"]["interval"] == "5s"
    assert by_job["rabbitmq"]["metricRelabelings"][0]["sourceLabels"] == ["__name__"]
    assert all("source_labels" not in str(each) for each in broker)


def test_a_key_of_a_job_that_nobody_translated_is_a_bug(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = monitors.jobs(place)
    found["rabbitmq"] = {**found["rabbitmq"], "sample_limit": 5}
    monkeypatch.setattr(monitors, "jobs", lambda _: found)
    with pytest.raises(WarrenError, match="has sample_limit"):
        monitors.documents(place)


def test_nodes_are_called_alike_by_broker_exporter_and_certificate(place: Place) -> None:
    relabelings = monitors.documents(place)[0]["spec"]["endpoints"][0]["relabelings"]
    node = next(each for each in relabelings if each["targetLabel"] == "node")
    called = [node["replacement"].replace("$1", f"warren-server-{number}") for number in range(3)]
    arguments = exporters.documents(place)[0]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert [each.removeprefix("--node=") for each in arguments if each.startswith("--node=")] == called
    assert list(place.hosts) == called


def test_exporter_and_probe_are_given_options_that_there_are(place: Place) -> None:
    known = {option for param in serve.params for option in param.opts}
    for document in exporters.documents(place)[::2]:
        (container,) = document["spec"]["template"]["spec"]["containers"]
        given = [argument.partition("=") for argument in container["args"]]
        assert {name for name, _, _ in given} <= known
        mounted = _mounted(document["spec"]["template"]["spec"]["volumes"][0], "/etc/warren")
        files = {value for _, _, value in given if value.startswith("/")} - {"/orders", "/users"}
        assert files == mounted
        assert not any("faults" in argument or "grafana" in argument for argument in container["args"])


def _mounted(volume: dict[str, Any], path: str) -> set[str]:
    return {
        f"{path}/{item['path']}"
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }


def test_every_rule_of_the_checkout_is_there(everything: folder.Rendered) -> None:
    documents = everything.documents[Path("monitoring", "prometheus-rules.yaml")]
    found = [
        rule.get("alert") or rule["record"]
        for document in documents
        for group in document["spec"]["groups"]
        for rule in group["rules"]
    ]
    texts = writing.sources(TOPOLOGY).rules
    in_files = [name for text in texts.values() for name in re.findall(r"(?:alert|record): (\S+)", text)]
    assert len(in_files) > 50
    assert set(in_files) <= set(found)
    assert "warren_objective_lag_seconds" in found


def test_alerts_that_cannot_fire_there_are_told(everything: folder.Rendered) -> None:
    documents = everything.documents[Path("monitoring", "prometheus-rules.yaml")]
    told = {note.where for note in rules.notes(documents)}
    assert "alert WarrenTopologyDrift" in told
    assert "alert WarrenNodeDown" not in told
    assert "alert WarrenExporterDown" not in told


def test_every_dashboard_is_there_and_small_enough_to_be_applied(everything: folder.Rendered) -> None:
    documents = everything.documents[Path("monitoring", "dashboards.yaml")]
    texts = writing.sources(TOPOLOGY).dashboards
    shown = {name: json.loads(text) for each in documents for name, text in each["data"].items()}
    assert shown == {f"{name}.json": json.loads(text) for name, text in texts.items()}
    assert all(each["metadata"]["labels"][dashboards.LABEL] == "1" for each in documents)
    found = [each for documents in everything.documents.values() for each in documents]
    assert max(len(json.dumps(each)) for each in found) < 262_144  # of annotations of one resource


# -- load --------------------------------------------------------------------------------------------------


def test_the_load_job_runs_a_command_that_there_is_with_files_that_are_mounted(place: Place) -> None:
    config_map, job = load.documents(place, "schema: 1\n")
    pod = job["spec"]["template"]["spec"]
    script = pod["containers"][0]["command"][2]
    words = script.replace("\\\n", " ").splitlines()[0].split()
    known = {option for param in load_run.params for option in param.opts}
    assert words[:3] == ["warren", "load", "run"]
    assert {word for word in words if word.startswith("--")} <= known
    for option in ("--password-file", "--ca-file"):
        assert words[words.index(option) + 1] in _mounted(pod["volumes"][1], "/run/secrets/warren")
    assert words[words.index("--url") + 1] == "amqps://warren.messages.svc:5671"
    assert config_map["data"] == {"topology.yml": "schema: 1\n"}


# -- secrets -----------------------------------------------------------------------------------------------


@pytest.fixture
def made(place: Place, tmp_path: Path) -> list[Document]:
    return secrets.documents(place, Secrets(tmp_path), Pki(tmp_path, datetime.now(UTC)))


def referred(value: Any) -> Iterator[str]:
    """Every name of a secret that a resource refers to."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key in ("secretName", "caSecretName"):
                yield each
            elif key in ("secret", "importCredentialsSecret", "keySecret") and "name" in each:
                yield each["name"]
            elif key == "basicAuth":
                yield from (part["name"] for part in each.values())
            yield from referred(each)
    elif isinstance(value, list):
        for each in value:
            yield from referred(each)


def test_every_secret_that_is_named_is_made_and_every_one_made_is_named(
    everything: folder.Rendered, made: list[Document], place: Place
) -> None:
    named = {
        name for documents in everything.documents.values() for each in documents for name in referred(each)
    }
    assert {each["metadata"]["name"] for each in made} == named
    assert secrets.names(place) == named


def test_every_key_that_is_read_of_a_secret_is_in_it(
    everything: folder.Rendered, made: list[Document]
) -> None:
    there = {each["metadata"]["name"]: set(each["stringData"]) for each in made}
    text = json.dumps([each for documents in everything.documents.values() for each in documents])
    for name, key in re.findall(r'"name": "([^"]+)", "key": "([^"]+)"', text):
        assert key in there[name], name
    assert there["warren-server-tls"] >= {"tls.crt", "tls.key"}
    assert there["warren-clients-ca"] == {"ca.crt"}
    assert there["warren-orders-shop-password"] == {"username", "password"}


def test_no_file_holds_a_secret(everything: folder.Rendered, made: list[Document]) -> None:
    files = folder.files(everything)
    values = {value for each in made for key, value in each["stringData"].items() if key != "username"}
    assert len(values) > 20
    for path, text in files.items():
        assert "kind: Secret" not in text, path
        assert not any(value in text for value in values), path


def test_no_key_of_an_authority_leaves_the_state_folder(made: list[Document], tmp_path: Path) -> None:
    text = "".join(value for each in made for value in each["stringData"].values())
    keys = list(tmp_path.glob("*-ca.key"))
    assert len(keys) == 4
    assert not any(key.read_text() in text for key in keys)


def names_in(certificate: str) -> list[str]:
    read = x509.load_pem_x509_certificate(certificate.encode())
    san = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return san.get_values_for_type(x509.DNSName)


def test_certificates_carry_the_names_by_which_they_are_asked(made: list[Document], place: Place) -> None:
    found = {each["metadata"]["name"]: each["stringData"] for each in made}
    server = names_in(found["warren-server-tls"]["tls.crt"])
    assert {*place.hosts, "warren.messages.svc"} <= set(server)
    assert set(names_in(found["warren-inter-node-tls"]["tls.crt"])) == set(place.hosts)
    asked = {each["spec"]["endpoints"][0]["tlsConfig"]["serverName"] for each in monitors.documents(place)}
    given = {name for secret in found.values() if "tls.crt" in secret for name in names_in(secret["tls.crt"])}
    assert asked <= given
    ca = x509.load_pem_x509_certificate(found["warren-ca"]["ca.crt"].encode())
    leaf = x509.load_pem_x509_certificate(found["warren-server-tls"]["tls.crt"].encode())
    leaf.verify_directly_issued_by(ca)


def test_secrets_are_the_same_the_second_time(place: Place, made: list[Document], tmp_path: Path) -> None:
    assert secrets.documents(place, Secrets(tmp_path), Pki(tmp_path, datetime.now(UTC))) == made


# -- text --------------------------------------------------------------------------------------------------

#: Read as other than text by YAML 1.1, or by the parser of Kubernetes' tools alone.
ODD = [
    "y", "n", "N", "yes", "off", "null", "~", "1e5", "0o17", "0x1f", "1_000", "1:30", ".inf", "3", "-",
    "a: b", "a #b", "*a", "&a", "x\ny\n", " x", "x ", "", "'", '"', "ü",
]  # fmt: skip


def test_odd_words_stay_words() -> None:
    document = {"words": ODD, "keys": dict.fromkeys(ODD, 1)}
    assert yaml.safe_load(dump([document])) == document


@pytest.mark.parametrize("word", ["y", "N", "1e5", "0o17", "3", "yes"])
def test_a_word_that_some_parser_takes_for_another_is_quoted(word: str) -> None:
    assert f"'{word}'" in dump([{"word": word}])


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")
def test_kubectl_reads_the_folder_as_it_was_meant(
    deployed: Topology, tmp_path: Path, everything: folder.Rendered
) -> None:
    """Its own parser, and its kustomize; no cluster is asked."""
    odd_words = place_of(deployed).document(
        "v1", "ConfigMap", "odd", data={f"k{n}": w for n, w in enumerate(ODD)}
    )
    files = folder.files(everything)
    files[Path("objects", "queues.yaml")] += "---\n" + dump([odd_words])
    writing.write(tmp_path, files, only_check=False)
    wanted_there = [each for documents in everything.documents.values() for each in documents] + [odd_words]
    read: list[Document] = []
    for part in (".", "load"):
        done = subprocess.run(
            ["kubectl", "kustomize", str(tmp_path / part)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        read += [each for each in yaml.safe_load_all(done.stdout) if each]
    assert sorted(read, key=_key) == sorted(wanted_there, key=_key)


def _key(document: Document) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


# -- commands ----------------------------------------------------------------------------------------------


@pytest.fixture
def warren(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command; rules and dashboards, which take seconds, are left to the tests of them."""
    nothing = folder.Sources(rules={}, dashboards={}, topology_text="")
    monkeypatch.setattr(writing, "sources", lambda _: nothing)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_render_writes_the_folder_once_and_finds_what_was_changed(warren: Run, tmp_path: Path) -> None:
    target = tmp_path / "there"
    command = ("topology", "render", "--kubernetes", str(target), "--namespace", "messages")
    code, out, err = warren(*command)
    assert code == 0
    assert "objects/queues.yaml: written" in out
    assert "note: vhost /orders: a Vhost has no description" in err
    page = (target / "README.md").read_text(encoding="utf-8")
    assert "- vhost /orders: a Vhost has no description" in page
    assert "kubernetes-secrets --namespace messages" in page
    assert warren(*command)[:2] == (0, "the generated files are up to date\n")

    (target / "objects" / "queues.yaml").write_text("# Made by Warren\n")
    (target / "objects" / "old.yaml").write_text(
        "# Made by Warren from deploy/topology.yml; changes here are lost\n"
    )
    code, out, _ = warren(*command, "--check")
    assert code == 2  # a file that Warren did not make
    (target / "objects" / "queues.yaml").write_text(
        "# Made by Warren from deploy/topology.yml; changes here are lost\nkind: Queue\n"
    )
    code, out, _ = warren(*command, "--check")
    assert code == 1
    assert "objects/queues.yaml: differs" in out
    assert "objects/old.yaml: differs" in out
    assert (target / "objects" / "old.yaml").exists()
    assert warren(*command)[0] == 0
    assert not (target / "objects" / "old.yaml").exists()


def test_render_touches_no_folder_of_somebody_elses(warren: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code, _, err = warren("topology", "render", "--kubernetes", str(tmp_path))
    assert code == 2
    assert "notes.txt, not made by Warren" in err
    assert [path.name for path in tmp_path.iterdir() if path.name != "state"] == ["notes.txt"]


def test_render_takes_no_other_folder_that_warren_generates_for_its_own(warren: Run, tmp_path: Path) -> None:
    shutil.copytree(checkout.ROOT / "deploy" / "generated" / "prometheus", tmp_path / "generated")
    code, _, err = warren("topology", "render", "--kubernetes", str(tmp_path / "generated"))
    assert code == 2
    assert "objectives.yml" in err
    assert (tmp_path / "generated" / "objectives.yml").exists()


def test_secrets_are_printed_into_a_pipe_and_not_on_a_terminal(
    warren: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = warren("topology", "kubernetes-secrets")
    assert (code, err) == (0, "")
    found = list(yaml.safe_load_all(out))
    assert {each["kind"] for each in found} == {"Secret"}
    assert {each["metadata"]["namespace"] for each in found} == {"warren"}
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    code, out, err = warren("topology", "kubernetes-secrets")
    assert (code, out) == (2, "")
    assert "would show passwords" in err


def test_a_namespace_that_cannot_be_is_bad_input(warren: Run, tmp_path: Path) -> None:
    code, _, err = warren("topology", "render", "--kubernetes", str(tmp_path / "x"), "--namespace", "A.b")
    assert code == 2
    assert "--namespace: 'A.b' cannot be the name of a namespace" in err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("option", ["--namespace", "--monitoring-namespace"])
def test_an_option_that_would_be_passed_over_is_refused(warren: Run, option: str) -> None:
    code, _, err = warren("topology", "render", "--check", option, "messages")
    assert code == 2
    assert f"{option}: is of Kubernetes' resources alone" in err


def test_prometheus_may_scrape_from_the_namespace_that_is_named(warren: Run, tmp_path: Path) -> None:
    target = str(tmp_path / "there")
    assert warren("topology", "render", "--kubernetes", target, "--monitoring-namespace", "eyes")[0] == 0
    for path in ("cluster/network-policy.yaml", "monitoring/network-policies.yaml"):
        assert "kubernetes.io/metadata.name: eyes" in (tmp_path / "there" / path).read_text(encoding="utf-8")


def test_links_are_not_rendered_and_that_is_told(data: dict[str, Any], tmp_path: Path) -> None:
    data["links"] = linked.links(linked.SHOVEL, federation=(linked.EVENTS,))
    topology = linked.read(tmp_path, data, linked.far(data))
    rendered = folder.render(place_of(topology), folder.Sources(rules={}, dashboards={}, topology_text=""))
    told = [str(note) for note in rendered.notes if note.where.startswith("links[")]
    assert [each.partition(":")[0] for each in told] == ["links[audit-out]", "links[events-in]"]
    text = "".join(folder.files(rendered).values())
    for word in ("rabbitmq_shovel", "warren_links", "federation-upstream", "links:5700"):
        assert word not in text
