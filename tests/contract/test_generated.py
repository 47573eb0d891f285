"""The generated files in the repository are what the topology renders to now."""

from __future__ import annotations

import yaml

from warren import checkout, committed
from warren.inventory import inventory
from warren.topology import Topology


def test_committed_files_equal_a_fresh_rendering(deployed: Topology) -> None:
    assert committed.write(deployed, checkout.ROOT, only_check=True) == []


def test_every_committed_file_says_that_it_is_generated(deployed: Topology) -> None:
    without = {"enabled_plugins", "inter_node_tls.config"}  # Erlang terms, read whole
    for path, text in committed.files(deployed).items():
        assert path.name in without or "Made by Warren" in text.splitlines()[0], path


def test_the_inventory_reads_back_as_it_was_made(deployed: Topology) -> None:
    text = committed.files(deployed)[committed.INVENTORY]
    assert yaml.safe_load(text) == inventory(deployed)


def test_no_committed_file_holds_a_hash_or_a_key(deployed: Topology) -> None:
    for path, text in committed.files(deployed).items():
        assert "$2b$" not in text, path
        assert "PRIVATE KEY" not in text, path
