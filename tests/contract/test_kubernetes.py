"""Every rendered Kubernetes resource has the fields that its kind has, and no other; and the checker is tried
itself: whatever is changed in a resource, it finds."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes_schemas import CRDS, OWN, Schema, faults, operators
from warren import checkout
from warren.kubernetes import folder, secrets
from warren.kubernetes.folder import Sources
from warren.kubernetes.place import Place
from warren.kubernetes.writing import sources
from warren.pki import Pki
from warren.secrets import Secrets
from warren.topology import Topology

Documents = list[dict[str, Any]]
OPERATORS = operators(CRDS)
needs_crds = pytest.mark.skipif(
    not OPERATORS, reason=f"no resource definitions of the operators in {CRDS}: WARREN_CRDS names a folder"
)
#: Fields below which a resource may hold anything, or any name: those of the broker, labels, and files.
FREE = {
    "definition",
    "arguments",
    "labels",
    "matchLabels",
    "annotations",
    "params",
    "data",
    "selector",
    "limits",
    "requests",
}


def rendered(topology: Topology, beside: Sources) -> Documents:
    found = folder.render(Place(topology=topology, namespace="messages"), beside)
    return [document for each in found.documents.values() for document in each]


@pytest.fixture(scope="module")
def documents(deployed: Topology) -> Documents:
    return rendered(deployed, sources(checkout.path("deploy", "topology.yml")))


@pytest.fixture(scope="module")
def variants(topologies: Mapping[str, Topology]) -> Mapping[str, Documents]:
    """Resources of every topology that templates know apart, without the rules and dashboards of them all."""
    nothing = Sources(rules={}, dashboards={}, topology_text="schema: 1\n")
    return {name: rendered(topology, nothing) for name, topology in topologies.items()}


def told(document: Mapping[str, Any], schemas: Mapping[tuple[str, str], Schema]) -> list[str]:
    key = document["apiVersion"], document["kind"]
    return [f"{key[1]} {document['metadata']['name']}: {fault}" for fault in faults(schemas[key], document)]


def of_operators(documents: Documents) -> Documents:
    return [each for each in documents if each["apiVersion"].startswith("rabbitmq.com/")]


def test_every_resource_has_the_fields_of_its_kind(
    documents: Documents, variants: Mapping[str, Documents]
) -> None:
    for name, found in {"deployed": documents, **variants}.items():
        assert len(found) > 90, name
        assert [fault for each in found for fault in told(each, OWN)] == [], name


@needs_crds
def test_every_object_fits_the_operators_own_definitions(variants: Mapping[str, Documents]) -> None:
    for name, each in variants.items():
        found = of_operators(each)
        assert {each["kind"] for each in found} >= {"RabbitmqCluster", "Vhost", "User", "Queue", "Binding"}
        assert [fault for each in found for fault in told(each, OPERATORS)] == [], name


def test_every_secret_has_the_fields_of_its_kind(deployed: Topology, tmp_path: Path) -> None:
    place = Place(topology=deployed, namespace="messages")
    found = secrets.documents(place, Secrets(tmp_path), Pki(tmp_path, datetime.now(UTC)))
    assert [fault for each in found for fault in told(each, OWN)] == []


# -- the checker itself ------------------------------------------------------------------------------------


def mappings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every object of fields, not of names."""
    if isinstance(value, dict):
        yield path
        for key, each in value.items():
            if key not in FREE or (key == "limits" and "connections" in each):
                yield from mappings(each, (*path, key))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from mappings(each, (*path, place))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every plain value, but below the broker's own terms."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in ("definition", "arguments"):
                yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from leaves(each, (*path, place))
    else:
        yield path


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def one_of_each(documents: Documents) -> Documents:
    """The largest resource of each kind."""
    found: dict[str, dict[str, Any]] = {}
    for each in documents:
        if len(str(each)) > len(str(found.get(each["kind"], ""))) and each["kind"] != "ConfigMap":
            found[each["kind"]] = each
    return list(found.values())


def mutants(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was done, and the resource after it: a field too many anywhere, and a value of another type."""
    for path in mappings(document):
        changed = copy.deepcopy(document)
        at(changed, path)["bogus"] = "x"
        yield f"bogus in {path}", changed
    for path in leaves(document):
        for wrong in ({"a": 1}, ["a"], True, "x" if isinstance(at(document, path), int) else 2.5):
            if type(wrong) is type(at(document, path)):
                continue
            changed = copy.deepcopy(document)
            at(changed, path[:-1])[path[-1]] = wrong
            yield f"{wrong!r} at {path}", changed


def survivors(documents: Documents, schemas: Mapping[tuple[str, str], Schema]) -> tuple[int, list[str]]:
    tried, missed = 0, []
    for document in one_of_each(documents):
        for what, changed in mutants(document):
            if what.endswith(("('apiVersion',)", "('kind',)")):
                continue
            tried += 1
            if not told(changed, schemas):
                missed.append(f"{document['kind']}: {what}")
    return tried, missed


def test_every_field_too_many_and_every_wrong_type_is_found(documents: Documents) -> None:
    tried, missed = survivors(documents, OWN)
    assert tried > 2000
    assert missed == []


@needs_crds
def test_the_same_by_the_operators_definitions(documents: Documents) -> None:
    tried, missed = survivors(of_operators(documents), OPERATORS)
    assert tried > 500
    assert missed == []


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("Vhost", ("spec", "defaultQueueType"), "mirrored"),
        ("Vhost", ("spec", "deletionPolicy"), "keep"),
        ("Vhost", ("spec", "limits", "connections"), 2**31),
        ("User", ("spec", "tags"), ["impersonator"]),
        ("OperatorPolicy", ("spec", "applyTo"), "all"),
        ("Binding", ("spec", "destinationType"), "topic"),
        ("RabbitmqCluster", ("spec", "persistence", "storage"), "ten"),
        ("Queue", ("metadata", "name"), "Upper.case"),
    ],
)
@pytest.mark.parametrize(
    "schemas", [OWN, pytest.param(OPERATORS, marks=needs_crds)], ids=["own", "operators"]
)
def test_a_value_that_is_none_of_those_allowed_is_found(
    documents: Documents,
    kind: str,
    path: tuple[str, ...],
    wrong: Any,
    schemas: Mapping[tuple[str, str], Schema],
) -> None:
    changed = copy.deepcopy(next(each for each in documents if each["kind"] == kind))
    assert told(changed, schemas) == []
    at(changed, path[:-1])[path[-1]] = wrong
    assert len(told(changed, schemas)) == 1


@pytest.mark.parametrize(
    "schemas", [OWN, pytest.param(OPERATORS, marks=needs_crds)], ids=["own", "operators"]
)
def test_what_is_required_and_missing_is_found(
    documents: Documents, schemas: Mapping[tuple[str, str], Schema]
) -> None:
    for each in one_of_each(of_operators(documents)):
        for field in schemas[each["apiVersion"], each["kind"]]["properties"]["spec"].get("required", ()):
            changed = copy.deepcopy(each)
            del changed["spec"][field]
            assert told(changed, schemas), f"{each['kind']} without {field}"


@needs_crds
def test_a_rule_of_the_definitions_is_kept(documents: Documents) -> None:
    changed = copy.deepcopy(next(each for each in documents if each["kind"] == "RabbitmqCluster"))
    changed["spec"]["rabbitmq"]["envConfig"] += "X=$(id)\n"
    assert "substitution" in told(changed, OPERATORS)[0]
