from __future__ import annotations

import re

import pytest

from include.domain.report_days import REPORTS
from include.reports.definition import FOLDER, Report, all_reports
from include.reports.dictionary import PAGE, page_of


def test_the_page_says_what_the_headers_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_of(page), "run python -m include.reports.dictionary"


def test_every_file_is_a_report_and_every_report_is_on_the_page() -> None:
    assert {path.stem for path in FOLDER.glob("*.sql")} == set(REPORTS)
    answered = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert answered[: len(REPORTS)] == list(REPORTS)


@pytest.mark.parametrize("report", all_reports(), ids=lambda report: report.name)
def test_a_header_says_grain_source_and_the_meaning_of_each_column(report: Report) -> None:
    assert report.title and report.grain.startswith("one row per") and report.source
    assert all(len(meaning) > 5 for meaning in report.columns.values())
    assert next(iter(report.columns)) == "shop_id"
