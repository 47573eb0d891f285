"""What the module of operations is given: the plan in check mode, what was done, and truthful changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren import checkout
from warren.errors import BadInputError, NotReadyError
from warren.operating import record, wiring
from warren.provision import operation

from .conftest import Ground
from .fakes import NODES


@pytest.fixture
def wanted(on_the_hosts: Ground, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Orders for the fake cluster, as a play gives them."""
    monkeypatch.setattr(wiring, "site_of", lambda context: on_the_hosts.site())

    def order(name: str, undo: bool = False, **arguments: str) -> operation.Wanted:
        return operation.Wanted(
            operation=name,
            arguments=arguments,
            undo=undo,
            topology_path=checkout.path("deploy", "topology.yml"),
            cluster="fake",
            state_dir=on_the_hosts.state.root,
            inventory=[on_the_hosts.folder / "hosts.yml"],
        )

    return order


def operate(ground: Ground, wanted: operation.Wanted, *, only_look: bool = False) -> dict[str, Any]:
    return operation.operate(wanted, only_look=only_look, say=ground.said.append)


@pytest.fixture(autouse=True)
def _named(on_the_hosts: Ground) -> None:
    path = on_the_hosts.folder / "hosts.yml"
    data = yaml.safe_load(path.read_text())
    data["all"]["vars"]["warren_cluster"] = "fake"
    path.write_text(yaml.safe_dump(data))


def test_rehearsal_shows_the_steps_and_changes_nothing(on_the_hosts: Ground, wanted: Any) -> None:
    before = on_the_hosts.processes()
    found = operate(on_the_hosts, wanted("restart"), only_look=True)
    assert (found["changed"], found["done"]) == (True, False)
    assert "rmq1 (1 of 3): draining it" in found["steps"]
    assert on_the_hosts.processes() == before
    assert record.read(on_the_hosts.state) is None


def test_what_is_done_already_changes_nothing(on_the_hosts: Ground, wanted: Any) -> None:
    assert operate(on_the_hosts, wanted("drain", node="rmq2"))["changed"] is True
    for only_look in (True, False):
        found = operate(on_the_hosts, wanted("drain", node="rmq2"), only_look=only_look)
        assert (found["changed"], found["steps"]) == (False, [])


def test_play_goes_on_where_another_stopped_and_undoes_it(on_the_hosts: Ground, wanted: Any) -> None:
    on_the_hosts.runtime.fail("start", node="rmq2")
    with pytest.raises(NotReadyError, match="restart stopped at step"):
        operate(on_the_hosts, wanted("restart"))
    found = operate(on_the_hosts, wanted("restart", undo=True))
    assert found["undoes"]
    assert not on_the_hosts.broken()
    on_the_hosts.runtime.fail("start", node="rmq1")
    with pytest.raises(NotReadyError):
        operate(on_the_hosts, wanted("restart"))
    assert operate(on_the_hosts, wanted("restart"))["resumed"]
    assert not on_the_hosts.broken()


def test_two_at_a_time_are_refused(on_the_hosts: Ground, wanted: Any) -> None:
    with on_the_hosts.state.lock("warren cluster restart"), pytest.raises(NotReadyError, match="in use by"):
        operate(on_the_hosts, wanted("rebalance"))


@pytest.mark.parametrize(
    ("name", "arguments", "what"),
    [
        ("dance", {}, "there is no 'dance'"),
        ("drain", {}, "needs node"),
        ("drain", {"node": "rmq2", "grace": "60"}, "takes no grace"),
        ("restart", {"grace": "7"}, "grace is 7"),
        ("backup-data", {"folder": "here"}, "folder is here"),
        ("rotate-password", {"user": "nobody"}, "nobody"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    on_the_hosts: Ground, wanted: Any, name: str, arguments: dict[str, str], what: str
) -> None:
    with pytest.raises(BadInputError, match=what):
        operate(on_the_hosts, wanted(name, **arguments))
    assert [call for call in on_the_hosts.runtime.calls if call[1] in NODES and call[0] == "stop"] == []


def test_state_folder_of_another_cluster_is_refused(
    on_the_hosts: Ground, wanted: Any, tmp_path: Path
) -> None:
    other = tmp_path / "state" / "other"
    other.mkdir(parents=True)
    with pytest.raises(BadInputError, match="is not the state folder of cluster fake"):
        operate(on_the_hosts, replace(wanted("rebalance"), state_dir=other))
