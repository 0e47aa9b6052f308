"""The data dictionary of docs/reports.md, written from the headers of `sql/reports/*.sql`.

`python -m include.reports.dictionary` writes it anew, below its mark; what stands above is written by people.
"""

from include.reports.definition import Report, all_reports
from include.settings import PROJECT_HOME

PAGE = PROJECT_HOME / "docs" / "reports.md"
MARK = "## Data dictionary\n"


def dictionary() -> str:
    """Every report with its grain, its sources and its columns."""
    head = f"{MARK}\nWritten from the headers of `sql/reports/*.sql`; times are UTC, counts and pieces whole numbers.\n"
    return head + "".join(map(_section, all_reports()))


def page_of(page: str) -> str:
    """The page with the dictionary as the headers are now."""
    return page.partition(MARK)[0] + dictionary()


def _section(report: Report) -> str:
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in report.columns.items())
    return (
        f"\n### {report.name}: {report.title}\n\n{_sentence(report.grain)} {_kind(report)} "
        f"Source: {report.source}.\n\n| column | meaning |\n| --- | --- |\n{rows}"
    )


def _sentence(grain: str) -> str:
    return grain[0].upper() + grain[1:]


def _kind(report: Report) -> str:
    if report.has_days:
        return f"Table `report_{report.name}`, built by day."
    if report.is_built:
        return f"Table `report_{report.name}`, of the present, built as a whole."
    if report.is_looked_for:
        return (
            f"Table `report_{report.name}`, of the last look: one an hour, and one before each mail or file."
        )
    return f"View `report_{report.name}`, always current."


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
