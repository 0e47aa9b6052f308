"""What the planner of Postgres knows of rows that were just written.

Autovacuum looks too, but only after the commit and where a tenth of a table has changed; until then the planner takes
what it has never seen for a single row, and may compare each with each.
"""

from typing import Any, Literal

from sqlalchemy import Connection

from include.db.queries import run_query

FEW_ROWS = 1_000


def introduce_shop(connection: Connection, table_name: str, shop_id: str, row_count: int) -> None:
    """Analyze a table after `row_count` rows of a shop were written, unless they are few or the shop is known there."""
    named = {"table_name": table_name, "shop_id": shop_id, "row_count": row_count}
    _introduce(connection, "introduce_shop", row_count, **named)


def introduce(connection: Connection, what: Literal["released", "queued"], row_count: int) -> None:
    """Analyze the table of requests or of messages after many of them came into a state that is new to the planner."""
    _introduce(connection, f"introduce_{what}", row_count, row_count=row_count)


def introduce_release(connection: Connection, people_count: int) -> None:
    """Analyze the work tables of a release of many people."""
    _introduce(connection, "analyze_release", people_count)


def introduce_batches(connection: Connection, batch_count: int) -> None:
    """Analyze the table of batches after a release made many for a shop that is new to the planner there."""
    _introduce(connection, "introduce_batches", batch_count, few_rows=FEW_ROWS)


def _introduce(connection: Connection, name: str, written: int, **named: Any) -> None:
    if written >= FEW_ROWS:
        run_query(connection, f"planner.{name}", **named)
