"""Whatever stands in a row is in the stage as it was, by the short way and by the long one (SEMANTICS 2.3)."""

from __future__ import annotations

from datetime import datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from include.catalog.base import CatalogRow
from include.services.staging import STAGE_COLUMNS, stage_rows
from tests.builders import World

NO_NUL = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.one_of(
    st.text(NO_NUL, max_size=6),
    st.text('ab "\\,\n\r\t[]{}', max_size=6),
    st.sampled_from(["null", "NULL", "\\.", "\\N", "", "]\n[", "\\u000a", 'a\\"', "]", "é", "\x1e"]),
)
OPTIONAL = st.one_of(st.none(), TEXTS)
ROWS = st.builds(
    CatalogRow,
    st.integers(1, 10**6),
    TEXTS,
    TEXTS,
    st.sampled_from(["0", "-3", "12.5", "1000000000000"]),
    OPTIONAL,
    OPTIONAL,
    OPTIONAL,
    OPTIONAL,
    st.sampled_from([None, "19.90", "-1"]),
    st.sampled_from([None, "25"]),
    st.lists(TEXTS, max_size=3).map(tuple),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    OPTIONAL,
    st.sampled_from([None, "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.25+01:00"]),
)
STAGED = f"SELECT {', '.join(STAGE_COLUMNS[1:])} FROM staged_row ORDER BY line_number"


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(ROWS, max_size=5, unique_by=lambda row: row.line_number))
def test_a_staged_row_says_what_the_feed_said(world: World, rows: list[CatalogRow]) -> None:
    with world.engine.connect() as connection:
        assert stage_rows(connection, "demo", 99, [rows, []]).row_count == len(rows)
        staged = connection.execute(text(STAGED)).all()
        connection.rollback()
    for row, (line_number, variant_id, location_id, quantity, *rest) in zip(
        sorted(rows, key=lambda row: row.line_number), staged, strict=True
    ):
        price, former, collections = rest[4:7]
        assert (line_number, variant_id, location_id) == (row.line_number, row.variant_id, row.location_id)
        assert str(quantity) == row.quantity
        assert rest[:4] == [row.product_id, row.title, row.url, row.image_url]
        assert [value if value is None else str(value) for value in (price, former)] == [
            row.price,
            row.compare_at_price,
        ]
        assert tuple(collections) == row.collections
        assert rest[7:10] == [row.is_published, row.is_tracked, row.continue_selling]
        assert rest[10:] == [
            row.inventory_item_id,
            row.reported_at and datetime.fromisoformat(row.reported_at),
        ]
