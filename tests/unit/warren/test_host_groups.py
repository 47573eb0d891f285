"""What an inventory says of a host, with Ansible's precedence; and what of it a command is given."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren.errors import BadInputError, NotReadyError
from warren.process import Completed
from warren.provision import one_inventory
from warren.runtime import host_groups, host_inventory

TREE: dict[str, Any] = {
    "all": {
        "vars": {"a": "all", "b": "all", "c": "all", "ansible_user": "deploy"},
        "children": {
            "sites": {
                "vars": {"b": "parent", "c": "parent"},
                "children": {
                    "rabbitmq": {
                        "vars": {"c": "child"},
                        "hosts": {"rmq1": {"ansible_host": "192.0.2.1", "d": "own"}, "rmq2": None},
                    }
                },
            },
            "prometheus": {"vars": {"e": "of prometheus"}, "hosts": {"rmq1": {}}},
        },
    }
}


def read(tmp_path: Path, data: Any) -> host_groups.Groups:
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return host_groups.read(path)


def test_variables_of_nearer_groups_and_of_the_host_itself_count(tmp_path: Path) -> None:
    (rmq1, rmq2) = read(tmp_path, TREE).members("rabbitmq").values()
    wanted = {"a": "all", "b": "parent", "c": "child", "d": "own", "e": "of prometheus"}
    assert {key: rmq1.variables[key] for key in wanted} == wanted
    assert "e" not in rmq2.variables


def test_host_is_the_same_in_every_group_wherever_it_is_described(tmp_path: Path) -> None:
    groups = read(tmp_path, TREE)
    assert groups.members("prometheus")["rmq1"].login == groups.members("rabbitmq")["rmq1"].login
    assert groups.members("rabbitmq")["rmq1"].login.address == "192.0.2.1"
    assert set(groups.members("sites")) == {"rmq1", "rmq2"}
    assert groups.members("grafana") == {}


def test_group_that_an_export_names_again_without_its_content_is_the_same(tmp_path: Path) -> None:
    """Its hosts are those of every group above it, and a group at the top is one of all."""
    groups = read(
        tmp_path,
        {
            "all": {
                "vars": {"a": "all"},
                "children": {
                    "rabbitmq": {"vars": {"b": "near"}, "hosts": {"rmq1": {"c": "own"}}},
                    "eu": {"vars": {"b": "far", "d": "eu"}, "children": {"rabbitmq": {}}},
                },
            },
            "grafana": {"hosts": {"mon": None}},
        },
    )
    assert groups.hosts("eu") == ("rmq1",)
    assert groups.variables("rmq1") == {"a": "all", "b": "near", "c": "own", "d": "eu"}
    assert groups.variables("mon") == {"a": "all"}
    assert groups.hosts("all") == ("rmq1", "mon")


def test_depth_of_a_group_is_its_longest_way_and_not_how_many_it_is_in(tmp_path: Path) -> None:
    """As `ansible-inventory --list` has it: ``wide`` is in three groups and two deep, ``deep`` three."""
    groups = read(
        tmp_path,
        {
            "all": {
                "children": {
                    "east": {"children": {"wide": {"vars": {"a": "wide"}, "hosts": {"rmq1": None}}}},
                    "north": {"children": {"wide": {}}},
                    "south": {"children": {"wide": {}}},
                    "sites": {
                        "children": {
                            "rack": {"children": {"deep": {"vars": {"a": "deep"}, "hosts": {"rmq1": None}}}}
                        }
                    },
                }
            }
        },
    )
    assert groups.variables("rmq1") == {"a": "deep"}


def test_group_that_is_none_is_told_by_its_place(tmp_path: Path) -> None:
    for data, what in (
        ({"all": {"children": {"rabbitmq": ["rmq1"]}}}, "rabbitmq: is no mapping"),
        ({"all": {"hosts": ["rmq1"]}}, r"all\.hosts: is no mapping"),
        ({"all": {"hosts": {"rmq1": "192.0.2.1"}}}, "rmq1: is no mapping"),
    ):
        with pytest.raises(BadInputError, match=what):
            read(tmp_path, data)


def test_template_is_refused_where_its_value_is_wanted(tmp_path: Path) -> None:
    assert host_groups.plain({}, "x", "usual", "rmq1") == "usual"
    with pytest.raises(BadInputError, match="rmq1: x is a template that only Ansible can work out"):
        host_groups.plain({"x": "{{ y }}"}, "x", "usual", "rmq1")


# One file of many.


class Exporting:
    """Stands for ansible-inventory."""

    def __init__(self, data: Any, returncode: int = 0) -> None:
        self.text, self.returncode = yaml.safe_dump(data), returncode
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
        return Completed(argv=tuple(argv), returncode=self.returncode, stdout=self.text, stderr="no vault")


def test_single_file_is_used_as_it_is(tmp_path: Path) -> None:
    read(tmp_path, {"all": {"children": {"rabbitmq": {"hosts": {"rmq1": None}}}}})
    exporting = Exporting({})
    assert one_inventory.path([tmp_path / "hosts.yml"], tmp_path, run=exporting) == tmp_path / "hosts.yml"
    assert exporting.calls == []


@pytest.mark.parametrize("kind", ["two files", "a folder", "a plugin's file"])
def test_all_else_is_exported_without_what_nobody_reads(tmp_path: Path, kind: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "lab.topology.yml").write_text("plugin: warren.hosts.topology\n")
    sources = {
        "two files": [tmp_path / "a.yml", tmp_path / "b.yml"],
        "a folder": [tmp_path],
        "a plugin's file": [tmp_path / "lab.topology.yml"],
    }[kind]
    own = {
        "ansible_host": "192.0.2.1",
        "ansible_become_password": "s3cret",
        "vault_of_mine": "s3cret",
        "grafana_admin_password": "s3cret",
        "rabbitmq_channel_max": 77,
    }
    tree = {
        "all": {
            "vars": {"warren_cluster": "lab", "other": "s3cret"},
            "children": {"rabbitmq": {"hosts": {"rmq1": own}}},
        }
    }
    exporting = Exporting(tree)
    written = one_inventory.path(sources, state, run=exporting)
    (call,) = exporting.calls
    assert call[1 : 1 + 2 * len(sources)] == tuple(
        part for each in sources for part in ("--inventory", str(each))
    )
    assert "s3cret" not in written.read_text()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert host_inventory.read(written).cluster == "lab"
    assert host_groups.read(written).members("rabbitmq")["rmq1"].variables["rabbitmq_channel_max"] == 77


def test_export_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="no vault"):
        one_inventory.path([tmp_path], tmp_path, run=Exporting({}, returncode=1))
    with pytest.raises(BadInputError, match="has no groups"):
        one_inventory.path([tmp_path], tmp_path, run=Exporting([]))
