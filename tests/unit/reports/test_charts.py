from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from include.reports.chart_style import DARK, GREY, LIGHT, PALETTE, THEMES, as_html, as_png, as_spec, as_svg
from include.reports.charts import AGE_BUCKETS, CHARTS, FIRST_MESSAGE_BUCKETS, MOST_BARS

SUBTITLE = "Demo Shop, 1 March 2026"
AT = datetime(2026, 3, 1, 8)
SIZES = {"none": 0, "one": 1, "a thousand": 1000}


def stock(count: int) -> list[dict[str, Any]]:
    kinds = ("stock", "waiting", "batch")
    return [
        {"kind": kind, "at": AT + timedelta(hours=hour), "amount": hour % 7}
        for hour in range(count)
        for kind in kinds
    ]


def demand(count: int) -> list[dict[str, Any]]:
    return [{"title": f"Lamp {number}", "waiting_count": 1000 - number} for number in range(count)]


def outcomes(count: int) -> list[dict[str, Any]]:
    return [
        {
            "report_on": date(2026, 3, 1) + timedelta(days=number % 30),
            "outcome": "sent" if number % 12 == 0 else f"reason_{number % 12}",
            "message_count": 3,
        }
        for number in range(count)
    ]


def first_message(count: int) -> list[dict[str, Any]]:
    return [{"bucket": name, "restock_count": count} for name in FIRST_MESSAGE_BUCKETS[:count]]


def queue_age(count: int) -> list[dict[str, Any]]:
    return [{"bucket": name, "waiting_count": count} for name in AGE_BUCKETS[:count]]


ROWS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "stock": stock,
    "demand": demand,
    "outcomes": outcomes,
    "first_message": first_message,
    "queue_age": queue_age,
}


def words_of(svg: str) -> list[str]:
    return re.findall(r">([^<>]+)</(?:text|tspan)>", svg)


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_every_chart_is_drawn_here() -> None:
    assert ROWS.keys() == CHARTS.keys()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_has_a_title_and_says_when_it_has_no_data(name: str, size: str) -> None:
    words = words_of(as_svg(CHARTS[name](ROWS[name](SIZES[size]), SUBTITLE), THEMES["dark"]))
    assert SUBTITLE in words
    assert ("no data" in words) == (size == "none")
    assert len(words) < 120


def test_a_png_is_sharp_enough_for_a_fine_screen() -> None:
    png = as_png(CHARTS["queue_age"](queue_age(3), SUBTITLE))
    width, height = struct.unpack(">II", png[16:24])
    assert width > 1000 and height > 500


def test_axes_say_their_units() -> None:
    units = {
        "stock": {"units in stock", "people"},
        "demand": {"people waiting"},
        "outcomes": {"messages", "messages per day"},
        "first_message": {"restocks", "time until the first message"},
        "queue_age": {"people waiting", "time since they asked"},
    }
    for name, expected in units.items():
        assert expected <= set(words_of(as_svg(CHARTS[name](ROWS[name](1000), SUBTITLE))))


def test_of_a_thousand_variants_the_most_wanted_are_bars_and_the_others_a_sum() -> None:
    words = words_of(as_svg(CHARTS["demand"](demand(1000), SUBTITLE)))
    others = 1000 - MOST_BARS
    assert f"and {others} others: {sum(1000 - n for n in range(MOST_BARS, 1000)):,} people" in words
    assert sum(word.startswith("Lamp") for word in words) == MOST_BARS


def test_two_variants_of_one_title_are_two_bars() -> None:
    rows = [{"title": "Lamp", "waiting_count": 3}, {"title": "Lamp", "waiting_count": 2}]
    assert {"Lamp", "Lamp (2)"} <= set(words_of(as_svg(CHARTS["demand"](rows, SUBTITLE))))


def test_rare_reasons_are_one_bar() -> None:
    words = words_of(as_svg(CHARTS["outcomes"](outcomes(1000), SUBTITLE)))
    assert "6 other reasons" in words
    assert "sent" in words


@pytest.mark.parametrize("colour", [*PALETTE, GREY])
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_marks_and_text_stand_out_from_light_and_from_dark(colour: str, theme: Any) -> None:
    assert contrast(colour, theme.background) > 3
    assert contrast(theme.soft, theme.background) > 4.5


def test_the_page_is_the_same_drawing_and_fetches_nothing() -> None:
    chart = CHARTS["demand"]([{"title": "</script><script>alert(1)</script>", "waiting_count": 3}], SUBTITLE)
    page = as_html(chart)
    assert page.count("<script") - page.count("<script>") == 0
    assert "<link" not in page
    assert page.count("</script>") == 2
    assert json.dumps(as_spec(chart))[:-1].split('"data"')[0] in page.replace("\\u003c", "<")


def test_stock_within_one_second_is_drawn_as_high_as_it_is() -> None:
    rows = [{"kind": "stock", "at": AT + timedelta(milliseconds=300 * n), "amount": 20} for n in range(6)]
    spec = as_spec(CHARTS["stock"](rows, SUBTITLE), LIGHT)
    (area, _) = spec["vconcat"]
    assert area["encoding"]["y"]["stack"] is False
    assert len(set(re.findall(r"2026-03-01T08:00:0[^\"]*Z", json.dumps(spec)))) == 6


@pytest.mark.parametrize("days", [2, 3, 7, 31])
def test_no_day_stands_twice_on_the_axis_of_days(days: int) -> None:
    rows = [
        {"report_on": date(2026, 3, 7) + timedelta(days=number), "outcome": "sent", "message_count": 5}
        for number in range(days)
    ]
    labels = re.findall(r">(\d+ [A-Z][a-z]{2})<", as_svg(CHARTS["outcomes"](rows, SUBTITLE)))
    assert 2 <= len(labels) <= 10
    assert len(labels) == len(set(labels))
