"""The definitions of the first boot, and password hashes of the broker's form."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from warren import definitions
from warren.errors import NotReadyError
from warren.topology import Topology


def _document(topology: Topology) -> dict:
    passwords = {user.name: f"password-of-{user.name}" for user in topology.users}
    return definitions.document(topology, definitions.password_hashes(passwords))


def test_hash_is_salt_and_digest_of_salt_and_password() -> None:
    made = base64.b64decode(definitions.password_hash("test12", b"\x90\x8d\xc6\x0a"))
    assert made[:4] == b"\x90\x8d\xc6\x0a"
    assert made[4:] == hashlib.sha512(b"\x90\x8d\xc6\x0atest12").digest()


def test_documented_sha256_example_matches() -> None:
    # The example of https://www.rabbitmq.com/docs/passwords
    stored = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    assert definitions.password_matches(stored, "test12", "rabbit_password_hashing_sha256")
    assert not definitions.password_matches(stored, "test13", "rabbit_password_hashing_sha256")


@pytest.mark.parametrize(
    ("stored", "algorithm"),
    [
        ("", definitions.HASHING_ALGORITHM),
        ("not base64!", definitions.HASHING_ALGORITHM),
        ("AAAA", definitions.HASHING_ALGORITHM),
        (definitions.password_hash("p", b"1234"), "rabbit_password_hashing_md5"),
    ],
)
def test_hash_of_unknown_form_matches_nothing(stored: str, algorithm: str) -> None:
    assert not definitions.password_matches(stored, "p", algorithm)


def test_same_password_of_two_users_looks_different_and_stays_the_same() -> None:
    hashes = definitions.password_hashes({"a": "same", "b": "same"})
    assert hashes["a"] != hashes["b"]
    assert hashes == definitions.password_hashes({"a": "same", "b": "same"})
    assert all(definitions.password_matches(each, "same") for each in hashes.values())


def test_salt_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="4 bytes"):
        definitions.password_hash("p", b"12345")


def test_user_without_a_password_is_named(deployed: Topology) -> None:
    with pytest.raises(NotReadyError, match="orders-shop"):
        definitions.document(deployed, {"operator": "x"})


def test_default_queue_type_stands_in_each_vhosts_metadata(deployed: Topology) -> None:
    document = _document(deployed)
    types = {vhost["name"]: vhost["metadata"]["default_queue_type"] for vhost in document["vhosts"]}
    assert types == {"/orders": "quorum", "/users": "quorum"}
    assert "default_queue_type" not in document


def test_limits_and_operator_policies_are_runtime_parameters(deployed: Topology) -> None:
    found = {(each["component"], each["vhost"]) for each in _document(deployed)["parameters"]}
    assert ("vhost-limits", "/orders") in found
    assert ("operator_policy", "/orders") in found


def test_no_password_stands_in_the_document_and_no_guest(deployed: Topology) -> None:
    document = _document(deployed)
    assert "password-of-" not in json.dumps(document)
    assert "guest" not in {user["name"] for user in document["users"]}
    assert {user["hashing_algorithm"] for user in document["users"]} == {definitions.HASHING_ALGORITHM}


def test_every_queue_says_its_type(deployed: Topology) -> None:
    queues = _document(deployed)["queues"]
    assert {queue["arguments"]["x-queue-type"] for queue in queues} == {"quorum"}
    rung = next(queue for queue in queues if queue["name"] == "payments.wait-5s")
    assert rung["arguments"]["x-message-ttl"] == 5000


def test_document_counts_everything_of_the_topology(deployed: Topology) -> None:
    document = _document(deployed)
    for name in ("exchanges", "queues", "bindings", "policies", "permissions", "topic_permissions"):
        assert len(document[name]) == sum(len(getattr(vhost, name)) for vhost in deployed.vhosts)
    assert len(document["users"]) == len(deployed.users)
