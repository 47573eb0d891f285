"""A file that holds no JSON object is refused by name, whatever it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from warren.errors import BadInputError
from warren.json_file import read_object
from warren.results import read_result


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"{", "is not JSON"), (b"\xff\xfe", "is not JSON"), (b"[]", "is not a JSON object")],
)
def test_what_is_no_object_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    for read in (read_object, read_result):
        with pytest.raises(BadInputError, match=what) as caught:
            read(path)
        assert caught.value.where == str(path)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read: No such file"):
        read_object(tmp_path / "none.json")


def test_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"a": 1}')
    assert read_object(tmp_path / "r.json") == {"a": 1}
