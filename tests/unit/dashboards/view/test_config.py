"""The preview's configuration file: read whole or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dashboards.view.bundle import bundle
from dashboards.view.cli import view
from dashboards.view.config import load_config
from warren.errors import BadInputError, BadInputsError

GOOD: dict[str, Any] = {
    "listen_host": "127.0.0.1",
    "listen_port": 8443,
    "tls_certificate_file": "view.pem",
    "tls_key_file": "view.key",
    "users": [{"user": "reader", "password_file": "secret"}],
    "prometheus_url": "https://prometheus:9090/",
    "prometheus_ca_file": "/ca.pem",
    "prometheus_user": "view",
    "prometheus_password_file": "secret",
    "dashboards_dir": "dashboards",
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "view.json"
    path.write_text(json.dumps({**GOOD, **changes}), encoding="utf-8")
    return path


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path))
    assert config.tls_key_file == tmp_path / "view.key"
    assert config.prometheus.ca_file == Path("/ca.pem")
    assert config.prometheus.url == "https://prometheus:9090"
    assert config.credentials[0].password_file == tmp_path / "secret"


def test_alertmanager_and_runbooks_are_optional(tmp_path: Path) -> None:
    bare = load_config(write(tmp_path))
    assert (bare.alertmanager, bare.runbooks_dir) == (None, None)
    keys = {"alertmanager_url": "https://alertmanager:9093", "alertmanager_ca_file": "/am.pem"}
    whole = load_config(write(tmp_path, **keys, runbooks_dir="runbooks"))
    assert whole.alertmanager is not None
    assert (whole.alertmanager.url, whole.alertmanager.ca_file) == (keys["alertmanager_url"], Path("/am.pem"))
    assert whole.runbooks_dir == tmp_path / "runbooks"


def test_a_store_that_keeps_series_for_longer_is_optional(tmp_path: Path) -> None:
    assert load_config(write(tmp_path)).long_term is None
    keys = {"long_term_url": "https://store:8428/", "long_term_user": "s", "long_term_password_file": "pw"}
    store = load_config(write(tmp_path, **keys)).long_term
    assert store is not None
    assert (store.url, store.user, store.password_file) == ("https://store:8428", "s", tmp_path / "pw")


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"listen_port": 70000}, "listen_port", "0 to 65535"),
        ({"listen_port": True}, "listen_port", "0 to 65535"),
        ({"colour": "red"}, "colour", "not a key"),
        ({"users": []}, "users", "at least one"),
        ({"users": [{"user": "x"}]}, "users[0]", "either"),
        ({"users": [{"user": "a:b", "password_file": "x"}]}, "users[0]", "colon"),
        ({"users": [{"user": "a", "password_bcrypt": "plain"}]}, "users[0]", "bcrypt hash"),
        ({"prometheus_url": "http://prometheus:9090"}, "prometheus_url", "https"),
        ({"prometheus_url": "https://a:b@prometheus"}, "prometheus_url", "no password"),
        ({"prometheus_url": "ftp://x"}, "prometheus_url", "http or https"),
        ({"alertmanager_url": "http://alertmanager:9093"}, "alertmanager_url", "https"),
        ({"alertmanager_ca_file": "x"}, "alertmanager_ca_file", "needs alertmanager_url"),
        ({"alertmanager_url": "https://a", "alertmanager_user": "x"}, "alertmanager_user", "goes with"),
        ({"long_term_url": "http://store:8428"}, "long_term_url", "https"),
        ({"long_term_url": "https://a:b@store"}, "long_term_url", "no password"),
        ({"long_term_ca_file": "x"}, "long_term_ca_file", "needs long_term_url"),
        ({"long_term_url": "https://a", "long_term_user": "x"}, "long_term_user", "goes with"),
        ({"runbooks_dir": 7}, "runbooks_dir", "not empty"),
        ({"scrape_interval_s": 0}, "scrape_interval_s", "above 0"),
        ({"tls_key_file": ""}, "tls_key_file", "not empty"),
    ],
)
def test_bad_value_is_refused_by_its_key(tmp_path: Path, changes: Any, where: str, what: str) -> None:
    with pytest.raises(BadInputsError) as caught:
        load_config(write(tmp_path, **changes))
    assert caught.value.faults[0].where.endswith(f":{where}")
    assert what in caught.value.faults[0].what


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "view.json"
    path.write_text('{"listen_port": -1, "prometheus_user": "x"}', encoding="utf-8")
    with pytest.raises(BadInputsError) as caught:
        load_config(path)
    assert len(caught.value.faults) == 8


def test_plain_http_may_go_to_loopback(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, prometheus_url="http://127.0.0.1:9090")).prometheus.url


@pytest.mark.parametrize("text", ["{", "[]"])
def test_file_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "view.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError):
        load_config(path)


def test_command_refuses_a_missing_file_before_it_serves(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(view, ["--config", str(tmp_path / "none.json")])
    assert isinstance(outcome.exception, BadInputError)


def module(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.js").write_text(text, encoding="utf-8")


def test_joined_modules_come_in_the_order_of_their_imports(tmp_path: Path) -> None:
    module(tmp_path, "a", 'import { one } from "./b.js";\nexport const two = one + 1;\n')
    module(tmp_path, "b", "export const one = 1;\n")
    text = bundle((tmp_path,), "a")
    assert text.index("module_b =") < text.index("module_a =")
    assert "export" not in text
    assert "import" not in text


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ('import x from "./b.js";\n', "another form"),
        ("export default 1;\n", "another form"),
        ('const x = import("./b.js");\n', "another form"),
        ('import { x } from "./none.js";\n', "is in none of"),
        ('import { x } from "./a.js";\nexport const x = 1;\n', "circle"),
    ],
)
def test_module_outside_the_dialect_is_refused(tmp_path: Path, source: str, what: str) -> None:
    module(tmp_path, "a", source)
    with pytest.raises(BadInputError, match=what):
        bundle((tmp_path,), "a")
