"""Rows of an archive on their way into a snapshot's stage."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from include.catalog.base import CatalogRow, Chunk, RejectedRow
from include.db.copy import copy_array, copy_blocks, copy_lines
from include.db.queries import run_query

MOST_REJECTS_KEPT = 10_000

STAGE_COLUMNS = (
    "snapshot_id",
    "line_number",
    "variant_id",
    "location_id",
    "quantity",
    "product_id",
    "title",
    "url",
    "image_url",
    "price",
    "compare_at_price",
    "collections",
    "is_published",
    "is_tracked",
    "continue_selling",
    "inventory_item_id",
    "reported_at",
)
REJECT_COLUMNS = ("shop_id", "snapshot_id", "line_number", "reason", "excerpt")


@dataclass
class Staged:
    """How many rows stand in the stage and which were refused (the first ones; all are counted)."""

    row_count: int = 0
    reject_count: int = 0
    rejects: list[RejectedRow] = field(default_factory=list)


def stage_rows(connection: Connection, shop_id: str, snapshot_id: int, chunks: Iterable[Chunk]) -> Staged:
    """Fill an empty stage and the rejects from the chunks of a connector, streaming."""
    run_query(connection, "snapshot.create_stage", snapshot_id=snapshot_id)
    staged = Staged()
    table = f"staged_row_{snapshot_id}"
    staged.row_count = copy_blocks(connection, table, STAGE_COLUMNS, _blocks(snapshot_id, chunks, staged))
    run_query(connection, "snapshot.analyze_stage", snapshot_id=snapshot_id)
    run_query(connection, "snapshot.clear_rejects", shop_id=shop_id, snapshot_id=snapshot_id)
    rejects = [
        (shop_id, snapshot_id, reject.line_number, reject.reason, reject.excerpt) for reject in staged.rejects
    ]
    copy_blocks(connection, "rejected_row", REJECT_COLUMNS, [copy_lines(rejects)])
    return staged


def _blocks(snapshot_id: int, chunks: Iterable[Chunk], staged: Staged) -> Iterator[bytes]:
    for chunk in chunks:
        rejects = [row for row in chunk if isinstance(row, RejectedRow)]
        staged.reject_count += len(rejects)
        staged.rejects += rejects[: MOST_REJECTS_KEPT - len(staged.rejects)]
        rows: Any = [row for row in chunk if isinstance(row, CatalogRow)] if rejects else chunk
        yield _copied(snapshot_id, rows)


def _copied(snapshot_id: int, rows: list[CatalogRow]) -> bytes:
    """The rows as COPY takes them, their fields in the order of STAGE_COLUMNS."""
    return copy_lines(
        [
            (
                snapshot_id,
                row.line_number,
                row.variant_id,
                row.location_id,
                row.quantity,
                row.product_id,
                row.title,
                row.url,
                row.image_url,
                row.price,
                row.compare_at_price,
                _collections(row.collections),
                row.is_published,
                row.is_tracked,
                row.continue_selling,
                row.inventory_item_id,
                row.reported_at,
            )
            for row in rows
        ]
    )


@lru_cache(maxsize=10_000)
def _collections(names: tuple[str, ...] | None) -> str | None:
    return None if names is None else copy_array(names)
