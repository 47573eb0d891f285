"""Links to the dashboards at the time of the run: right while they stand, none where none were known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from report.links import MOST_QUEUES, known
from warren.errors import BadInputError
from warren.results import LoadResult

from .run_page import page_of, result

RECORD = {
    "url": "https://localhost:15603",
    "service": "grafana",
    "cluster": "warren",
    "queues": {"/orders": ["orders.work", "orders.a&b"]},
}


def leads(**changes: Any) -> dict[str, dict[str, list[str]]]:
    """The choices of each link to a board, by uid; of several to one board, the first."""
    found: dict[str, dict[str, list[str]]] = {}
    for tag, attributes in page_of(result(dashboards=RECORD, **changes)).tags:
        if tag == "a" and (href := attributes.get("href")):
            parts = urlsplit(href)
            assert f"{parts.scheme}://{parts.netloc}" == RECORD["url"]
            choices: dict[str, list[str]] = {}
            for name, value in parse_qsl(parts.query, strict_parsing=True):
                choices.setdefault(name, []).append(value)
            found.setdefault(parts.path.removeprefix("/d/"), choices)
    return found


def test_run_leads_to_its_boards_at_its_time() -> None:
    found = leads()
    assert list(found) == ["warren-load", "warren-queues", "warren-chaos"]
    began, ended = 1795327262_000, 1795327322_310
    for choices in found.values():
        assert choices["var-cluster"] == ["warren"]
        assert began - 60_000 <= int(choices["from"][0]) < began
        assert ended < int(choices["to"][0]) <= ended + 60_000
    assert found["warren-load"]["var-run"] == ["work-20261122-060102-a1b2"]
    assert found["warren-queues"]["var-vhost"] == ["/orders"]
    assert found["warren-queues"]["var-queue"] == ["orders.work", "orders.a&b"]


def test_board_of_game_days_is_led_to_where_there_were_faults_only() -> None:
    assert list(leads(faults=[])) == ["warren-load", "warren-queues"]


def test_each_fault_leads_to_its_own_time() -> None:
    page = page_of(result(dashboards=RECORD))
    hrefs = [str(a["href"]) for tag, a in page.tags if tag == "a" and "warren-chaos" in str(a.get("href"))]
    assert len(hrefs) == 2
    low, high = (int(dict(parse_qsl(urlsplit(hrefs[1]).query))[name]) for name in ("from", "to"))
    injected, healed = 1795327290_000, 1795327301_500
    assert injected - 60_000 < low < injected
    assert healed < high < healed + 60_000


def test_fault_that_outlived_the_run_is_shown_to_its_end() -> None:
    fault = {**result()["faults"][0], "healed_at": None}
    page = page_of(result(dashboards=RECORD, faults=[fault]))
    last = [str(a["href"]) for tag, a in page.tags if tag == "a"][-1]
    assert int(dict(parse_qsl(urlsplit(last).query))["to"]) > 1795327322_310


def test_parts_of_a_composite_are_chosen_by_their_own_names() -> None:
    ledger = {"published": 1}
    about = {"profile": "work", "verdict": "passed", "reasons": [], "ledger": ledger}
    parts = [{**about, "name": name, "run_id": f"day-{name}"} for name in ("work", "mail")]
    assert leads(parts=parts)["warren-load"]["var-run"] == ["day-work", "day-mail"]


def test_many_queues_are_left_to_their_virtual_host() -> None:
    names = [f"q{place}" for place in range(MOST_QUEUES + 1)]
    page = page_of(result(dashboards={**RECORD, "queues": {"/orders": names}}))
    hrefs = " ".join(str(a.get("href")) for tag, a in page.tags if tag == "a")
    assert "var-vhost=%2Forders" in hrefs
    assert "var-queue" not in hrefs


@pytest.mark.parametrize(
    "record",
    [
        None,
        {**RECORD, "url": "javascript:alert(1)//"},
        {**RECORD, "service": "something else"},
    ],
)
def test_page_has_no_link_and_says_nothing_where_no_dashboards_are_known(record: Any) -> None:
    page = page_of(result(dashboards=record))
    assert not any(tag == "a" for tag, _ in page.tags)
    assert "Dashboards at the time" not in page.words
    assert "alert(1)" not in page.words


@pytest.mark.parametrize("record", [{}, [], "x", {**RECORD, "queues": ["a"]}, {**RECORD, "queues": {"/": 3}}])
def test_record_of_another_form_is_refused(record: Any) -> None:
    with pytest.raises(BadInputError):
        LoadResult.from_dict(result(dashboards=record))


def test_preview_is_called_by_its_name() -> None:
    words = page_of(result(dashboards={**RECORD, "service": "view"})).words
    assert "the preview of the dashboards" in words
    assert "Grafana" not in words


@pytest.mark.parametrize("uid", ["warren-load", "warren-queues", "warren-chaos"])
def test_board_that_is_led_to_has_the_choices_of_the_link(uid: str, checkout_root: Path) -> None:
    board = json.loads(
        (checkout_root / "dashboards" / "generated" / f"{uid}.json").read_text(encoding="utf-8")
    )
    names = {f"var-{each['name']}" for each in board["templating"]["list"]}
    assert {name for name in leads()[uid] if name.startswith("var-")} <= names


def test_result_without_the_record_is_still_read() -> None:
    assert LoadResult.from_dict(result()).dashboards is None
    assert known(result()) is None
