"""Links in a topology: what is read, what is refused by which name, and that without them nothing changes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warren import render, topology_link_checks, topology_links
from warren.errors import BadInputsError
from warren.links import addresses
from warren.reader import Document, Section
from warren.topology import Topology
from warren.topology_links import Links
from warren.topology_reader import load

from . import linked

Data = dict[str, Any]
Reader = Callable[[Data], Topology]


def faults(read: Callable[[], object]) -> str:
    with pytest.raises(BadInputsError) as caught:
        read()
    return str(caught.value)


@pytest.fixture
def near(data: Data) -> Data:
    """The deployed topology with a shovel, a federated exchange and a federated queue."""
    data["links"] = linked.links(linked.SHOVEL, federation=(linked.EVENTS, linked.WORK))
    return data


@pytest.fixture
def far(data: Data) -> Data:
    return linked.far(data)


def test_a_topology_of_both_is_read_with_what_the_other_says(near: Data, far: Data, tmp_path: Path) -> None:
    topology = linked.read(tmp_path, near, far)
    remote = topology.links.remote("far")
    assert remote.far is not None
    assert (remote.far.cluster, remote.vhost, remote.user) == ("far", "/inbox", "link")
    shovel = topology.links.shovels[0]
    assert (shovel.ack_mode, shovel.vhost, shovel.remote) == ("on-confirm", "/orders", "far")
    assert [each.of_queues for each in topology.links.federations] == [False, True]
    assert topology.links.link("work-in").target.words == "queue orders.work in /orders"


def test_plugins_are_those_that_links_ask_for(
    near: Data, far: Data, tmp_path: Path, deployed: Topology
) -> None:
    assert deployed.plugins == deployed.broker.plugins
    both = linked.read(tmp_path, near, far)
    assert both.plugins == (
        *deployed.broker.plugins,
        *("rabbitmq_shovel", "rabbitmq_shovel_management", "rabbitmq_shovel_prometheus"),
        *("rabbitmq_exchange_federation", "rabbitmq_queue_federation"),
        *("rabbitmq_federation_management", "rabbitmq_federation_prometheus"),
    )
    assert render.role_vars(both)["rabbitmq_plugins"] == list(both.plugins)
    near["links"] = linked.links(linked.SHOVEL)
    assert "rabbitmq_queue_federation" not in linked.read(tmp_path, near, far).plugins
    assert "rabbitmq_federation" in both.links.plugins((4, 0))


def test_without_links_every_file_is_what_it_was(deployed: Topology, read: Reader, data: Data) -> None:
    """The committed files are compared with a fresh rendering elsewhere; here with an empty ``links``."""
    data["links"] = {"remotes": []}
    empty = read(data)
    assert not empty.links
    assert render.broker_files(empty) == render.broker_files(deployed)
    assert render.compose_file(empty, grafana=False) == render.compose_file(deployed, grafana=False)
    assert replace(empty, links=Links()) == deployed


SHOVEL_FAULTS: list[tuple[str, Callable[[Data], None], str]] = [
    (
        "queue",
        lambda each: each["from"].update(queue="orders.adit"),
        "there is no queue orders.adit in /orders",
    ),
    ("vhost", lambda each: each["from"].update(vhost="/order"), "no vhost '/order'"),
    ("remote", lambda each: each["to"].update(remote="fra"), "no remote 'fra'"),
    ("far queue", lambda each: each["to"].update(queue="inbox.adit"), "there is no queue inbox.adit of far"),
    ("ack", lambda each: each.update(ack_mode="on-publish"), "with on-publish messages are lost whenever"),
    ("lose", lambda each: each.update(may_lose=True), "on-confirm loses nothing"),
    ("both", lambda each: each["to"].update(exchange="inbox.direct"), "must name one thing"),
    ("key", lambda each: each["to"].update(routing_key="x"), "is of exchanges alone"),
    ("none", lambda each: each["from"].pop("vhost"), "is either of a remote or of a vhost here"),
    (
        "here",
        lambda each: each.update(to={"vhost": "/users", "queue": "users.email"}),
        "both ends are in this",
    ),
    (
        "there",
        lambda each: each.update({"from": {"remote": "far", "queue": "inbox.work"}}),
        "both ends are at a remote",
    ),
    (
        "exchange",
        lambda each: each.update({"from": {"vhost": "/orders", "exchange": "orders.topic"}}),
        "a shovel's own queue on an exchange ends with its connection",
    ),
    (
        "unroutable",
        lambda each: each.update(to={"remote": "far", "exchange": "inbox.events"}),
        "reaches no queue",
    ),
    (
        "key leads nowhere",
        lambda each: each.update(to={"remote": "far", "exchange": "inbox.direct", "routing_key": "adit"}),
        "with the key 'adit' reaches no queue",
    ),
    ("unknown", lambda each: each.update(password="secret"), "unknown key"),
]


@pytest.mark.parametrize(
    ("change", "told"), [each[1:] for each in SHOVEL_FAULTS], ids=[e[0] for e in SHOVEL_FAULTS]
)
def test_a_shovel_is_refused_by_name(
    change: Callable[[Data], None], told: str, near: Data, far: Data, tmp_path: Path
) -> None:
    change(near["links"]["shovels"][0])
    text = faults(lambda: linked.read(tmp_path, near, far))
    assert told in text
    assert "links.shovels[audit-out]" in text


def test_losing_is_allowed_where_it_is_said(near: Data, far: Data, tmp_path: Path) -> None:
    near["links"]["shovels"][0] |= {"ack_mode": "no-ack", "may_lose": True}
    assert linked.read(tmp_path, near, far).links.shovels[0].ack_mode == "no-ack"


REMOTE_FAULTS: list[tuple[str, Data, str]] = [
    ("plain port", {"port": 5672}, "5672 is AMQP without TLS"),
    ("scheme", {"hosts": ["amqp://b1.example"]}, "holds a scheme; every link speaks AMQP with TLS"),
    ("account", {"hosts": ["link:hunter2@b1.example"]}, "holds an account; no password stands in an address"),
    ("address", {"hosts": ["10.1.2.3"]}, "the broker holds a certificate against a name only"),
    ("no host", {"hosts": []}, "neither hosts nor a topology"),
    ("no password", {"password_file": ""}, "must be given: the user's password"),
    ("no authority", {"ca_file": ""}, "must be given: the remote's authority"),
    ("half a pair", {"certificate_file": "site-client.pem"}, "goes with key_file"),
    ("password", {"password": "hunter2"}, "unknown key"),
    ("a user's", {"password_file": "load.password"}, "is the password of a user here"),
]


@pytest.mark.parametrize(
    ("change", "told"), [each[1:] for each in REMOTE_FAULTS], ids=[e[0] for e in REMOTE_FAULTS]
)
def test_a_remote_is_refused_by_name(change: Data, told: str, data: Data, read: Reader) -> None:
    data["users"].append({"name": "load.password"})
    shovel = copy.deepcopy(linked.SHOVEL) | {"to": {"remote": "site", "queue": "inbox"}}
    data["links"] = linked.links(shovel, remotes=({**linked.SITE, **change},))
    text = faults(lambda: read(data))
    assert told in text
    assert "links.remotes[site]" in text
    assert "hunter2" not in text


def test_a_remote_of_hosts_is_read(data: Data, read: Reader) -> None:
    shovel = copy.deepcopy(linked.SHOVEL) | {"to": {"remote": "site", "queue": "inbox"}}
    data["links"] = linked.links(shovel, remotes=(linked.SITE,))
    remote = read(data).links.remote("site")
    assert (remote.hosts, remote.port, remote.far) == (("b1.example", "b2.example"), 5671, None)


def test_what_follows_from_the_other_topology_is_not_given_twice(
    near: Data, far: Data, tmp_path: Path
) -> None:
    near["links"]["remotes"][0]["ca_file"] = "far.pem"
    assert "follows from the topology that is named" in faults(lambda: linked.read(tmp_path, near, far))


def test_beside_a_topology_hosts_say_where_its_nodes_are(near: Data, far: Data, tmp_path: Path) -> None:
    assert linked.read(tmp_path, near, far).links.remote("far").in_containers
    near["links"]["remotes"][0] |= {"hosts": ["far1.example"], "port": 5673}
    links = linked.read(tmp_path, near, far).links
    assert not links.remote("far").in_containers
    assert addresses.shown_hosts(addresses.there(links, links.remote("far"))) == "far1.example:5673"
    near["links"]["remotes"][0]["port"] = 5672
    assert "5672 is AMQP without TLS" in faults(lambda: linked.read(tmp_path, near, far))


def test_a_remote_that_is_not_there_or_faulty_is_told_at_the_link(
    near: Data, far: Data, tmp_path: Path
) -> None:
    path = linked.write(tmp_path, near, far)
    (tmp_path / linked.FILE).unlink()
    assert "links.remotes[far].topology" in faults(lambda: load(path))
    far["cluster"]["nodes"] = []
    assert "faults" in faults(lambda: linked.read(tmp_path, near, far))


def test_a_text_that_is_no_file_has_none_beside_it(near: Data, read: Reader) -> None:
    assert "cannot be looked for" in faults(lambda: read(near))


def test_the_remote_must_be_another_cluster_and_let_the_user_in(
    near: Data, far: Data, tmp_path: Path
) -> None:
    far["cluster"]["name"] = "warren"
    assert "which is this cluster" in faults(lambda: linked.read(tmp_path, near, far))
    far["cluster"]["name"] = "far"
    far["vhosts"][0]["permissions"].pop()
    assert "'link' may not enter /inbox" in faults(lambda: linked.read(tmp_path, near, far))
    far["users"].pop()
    assert "far.yml has no user 'link'" in faults(lambda: linked.read(tmp_path, near, far))


@pytest.mark.parametrize(
    ("right", "without", "told"),
    [
        ("write", "^inbox", "has no write right on 'amq.default'"),
        ("write", r"^amq\.default$", "has no write right on 'inbox.audit'"),
        ("configure", "^$", "has no configure right on 'federation: inbox.events -> …'"),
        ("read", r"^inbox\.(events|audit)|^federation", "has no read right on 'inbox.work'"),
    ],
)
def test_rights_that_a_link_needs_are_told(
    *, right: str, without: str, told: str, near: Data, far: Data, tmp_path: Path
) -> None:
    far["vhosts"][0]["permissions"][-1][right] = without
    assert told in faults(lambda: linked.read(tmp_path, near, far))


def test_an_exchange_is_federated_from_a_broker_with_the_plugin_only(
    near: Data, far: Data, tmp_path: Path
) -> None:
    """Seen on 4.3.6, every five seconds: precondition_failed, unknown type x-federation-upstream."""
    far["cluster"]["broker"]["plugins"].remove("rabbitmq_exchange_federation")
    text = faults(lambda: linked.read(tmp_path, near, far))
    assert "links.federation[events-in]: far.yml has not the plugin rabbitmq_exchange_federation" in text
    assert "work-in" not in text  # a queue needs none there
    far["cluster"]["broker"]["plugins"].append("rabbitmq_federation")
    assert linked.read(tmp_path, near, far).links


def test_a_source_that_would_drop_what_was_under_way_is_told(near: Data, far: Data, tmp_path: Path) -> None:
    del far["vhosts"][0]["policies"][0]["definition"]["dead-letter-exchange"]
    text = faults(lambda: linked.read(tmp_path, near, far))
    assert "what is under way at a cut is gone after 20 cuts" in text
    far["vhosts"][0]["policies"][0]["definition"]["delivery-limit"] = -1
    assert linked.read(tmp_path, near, far).links


def test_a_stream_is_not_shovelled_from(near: Data, far: Data, tmp_path: Path) -> None:
    far["vhosts"][0]["queues"].append({"name": "inbox.log", "type": "stream"})
    near["links"] = linked.links(
        {
            "name": "log-in",
            "from": {"remote": "far", "queue": "inbox.log"},
            "to": {"vhost": "/orders", "queue": "orders.work"},
        }
    )
    assert "would begin anew" in faults(lambda: linked.read(tmp_path, near, far))


BACK = {
    "name": "audit-back",
    "from": {"remote": "far", "queue": "inbox.audit"},
    "to": {"vhost": "/orders", "exchange": "orders.topic", "routing_key": "order.back"},
}


def test_a_ring_through_a_binding_is_told_with_its_way(near: Data, far: Data, tmp_path: Path) -> None:
    near["links"] = linked.links(linked.SHOVEL, BACK)
    text = faults(lambda: linked.read(tmp_path, near, far))
    assert (
        "messages would go round for ever: queue orders.audit in /orders -> queue inbox.audit in /inbox of"
        in text
    )
    near["links"]["shovels"][1]["to"]["routing_key"] = "payment.back"
    near["vhosts"][0]["bindings"].append(
        {"source": "orders.topic", "queue": "orders.work", "routing_key": "payment.#"}
    )
    assert linked.read(tmp_path, near, far).links, "with another key it does not come back"


def test_a_ring_that_the_other_topology_closes_is_told_too(near: Data, far: Data, tmp_path: Path) -> None:
    near["users"].append({"name": "link"})
    near["vhosts"][0]["permissions"].append({"user": "link", "write": ".*", "read": ".*"})
    near["links"] = linked.links(linked.SHOVEL)
    far["links"] = {
        "remotes": [{"name": "lab", "topology": "near.yml", "vhost": "/orders", "user": "link"}],
        "shovels": [
            {
                "name": "audit-back",
                "from": {"vhost": "/inbox", "queue": "inbox.audit"},
                "to": {"remote": "lab", "queue": "orders.audit"},
            }
        ],
    }
    assert "messages would go round for ever" in faults(lambda: linked.read(tmp_path, near, far))
    far["links"]["shovels"][0]["to"]["queue"] = "orders.work"
    assert linked.read(tmp_path, near, far).links


def test_exchanges_federated_both_ways_are_no_ring(near: Data, far: Data, tmp_path: Path) -> None:
    near["users"].append({"name": "link"})
    own = {"user": "link", "configure": "^federation: ", "write": "^federation: ", "read": ".*"}
    near["vhosts"][0]["permissions"].append(own)
    near["links"] = linked.links(federation=(linked.EVENTS,))
    far["links"] = {
        "remotes": [{"name": "lab", "topology": "near.yml", "vhost": "/orders", "user": "link"}],
        "federation": [
            {
                "name": "events-in",
                "from": {"remote": "lab", "exchange": "orders.events"},
                "to": {"vhost": "/inbox", "exchange": "inbox.events"},
            }
        ],
    }
    assert linked.read(tmp_path, near, far).links


FEDERATION_FAULTS: list[tuple[str, Callable[[Data], None], str]] = [
    (
        "kinds",
        lambda each: each["to"].update(exchange="", queue="orders.work"),
        "an exchange with an exchange",
    ),
    (
        "away",
        lambda each: each.update({"from": each["to"], "to": each["from"]}),
        "federation brings messages here, and takes none away",
    ),
    ("upstream", lambda each: each["from"].update(exchange="inbox.event"), "no exchange inbox.event of far"),
]


@pytest.mark.parametrize(
    ("change", "told"), [each[1:] for each in FEDERATION_FAULTS], ids=[e[0] for e in FEDERATION_FAULTS]
)
def test_a_federation_is_refused_by_name(
    change: Callable[[Data], None], told: str, near: Data, far: Data, tmp_path: Path
) -> None:
    change(near["links"]["federation"][0])
    text = faults(lambda: linked.read(tmp_path, near, far))
    assert told in text
    assert "links.federation[events-in]" in text


def test_names_are_given_once_and_to_what_is_used(near: Data, far: Data, tmp_path: Path) -> None:
    near["links"]["shovels"].append(copy.deepcopy(near["links"]["shovels"][0]))
    near["links"]["remotes"].append(copy.deepcopy(linked.SITE))
    text = faults(lambda: linked.read(tmp_path, near, far))
    assert "link 'audit-out' is given 2 times" in text
    assert "no link goes there" in text
    near["links"] = linked.links(federation=(linked.EVENTS,))
    near["vhosts"][0]["policies"].append(
        {
            "name": "link-events-in",
            "pattern": "orders.events",
            "apply_to": "exchanges",
            "definition": {"federation-upstream-set": "all"},
        }
    )
    text = faults(lambda: linked.read(tmp_path, near, far))
    assert "as the link's own is" in text
    assert "leave federation-upstream and federation-upstream-set to links" in text


def test_a_right_that_takes_seconds_to_look_at_is_refused(near: Data, far: Data, tmp_path: Path) -> None:
    far["vhosts"][0]["permissions"][-1]["write"] = "^((a|.)+)+!$"
    assert "takes seconds to be held against" in faults(lambda: linked.read(tmp_path, near, far))


WORDS = st.sampled_from(
    [
        "",
        "far",
        "site",
        "/orders",
        "/inbox",
        "orders.audit",
        "orders.events",
        "inbox.audit",
        "on-confirm",
        "x y",
        "amq.topic",
        "\0",
    ]
)
KEYS = st.sampled_from(
    [
        *(
            "name",
            "from",
            "to",
            "remote",
            "vhost",
            "queue",
            "exchange",
            "routing_key",
            "ack_mode",
            "may_lose",
        ),
        *(
            "prefetch",
            "topology",
            "hosts",
            "port",
            "user",
            "password_file",
            "ca_file",
            "max_hops",
            "nonsense",
        ),
    ]
)
LEAVES = WORDS | st.integers(-5, 70000) | st.booleans() | st.none() | st.lists(WORDS, max_size=3)
ROWS = st.lists(
    st.dictionaries(KEYS, LEAVES | st.dictionaries(KEYS, LEAVES, max_size=4), max_size=8), max_size=3
)


def test_shovel_whose_queue_is_not_said_is_told_where_it_is_read_and_breaks_no_check(
    deployed: Topology,
) -> None:
    """Found by the test below."""
    document = Document("topology.yml")
    shovel = {**linked.SHOVEL, "from": {"vhost": "/orders"}, "to": {"remote": "site", "queue": "q"}}
    value = {"remotes": [linked.SITE], "shovels": [shovel]}
    found = topology_links.read(Section(document, "", {"links": value}), None)
    assert any("queue" in str(each) for each in document.faults)
    assert all(
        "has no queue" not in what
        for _, what, _ in topology_link_checks.faults(replace(deployed, links=found))
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(remotes=ROWS, shovels=ROWS, federation=ROWS)
def test_whatever_links_say_is_read_or_refused_with_its_place(
    remotes: list[Data], shovels: list[Data], federation: list[Data], deployed: Topology
) -> None:
    """Half of the examples begin with what is right, so that the checks between the parts are reached."""
    remotes = [{**linked.SITE, **each} for each in remotes]
    shovels = [{**linked.SHOVEL, "to": {"remote": "site", "queue": "q"}, **each} for each in shovels]
    document = Document("topology.yml")
    value = {"remotes": remotes, "shovels": shovels, "federation": federation}
    found = topology_links.read(Section(document, "", {"links": value}), None)
    told = list(topology_link_checks.faults(replace(deployed, links=found)))
    assert all(path.startswith(("links", "cluster.nodes")) and what for path, what, _ in told)
    assert all(":links" in str(each) for each in document.faults)
