"""A chart as a page: the drawing that mails carry, answering to the pointer (SEMANTICS 9.2)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from include.reports.chart_style import THEMES, as_html
from include.reports.charts import CHARTS
from tests.browser.sight import MAIL, PHONE, Served, looking
from tests.unit.reports.test_charts import ROWS, SUBTITLE

MARK = "#chart .mark-rect.role-mark path, #chart .mark-area.role-mark path"
# The theme, and what the page answers where the pointer stands on the first mark, near its right end.
PAGES = {
    "stock": ("light", ["at", "01 Mar 2026 11:00", "units", "3"]),
    "demand": ("dark", ["name", "Lamp 0", "people waiting", "1,000"]),
    "outcomes": ("light", ["name", "sent", "messages", "3"]),
    "first_message": ("dark", ["time until the first message", "under 10 s", "restocks", "5"]),
    "queue_age": ("light", ["time since they asked", "under 1 day", "people waiting", "5"]),
}


def test_every_chart_is_looked_at() -> None:
    assert PAGES.keys() == CHARTS.keys()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_draws_its_chart_and_answers_to_the_pointer_asking_nobody(browser: Browser, name: str) -> None:
    theme, answer = PAGES[name]
    page = as_html(CHARTS[name](ROWS[name](5), SUBTITLE), THEMES[theme]).encode()
    with looking(browser, size=PHONE, served={MAIL: Served("text/html", page)}) as sight:
        sight.page.goto(MAIL)
        expect(sight.page.get_by_text(SUBTITLE, exact=True).first).to_be_visible()
        assert sight.pixels_beyond() == 0
        box = sight.page.locator(MARK).first.bounding_box()
        assert box
        sight.page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"])
        tip = sight.page.locator("#vg-tooltip-element.visible")
        expect(tip).to_be_visible()
        assert tip.locator("td").all_inner_texts() == answer
        assert (sight.complaints, sight.asked) == ([], [])
