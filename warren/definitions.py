"""The definitions document that a new cluster imports at its first boot, and only then.

Import adds and overwrites but never deletes, so that afterwards `warren.plan` is the only writer.
https://www.rabbitmq.com/docs/definitions
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from warren.errors import NotReadyError
from warren.objects import wanted
from warren.topology import Topology, Vhost

#: The broker's name of the algorithm that `password_hash` uses.
HASHING_ALGORITHM = "rabbit_password_hashing_sha512"
#: Bytes of salt in front of a hash. https://www.rabbitmq.com/docs/passwords
SALT_BYTES = 4

_ALGORITHMS: Mapping[str, Callable[[bytes], Any]] = {
    HASHING_ALGORITHM: hashlib.sha512,
    "rabbit_password_hashing_sha256": hashlib.sha256,
}


def password_hash(password: str, salt: bytes) -> str:
    """``password`` as the broker stores it: base64(salt + SHA-512(salt + password)); ``salt`` is 4 bytes."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return base64.b64encode(salt + hashlib.sha512(salt + password.encode()).digest()).decode()


def password_matches(stored: str, password: str, algorithm: str = HASHING_ALGORITHM) -> bool:
    """Whether ``stored`` is a hash of ``password``; False where hash or algorithm is of no known form."""
    digest = _ALGORITHMS.get(algorithm)
    try:
        data = base64.b64decode(stored, validate=True)
    except binascii.Error:
        return False
    if digest is None or len(data) <= SALT_BYTES:
        return False
    salt, known = data[:SALT_BYTES], data[SALT_BYTES:]
    return hmac.compare_digest(known, digest(salt + password.encode()).digest())


def stable_salt(user: str, password: str) -> bytes:
    """A salt that is always the same for this user and password, so that a rendering can be repeated.

    It keeps a salt's purpose, that equal passwords of two users look different; it does not weaken
    passwords that are random, as the generated ones are.
    """
    return hmac.new(password.encode(), user.encode(), hashlib.sha256).digest()[:SALT_BYTES]


def password_hashes(passwords: Mapping[str, str]) -> dict[str, str]:
    """The hash for each user of ``passwords``, with stable salts."""
    return {
        user: password_hash(password, stable_salt(user, password)) for user, password in passwords.items()
    }


def document(topology: Topology, hashes: Mapping[str, str]) -> dict[str, Any]:
    """The definitions of ``topology``; ``hashes`` by user (`password_hashes`). Hashes are secrets.

    The default queue type is given in each vhost's metadata, the only place where an import reads it.
    Raises NotReadyError naming the users that have no hash.
    """
    missing = [user.name for user in topology.users if user.name not in hashes]
    if missing:
        raise NotReadyError(
            "definitions",
            f"no password for {', '.join(missing)}",
            "make the secrets first: warren cluster up",
        )
    return {
        "rabbitmq_version": topology.broker.version,
        "users": [
            {
                "name": user.name,
                "password_hash": hashes[user.name],
                "hashing_algorithm": HASHING_ALGORITHM,
                "tags": sorted(user.tags),
                "limits": wanted.user_limits(user),
            }
            for user in topology.users
        ],
        "vhosts": [_vhost(vhost) for vhost in topology.vhosts],
        "permissions": [
            {"user": p.user, "vhost": v.name, "configure": p.configure, "write": p.write, "read": p.read}
            for v in topology.vhosts
            for p in v.permissions
        ],
        "topic_permissions": [
            {"user": p.user, "vhost": v.name, "exchange": p.exchange, "write": p.write, "read": p.read}
            for v in topology.vhosts
            for p in v.topic_permissions
        ],
        "parameters": [each for vhost in topology.vhosts for each in _parameters(vhost)],
        "policies": [
            {"vhost": vhost.name, "name": policy.name, **wanted.policy_body(policy)}
            for vhost in topology.vhosts
            for policy in vhost.policies
        ],
        "exchanges": [each for vhost in topology.vhosts for each in _exchanges(vhost)],
        "queues": [each for vhost in topology.vhosts for each in _queues(vhost)],
        "bindings": [each for vhost in topology.vhosts for each in _bindings(vhost)],
    }


def _vhost(vhost: Vhost) -> dict[str, Any]:
    metadata = {
        "description": vhost.description,
        "tags": [],
        "default_queue_type": vhost.default_queue_type,
        "protected_from_deletion": vhost.protected,
    }
    return {"name": vhost.name, "metadata": metadata}


def _parameters(vhost: Vhost) -> list[dict[str, Any]]:
    """Limits and operator policies, which definitions carry as runtime parameters."""
    found: list[dict[str, Any]] = []
    if vhost.limits:
        found.append(
            {"component": "vhost-limits", "name": "limits", "vhost": vhost.name, "value": dict(vhost.limits)}
        )
    found += [
        {
            "component": "operator_policy",
            "name": policy.name,
            "vhost": vhost.name,
            "value": wanted.policy_body(policy),
        }
        for policy in vhost.operator_policies
    ]
    return found


def _exchanges(vhost: Vhost) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "vhost": vhost.name,
            "type": each.type,
            "durable": each.durable,
            "auto_delete": False,
            "internal": each.internal,
            "arguments": dict(each.arguments),
        }
        for each in vhost.exchanges
    ]


def _queues(vhost: Vhost) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "vhost": vhost.name,
            "durable": each.durable,
            "auto_delete": False,
            "arguments": wanted.queue_arguments(each),
        }
        for each in vhost.queues
    ]


def _bindings(vhost: Vhost) -> list[dict[str, Any]]:
    return [
        {
            "source": each.source,
            "vhost": vhost.name,
            "destination": each.destination,
            "destination_type": each.destination_type,
            "routing_key": each.routing_key,
            "arguments": dict(each.arguments),
        }
        for each in vhost.bindings
    ]
