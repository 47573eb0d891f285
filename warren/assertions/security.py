"""Assertions about who may come in, over what, and what lies open. https://www.rabbitmq.com/docs/ssl,
https://www.rabbitmq.com/docs/clustering-ssl and https://www.rabbitmq.com/docs/access-control"""

from __future__ import annotations

from collections.abc import Callable

from warren.assertions.facts import Facts, ListenerFacts
from warren.assertions.model import Assertion, Outcome, everywhere
from warren.definitions import HASHING_ALGORITHM
from warren.topology_checks import CANARY_RIGHT

_UNAUTHORISED = 401
#: Ports that ask for a client's certificate as the topology says, and for credentials in a way of their own.
_BROKER_PROTOCOLS = ("amqps", "streams")
_NOTHING = "^$"
#: What a distribution port answers to a client without a certificate, by TLS version and by timing.
_REFUSALS = ("certificate_required", "handshake_failure", "bad_certificate", "closed")


def _guest(facts: Facts) -> Outcome:
    names = [str(user["name"]) for user in facts.users]
    return Outcome(
        "guest" not in names, f"{len(names)} users, guest {'among' if 'guest' in names else 'not'}"
    )


def _anonymous(facts: Facts) -> Outcome:
    bad = {
        name: f"mechanisms {value}"
        for name, value in facts.environment("rabbit.auth_mechanisms").items()
        if "ANONYMOUS" in value
    }
    for name, value in facts.environment("rabbit.anonymous_login_user").items():
        if value != "none":
            bad[f"{name} "] = f"anonymous_login_user is {value}"
    return everywhere(bad, "ANONYMOUS is not offered, and has no user")


def _ports(facts: Facts) -> Outcome:
    ports = facts.topology.ports
    allowed = {ports.inter_node, ports.epmd}
    allowed |= {int(getattr(ports, name)) for name in facts.topology.node_ports}
    bad = {
        name: f"listens on {', '.join(map(str, sorted(set(node.ports) - allowed)))}"
        for name, node in facts.nodes.items()
        if set(node.ports) - allowed
    }
    return everywhere(bad, f"only {', '.join(map(str, sorted(allowed)))}")


def _listeners_tls(facts: Facts) -> Outcome:
    bad = {
        f"{each.node} port {each.port}": f"{each.protocol} without TLS"
        for each in facts.overview.listeners
        if not each.tls and each.protocol != "clustering"
    }
    return everywhere(bad, f"{len(facts.overview.listeners)} listeners")


def _cookie_private(facts: Facts) -> Outcome:
    bad: dict[str, str] = {}
    for name, node in facts.nodes.items():
        cookie = node.files.get("/var/lib/rabbitmq/.erlang.cookie")
        if cookie is None or cookie.mode not in ("400", "600") or cookie.owner != node.user:
            bad[name] = f"mode {cookie.mode}, owner {cookie.owner}" if cookie else "no cookie file"
    return everywhere(bad, "mode 0400 or 0600, owned by the broker's user")


def _cookie_equal(facts: Facts) -> Outcome:
    hashes = {node.cookie_hash for node in facts.nodes.values()}
    return Outcome(len(hashes) == 1, f"{len(hashes)} different hashes on {len(facts.nodes)} nodes")


def _keys_private(facts: Facts) -> Outcome:
    bad = {
        f"{name} {path}": f"mode {file.mode}"
        for name, node in facts.nodes.items()
        for path, file in node.files.items()
        if (path.endswith(".key") or path.endswith("definitions.json")) and file.mode[-2:] != "00"
    }
    count = sum(path.endswith(".key") for node in facts.nodes.values() for path in node.files)
    return everywhere(bad, f"{count} keys and the definitions are the broker user's alone")


def _inter_node_tls(facts: Facts) -> Outcome:
    bad = {
        name: node.proto_dist
        for name, node in facts.nodes.items()
        if node.proto_dist not in ('{ok,[["inet_tls"]]}', '{ok,[["inet6_tls"]]}')
    }
    return everywhere(bad, "proto_dist is inet_tls")


def _inter_node_verified(facts: Facts) -> Outcome:
    bad: dict[str, str] = {}
    for name, node in facts.nodes.items():
        refused = any(word in node.inter_node_without_certificate for word in _REFUSALS)
        if not refused:
            bad[name] = f"answers a client without a certificate: {node.inter_node_without_certificate}"
        elif "timeout" not in node.inter_node_with_certificate:
            bad[name] = f"does not answer a client with one: {node.inter_node_with_certificate}"
        elif node.inter_node_options.count("{verify,verify_peer}") < 2:  # noqa: PLR2004 - server and client
            bad[name] = "does not verify both ways"
    return everywhere(bad, "refuses a client without a certificate, keeps one with it, verifies both ways")


def _each_listener(look: Callable[[ListenerFacts], str], good: str) -> Callable[[Facts], Outcome]:
    def check(facts: Facts) -> Outcome:
        bad = {f"{node} {port}": look(seen) for (node, port), seen in facts.listeners.items() if look(seen)}
        return everywhere(bad, f"{good} on {len(facts.listeners)} listeners")

    return check


def _client_certificates(facts: Facts) -> Outcome:
    required = facts.topology.tls.client_certificate == "required"
    bad = {
        node: seen.without_certificate or "accepted"
        for (node, port), seen in facts.listeners.items()
        if port in _BROKER_PROTOCOLS and (seen.without_certificate == "") == required
    }
    return everywhere(bad, f"client certificates are {facts.topology.tls.client_certificate}, as they should")


def _credentials_asked(facts: Facts) -> Outcome:
    bad = {
        f"{node} {port}": f"HTTP {seen.status_without_credentials}"
        for (node, port), seen in facts.listeners.items()
        if port not in _BROKER_PROTOCOLS and seen.status_without_credentials != _UNAUTHORISED
    }
    return everywhere(bad, "HTTP 401 without credentials on management and metrics")


def _expiry(facts: Facts) -> Outcome:
    bad = {check.node: check.reason for check in facts.certificates if not check.passed}
    return everywhere(bad, "no certificate of a listener expires within four weeks")


def _hashes(facts: Facts) -> Outcome:
    bad = {
        f"user {user['name']}": str(user.get("hashing_algorithm"))
        for user in facts.users
        if user.get("hashing_algorithm") != HASHING_ALGORITHM
    }
    return everywhere(bad, f"{len(facts.users)} users have SHA-512 hashes")


def _one_account_each(facts: Facts) -> Outcome:
    """Whoever watches for drift is no application: that one enters every virtual host (docs/drift.md)."""
    bad: dict[str, str] = {}
    for user in facts.topology.users:
        if user.name == facts.topology.drift_user:
            continue
        vhosts = [row["vhost"] for row in facts.permissions if row["user"] == user.name]
        if user.role == "application" and (len(vhosts) > 1 or user.tags):
            bad[user.name] = f"vhosts {', '.join(vhosts)}, tags {', '.join(user.tags) or 'none'}"
    return everywhere(bad, "each application account has one vhost and no tag")


def _least_privilege(facts: Facts) -> Outcome:
    applications = {user.name for user in facts.topology.users if user.role == "application"}
    bad: dict[str, str] = {}
    for row in facts.permissions:
        if row["user"] in applications and (
            row["configure"] != _NOTHING or ".*" in (row["write"], row["read"])
        ):
            bad[str(row["user"])] = f"configure {row['configure']} write {row['write']} read {row['read']}"
    return everywhere(bad, f"{len(applications)} accounts declare nothing and reach only what is named")


def _monitoring_powerless(facts: Facts) -> Outcome:
    name = facts.topology.account("monitoring").name
    bad = {
        f"vhost {row['vhost']}": f"configure {row['configure']} write {row['write']} read {row['read']}"
        for row in facts.permissions
        if row["user"] == name and {row["configure"], row["write"], row["read"]} - {_NOTHING, ""}
    }
    return everywhere(bad, f"{name} can look and do nothing")


def _canary_confined(facts: Facts) -> Outcome:
    name = facts.topology.account("canary").name
    bad = {
        f"vhost {row['vhost']}": f"configure {row['configure']} write {row['write']} read {row['read']}"
        for row in facts.permissions
        if row["user"] == name and {row["configure"], row["write"], row["read"]} != {CANARY_RIGHT}
    }
    return everywhere(bad, f"{name} reaches what begins with warren.canary and nothing else")


def _protected(facts: Facts) -> Outcome:
    if not facts.topology.broker.protects_vhosts:
        return Outcome(True, "not in this series")
    bad = {
        str(vhost["name"]): "not protected"
        for vhost in facts.vhosts
        if not (vhost.get("metadata") or vhost).get("protected_from_deletion")
        and not str(vhost["name"]).startswith("/warren.")
    }
    return everywhere(bad, f"{len(facts.vhosts)} vhosts")


_API, _EVAL, _FILE = "management API", "the node's own runtime", "the node's files"
_SHAKE = "a TLS handshake with every published port"


def _must(name: str, title: str, reads: str, check: Callable[[Facts], Outcome]) -> Assertion:
    return Assertion(id=name, level="must", title=title, reads=reads, check=check)


def _production(name: str, title: str, reads: str, check: Callable[[Facts], Outcome]) -> Assertion:
    return Assertion(id=name, level="production", title=title, reads=reads, check=check)


ASSERTIONS = (
    _must("guest-absent", "there is no user guest", _API, _guest),
    _must("anonymous-off", "nobody logs in anonymously", _EVAL, _anonymous),
    _must("ports-expected", "a node listens on its own ports and no other", "/proc/net/tcp", _ports),
    _must("listeners-tls", "every listener for clients speaks TLS", _API, _listeners_tls),
    _must("cookie-private", "the Erlang cookie is the broker user's alone", _FILE, _cookie_private),
    _must("cookie-equal", "the Erlang cookie is the same on all nodes", _EVAL, _cookie_equal),
    _must("keys-private", "private keys and definitions are the broker user's alone", _FILE, _keys_private),
    _must("inter-node-tls", "nodes speak TLS with each other", _EVAL, _inter_node_tls),
    _must(
        "inter-node-verified",
        "a node's inter-node port refuses whoever shows no certificate of the cluster",
        "a TLS handshake between nodes",
        _inter_node_verified,
    ),
    _must(
        "certificates-verify",
        "each listener's certificate is the cluster authority's and names its node",
        _SHAKE,
        _each_listener(lambda seen: seen.verified, "verified"),
    ),
    _must(
        "old-tls-refused",
        "TLS 1.1 and older are refused",
        _SHAKE,
        _each_listener(lambda seen: seen.old_versions_refused, "refused"),
    ),
    _must(
        "client-certificates",
        "clients' certificates are asked for as the topology says",
        _SHAKE,
        _client_certificates,
    ),
    _must("credentials-asked", "management and metrics ask for credentials", "HTTPS", _credentials_asked),
    _must("password-hashes", "passwords are stored as SHA-512 hashes", _API, _hashes),
    _must("monitoring-powerless", "the monitoring account can do nothing", _API, _monitoring_powerless),
    _must("canary-confined", "the canary reaches nothing but its own objects", _API, _canary_confined),
    _production("certificates-lasting", "no certificate expires within four weeks", _API, _expiry),
    _production("account-per-application", "each application has its own account", _API, _one_account_each),
    _production("least-privilege", "application accounts reach only what they need", _API, _least_privilege),
    _production("vhosts-protected", "vhosts are protected from deletion", _API, _protected),
)
