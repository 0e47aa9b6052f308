"""The reports that there are, as the headers of `sql/reports/*.sql` describe them.

A header is the report's page in the data dictionary; its SQL says how the report is built:

| blocks | the report |
| --- | --- |
| lock_table, delete_days, build_days, check_days | is a table by day; the days that are due are built again |
| lock_table, build_present, check_present | is a table of the present, built as a whole |
| neither | is a view and needs no building |
"""

import re
from dataclasses import dataclass
from functools import cache

from include.db.queries import parameter_names, query_names
from include.domain.report_days import REPORTS
from include.errors import NotFound
from include.settings import PROJECT_HOME

FOLDER = PROJECT_HOME / "sql" / "reports"
_ENTRY = re.compile(r"^(Report|Title|Grain|Source|Needs|Columns):\s*(.*)$")
_COLUMN = re.compile(r"^  (\w+)\s{2,}(\S.*)$")


@dataclass(frozen=True)
class Report:
    """One report; `columns` maps each to its unit and meaning, in the order in which they are exported.

    `needs` are reports that it is built from, which are built before it.
    """

    name: str
    title: str
    grain: str
    source: str
    needs: tuple[str, ...]
    columns: dict[str, str]

    @property
    def has_days(self) -> bool:
        """Whether it is a table by day."""
        return f"{self.name}.build_days" in query_names()

    @property
    def is_built(self) -> bool:
        """Whether it is a table at all, not a view."""
        return f"{self.name}.lock_table" in query_names()

    @property
    def is_looked_for(self) -> bool:
        """Whether it is a table of what a look found: one an hour, and one with each build."""
        return f"{self.name}.find" in query_names()

    @property
    def is_of_present(self) -> bool:
        """Whether it knows the present only, so that no past day can be asked for."""
        return "first_on" not in parameter_names(f"{self.name}.select_days")


def find_report(name: str) -> Report:
    """A report by its name; raises NotFound that lists them."""
    if name not in REPORTS:
        raise NotFound(f"No report is called '{name}'. There are: {', '.join(REPORTS)}.")
    return _read(name)


def all_reports() -> tuple[Report, ...]:
    """Every report in the order in which they are shown."""
    return tuple(_read(name) for name in REPORTS)


@cache
def _read(name: str) -> Report:
    entries: dict[str, str] = {}
    columns: dict[str, str] = {}
    last = ""
    for line in _header(name):
        if entry := _ENTRY.match(line):
            last = entry[1]
            entries[last] = entry[2]
        elif last == "Columns" and (column := _COLUMN.match(line)):
            columns[column[1]] = column[2]
        elif last == "Columns":
            columns[next(reversed(columns))] += f" {line.strip()}"
        else:
            entries[last] += f" {line.strip()}"
    needs = tuple(entries["Needs"].split(", ")) if "Needs" in entries else ()
    return Report(entries["Report"], entries["Title"], entries["Grain"], entries["Source"], needs, columns)


def _header(name: str) -> list[str]:
    text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    head = text.partition("\n\n")[0]
    return [line.removeprefix("--").removeprefix(" ") for line in head.splitlines()]
