"""What Ansible asks of Warren on the controller: material, objects and parcels, without a host."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from warren import checkout, rules
from warren.errors import BadInputError, NotReadyError, WarrenError
from warren.objects.model import BrokerObject, Kind
from warren.objects.steps import Action, Difference, Plan, Step
from warren.process import Completed
from warren.provision import hosts, material, objects, parcel
from warren.state import State
from warren.topology import Topology
from warren.topology_reader import load

from . import linked

TOPOLOGY = checkout.path("deploy", "topology.yml")


def wanted(deployed: Topology, *names: str, authority: Path | None = None) -> material.Wanted:
    return material.Wanted(
        topology=dataclasses.replace(deployed, cluster="lab"),
        topology_path=TOPOLOGY,
        hosts=names,
        given_authority=authority,
    )


def test_material_is_made_once_and_a_check_makes_nothing(deployed: Topology, tmp_path: Path) -> None:
    env = {"WARREN_STATE": str(tmp_path)}
    asked = wanted(deployed, "rmq1", "mon1")
    would = material.missing(asked, State(tmp_path / "lab"))
    assert not (tmp_path / "lab").exists()
    made = material.ensure(asked, env)
    assert made == would
    assert material.ensure(asked, env) == []
    assert material.missing(asked, State(tmp_path / "lab")) == []
    assert {"pki/cluster/mon1.pem", "secrets/prometheus-web.bcrypt", "hosts/rules.yml"} <= set(made)


def test_a_node_has_the_certificate_of_the_rehearsal_and_another_host_its_own_name(
    deployed: Topology, tmp_path: Path
) -> None:
    """Made for hosts first and for containers then, or the other way round, nothing is made anew."""
    env = {"WARREN_STATE": str(tmp_path)}
    material.ensure(wanted(deployed), env)
    later = material.ensure(wanted(deployed, "rmq1", "rmq2", "rmq3", "mon1"), env)
    assert later == ["pki/cluster/mon1.key", "pki/cluster/mon1.pem"]
    certificate = x509.load_pem_x509_certificate((tmp_path / "lab/pki/cluster/mon1.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mon1", "localhost"]


def test_nothing_of_it_may_be_read_by_others(deployed: Topology, tmp_path: Path) -> None:
    material.ensure(wanted(deployed), {"WARREN_STATE": str(tmp_path)})
    for part in ("hosts", "secrets"):
        for path in (tmp_path / "lab" / part).rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_what_an_older_topology_had_goes(deployed: Topology, tmp_path: Path) -> None:
    env = {"WARREN_STATE": str(tmp_path)}
    material.ensure(wanted(deployed), env)
    old = tmp_path / "lab" / "hosts" / "dashboards" / "old.json"
    old.write_text("{}")
    assert material.ensure(wanted(deployed), env) == ["hosts/dashboards/old.json"]
    assert not old.exists()


def test_an_authority_that_is_given_is_trusted_beside_ours(deployed: Topology, tmp_path: Path) -> None:
    env = {"WARREN_STATE": str(tmp_path)}
    material.ensure(wanted(deployed), env)
    given = tmp_path / "given.pem"
    shutil.copy(tmp_path / "lab/pki/scrape-ca.pem", given)
    assert material.ensure(wanted(deployed, authority=given), env) == ["pki/hosts-ca.pem"]
    trusted = x509.load_pem_x509_certificates((tmp_path / "lab/pki/hosts-ca.pem").read_bytes())
    assert [each.subject.rfc4514_string() for each in trusted] == [
        "CN=Warren cluster authority",
        "CN=Warren scrape authority",
    ]


@pytest.mark.parametrize(
    ("content", "error"), [("no certificate", BadInputError), (None, NotReadyError)], ids=["text", "missing"]
)
def test_an_authority_that_is_none_is_refused_before_anything_is_made(
    content: str | None, error: type[WarrenError], deployed: Topology, tmp_path: Path
) -> None:
    given = tmp_path / "given.pem"
    if content is not None:
        given.write_text(content)
    with pytest.raises(error, match=r"given\.pem"):
        material.ensure(wanted(deployed, authority=given), {"WARREN_STATE": str(tmp_path / "state")})
    assert not (tmp_path / "state").exists()


def test_rules_in_one_file_are_the_rules(deployed: Topology, tmp_path: Path) -> None:
    material.ensure(wanted(deployed), {"WARREN_STATE": str(tmp_path)})
    joined = yaml.safe_load((tmp_path / "lab/hosts/rules.yml").read_text("utf-8"))["groups"]
    single = [group for path in rules.files() for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    assert joined == single
    names = [group["name"] for group in joined]
    assert len(names) == len(set(names)) > 50


def test_a_rule_file_that_begins_with_something_else_is_no_part_of_it() -> None:
    with pytest.raises(WarrenError, match="does not begin with its groups"):
        material.one_file(["other: 1\ngroups:\n  - name: x\n"])


def _queue(**arguments: object) -> BrokerObject:
    body = {"durable": True, "auto_delete": False, "arguments": dict(arguments)}
    return BrokerObject(kind=Kind.QUEUE, vhost="/orders", name=("q",), body=body)


def test_both_sides_of_a_plan_are_shown_and_no_hash() -> None:
    user = BrokerObject(kind=Kind.USER, vhost="", name=("shop",), body={"tags": []})
    differs = (Difference(path="password", actual="another", desired="the one in the state folder"),)
    plan = Plan(
        steps=(
            Step(action=Action.ADD, target=_queue()),
            Step(action=Action.CHANGE, target=user, differences=differs, password_hash="c2VjcmV0"),
            Step(
                action=Action.RECREATE,
                target=_queue(),
                differences=(Difference(path="x", actual=1, desired=2),),
            ),
            Step(action=Action.EXTRA, target=_queue(), note="holds 1 messages, has 0 consumers"),
        )
    )
    found = objects.outcome(plan, prune=False, recreate=False)
    assert yaml.safe_load(found.before) == {"user shop": {"password": "another"}}
    assert yaml.safe_load(found.after)["queue q in /orders"]["durable"] is True
    assert [step.action for step in found.left] == [Action.RECREATE, Action.EXTRA]
    assert "--recreate --prune" in found.left_text
    assert "c2VjcmV0" not in json.dumps(found.as_result()) + found.before + found.after + found.left_text
    everything = objects.outcome(plan, prune=True, recreate=True)
    assert everything.left == ()
    assert everything.as_result()["changed"] is True


def test_a_plan_without_steps_changes_nothing() -> None:
    found = objects.outcome(Plan(steps=()), prune=True, recreate=True)
    assert (found.before, found.after, found.left_text) == ("", "", "")
    assert found.as_result()["changed"] is False


def test_nodes_are_reached_where_they_are_and_known_by_their_names(tmp_path: Path) -> None:
    context = hosts.open_hosts(
        TOPOLOGY, tmp_path, cluster="lab", say=lambda _: None, addresses={"rmq1": "192.0.2.1"}
    )
    first, second = (context._endpoint(name, "management") for name in ("rmq1", "rmq2"))
    assert (first.host, first.port, first.server_name) == ("192.0.2.1", 15671, "rmq1")
    assert second.host == "rmq2"
    assert context.topology.cluster == "lab"
    with pytest.raises(BadInputError, match="rmq9: no such node"):
        hosts.open_hosts(TOPOLOGY, tmp_path, cluster="lab", say=lambda _: None, addresses={"rmq9": "x"})


class _Pip:
    """Stands in for pip: writes a wheel where it is told to."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.calls: list[tuple[str, ...]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        self.calls.append(tuple(argv))
        for option, name in (
            ("--dest", "pika-1-py3-none-any.whl"),
            ("--wheel-dir", "warren-0-py3-none-any.whl"),
        ):
            if option in argv:
                Path(argv[list(argv).index(option) + 1], name).touch()
        return Completed(argv=tuple(argv), returncode=self.status, stdout="", stderr="no such index")


def _parcel(version: str = "3.13") -> parcel.Parcel:
    return parcel.Parcel(root=checkout.ROOT, python_version=version, machine="x86_64")


def test_a_parcel_is_made_once_for_each_python(tmp_path: Path) -> None:
    pip = _Pip()
    made = parcel.make(_parcel(), tmp_path, run=pip)
    assert made == tmp_path / _parcel().digest
    assert {path.name for path in made.iterdir()} == {
        "requirements.lock", "pika-1-py3-none-any.whl", "warren-0-py3-none-any.whl",
    }  # fmt: skip
    assert "--require-hashes" in pip.calls[0]
    assert "manylinux_2_17_x86_64" in pip.calls[0]
    again = len(pip.calls)
    assert parcel.make(_parcel(), tmp_path, run=pip) == made
    assert len(pip.calls) == again
    assert _parcel("3.14").digest != _parcel().digest
    assert sorted(path.name for path in tmp_path.iterdir()) == [made.name]


def test_a_parcel_that_could_not_be_fetched_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="no such index"):
        parcel.make(_parcel(), tmp_path, run=_Pip(status=1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["3.9", "2.7", "", "3"])
def test_a_host_with_an_old_python_is_refused(version: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"needs 3\.11 or newer"):
        parcel.make(_parcel(version), tmp_path, run=_Pip())


def test_hosts_do_not_reach_containers_of_another_cluster(data: dict[str, Any], tmp_path: Path) -> None:
    """Its nodes must be named, whatever else its topology says of it."""
    data["links"] = linked.links(linked.SHOVEL)
    env = {"WARREN_STATE": str(tmp_path / "states")}
    near = linked.read(tmp_path, data, linked.far(data))
    with pytest.raises(BadInputError, match="names no hosts"):
        material.ensure(wanted(near), env)
    data["links"]["remotes"][0]["hosts"] = ["far1.example"]
    near = linked.read(tmp_path, data, linked.far(data))
    far = load(tmp_path / linked.FILE)
    path = tmp_path / linked.FILE
    material.ensure(material.Wanted(topology=far, topology_path=path, hosts=["rmq1"]), env)
    asked = dataclasses.replace(wanted(near), topology_path=tmp_path / "near.yml")
    would = material.missing(asked, State(tmp_path / "states" / "lab"))
    assert material.ensure(asked, env) == would
    assert {"hosts/links/link-far-ca.pem", "hosts/links/link-far.key", f"hosts/{linked.FILE}"} <= set(would)
    assert material.missing(asked, State(tmp_path / "states" / "lab")) == []
