"""Grafana's role without Grafana: the files that it writes, read by what stands in for it on test hosts."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.hosts import standing_in
from warren import checkout, render
from warren.errors import NotReadyError
from warren.pki import Pki
from warren.topology import Topology
from warren.wait import until


def _files(folder: Path, topology: Topology, port: int) -> Path:
    """What the role writes below /etc/grafana, from its own lists; returns the authority's certificate."""
    variables = {**render.role_vars(topology), "inventory_hostname": "rmq1"}
    variables["warren_ports"] = {**variables["warren_ports"], "grafana": port}
    for name in ("tls", "secrets", "dashboards"):
        (folder / name).mkdir(parents=True)
        variables[f"grafana_{name}_dir"] = str(folder / name)
    pki = Pki(folder / "pki", datetime.now(UTC))
    pki.folder.mkdir()
    pki.ensure_authorities()
    pair = pki.ensure_leaf("cluster", "rmq1", hosts=("rmq1", "localhost"), purpose="server")
    listed = yaml.safe_load((checkout.ROOT / "ansible/roles/grafana/vars/main.yml").read_text("utf-8"))
    for each in listed["__grafana_own"]:
        target = Path(each["dest"].replace("{{ grafana_", str(folder) + "/").replace("_dir }}", ""))
        source = {".key": pair.key, ".pem": pair.certificate}.get(target.suffix)
        target.write_bytes(source.read_bytes() if source else b"a-password-of-the-tests")
    for each in listed["__grafana_templates"]:
        target = folder / Path(each["dest"]).relative_to("/etc/grafana")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            render.role_template("grafana", each["src"].removesuffix(".j2"), variables), "utf-8"
        )
    for name in ("warren-cluster", "another"):
        (folder / "dashboards" / f"{name}.json").write_text(json.dumps({"uid": name}), encoding="utf-8")
    return pki.authority("cluster").certificate


def test_what_stands_in_finds_all_that_the_role_writes(deployed: Topology, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    authority = _files(tmp_path / "grafana", deployed, port)
    server = tmp_path / "stand_in.py"
    server.write_text(standing_in.SERVER, encoding="utf-8")
    child = subprocess.Popen([sys.executable, str(server), str(tmp_path / "grafana")])
    context = ssl.create_default_context(cafile=str(authority))
    try:

        def healthy() -> dict[str, object]:
            try:
                address = f"https://localhost:{port}/api/health"
                with urllib.request.urlopen(address, context=context, timeout=5) as answer:
                    found: dict[str, object] = json.load(answer)
                    return found
            except OSError as error:
                raise NotReadyError("stand-in", str(error)) from error

        health = until(healthy, what="an answer", deadline_s=60)
    finally:
        child.kill()
        child.wait()
    assert health == {"database": "ok", "boards": 2, "home": "warren-cluster", "provisioned": 2, "secrets": 3}


def test_the_package_that_stands_in_can_be_built(tmp_path: Path) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("wants Debian's dpkg-deb")
    package = standing_in.grafana(tmp_path)
    listed = subprocess.run(
        ["dpkg-deb", "--contents", str(package)], capture_output=True, text=True, check=True
    )
    assert "./usr/lib/systemd/system/grafana-server.service" in listed.stdout
