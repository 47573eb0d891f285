"""Strict reading of YAML: each fault is named by file and key path, and all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from warren.errors import BadInputError, BadInputsError
from warren.reader import Section, parse, parse_file


def _faults(text: str, read: object) -> list[str]:
    document, root = parse(text, "f.yml")
    read(root)  # type: ignore[operator]
    root.finish()
    try:
        document.finish()
    except BadInputsError as error:
        return [f"{fault.where}: {fault.what}" for fault in error.faults]
    return []


def test_text_that_is_no_yaml_names_the_line() -> None:
    with pytest.raises(BadInputError) as raised:
        parse("a: 1\nb: [1, 2\nc: 3\n", "f.yml")
    assert raised.value.where == "f.yml:3"
    assert raised.value.remedy


@pytest.mark.parametrize("text", ["", "- a", "text", "7"])
def test_top_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="must be a mapping"):
        parse(text, "f.yml")


@pytest.mark.parametrize(
    "text",
    ["a: 1\na: 2", "a:\n  b: 1\n  b: 2", "? [a]\n: 1", "a: &x {b: *x}", "a: !!python/none x", "a: \x00"],
)
def test_what_yaml_lets_pass_or_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        parse(text, "f.yml")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 100_000,
        "a: " + "- " * 100_000,
        "- " * 100_000,
        "? " * 100_000,
        "\n".join(" " * column + "a:" for column in range(3_000)),
    ],
    ids=["lists", "mappings", "no list", "lists on a line", "keys", "columns"],
)
def test_nesting_without_end_is_refused_and_takes_nothing_down(text: str) -> None:
    with pytest.raises(BadInputError):
        parse(text, "f.yml")


def test_file_that_cannot_be_read_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"none\.yml: cannot be read: No such file"):
        parse_file(tmp_path / "none.yml")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="not UTF-8"):
        parse_file(tmp_path / "binary.yml")
    with pytest.raises(BadInputError, match="cannot be read"):
        parse_file(tmp_path)


def test_every_fault_is_told_at_once_with_its_path() -> None:
    def read(root: Section) -> None:
        root.text("name", pattern="[a-z]+")
        inner = root.section("inner")
        inner.integer("count", low=1, high=3)
        inner.flag("open")
        inner.finish()
        root.text("absent")

    text = "name: A1\ninner: {count: 9, open: maybe, cuont: 2}\n"
    assert _faults(text, read) == [
        "f.yml:name: 'A1' is not a valid name",
        "f.yml:inner.count: 9 is out of range",
        "f.yml:inner.open: must be true or false, not 'maybe'",
        "f.yml:inner.cuont: unknown key",
        "f.yml:absent: must be given",
    ]


def test_unknown_key_suggests_the_nearest() -> None:
    document, root = parse("cuont: 1", "f.yml")
    root.integer("count", 0)
    root.finish()
    assert document.faults[0].remedy == "did you mean 'count'?"


def test_named_element_of_a_list_is_called_by_its_name() -> None:
    def read(root: Section) -> None:
        root.sections("queues", lambda each: (each.text("name"), each.integer("depth", 0)))

    text = "queues: [{name: a, depth: x}, 7, {nmae: b}]"
    assert _faults(text, read) == [
        "f.yml:queues[a].depth: must be a whole number, not 'x'",
        "f.yml:queues[1]: must be a mapping of keys, not 7",
        "f.yml:queues[2].name: must be given",
        "f.yml:queues[2].nmae: unknown key",
    ]


@pytest.mark.parametrize("value", [".inf", ".nan", "1e400", "true", "'1'", "[1]", "9" * 400])
def test_number_must_be_one(value: str) -> None:
    def read(root: Section) -> None:
        root.number("n", 1.0)

    assert "must be a finite number" in _faults(f"n: {value}", read)[0]


@pytest.mark.parametrize("value", ["2020-01-01", "{1: a}", "{a: {b: [2020-01-01]}}", "!!binary aGk=", "[a]"])
def test_table_takes_plain_values_only(value: str) -> None:
    def read(root: Section) -> None:
        root.table("t", {})

    text = f"t: {value}" if value.startswith(("{", "[")) else f"t: {{k: {value}}}"
    assert "must be a mapping of names to plain values" in _faults(text, read)[0]


def test_null_is_as_good_as_left_out() -> None:
    document, root = parse("a:\nb: ~\n", "f.yml")
    assert root.integer("a", 7) == 7
    root.text("b")
    assert [fault.what for fault in document.faults] == ["must be given"]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text, "f.yml")
    except BadInputError as error:
        refused = error
    else:
        return
    assert refused.where.startswith("f.yml")
    assert refused.what


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_every_getter_survives_any_value(value: object) -> None:
    document, root = parse(yaml.safe_dump({"k": value}), "f.yml")
    for get in (root.text, root.integer, root.number, root.flag, root.texts, root.table, root.section):
        get("k")
    root.choice("k", ["a", "b"])
    root.sections("k", lambda each: each.text("name"))
    for fault in document.faults:
        assert fault.where.startswith("f.yml:k")
