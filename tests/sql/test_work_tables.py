from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

CONTENTS = {
    "touched_variant": "SELECT {}, CAST(number AS text)",
    "stock_difference": "SELECT {}, CAST(number AS text), '', 1, 0, 0, 0, 0, true, false",
    "release_choice": "SELECT CAST({} AS text), CAST(number AS text), number, now(), number, 'released', NULL",
}
KEYS = {"touched_variant": "snapshot_id", "stock_difference": "snapshot_id", "release_choice": "shop_id"}


@pytest.mark.parametrize("table", CONTENTS)
def test_what_a_work_table_once_held_does_not_mislead_the_planner(engine: Engine, table: str) -> None:
    """Taken for the only one of its kind, a row is compared with each of the others instead of looked up."""
    fill = f"INSERT INTO {table} {CONTENTS[table]} FROM generate_series(1, 5000) AS number"
    with engine.begin() as connection:
        connection.execute(text(fill.format(7)))
        connection.execute(text(f"ANALYZE {table}"))
        connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text(fill.format(8)))
        explained = connection.execute(
            text(f"EXPLAIN (FORMAT JSON) SELECT FROM {table} WHERE {KEYS[table]} = '8'")
        )
    assert explained.scalar_one()[0]["Plan"]["Plan Rows"] > 1
