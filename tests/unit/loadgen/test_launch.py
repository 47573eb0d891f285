"""From the host into a container: what is started, what is passed in, what is refused before."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadgen import container, foreign, launch, preflight
from loadgen.container import Place
from loadgen.spec import ConsumerRole, LoadSpec, PublisherRole, from_plain, to_plain
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputError, DeadlineError, NotReadyError
from warren.management import QueueInfo
from warren.process import Completed
from warren.results import LoadResult, Verdict, read_result
from warren.wait import Clock

PLACE = Place(docker="docker", image="warren/warren:1", network="warren", cluster="warren")
SPEC = LoadSpec(
    run_id="work-1",
    nonce=1,
    seed=1,
    profile="work",
    vhost="/orders",
    endpoints=(Endpoint(name="rmq1", host="rmq1", port=5671),),
    ca_pem="PEM",
    users=(Credentials(username="shop", password="s3cret"),),
    publishers=(PublisherRole(name="p", user="shop", exchange="x", routing_key="k", destinations=("q",)),),
    consumers=(ConsumerRole(name="c", user="shop", queue="q", failures=(0.9, 0.1), delays_s=(5.0,)),),
    folder="/run/warren/run",
    rate_per_s=None,
    metrics_tls={"key": "PEM"},
)


class Child:
    """A `docker run` that says three lines and ends."""

    def __init__(self) -> None:
        self.sent = io.BytesIO()
        self.stdin: Any = self
        self.stdout = io.BytesIO(b'{"type":"progress"}\nplain words\n[1]\n')

    def write(self, data: bytes) -> int:
        return self.sent.write(data)

    def close(self) -> None: ...

    def wait(self, timeout: float | None = None) -> int:
        return 0

    def kill(self) -> None: ...


class Docker:
    """Notes what would have been run."""

    def __init__(self) -> None:
        self.lines: list[list[str]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        self.lines.append(list(argv))
        return Completed(argv=tuple(argv), returncode=0, stdout="", stderr="")


@pytest.fixture
def launched(tmp_path: Path) -> tuple[list[str], Child, container.Container, Docker]:
    child, docker, lines = Child(), Docker(), []

    def starter(argv: Sequence[str]) -> Child:
        lines.extend(argv)
        return child

    box = container.launch(SPEC, tmp_path, place=PLACE, run=docker, starter=starter)
    return lines, child, box, docker


def test_spec_crosses_the_pipe_unchanged() -> None:
    assert from_plain(LoadSpec, json.loads(json.dumps(to_plain(SPEC)))) == SPEC


def test_password_goes_in_on_standard_input_only(launched: Any) -> None:
    argv, child, _, _ = launched
    assert "s3cret" not in " ".join(argv)
    assert from_plain(LoadSpec, json.loads(child.sent.getvalue())) == SPEC


def test_input_of_a_held_run_stays_open_until_it_is_released(tmp_path: Path) -> None:
    child, closed = Child(), []
    child.flush = lambda: None  # type: ignore[attr-defined]
    child.close = lambda: closed.append(True)  # type: ignore[method-assign, assignment, return-value]
    held = dataclasses.replace(SPEC, held=True)
    box = container.launch(held, tmp_path, place=PLACE, run=Docker(), starter=lambda _argv: child)
    assert from_plain(LoadSpec, json.loads(child.sent.getvalue())) == held
    assert closed == []
    box.release()
    assert closed == [True]


def test_container_is_hardened_and_never_root(launched: Any) -> None:
    argv = " ".join(launched[0])
    for option in ("--read-only", "--cap-drop ALL", "no-new-privileges", "--memory", "--pids-limit", "--rm"):
        assert option in argv
    user = argv.split("--user ")[1].split()[0]
    assert not user.startswith("0:")
    assert "--network warren " in argv
    assert "warren.cluster=warren" in argv


def test_runs_folder_belongs_to_the_containers_account(launched: Any, tmp_path: Path) -> None:
    user = " ".join(launched[0]).split("--user ")[1].split(":")[0]
    assert tmp_path.stat().st_uid == int(user)


def test_events_that_are_no_json_objects_become_notes(launched: Any) -> None:
    _, _, box, _ = launched
    assert list(box.events()) == [
        {"type": "progress"},
        {"type": "note", "text": "plain words"},
        {"type": "note", "text": "[1]"},
    ]


def test_interrupt_goes_to_this_container_by_its_name(launched: Any) -> None:
    _, _, box, docker = launched
    box.interrupt()
    assert docker.lines == [["docker", "kill", "--signal", "INT", "warren-load-work-1"]]


class Management:
    """Queues by name: (messages, consumers)."""

    def __init__(self, queues: dict[str, tuple[int, int]]) -> None:
        self.queues = queues
        self.deleted: list[tuple[str, ...]] = []

    def queue(self, vhost: str, name: str) -> QueueInfo:
        messages, consumers = self.queues[name]
        known = {"name": name, "messages": messages, "consumers": consumers, "messages_dlx": 0}
        return QueueInfo(**{**dict.fromkeys(QueueInfo.__slots__), **known})  # type: ignore[arg-type]

    def delete(self, *path: str) -> None:
        self.deleted.append(path)
        self.queues[path[2]] = (0, 0)


def looked(queues: dict[str, tuple[int, int]], *, purge: bool = False) -> Management:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    management = Management(queues)
    clock = Clock(now=lambda: now[0], sleep=sleep)
    preflight.require_empty(management, "/orders", list(queues), purge=purge, clock=clock)  # type: ignore[arg-type]
    return management


def test_empty_queues_are_free() -> None:
    assert looked({"a": (0, 0), "b": (0, 0)}).deleted == []


def test_queue_with_messages_is_refused_with_count_and_remedy() -> None:
    with pytest.raises(DeadlineError) as caught:
        looked({"a": (0, 0), "b": (31, 0)})
    assert "queue b" in str(caught.value)
    assert "31" in str(caught.value)
    assert "--purge" in str(caught.value)


def test_queue_with_strange_consumers_is_refused() -> None:
    with pytest.raises(DeadlineError, match="2 consumers"):
        looked({"a": (0, 2)})


def test_queues_that_another_run_consumes_are_never_purged() -> None:
    with pytest.raises(DeadlineError, match="2 consumers"):
        looked({"a": (31, 0), "b": (5, 2)}, purge=True)


def test_purge_empties_the_queues_first() -> None:
    assert looked({"a": (31, 0)}, purge=True).deleted == [("queues", "/orders", "a", "contents")]


def test_foreign_cluster_is_read_from_its_urls(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("PEM", encoding="utf-8")
    urls = "amqps://a.example:5671, amqps://b.example"
    found = foreign.foreign(urls, user="u", password="p", vhost=None, ca_file=ca)
    assert [str(each) for each in found.endpoints] == ["a.example:5671", "b.example:5671"]
    assert found.ca_pem == "PEM"


def test_plain_amqp_has_no_authority() -> None:
    found = foreign.foreign("amqp://a.example", user="u", password="p", vhost="/x", ca_file=None)
    assert (found.ca_pem, found.endpoints[0].port, found.vhost) == (None, 5672, "/x")


@pytest.mark.parametrize(
    "url",
    [
        "amqps://u:s3cret@a.example",
        "amqps://u@a.example",
        "http://a",
        "a:5671",
        "amqps://a,amqp://b",
        "u:s3cret@a.example:5671",
        "amqps:u:s3cret@a",
        "amqps://u:s3cret@a:x",
        "amqps://u:s3cret@[a",
        "amqp://a:x",
        "amqp://a:99999",
        "amqp://[a",
        "amqps://a/production",
        "amqps://a?heartbeat=9",
    ],
)
def test_other_urls_are_refused_and_no_password_is_repeated(url: str) -> None:
    with pytest.raises(BadInputError) as caught:
        foreign.foreign(url, user="u", password="p", vhost=None, ca_file=None)
    assert "s3cret" not in str(caught.value)


def node(name: str, *, memory: bool = False, disk: bool = False) -> Any:
    return SimpleNamespace(name=name, mem_alarm=memory, disk_alarm=disk)


@pytest.mark.parametrize(("alarm", "word"), [("memory", "a memory alarm"), ("disk", "a disk alarm")])
def test_run_is_not_begun_while_an_alarm_blocks_publishers(alarm: str, word: str) -> None:
    nodes = [node("rabbit@rmq1"), node("rabbit@rmq2", **{alarm: True})]
    with pytest.raises(NotReadyError, match=word) as caught:
        preflight.refuse_alarms(SimpleNamespace(nodes=lambda: nodes))  # type: ignore[arg-type]
    assert caught.value.where == "rabbit@rmq2"
    assert f"{alarm}-alarm.md" in caught.value.remedy
    preflight.refuse_alarms(SimpleNamespace(nodes=lambda: nodes[:1]))  # type: ignore[arg-type]


def test_result_is_kept_in_the_runs_folder_with_its_page(tmp_path: Path) -> None:
    found = LoadResult(run_id="r", profile="work", started_at="", ended_at="", verdict=Verdict.PASSED)
    pages: list[Path] = []

    def page(_result: LoadResult, folder: Path) -> Path:
        pages.append(folder)
        return folder

    launch.keep(found, tmp_path, page)
    launch.keep(found, tmp_path, None)
    assert read_result(tmp_path / "result.json") == found
    assert pages == [tmp_path]
