"""What somebody who subscribes to a report may ask for (SEMANTICS 9.3)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from include.domain.report_wish import ALLOWED, Condition, parse_condition, parse_wish, parse_wishes
from include.errors import ConfigurationError
from include.settings import PROJECT_HOME

WISH: dict[str, Any] = {"name": "morning", "shop": "demo", "report": "activity", "to": ["crm@shop.example"]}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("notified_count > 100", Condition("notified_count", ">", 100)),
        ("revenue<=-1.5", Condition("revenue", "<=", -1.5)),
        ("row_count > 1000000", Condition("row_count", ">", 1_000_000)),
        ("revenue >= 1234567.8901", Condition("revenue", ">=", 1234567.8901)),
        ("failed_count = 0", Condition("failed_count", "=", 0)),
    ],
)
def test_a_condition_compares_a_figure_with_a_number(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition
    assert parse_condition(str(condition)) == condition


@pytest.mark.parametrize(
    "text",
    ["", "notified_count", "notified_count > many", "1 > 2", "a > 1; DROP TABLE x", "a > " + "9" * 400],
)
def test_anything_else_is_no_condition(text: str) -> None:
    with pytest.raises(ValueError, match="no condition"):
        parse_condition(text)


def test_a_condition_holds_or_not() -> None:
    assert parse_condition("a >= 3").holds({"a": 3})
    assert not parse_condition("a = 3").holds({"a": 2})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a b"),
        ("every", "hourly"),
        ("at", "7 o'clock"),
        ("at", "24:00"),
        ("at", 7),
        ("at", 730),
        ("time_zone", "Middle/Earth"),
        ("when", "often"),
        ("when", ["notified_count", "like", 5]),
        ("attach", "pdf"),
        ("to", []),
        ("to", ["a@b.example"] * 51),
        ("colour", "red"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed_and_without_addresses(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_wishes(json.dumps([WISH, {**WISH, "name": "other", field: value}]))
    assert f"entry 2: '{field}'" in str(error.value)
    assert ALLOWED.get(field, "allowed are") in str(error.value)
    assert "@b.example" not in str(error.value)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_wishes(json.dumps([{**WISH, "every": "hourly", "attach": "pdf"}, {"name": "b"}, WISH, WISH]))
    for part in (
        "entry 1: 'attach'",
        "entry 1: 'every'",
        "entry 2: 'report' is missing",
        "'morning' stands twice",
    ):
        assert part in str(error.value)


@pytest.mark.parametrize("text", ["{", '{"name": 1}', "[1]"])
def test_what_is_no_list_is_answered_with_its_form(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Its form"):
        parse_wishes(text)


def test_an_empty_variable_means_no_report() -> None:
    assert parse_wishes("") == parse_wishes("[]") == []


def test_defaults_are_every_day_at_seven_with_chart_and_file() -> None:
    wish = parse_wish(WISH, "here")
    assert (wish.every, f"{wish.at:%H:%M}", wish.attach, wish.chart, wish.skip_empty) == (
        "daily",
        "07:00",
        "csv",
        True,
        False,
    )


def test_the_documentation_names_every_field_and_every_key_figure() -> None:
    from include.services.report_figures import FIGURES

    page = (PROJECT_HOME / "docs" / "reports.md").read_text(encoding="utf-8").partition("## By mail")[2]
    names = {figure for figures in FIGURES.values() for figure in figures}
    assert {name for name in names if f"`{name}`" not in page} == set()
    assert {field for field in ALLOWED if f'"{field}":' not in page} == set()


def test_the_documentation_lists_the_key_figures_of_every_report() -> None:
    from include.services.report_figures import FIGURES

    rows = (PROJECT_HOME / "docs" / "reports.md").read_text().partition("| reports | key figures")[2]
    listed = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", rows.partition("\n\n")[0], re.MULTILINE))
    words = {
        name.strip("`"): re.findall(r"`(\w+)`", figures) for name, figures in listed.items() if "`" in figures
    }
    assert words == {
        name if name != "activity" else "all others": list(figures) for name, figures in FIGURES.items()
    }
