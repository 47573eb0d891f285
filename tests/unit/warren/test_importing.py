"""`warren topology import`: what others exported becomes a topology that passes its checks, and nothing of it
goes without a word."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warren import cli
from warren.assertions.verify import check_waivers
from warren.definitions import document, password_hashes
from warren.errors import BadInputError, BadInputsError
from warren.importing import engine
from warren.importing.engine import Imported, bring_in
from warren.importing.notes import What
from warren.importing.rows import Export, read, read_file
from warren.topology import Topology
from warren.topology_reader import from_data, loads

EXPORTS = Path(__file__).parent / "exports"
DEPLOYED = Path(__file__).parents[3] / "deploy" / "topology.yml"
WHOLE = sorted(path for path in EXPORTS.glob("*.json") if "one-vhost" not in path.name)
SECRETS = ("hunter2", "EQY21c3tps1B5olgjMQyl8Y587BRvqtHEmek9urw5ACKLLI0", "password_hash")


def base() -> dict[str, Any]:
    return engine.like(DEPLOYED)


def imported(path: Path, **given_: Any) -> Imported:
    return bring_in(read_file(path, **given_), base(), cluster="imported")


def normal(topology: Topology) -> Topology:
    """The same topology with everything sorted: an export has an order of its own."""
    return replace(
        topology,
        users=tuple(sorted(topology.users, key=repr)),
        vhosts=tuple(
            sorted(
                (
                    replace(
                        vhost,
                        **{
                            kind: tuple(sorted(getattr(vhost, kind), key=repr))
                            for kind in (
                                "exchanges", "queues", "bindings", "policies", "operator_policies",
                                "permissions", "topic_permissions",
                            )
                        },
                    )
                    for vhost in topology.vhosts
                ),
                key=repr,
            )
        ),
    )  # fmt: skip


def unaccounted(export: Export, found: Imported) -> Iterator[str]:
    """Every object of the export that is neither in the topology, by its name and place, nor told of."""
    vhosts = {vhost.name: vhost for vhost in found.topology.vhosts}
    told = " \n".join(f"{note.place} {note.name} {note.why}" for note in found.notes)
    gone = {
        note.name for note in found.notes if note.what is What.LEFT_OUT and note.place.startswith("vhosts[")
    }
    for kind in ("exchanges", "queues", "policies"):
        for row in export.lists[kind]:
            vhost = vhosts.get(row["vhost"]) or vhosts.get(f"/{row['vhost']}")
            there = vhost is not None and any(each.name == row["name"] for each in getattr(vhost, kind))
            if not there and row["name"] not in told and row["vhost"] not in gone:
                yield f"{kind} {row['name']} in {row['vhost']}"
    for row in export.lists["bindings"]:
        if (row["source"], row["destination"]) == ("", row["routing_key"]):
            continue  # every queue has that
        vhost = vhosts.get(row["vhost"]) or vhosts.get(f"/{row['vhost']}")
        there = vhost is not None and any(
            (each.source, each.destination, each.routing_key)
            == (row["source"], row["destination"], row["routing_key"])
            for each in vhost.bindings
        )
        if not there and f"{row['source']} -> {row['destination']}" not in told and row["vhost"] not in gone:
            yield f"binding {row['source']} -> {row['destination']}"
    for row in (*export.lists["users"], *export.lists["parameters"], *export.lists["global_parameters"]):
        users = [each.name for each in found.topology.users]
        handled = row.get("component") in ("operator_policy", "vhost-limits") or row["name"] == "cluster_tags"
        if row["name"] not in users and row["name"] not in told and not handled:
            yield f"user or parameter {row['name']}"


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_export_becomes_a_topology_that_passes_and_tells_what_it_left(path: Path) -> None:
    found = imported(path)
    check_waivers(loads(found.text, "mine.yml"), name="mine.yml")
    assert found.topology.cluster == "imported"
    assert not list(unaccounted(read_file(path), found))


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_no_secret_of_the_export_comes_into_the_file_or_the_notes(path: Path) -> None:
    found = imported(path)
    said = found.text + json.dumps(found.as_result())
    assert not [secret for secret in SECRETS if secret in said]
    assert "each account gets a new password" in said


def test_every_shift_of_an_old_cluster_is_told_by_name() -> None:
    notes = [str(note) for note in imported(EXPORTS / "3.8-mirrored.json").notes]
    for wanted in (
        "left out  users[0]: guest: a topology has no account that every attacker tries first",
        "left out  users[3]: app@corp: a user's name cannot be said",
        "changed   vhosts[1]: prod: names begin with a slash: it is /prod now, and its clients must say so",
        "left out  vhosts[2]: eu/west: its name cannot be said",
        "left out  vhosts: eu/west: what is in it goes with it: 1 permissions, 1 queues",
        "left out  policies[0]: ha-all in prod: ha-mode: classic queues are mirrored no more since 4.0",
        "left out  policies[0]: ha-all in prod: sets nothing any more",
        "policies[1]: HA two & dlx in prod: its name cannot be said or is taken: it is HA-two-dlx now",
        "left out  parameters[0]: shovel to-dr: write it below links: by hand",
        "left out  parameters[1]: federation-upstream east: write it below links: by hand",
        "left out  queues[5]: reply in prod: it goes with its last consumer",
        "left out  queues[6]: mine in prod: it belongs to one connection",
        "left out  queues[7]: amq.gen-JzTY20BRgKO-HjmUJj0wLg in prod: the broker named it for a client",
        "left out  queues[8]: shop:orders in prod: its name cannot be said",
        "changed   queues[4]: transient in prod: transient queues that clients share are gone: it is durable",
        "left out  queues[1]: shop.lazy in prod: x-queue-mode: not heeded since 3.12",
        "changed   exchanges[1]: shop.dlx in prod: it went with its last binding; now it stays",
        "left out  exchanges[2]: shop.hash in prod: the exchange type x-consistent-hash cannot be said",
        "left out  bindings[4]: amq.topic -> shop.lazy in prod: the broker's own exchanges",
        "dangling in /: dead-letters into exchange 'amq.fanout', which is not in this vhost",
        "shop.topic -> shop.orders in /prod: more than two '#'",
        "shop.hash -> shop.lazy in /prod: no exchange 'shop.hash' in this vhost",
        "left out  global_parameters[2]: mqtt_default_vhosts: a topology says nothing of global parameters",
    ):
        assert any(wanted in note for note in notes), wanted


def test_what_an_old_cluster_said_is_taken_over() -> None:
    topology = imported(EXPORTS / "3.8-mirrored.json").topology
    prod = topology.vhost("/prod")
    assert {queue.name: queue.type for queue in prod.queues} == {
        "shop.orders": "classic", "shop.lazy": "classic", "shop.quorum": "quorum", "shop.failed": "classic",
        "transient": "classic",
    }  # fmt: skip
    assert prod.queue("shop.lazy").arguments == {"x-max-priority": 5}
    assert prod.limits == {"max-queues": 100}
    assert [(policy.name, dict(policy.definition)) for policy in prod.policies] == [
        ("HA-two-dlx", {"dead-letter-exchange": "shop.dlx"})
    ]
    assert "cap" in {policy.name for policy in prod.operator_policies}
    assert topology.user("ops").tags == ("management", "monitoring")
    shop = next(each for each in prod.permissions if each.user == "shop")
    assert (shop.configure, shop.write, shop.read) == ("", "^shop\\.", "^shop\\.")
    assert [each.exchange for each in prod.topic_permissions] == ["shop.topic"]


def test_traps_are_mended_and_said() -> None:
    found = imported(EXPORTS / "3.12-traps.json")
    notes = "\n".join(str(note) for note in found.notes)
    etl = found.topology.vhost("/etl")
    policies = {policy.name: policy for policy in etl.policies}
    assert policies["a"].priority != policies["b"].priority, "a tie"
    assert policies["odd"].definition == {"expires": 60000}
    assert "dead-letter-strategy" not in etl.queue("jobs.a").arguments, "it was at-most-once"
    assert etl.queue("jobs.key").arguments == {}
    assert etl.queue("jobs.named").arguments == {}
    assert policies["jobs.failed.imported"].definition["max-length"] >= 5000
    assert found.topology.user("operator").role == "operator"
    assert found.topology.user("operator").tags == ("administrator", "management")
    for wanted in (
        "max-length is ",
        "silently is at-most-once: it goes without dead-letter-strategy",
        "the limit max-connections of 0",
        "nowhere",
        "given twice",
        "not a regular expression",
        "the name /etl is taken by another",
        "tags of virtual hosts",
        "operator: to what Warren's own account needs",
    ):
        assert wanted in notes, wanted


def test_export_of_one_virtual_host_needs_its_name() -> None:
    path = EXPORTS / "4.1-one-vhost.json"
    with pytest.raises(BadInputsError) as refused:
        read_file(path)
    assert f"{path}:queues[0].vhost: is missing" in str(refused.value)
    assert "say --vhost" in str(refused.value)
    topology = imported(path, vhost="/orders").topology
    (vhost,) = topology.vhosts
    assert (vhost.name, vhost.default_queue_type) == ("/orders", "quorum")
    assert [queue.name for queue in vhost.queues] == ["a"]


# -- round trip --------------------------------------------------------------------------------------------


def round_trip(topology: Topology, data: dict[str, Any]) -> Imported:
    hashes = password_hashes({user.name: "secret" for user in topology.users})
    text = json.dumps(document(topology, hashes))
    return bring_in(read(text, "export.json"), data, cluster=topology.cluster)


def test_deployed_topology_comes_back_as_it_was(deployed: Topology) -> None:
    found = round_trip(deployed, base())
    assert normal(found.topology) == normal(deployed)
    assert [note.name for note in found.notes] == ["passwords"]


def test_export_of_a_running_lab_is_its_topology(deployed: Topology) -> None:
    found = imported(EXPORTS / "4.3-lab.json")
    assert normal(replace(found.topology, cluster=deployed.cluster)) == normal(deployed)


_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}(\.[a-z0-9]{1,4})?", fullmatch=True).filter(
    lambda name: not name.startswith(("amq.", "warren."))
)
_ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "x-message-ttl": st.integers(0, 10**9),
        "x-max-length": st.integers(0, 10**6),
        "x-overflow": st.sampled_from(["drop-head", "reject-publish"]),
        "x-own": st.one_of(
            st.booleans(), st.text("äöü :#{}'\"\\\n\t-", max_size=8), st.lists(st.integers(0, 9), max_size=2)
        ),
    },
)
_PATTERNS = st.sampled_from(["^$", ".*", "", "^a", r"^(a|b)\.", "^é"])


def _unique(names: st.SearchStrategy[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(names, unique=True, max_size=most)


@st.composite
def vhosts(draw: Callable[..., Any], users: list[str]) -> dict[str, Any]:
    """A virtual host that breaks no rule, with whatever the schema can say."""
    exchanges = [
        {
            "name": name,
            "type": draw(st.sampled_from(["direct", "fanout", "topic", "headers"])),
            "durable": draw(st.booleans()),
            "internal": draw(st.booleans()),
            "arguments": {"alternate-exchange": "x"} if draw(st.booleans()) else {},
        }
        for name in draw(_unique(_NAMES, 3))
    ]
    queues = [
        {
            "name": name,
            "type": draw(st.sampled_from(["quorum", "classic", "stream"])),
            "arguments": draw(_ARGUMENTS),
            **({"objective": {"depth": draw(st.integers(1, 9))}} if draw(st.booleans()) else {}),
        }
        for name in draw(_unique(_NAMES, 4))
    ]
    if exchanges and queues and draw(st.booleans()):
        queues[0]["arguments"] = {
            "x-dead-letter-exchange": exchanges[0]["name"],
            "x-dead-letter-routing-key": "k",
        }
        for queue in queues:
            queue["arguments"].pop("x-max-length", None)
    bindings: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 4)) if exchanges and queues else 0):
        binding = {
            "source": draw(st.sampled_from(exchanges))["name"],
            **(
                {"queue": draw(st.sampled_from(queues))["name"]}
                if draw(st.booleans())
                else {"exchange": draw(st.sampled_from(exchanges))["name"]}
            ),
            "routing_key": draw(st.text("ab.*", max_size=5)),
            "arguments": draw(
                st.sampled_from([{}, {"x-match": "all", "h": 1}, {"x-match": "any", "h": True}])
            ),
        }
        if binding not in bindings:
            bindings.append(binding)

    def policies(kind: str) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "pattern": ".*",
                "apply_to": draw(st.sampled_from(["all", "queues", "quorum_queues", "exchanges"])),
                "priority": place,
                "definition": {
                    "message-ttl" if kind == "policies" else "expires": draw(st.integers(1, 10**6))
                },
            }
            for place, name in enumerate(draw(_unique(_NAMES, 2)) if exchanges or queues else [])
        ]

    def rights(user: str) -> dict[str, Any]:
        return {"user": user, "configure": draw(_PATTERNS), "write": draw(_PATTERNS), "read": draw(_PATTERNS)}

    topics = [each["name"] for each in exchanges if each["type"] == "topic"]
    canary = r"^warren\.canary"
    return {
        "name": "/" + draw(st.from_regex(r"[a-z0-9.-]{0,5}", fullmatch=True)),
        "description": draw(st.text(max_size=12).filter(lambda text: text.isprintable())),
        "default_queue_type": draw(st.sampled_from(["quorum", "classic", "stream"])),
        "protected": draw(st.booleans()),
        "limits": draw(st.dictionaries(st.sampled_from(["max-connections", "max-queues"]), st.just(9))),
        "exchanges": exchanges,
        "queues": queues,
        "bindings": bindings,
        "policies": policies("policies"),
        "operator_policies": policies("operator_policies"),
        "permissions": [
            {"user": "operator", "configure": ".*", "write": ".*", "read": ".*"},
            {"user": "canary", "configure": canary, "write": canary, "read": canary},
            {"user": "monitoring"},
            *(rights(user) for user in users if draw(st.booleans())),
        ],
        "topic_permissions": [
            {"user": user, "exchange": exchange, "write": draw(_PATTERNS), "read": draw(_PATTERNS)}
            for user in users
            for exchange in topics
            if draw(st.booleans())
        ],
    }  # fmt: skip


@st.composite
def topologies(draw: Callable[..., Any]) -> dict[str, Any]:
    """The data of a whole topology: the deployed one's cluster, with users and virtual hosts of its own."""
    data = copy.deepcopy(base())
    users = [f"u-{name}" for name in draw(_unique(_NAMES, 3))]
    data["users"] = [
        *(each for each in data["users"] if "role" in each),
        *(
            {
                "name": user,
                "tags": sorted(draw(st.sets(st.sampled_from(["management", "policymaker"])))),
                **({"max_channels": draw(st.integers(1, 99))} if draw(st.booleans()) else {}),
            }
            for user in users
        ),
    ]
    data["vhosts"] = draw(
        st.lists(vhosts(users), min_size=1, max_size=3, unique_by=lambda each: each["name"])
    )
    return data


@given(topologies())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_topology_comes_back_as_it_was(data: dict[str, Any]) -> None:
    topology = from_data(data)
    found = round_trip(topology, data)
    assert normal(found.topology) == normal(topology)
    assert normal(loads(found.text, "again.yml")) == normal(topology)
    assert [note.name for note in found.notes] == ["passwords"]


# -- bad files ---------------------------------------------------------------------------------------------

BAD: Mapping[str, tuple[str, str]] = {
    "nothing": ("", "bad.json:1: is not JSON"),
    "half": ('{"vhosts": [{"name": "/"}', "bad.json:1: is not JSON"),
    "yaml": ("vhosts:\n  - name: /\n", "bad.json:1: is not JSON"),
    "a list": ("[]", "bad.json: the top of the file must be an object"),
    "no lists": ('{"a": 1}', "bad.json: has none of the lists of an export"),
    "a number that is none": ('{"vhosts": [], "x": NaN}', "NaN is no JSON number"),
    "a key twice": ('{"vhosts": [], "vhosts": []}', "the key 'vhosts' is given twice"),
    "deep": ('{"vhosts": ' + "[" * 100_000, "bad.json"),
    "a table for a list": ('{"queues": {}}', "bad.json:queues: must be a list, not {}"),
    "text for a row": ('{"queues": ["a"]}', 'bad.json:queues[0]: must be an object, not "a"'),
    "no name": ('{"vhosts": [{"name": "/"}, {}]}', "bad.json:vhosts[1].name: is missing"),
    "a number for a name": ('{"users": [{"name": 3}]}', "bad.json:users[0].name: must be text, not 3"),
    "text for arguments": ('{"queues": [{"name": "a", "vhost": "/", "arguments": "x"}]}',
        "queues[0].arguments: must be an object"),
    "text for a flag": ('{"queues": [{"name": "a", "vhost": "/", "durable": "yes"}]}',
        "queues[0].durable: must be true or false"),
    "no definition": ('{"policies": [{"name": "a", "vhost": "/", "pattern": "x"}]}',
        "policies[0].definition: is missing"),
    "half a character": ('{"vhosts": [{"name": "/\\ud800"}]}', "vhosts[0].name: holds half a character"),
    "an empty operator policy": ('{"parameters": [{"component": "operator_policy", "name": "a"}]}',
        "parameters[0].vhost: is missing"),
    "nothing to say": ('{"vhosts": [{"name": "a b"}]}', "bad.json:vhosts: no virtual host of it can be said"),
    "no virtual host": ('{"users": [{"name": "a"}]}', "bad.json:vhosts: no virtual host of it can be said"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_file_is_refused_with_a_place(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, wanted = BAD[kind]
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        cli.main(["topology", "import", str(path)])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert wanted in err
    assert "Traceback" not in err


def test_every_fault_of_a_file_is_told_at_once() -> None:
    text = '{"vhosts": [{"name": 1}], "queues": [{"vhost": "/"}, 7]}'
    with pytest.raises(BadInputsError) as refused:
        read(text, "bad.json")
    assert [fault.where for fault in refused.value.faults] == [
        "bad.json:vhosts[0].name", "bad.json:queues[0].name", "bad.json:queues[1]",
    ]  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _places(each, (*path, key))


_JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5), st.sampled_from(["", "amq.x", "warren.x", "a]b", "(", "no", "0"]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_put_into_an_export_it_is_taken_or_refused_with_a_place(data: st.DataObject) -> None:
    whole = json.loads(data.draw(st.sampled_from(WHOLE)).read_text(encoding="utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in _places(whole) if path]))
        target = whole
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = data.draw(_JUNK)
    text = json.dumps(whole)
    faults: tuple[BadInputError, ...] = ()
    try:
        export = read(text, "odd.json")
        found = bring_in(export, base(), cluster="odd")
    except BadInputError as refused:
        faults = getattr(refused, "faults", (refused,))
    assert all(fault.where.startswith("odd.json") for fault in faults), str(faults)
    assert faults or not list(unaccounted(export, found))


# -- the command -------------------------------------------------------------------------------------------


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return int(ended.value.code or 0)


def test_written_file_passes_the_check_and_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, notes = tmp_path / "mine.yml", tmp_path / "notes.json"
    export = str(EXPORTS / "3.8-mirrored.json")
    assert run("topology", "import", export, "-o", str(target), "--name", "mine", "--json", str(notes)) == 0
    out, err = capsys.readouterr()
    assert "no faults; 3 nodes" in out
    assert "left out  users[0]: guest" in err
    assert run("topology", "check", str(target)) == 0
    assert yaml.safe_load(target.read_text(encoding="utf-8"))["cluster"]["name"] == "mine"
    assert {note["what"] for note in json.loads(notes.read_text())["notes"]} == {
        "left out",
        "changed",
        "added",
    }
    before = target.read_bytes()
    assert run("topology", "import", export, "-o", str(target)) == 2
    assert target.read_bytes() == before
    assert "File exists" in capsys.readouterr().err
