"""What is taken from an inventory of Ansible's, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from warren.errors import BadInputError, NotReadyError
from warren.runtime import host_inventory
from warren.runtime.host_inventory import Inventory, ServiceHost
from warren.runtime.host_login import Login


def written(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False))
    return path


def read(tmp_path: Path, data: Any) -> Inventory:
    return host_inventory.read(written(tmp_path, data))


def with_variables(**variables: Any) -> dict[str, Any]:
    return {"all": {"children": {"rabbitmq": {"hosts": {"rmq1": variables}}}}}


def test_hosts_are_those_of_the_group_with_the_nearest_of_their_variables(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            "all": {
                "vars": {
                    "ansible_user": "a",
                    "ansible_port": 22,
                    "warren_cluster": "shop",
                    "other": "{{ x }}",
                },
                "children": {
                    "rabbitmq": {
                        "vars": {"ansible_user": "b"},
                        "hosts": {
                            "rmq1": {"ansible_host": "192.0.2.1", "ansible_user": "c"},
                            "rmq2": {"ansible_port": "2222", "ansible_ssh_private_key_file": "/k y"},
                            "rmq3": None,
                        },
                    },
                    "prometheus": {"hosts": {"rmq1": {}, "mon": {}}},
                    "grafana": {"hosts": {"mon": {"ansible_host": "192.0.2.9"}}},
                    "exporters": {"hosts": {}},
                },
            }
        },
    )
    assert found.cluster == "shop"
    assert found.logins == {
        "rmq1": Login(name="rmq1", address="192.0.2.1", user="c"),
        "rmq2": Login(name="rmq2", address="rmq2", user="b", port=2222, key="/k y"),
        "rmq3": Login(name="rmq3", address="rmq3", user="b"),
    }
    assert found.service("prometheus") == ServiceHost(name="rmq1", address="192.0.2.1")
    assert found.service("grafana") == ServiceHost(name="mon", address="192.0.2.9")
    with pytest.raises(NotReadyError, match="no host is in the group exporters"):
        found.service("exporters")


def test_group_at_the_top_and_variables_of_all_hosts_count(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"all": {"hosts": {"rmq1": {"ansible_host": "h"}}}, "rabbitmq": {"hosts": {"rmq1": {}}}},
    )
    assert found.logins["rmq1"].address == "h"
    assert found.cluster == ""


def test_arguments_of_ssh_are_split_as_a_shell_would(tmp_path: Path) -> None:
    given = "-o UserKnownHostsFile='/a b/known' -J jump"
    found = read(tmp_path, with_variables(ansible_ssh_common_args=given, ansible_ssh_extra_args="-4"))
    assert found.logins["rmq1"].options == ("-o", "UserKnownHostsFile=/a b/known", "-J", "jump", "-4")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("[rabbitmq]\nrmq1 ansible_host=h\n", "is no"),
        ("rabbitmq: [rmq1]", "is no mapping"),
        ("a: b: c", "is no YAML"),
        ({"all": {"children": {"other": {"hosts": {"rmq1": {}}}}}}, "no host in the group rabbitmq"),
        (with_variables(ansible_password="x"), "has a password"),
        (with_variables(ansible_become_password="x"), "has a password"),
        (with_variables(ansible_host="-oProxyCommand=x"), "ansible_host is"),
        (with_variables(ansible_host="a b"), "ansible_host is"),
        (with_variables(ansible_user="-x"), "ansible_user is"),
        (with_variables(ansible_port="ssh"), "ansible_port is"),
        (with_variables(ansible_host="{{ address }}"), "only Ansible can work out"),
        (with_variables(ansible_connection="local"), "is reached by local"),
        (with_variables(ansible_ssh_common_args="-o StrictHostKeyChecking=no"), "takes any key"),
        (with_variables(ansible_ssh_common_args="-o StrictHostKeyChecking=accept-new"), "takes any key"),
        (with_variables(ansible_ssh_extra_args="-oUserKnownHostsFile=/dev/null"), "takes any key"),
        (with_variables(ansible_ssh_common_args="-o 'x"), "cannot be read"),
    ],
)
def test_what_is_no_inventory_or_not_safe_is_refused(tmp_path: Path, data: Any, what: str) -> None:
    with pytest.raises(BadInputError, match=what) as caught:
        read(tmp_path, data)
    assert caught.value.remedy
    assert "hosts.yml" in caught.value.where


def test_value_of_a_password_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        read(tmp_path, with_variables(ansible_password="hunter2"))
    assert "hunter2" not in str(caught.value)


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="No such file"):
        host_inventory.read(tmp_path / "none.yml")


@pytest.mark.parametrize(("nodes", "what"), [(("rmq1", "rmq2"), "has no rmq2"), (("rmq2",), "has no rmq2")])
def test_hosts_have_to_be_the_topologys_nodes(tmp_path: Path, nodes: tuple[str, ...], what: str) -> None:
    found = read(tmp_path, with_variables(ansible_host="h"))
    found.refuse_unless_of(("rmq1",))
    with pytest.raises(BadInputError, match=what):
        found.refuse_unless_of(nodes)


def test_host_that_is_described_in_another_group_is_reached_by_that(tmp_path: Path) -> None:
    """``ansible-inventory --export`` has a host's variables only where it is named first."""
    own = {"ansible_host": "192.0.2.7", "ansible_port": 2222}
    groups = {
        "exporters": {"hosts": {"rmq1": own}},
        "rabbitmq": {"hosts": {"rmq1": {}}},
        "zones": {"children": {"prometheus": {"hosts": {"mon": {"ansible_host": "192.0.2.9"}}}}},
        "grafana": {"hosts": {"mon": {}}},
    }
    found = read(tmp_path, {"all": {"children": groups}})
    assert found.logins["rmq1"] == Login(name="rmq1", address="192.0.2.7", port=2222)
    assert found.service("exporters").address == "192.0.2.7"
    assert found.service("grafana").address == "192.0.2.9"
