"""The preview as a reader has it: in Chromium, before the live cluster, while the profiles run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page

from dashboards import build
from dashboards.house import Board

from .browser import NARROW, WIDE, Looked, looking, overflow, until_none, until_true
from .conftest import ClusterUnderTest
from .test_panels import profiles  # noqa: F401 - a fixture

#: In `make test-full` only: beside brokers and three profiles on two cores a page once took longer than 15 s
#: to show its first panel, and until that is understood it would keep good changes from landing.
pytestmark = pytest.mark.full

#: Rates need four scrapes of five seconds, the slowest job scrapes every fifteen.
_FILLED_S = 90.0
PAGES = ("/", "/targets", "/rules", "/alerts", "/runbooks", "/runbooks/node-down")

#: What each panel says, for those that say something in place of a picture.
_NOTES = """[...document.querySelectorAll('.panel')]
  .filter((panel) => panel.querySelector('.panel-note:not([hidden])'))
  .map((panel) => [panel.getAttribute('aria-label'), panel.querySelector('.panel-note').innerText])"""
#: Panels that show neither a picture nor a word yet.
_BLANK = """[...document.querySelectorAll('.panel')]
  .filter((panel) => panel.querySelector('.panel-note[hidden]'))
  .filter((panel) => !panel.querySelector('.panel-body').childElementCount)
  .map((panel) => panel.getAttribute('aria-label'))"""
_RING = """(() => { const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  return outlineStyle + ' ' + outlineWidth; })()"""
_CROSSHAIRS = """[...document.querySelectorAll('.panel .u-over')].map((over) => {
  const line = over.querySelector('.u-cursor-x'); return Boolean(line) && !line.classList.contains('u-off')
    && /translate/.test(line.style.transform) && !/translate\\(-/.test(line.style.transform); })"""


@pytest.fixture
def looked(cluster: ClusterUnderTest) -> Iterator[Looked]:
    with looking(cluster) as made:
        yield made


def may_be_empty(board: Board) -> set[str]:
    """Titles of the panels of which every query may rightly find nothing."""
    return {panel.title for panel in board.panels if all(query.may_be_empty for query in panel.queries)}


def empty(page: Page, board: Board) -> list[str]:
    """One line for each panel that shows no picture and should, once none is being loaded."""
    until_loaded(page, board.uid)
    excused = may_be_empty(board)
    return [f"{title}: {text}" for title, text in page.evaluate(_NOTES) if title not in excused]


def until_loaded(page: Page, what: str) -> None:
    """Wait until every panel has been asked for and shows what came of it."""
    until_true(
        page, lambda: page.locator(".panel").count() and not page.evaluate(_BLANK), f"{what} to be drawn"
    )
    until_true(page, lambda: not page.locator(".panel.loading").count(), f"{what} to be loaded")


def fits(page: Page, what: str) -> None:
    """Nothing sticks out at the side, once charts have followed the window's width."""
    until_true(page, lambda: overflow(page) <= 0, f"{what} to be no wider than its window", 10)


def until_filled(page: Page, board: Board) -> None:
    """Ask again and again until no panel is empty; fails with those that are."""
    give_up = time.monotonic() + _FILLED_S
    while left := empty(page, board):
        assert time.monotonic() < give_up, "\n".join([f"{board.uid}:", *left])
        page.wait_for_timeout(1000)
        page.keyboard.press("r")
        page.wait_for_timeout(300)


def check_widths(page: Page, name: str) -> None:
    """Nothing sticks out at the side of a phone or a desk, whatever list is open."""
    for width in (NARROW, WIDE):
        page.set_viewport_size({"width": width, "height": 900})
        fits(page, f"{name} at {width} pixels")
        for box in page.locator(".multi > summary, .times > summary").all():
            box.click()
            fits(page, f"{name} at {width} pixels with {box.inner_text()!r} open")
            page.keyboard.press("Escape")


def check_every_board(looked: Looked) -> None:
    for board in build.boards():
        page = looked.open(f"/d/{board.uid}?refresh=")
        shown = page.locator(".panel").count()
        assert shown == len(board.panels), f"{board.uid}: {shown} panels"

        until_filled(page, board)
        check_widths(page, board.uid)
        page.close()


def check_crosshair_and_zoom(looked: Looked) -> None:
    looked.asked.clear()  # of other pages
    page = looked.open("/d/warren-queues?refresh=")
    until_true(page, lambda: page.locator(".panel .u-over").count() > 4, "charts")
    until_loaded(page, "queues")
    # Marks are asked for one after the other, and may still be when every panel has its lines.
    page.wait_for_load_state("networkidle")
    over = page.locator(".panel .u-over").first.bounding_box()
    assert over
    middle = over["y"] + over["height"] / 2
    page.mouse.move(over["x"] + over["width"] * 0.4, middle)
    until_true(page, lambda: all(page.evaluate(_CROSSHAIRS)), "one crosshair in all charts")

    asked_before = queries(looked)
    looked.asked.clear()
    page.mouse.down()
    page.mouse.move(over["x"] + over["width"] * 0.7, middle, steps=4)
    page.mouse.up()
    until_true(page, lambda: "from=1" in page.url, "the zoom to stand in the address")
    until_none(page, lambda: asked_before - queries(looked), "questions that are not asked for the zoom")
    begun, ended = (int(parse_qs(urlsplit(page.url).query)[key][0]) / 1000 for key in ("from", "to"))
    for url in looked.asked:
        if "query_range" in url:
            asked = parse_qs(urlsplit(url).query)
            step = float(asked["step"][0])
            assert begun - step <= float(asked["start"][0]) <= float(asked["end"][0]) <= ended, url
    page.keyboard.press("Escape")
    until_true(page, lambda: "from=1" not in page.url, "the way back out of the zoom")
    page.close()


def queries(looked: Looked) -> set[str]:
    """What was asked over a range, without the times and the windows that follow from them."""
    asked = (parse_qs(urlsplit(url).query) for url in looked.asked if "query_range" in url)
    return {one["query"][0].split("[")[0] for one in asked}


def check_variable(looked: Looked, queue: str) -> None:
    page = looked.open("/d/warren-queues?refresh=")
    legends = page.locator(".panel .legend-text")
    until_true(page, lambda: legends.count() > 4, "legends")
    chooser = page.locator('.multi[data-variable="queue"]')
    chooser.locator("summary").click()
    others = [text for text in chooser.locator("label").all_inner_texts() if text not in {"All", queue}]
    assert others
    before = "another queue in a legend"
    until_true(page, lambda: any(one in text for one in others for text in legends.all_inner_texts()), before)
    chooser.locator("label", has_text=queue).first.click()
    until_true(page, lambda: f"var-queue={queue}" in page.url, "the choice to stand in the address", 10)

    def chosen_only() -> bool:
        shown = " ".join(legends.all_inner_texts())
        return queue in shown and not any(other in shown for other in others if other not in queue)

    until_true(page, chosen_only, f"the panels to show {queue} alone")
    page.close()


def check_dialog(page: Page, words: str) -> None:
    """One is open and says ``words``; Escape closes it, and nothing else."""
    dialog = page.locator("dialog[open]")
    until_true(page, lambda: dialog.count() and words in dialog.inner_text(), f"a dialog that says {words}")
    page.keyboard.press("Escape")
    until_true(page, lambda: not dialog.count(), "the dialog to be closed")


def check_tooltip_and_focus(looked: Looked, width: int) -> None:
    """The tooltip stays in the window at a chart's very edge, and what has the focus shows that it has."""
    page = looked.open("/d/warren-cluster?refresh=", width=width, height=900)
    panel, tooltip = page.locator(".panel-timeseries").first, page.locator(".tooltip:visible")
    panel.scroll_into_view_if_needed()  # only what is near the screen is drawn
    chart = panel.locator(".u-over")
    until_true(page, chart.count, "a chart")
    page.wait_for_load_state("networkidle")  # marks that come late draw the chart anew
    for share in (0.02, 0.98):
        over = chart.bounding_box()
        assert over
        page.mouse.move(over["x"] + over["width"] * share, over["y"] + over["height"] / 2)
        until_true(page, tooltip.count, "the tooltip")
        box = tooltip.bounding_box(timeout=5000)
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= 900
    page.mouse.move(0, 0)
    page.keyboard.press("Tab")
    assert page.evaluate(_RING) == "solid 2px"
    page.close()


def check_way_to_the_top(looked: Looked) -> None:
    """On a phone a board is a dozen screens long, and its controls are at the top."""
    page = looked.open("/d/warren-cluster?refresh=", width=NARROW, height=844)
    button = page.get_by_role("button", name="To the top")
    assert button.count() == 0
    page.evaluate("scrollTo(0, 3000)")
    until_true(page, button.is_visible, "the way to the top")
    button.click()
    until_true(page, lambda: page.evaluate("scrollY") == 0, "the top")
    page.close()


def check_keys(looked: Looked) -> None:
    page = looked.open("/d/warren-cluster?refresh=", height=900)
    chart = page.locator(".panel-timeseries").first
    chart.scroll_into_view_if_needed()
    until_true(page, lambda: chart.locator(".u-over").count(), "the chart to be drawn")
    chart.hover()
    page.keyboard.press("v")
    until_true(page, lambda: page.locator(".panel:visible").count() == 1, "one panel over the page")
    page.keyboard.press("i")
    check_dialog(page, "series")
    page.keyboard.press("Escape")
    until_true(page, lambda: page.locator(".panel:visible").count() > 1, "all panels again")
    page.keyboard.press("?")
    check_dialog(page, "dark or light")
    before = page.locator("html").get_attribute("data-theme")
    page.keyboard.press("t")
    assert page.locator("html").get_attribute("data-theme") != before
    page.close()


def test_every_dashboard_opens_and_works_in_a_browser(
    looked: Looked,
    profiles: dict[str, Path],  # noqa: F811 - the fixture
) -> None:
    check_every_board(looked)
    check_crosshair_and_zoom(looked)
    check_variable(looked, "orders.work")
    check_keys(looked)
    check_tooltip_and_focus(looked, WIDE)
    check_tooltip_and_focus(looked, NARROW)
    check_way_to_the_top(looked)
    assert looked.faults == []


def test_every_page_opens_fits_a_phone_and_asks_nobody_else(looked: Looked) -> None:
    for path in PAGES:
        page = looked.open(path, height=900)
        assert "is not Grafana" in page.locator(".banner").inner_text()
        fault = page.locator("[role=alert]:visible")
        until_true(page, lambda fault=fault: not fault.count(), f"{path} without a fault")  # type: ignore[misc]
        check_widths(page, path)
        page.close()
    assert looked.faults == []


def test_pages_say_what_prometheus_and_alertmanager_say(cluster: ClusterUnderTest, looked: Looked) -> None:
    page = looked.open("/targets", height=900)

    def counted() -> bool:  # again, since a load run may have begun or ended in between
        targets = cluster.context.prometheus.get("targets")["activeTargets"]
        page.keyboard.press("r")
        return f"of {len(targets)} targets are up" in page.locator("main").inner_text()

    until_true(page, counted, "as many targets as Prometheus has")
    page.close()
    page = looked.open("/rules?q=WarrenNodeDown", height=900)
    text = page.locator("main").inner_text()
    assert "WarrenNodeDown" in text
    assert "for " in text
    page.get_by_role("link", name="Runbook", exact=True).first.click()
    page.wait_for_url("**/runbooks/node-down")
    page.close()
    page = looked.open("/alerts", height=900)
    text = page.locator("main").inner_text()
    assert "Silences" in text  # which only Alertmanager knows
    assert "not known" not in text
    assert looked.faults == []
