"""What ``--set`` says."""

from __future__ import annotations

from collections.abc import Iterable

from warren.errors import BadInputError


def read_settings(given: Iterable[str]) -> dict[str, str]:
    """Key path → value of each ``KEY=VALUE``. Raises BadInputError for one that is not of this form."""
    found: dict[str, str] = {}
    for setting in given:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise BadInputError(
                f"--set {setting}", "is not KEY=VALUE", "for example --set consumers.worker.count=4"
            )
        found[key] = value
    return found
