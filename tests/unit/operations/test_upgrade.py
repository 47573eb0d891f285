"""Which steps from one version to another are refused, and with which way out."""

from __future__ import annotations

import pytest

from warren.errors import RefusedError
from warren.operations.upgrade import refuse_step


@pytest.mark.parametrize(
    ("running", "wanted"),
    [("4.3.6", "4.3.6"), ("4.3.5", "4.3.6"), ("4.2.1", "4.3.6"), ("4.0.9", "4.2.0"), ("3.13.7", "4.2.3")],
)
def test_step_that_is_supported_is_let_pass(running: str, wanted: str) -> None:
    refuse_step(running, wanted)


@pytest.mark.parametrize(
    ("running", "wanted", "way"),
    [
        ("4.0.9", "4.3.6", "4.0 -> 4.2 -> 4.3"),
        ("4.1.2", "4.3.6", "4.1 -> 4.2 -> 4.3"),
        ("3.13.7", "4.3.6", "3.13 -> 4.2 -> 4.3"),
        ("3.12.1", "4.3.6", "a new cluster beside it"),
        ("4.3.6", "5.0.0", "a new cluster beside it"),
    ],
)
def test_step_that_skips_a_version_is_refused_with_the_way(running: str, wanted: str, way: str) -> None:
    with pytest.raises(RefusedError, match="one step") as caught:
        refuse_step(running, wanted)
    assert way in caught.value.remedy


@pytest.mark.parametrize(
    ("running", "wanted"), [("4.3.6", "4.3.5"), ("4.3.6", "4.2.9"), ("4.3.6-rc.1", "4.2.9")]
)
def test_step_down_is_refused(running: str, wanted: str) -> None:
    with pytest.raises(RefusedError, match="step down"):
        refuse_step(running, wanted)


def test_version_that_is_none_is_refused() -> None:
    with pytest.raises(RefusedError, match="no version"):
        refuse_step("main", "4.3.6")
