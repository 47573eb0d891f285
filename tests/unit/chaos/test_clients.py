from __future__ import annotations

import json
import re
import signal
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from chaos import fault as catalogue
from chaos import workers
from chaos.clients import orders, telling
from chaos.clients.__main__ import main
from chaos.clients.programs import PROGRAMS
from chaos.engine import Order, Target, heal, inject
from chaos.workers import connection_of, consumers
from loadgen import fleet, roster
from warren.errors import BadInputError, DeadlineError, InconclusiveError, NotReadyError, RefusedError
from warren.journal import Fault
from warren.management import NotFoundError
from warren.pki import Pki
from warren.process import Completed
from warren.runtime.protocol import NodeState
from warren.topology import Permission

from .conftest import STEPS, struck
from .fake_management import begin_run

CLIENTS = tuple(name for name, steps in STEPS.items() if steps[0] == "start_helper")
WITH_VHOST = tuple(name for name in CLIENTS if name not in ("stuck-consumer", "bad-certificate"))


def strike(ground: Any, name: str, **args: str) -> Fault:
    (fault,) = inject(ground.context(), Order(fault=name, target=Target(), args=args))
    return fault


def told(ground: Any, name: str) -> orders.Orders:
    """What the client of a fault was told."""
    return orders.read(ground.runtime.known_helpers()[f"fault-{name}"]["input"])


def test_every_client_has_a_program_and_every_program_a_fault() -> None:
    assert set(PROGRAMS) == set(CLIENTS)
    assert all(struck(name) == "cluster" for name in CLIENTS)


@pytest.mark.parametrize("name", CLIENTS)
def test_client_is_bounded_in_time_and_knows_the_nodes_by_name(ground: Any, name: str) -> None:
    strike(ground, name, limit_s="60")
    found = told(ground, name)
    assert found.limit_s == 60
    assert [each.name for each in found.endpoints] == ["rmq1", "rmq2", "rmq3"]
    assert {each.port for each in found.endpoints} == {ground.topology.ports.amqps}
    assert found.ca_pem.startswith("-----BEGIN CERTIFICATE")
    for text in ("0", "3601"):
        with pytest.raises(BadInputError, match="limit_s"):
            strike(ground, name, limit_s=text)


@pytest.mark.parametrize("name", [*CLIENTS, "password-rotation"])
def test_no_secret_is_in_the_journal_or_on_the_screen(ground: Any, name: str) -> None:
    strike(ground, name)
    rotated = ground.access.secrets.folder / "orders-worker.rotated"
    secrets = [path.read_text(encoding="utf-8") for path in ground.access.secrets.folder.iterdir()]
    assert rotated.exists() is (name == "password-rotation")
    heal(ground.context())
    shown = ground.journal.path.read_text(encoding="utf-8") + "\n".join(ground.said)
    assert not [each for each in secrets if each in shown]
    assert "PRIVATE KEY" not in shown


@pytest.mark.parametrize("name", WITH_VHOST)
def test_client_of_its_own_virtual_host_has_rights_there_and_nowhere_else(ground: Any, name: str) -> None:
    strike(ground, name)
    vhost = f"/warren.fault-{name}"
    assert ground.management.own_vhosts() == [vhost]
    assert ground.management.rights() == {vhost: {"load": ".*", "monitoring": "^$"}}
    assert (told(ground, name).vhost, told(ground, name).credentials.username) == (vhost, "load")
    heal(ground.context())
    assert ground.management.own_vhosts() == []


def test_storm_beyond_what_the_account_may_have_is_proven_by_what_it_may(ground: Any) -> None:
    fault = strike(ground, "connection-storm", connections_count="2000")
    assert fault.evidence["connections"] == fault.evidence["connections_allowed"] == 256
    with pytest.raises(BadInputError, match="from 1 to 2000"):
        strike(ground, "connection-storm", connections_count="2001")


def test_stuck_consumer_works_as_an_application_that_may_read_the_queue(ground: Any) -> None:
    fault = strike(ground, "stuck-consumer", queue="/users:users.email", prefetch_count="7")
    found = told(ground, "stuck-consumer")
    assert (found.vhost, found.queue, found.credentials.username) == ("/users", "users.email", "users-mailer")
    assert fault.evidence["unacknowledged"] == 7
    assert ground.management.own_vhosts() == []


def test_stuck_consumer_takes_from_a_profiles_own_queue_too(ground: Any) -> None:
    strike(ground, "stuck-consumer", queue="/warren.stream:warren.stream")
    found = told(ground, "stuck-consumer")
    assert (found.vhost, found.queue) == ("/warren.stream", "warren.stream")
    assert found.credentials.username == "load"


def test_empty_right_is_none(ground: Any) -> None:
    """To the broker it means what ``^$`` means: https://www.rabbitmq.com/docs/access-control#permissions"""
    nobody = Permission(user="users-web", configure="", write="", read="")
    vhosts = tuple(replace(each, permissions=(nobody, *each.permissions)) for each in ground.topology.vhosts)
    ground.topology = replace(ground.topology, vhosts=vhosts)
    strike(ground, "stuck-consumer", queue="users.email")
    assert told(ground, "stuck-consumer").credentials.username == "users-mailer"


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("stuck-consumer", {"queue": "no.such"}, "no queue 'no.such'"),
        ("consumer-crash", {"queue": "no.such"}, "no queue 'no.such'"),
        ("password-rotation", {"user": "nobody"}, "no user 'nobody'"),
        ("password-rotation", {"user": "operator"}, "by which Warren works"),
        ("bad-certificate", {"certificate": "crumpled"}, "is 'crumpled'"),
    ],
)
def test_name_that_means_nothing_is_refused_before_anything_is_journaled(
    ground: Any, name: str, args: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        strike(ground, name, **args)
    assert ground.journal.read().faults == ()
    assert ground.runtime.calls == []


def test_client_that_cannot_even_begin_did_not_bite_and_its_last_word_is_told(ground: Any) -> None:
    def crash() -> None:
        said = "Traceback\nModuleNotFoundError: No module named 'chaos.clients'"
        ground.runtime.put_helper("fault-poison", running=False, said=said)

    ground.runtime.on("start_helper", crash, moment="after")
    with pytest.raises(InconclusiveError, match="has ended: ModuleNotFoundError"):
        strike(ground, "poison")
    assert not ground.is_broken("cluster")
    assert ground.left() == []


def test_proof_that_fails_says_what_troubles_the_client(ground: Any) -> None:
    line = json.dumps({"counts": {"refused": 3}, "trouble": "ConnectionRefusedError: no"})
    ground.runtime.on(
        "start_helper", lambda: ground.runtime.put_helper("fault-stuck-consumer", said=line), moment="after"
    )
    ground.management._connections = lambda: []  # nobody got in
    with pytest.raises(InconclusiveError, match="the client says: ConnectionRefusedError: no"):
        strike(ground, "stuck-consumer")


@pytest.mark.parametrize("name", CLIENTS)
def test_client_that_ended_by_its_own_time_is_residue_and_removed(ground: Any, name: str) -> None:
    strike(ground, name)
    ground.runtime.put_helper(f"fault-{name}", running=False)
    ground.journal.path.unlink()
    assert [fault.name for fault in heal(ground.context()).found] == [name]
    assert ground.runtime.known_helpers() == {}
    assert heal(ground.context()).found == ()


@pytest.mark.parametrize("name", WITH_VHOST)
def test_virtual_host_without_its_client_is_residue(ground: Any, name: str) -> None:
    """The driver died between the two."""
    ground.management.put("vhosts", f"/warren.fault-{name}", body={})
    assert [fault.name for fault in heal(ground.context()).found] == [name]
    assert ground.left() == []


def test_connection_that_outlives_its_client_is_closed_by_name(ground: Any) -> None:
    strike(ground, "stuck-consumer")
    rows = ground.management._connections()

    def closes_one(*path: str) -> None:
        if path[0] == "vhosts":
            raise NotFoundError("vhost", "not found", status=404)
        rows.clear()
        ground.management.closed.append(path[1])

    ground.management._connections = lambda: rows
    ground.management.delete = closes_one
    (fault,) = heal(ground.context()).healed
    assert ground.management.closed == ["10.0.0.9:0 -> stuck-consumer"]
    assert fault.evidence["connections_closed"] == 1


def test_other_faults_client_is_left_alone(ground: Any) -> None:
    strike(ground, "poison")
    first = ground.journal.open_faults()
    strike(ground, "publisher-flood")
    catalogue.load("publisher-flood").heal(ground.context().site, first[0])
    assert list(ground.runtime.known_helpers()) == ["fault-poison"]
    assert ground.management.own_vhosts() == ["/warren.fault-poison"]


def test_same_fault_twice_is_refused(ground: Any) -> None:
    strike(ground, "poison")
    with pytest.raises(RefusedError, match="under the fault poison-"):
        strike(ground, "poison")


# Certificates.


def shown(ground: Any) -> x509.Certificate:
    return x509.load_pem_x509_certificate(told(ground, "bad-certificate").peer_pem.encode())


def test_expired_certificate_was_a_good_one_and_is_over(ground: Any, pki: Pki) -> None:
    strike(ground, "bad-certificate")
    authority = x509.load_pem_x509_certificate(pki.authority("clients").certificate.read_bytes())
    shown(ground).verify_directly_issued_by(authority)
    over = shown(ground).not_valid_after_utc
    assert ground.time.wall() - timedelta(days=200) < over < ground.time.wall()


def test_unknown_authority_is_none_of_the_clusters(ground: Any, pki: Pki, tmp_path: Path) -> None:
    strike(ground, "bad-certificate", certificate="unknown")
    for name in ("cluster", "clients", "inter-node", "scrape"):
        authority = x509.load_pem_x509_certificate(pki.authority(name).certificate.read_bytes())
        assert authority.public_key() != shown(ground).public_key()
        with pytest.raises((ValueError, InvalidSignature)):
            shown(ground).verify_directly_issued_by(authority)
    assert shown(ground).not_valid_after_utc > ground.time.wall()


def test_refusal_of_before_the_fault_is_no_proof(ground: Any) -> None:
    early = "2026-01-02 03:00:00.000000+00:00 [notice] TLS server: SERVER ALERT: Fatal - Certificate Expired"
    ground.runtime.logs = lambda node, lines: early
    with pytest.raises(InconclusiveError, match="refused a handshake"):
        strike(ground, "bad-certificate")


# The rotated password.


def test_rotated_password_is_refused_the_new_one_holds_and_healing_sets_the_former(ground: Any) -> None:
    secrets = ground.access.secrets
    known = secrets.read("orders-shop")
    strike(ground, "password-rotation", user="orders-shop")
    new = (secrets.folder / "orders-shop.rotated").read_text(encoding="utf-8")
    assert (secrets.folder / "orders-shop.rotated").stat().st_mode & 0o777 == 0o600
    assert new != known
    assert not ground.management.lets_in("orders-shop", known)
    assert ground.management.lets_in("orders-shop", new)
    heal(ground.context())
    assert ground.management.lets_in("orders-shop", known)
    assert secrets.read("orders-shop") == known
    assert ground.left() == []


def test_rotation_that_no_journal_knows_of_is_refused_and_healed(ground: Any) -> None:
    strike(ground, "password-rotation")
    ground.journal.path.unlink()
    with pytest.raises(RefusedError, match="orders-worker is rotated already"):
        strike(ground, "password-rotation", user="orders-shop")
    assert [fault.name for fault in heal(ground.context()).found] == ["password-rotation"]
    assert not ground.is_broken("cluster")


def test_tool_that_fails_otherwise_is_no_refused_password(ground: Any) -> None:
    def broken() -> None:
        raise NotReadyError("rmq1", "unable to connect to epmd")

    ground.runtime.on("execute", broken, times=None)
    with pytest.raises(InconclusiveError, match="epmd"):
        strike(ground, "password-rotation")
    assert not ground.is_broken("cluster")


# The crashed consumer.


def test_crash_strikes_the_consumer_that_may_hold_most_and_no_publisher(ground: Any) -> None:
    begin_run(ground.runtime, ground.topology.cluster)
    fault = strike(ground, "consumer-crash")
    assert fault.evidence["killed"] == "warren-load work-1 worker-0"
    left = ground.runtime.known_helpers()["warren-load-work-1"]["workers"]
    assert [Path(file).stem for file in left.values()] == ["shop-0", "support-0"]
    assert [each.name for each in heal(ground.context()).healed] == ["consumer-crash"]


def test_crash_strikes_a_consumer_of_the_queue_that_was_named(ground: Any) -> None:
    begin_run(ground.runtime, ground.topology.cluster)
    with pytest.raises(RefusedError, match="queue orders"):
        strike(ground, "consumer-crash", queue="orders.audit")
    ground.management._consumers = lambda: [
        {"channel_details": {"connection_name": "support-0"}, "queue": {"name": "orders.failed"}}
    ]
    fault = strike(ground, "consumer-crash", queue="/orders:orders.failed")
    assert fault.evidence["killed"] == "warren-load work-1 support-0"


def test_crash_strikes_one_consumer_of_each_queue_that_was_named(ground: Any) -> None:
    begin_run(ground.runtime, ground.topology.cluster)
    worker = {"channel_details": {"connection_name": "worker-0"}, "queue": {"name": "orders.work"}}
    support = {"channel_details": {"connection_name": "support-0"}, "queue": {"name": "orders.failed"}}
    ground.management._consumers = lambda: [support]
    with pytest.raises(RefusedError, match=r"queue orders\.work: no run that lasts"):
        strike(ground, "consumer-crash", queue="orders.failed,orders.work")
    ground.management._consumers = lambda: [worker, support]
    fault = strike(ground, "consumer-crash", queue="orders.failed, orders.work")
    assert fault.evidence["killed"] == "warren-load work-1 support-0, warren-load work-1 worker-0"
    assert fault.evidence["queue_of_killed"] == "orders.failed, orders.work"
    left = ground.runtime.known_helpers()["warren-load-work-1"]["workers"]
    assert [Path(file).stem for file in left.values()] == ["shop-0"]


def test_several_passwords_are_rotated_at_once_and_healed_together(ground: Any) -> None:
    secrets = ground.access.secrets.folder
    with pytest.raises(BadInputError, match="no user 'nobody'"):
        strike(ground, "password-rotation", user="orders-shop,nobody")
    fault = strike(ground, "password-rotation", user="orders-shop,orders-worker")
    assert fault.evidence["user"] == "orders-shop, orders-worker"
    assert len(list(secrets.glob("*.rotated"))) == 2
    heal(ground.context())
    assert ground.left() == []
    assert not ground.is_broken("cluster")


def test_crash_waits_until_the_broker_lists_the_consumers_of_a_run_that_has_just_begun(ground: Any) -> None:
    """Seen live: struck within seconds of the run's beginning, it said that no run consumed."""
    begin_run(ground.runtime, ground.topology.cluster)
    listed, looks = ground.management._consumers, iter([[], []])
    ground.management._consumers = lambda: found if (found := next(looks, None)) is not None else listed()
    fault = strike(ground, "consumer-crash")
    assert fault.evidence["killed"] == "warren-load work-1 worker-0"


def test_crash_without_a_run_is_refused_and_nothing_is_journaled(ground: Any) -> None:
    with pytest.raises(RefusedError, match="no run lasts"):
        strike(ground, "consumer-crash")
    assert ground.journal.read().faults == ()


def test_process_id_that_is_anothers_by_now_is_not_killed(ground: Any) -> None:
    begin_run(ground.runtime, ground.topology.cluster)
    name = f"{ground.topology.cluster}-load-work-1"

    def reuse() -> None:
        workers = ground.runtime.known_helpers()[name]["workers"]
        process = next(each for each, file in workers.items() if "worker-0" in file)
        ground.runtime.put_helper(name, workers={**workers, process: "/run/warren/run/workers/shop-1.stderr"})

    ground.runtime.on("in_helper", reuse, skip=2)
    with pytest.raises(NotReadyError, match="not there any more"):
        strike(ground, "consumer-crash")
    assert len(ground.runtime.known_helpers()[name]["workers"]) == 3


def test_workers_that_survive_their_kill_are_no_proof(ground: Any) -> None:
    begin_run(ground.runtime, ground.topology.cluster)
    before = catalogue.load("consumer-crash").before(ground.context().site, "cluster")
    fault = Fault(fault_id="f", name="consumer-crash", target="cluster", args={"queue": ""}, evidence=before)
    with pytest.raises(NotReadyError, match="still runs"):
        catalogue.load("consumer-crash").prove(ground.context().site, fault)


def test_run_of_another_cluster_is_not_ours(ground: Any) -> None:
    begin_run(ground.runtime, "another")
    assert consumers(ground.context().site) == {}


def test_scripts_find_a_worker_by_its_file_and_kill_it_only_under_that_name(tmp_path: Path) -> None:
    """The very lines that run in a run's container."""
    folder = tmp_path / "workers"
    folder.mkdir()
    with (folder / "worker-0.stderr").open("wb") as errors:
        child = subprocess.Popen(["sleep", "30"], stderr=errors)
    try:
        listed = subprocess.run(["sh", "-c", workers._LIST, "list"], capture_output=True, check=True)
        assert f"{child.pid} {folder / 'worker-0.stderr'}" in listed.stdout.decode().splitlines()
        for name, killed in (("worker-1", False), ("worker-0", True)):
            argv = ["sh", "-c", workers._KILL, "kill", str(child.pid), str(folder / f"{name}.stderr")]
            assert (subprocess.run(argv, check=False).returncode == 0) is killed
            assert (child.poll() is None) is not killed or child.wait(5) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()


def test_workers_are_named_as_loadgen_names_them() -> None:
    """The strings by which they are known stand in loadgen's code."""
    source = Path(roster.__file__).read_text(encoding="utf-8")
    assert 'connection_name=f"warren-load {spec.run_id} {name}"' in source
    assert connection_of("RUN", "worker-0") == "warren-load RUN worker-0"
    errors = Path(fleet.__file__).read_text(encoding="utf-8")
    assert re.search(r'errors = \(self\.folder / f"\{spec\.name\}\.stderr"\)', errors)


# What the client reads and says.


def test_orders_are_read_as_they_were_written_and_gone_then(
    tmp_path: Path, ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    strike(ground, "poison")
    wanted = told(ground, "poison")
    ran: list[orders.Orders] = []
    monkeypatch.setitem(PROGRAMS, "poison", ran.append)
    path = tmp_path / "input"
    path.write_bytes(orders.written(wanted))
    assert main(path) == 0
    assert ran == [wanted]
    assert not path.exists()


def test_orders_that_never_come_end_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.clients.__main__._ORDERS_DEADLINE_S", 0.1)
    with pytest.raises(DeadlineError):
        main(tmp_path / "input")


def test_no_password_shows_in_orders(ground: Any) -> None:
    strike(ground, "poison")
    found = told(ground, "poison")
    assert found.credentials.password not in repr(found)
    assert "BEGIN" not in repr(replace(found, peer_pem="-----BEGIN PRIVATE KEY"))


def test_last_line_that_is_a_tally_counts() -> None:
    line = json.dumps({"counts": {"opened": 2}, "trouble": "x"})
    assert telling.last(f"noise\n{line}\n") == ({"opened": 2}, "x")
    assert telling.last("") == telling.last("[]\n{}") == ({}, "")


@pytest.mark.parametrize("name", CLIENTS)
def test_cluster_that_is_half_down_can_still_be_cleaned(ground: Any, name: str) -> None:
    strike(ground, name)
    ground.runtime.put("rmq3", NodeState.STOPPED)
    heal(ground.context())
    assert not ground.is_broken("cluster")


# The certificate that a node shows.


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("expired", "certificate has expired"),
        ("unknown", "unable to get local issuer certificate"),
        ("another-host", "Hostname mismatch"),
    ],
)
def test_node_shows_what_it_is_told_and_its_own_again(ground: Any, pki: Pki, kind: str, why: str) -> None:
    target = Target(node="rmq2")
    forget = ("rabbitmqctl", "eval", "ssl:clear_pem_cache().")
    ground.runtime.replies[forget] = Completed(argv=forget, returncode=0, stdout="ok", stderr="")
    (fault,) = inject(
        ground.context(), Order(fault="server-certificate", target=target, args={"certificate": kind})
    )
    assert fault.evidence["refused"] == why
    heal(ground.context())
    own = pki.leaf("cluster", "rmq2")
    assert ground.runtime.files["rmq2"] == {
        "tls/server.pem": own.certificate.read_bytes(),
        "tls/server.key": own.key.read_bytes(),
    }
    assert ("execute", "rmq2") in ground.runtime.calls


def test_node_that_was_stopped_under_its_bad_certificate_gets_its_own_before_it_starts(ground: Any) -> None:
    inject(ground.context(), Order(fault="server-certificate", target=Target(node="rmq2")))
    ground.runtime.put("rmq2", NodeState.STOPPED)
    site = ground.context().site
    catalogue.load("server-certificate").heal(site, ground.journal.open_faults()[0])
    ground.runtime.put("rmq2", NodeState.RUNNING)
    assert not ground.is_broken("rmq2")
