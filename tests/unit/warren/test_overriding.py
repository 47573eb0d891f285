"""What ``--set`` says where its key leads nowhere."""

from __future__ import annotations

import pytest

from warren.errors import BadInputError
from warren.overriding import override


@pytest.mark.parametrize(
    ("key", "said", "remedy"),
    [
        (
            "consumers.prefetch",
            "has no keys of its own",
            "which of them: --set consumers.worker.prefetch=5",
        ),
        ("rate.prefetch", "has no keys of its own", "set it itself: --set rate=5"),
        ("consumers.worke.prefetch", "leads nowhere", "did you mean 'worker'?"),
        ("consumers.0.prefetch", "leads nowhere", "known here: worker, a.b"),
        ("rates.prefetch", "leads nowhere", "did you mean 'rate'?"),
    ],
)
def test_key_that_leads_nowhere_is_told_with_what_to_try(key: str, said: str, remedy: str) -> None:
    data = {"rate": 1, "consumers": [{"name": "worker"}, {"name": "a.b"}]}
    with pytest.raises(BadInputError, match=said) as caught:
        override(data, key, "5")
    assert remedy in caught.value.remedy


def test_element_of_a_list_is_called_by_its_name_dots_and_all() -> None:
    data = {"consumers": [{"name": "worker"}, {"name": "a.b", "prefetch": 1}]}
    override(data, "consumers.a.b.prefetch", "5")
    assert data["consumers"][1]["prefetch"] == 5
