from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.domain.pace import Pace
from include.domain.rules import RuleSet
from include.errors import ConfigurationError
from include.local.tune.chart import write_chart
from include.local.tune.figures import Figures
from include.local.tune.outcome import Comparison, Outcome

NOW = datetime(2026, 3, 2, tzinfo=UTC)
END = NOW + timedelta(days=30)


def an_outcome(name: str, in_vain: int, sold: int, is_own: bool = True, held: float = 0) -> Outcome:
    figures = Figures()
    for _ in range(100):
        figures.tell(timedelta(days=5), timedelta(hours=held))
    figures.in_vain = in_vain
    figures.deliver(NOW, 100, END)
    figures.sell(NOW, sold)
    figures.end_article(0)
    return Outcome(Pace(name, RuleSet()), figures, is_own)


BASE = an_outcome("klaviyo", in_vain=40, sold=60, is_own=False)


def test_the_best_tells_fewest_in_vain_of_those_that_sell_as_fast_as_the_baseline() -> None:
    slow, good, better = an_outcome("slow", 1, 59), an_outcome("good", 20, 60), an_outcome("better", 10, 61)
    comparison = Comparison([BASE, slow, good, better], "klaviyo")
    assert comparison.best is better
    assert "That is 25% of its told in vain." in comparison.verdict()


def test_on_a_tie_the_shorter_hold_is_best() -> None:
    late, early = an_outcome("late", 10, 60, held=5), an_outcome("early", 10, 60, held=1)
    assert Comparison([BASE, late, early], "klaviyo").best is early


def test_where_none_of_ours_sells_as_fast_there_is_no_best() -> None:
    comparison = Comparison([BASE, an_outcome("slow", 1, 59)], "klaviyo")
    assert comparison.best is None
    assert comparison.verdict() == "None of Restock's settings here sells as fast as klaviyo."


def test_another_tool_is_never_our_best() -> None:
    other = an_outcome("magento", 1, 90, is_own=False)
    ours = an_outcome("ours", 5, 60)
    assert Comparison([BASE, other, ours], "klaviyo").best is ours


def test_what_is_sold_after_the_span_is_not_sold_soon() -> None:
    figures = Figures()
    figures.deliver(NOW, 10, END)
    figures.sell(NOW + timedelta(hours=23), 3)
    figures.sell(NOW + timedelta(days=6), 4)
    figures.sell(NOW + timedelta(days=8), 3)
    figures.end_article(0)
    assert (figures.sell_through(0), figures.sell_through(1)) == (0.3, 0.7)


def test_a_delivery_whose_span_is_not_over_is_left_out() -> None:
    figures = Figures()
    figures.deliver(END - timedelta(days=2), 10, END)
    figures.sell(END - timedelta(days=2), 10)
    figures.end_article(0)
    assert (figures.sell_through(0), figures.sell_through(1)) == (1.0, 0.0)


def test_the_csv_has_a_line_per_setting(tmp_path: Path) -> None:
    Comparison([BASE, an_outcome("ours", 5, 60)], "klaviyo").write_csv(tmp_path / "tune.csv")
    rows = list(csv.DictReader((tmp_path / "tune.csv").open()))
    assert [(row["setting"], row["in_vain"], row["in_vain_percent"]) for row in rows] == [
        ("klaviyo", "40", "40.0"),
        ("ours", "5", "5.0"),
    ]


def test_the_chart_is_drawn_as_svg_and_png_and_names_the_best(tmp_path: Path) -> None:
    comparison = Comparison([BASE, an_outcome("ours", 5, 60), an_outcome("worse", 9, 60)], "klaviyo")
    write_chart(comparison, tmp_path / "chart.svg")
    drawn = (tmp_path / "chart.svg").read_text()
    assert "klaviyo" in drawn
    assert "ours" in drawn
    assert "worse" not in drawn
    write_chart(comparison, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_a_chart_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"neither \.png nor \.svg"):
        write_chart(Comparison([BASE], "klaviyo"), tmp_path / "chart.pdf")
