from __future__ import annotations

from sqlalchemy import text

from include.db.queries import run_query
from tests.builders import World, a_row

ROWS = [("A", 3, "north"), ("B", 0, "north"), ("C", 7, "south"), ("D", "0.5", "north"), ("E", -2, "north")]


def measure(world: World, query: str, rows: list[tuple[str, float | str, str]]) -> dict[str, int]:
    with world.engine.connect() as connection:
        run_query(connection, "snapshot.create_stage", snapshot_id=99)
        for number, (variant_id, quantity, location_id) in enumerate(rows):
            connection.execute(
                text(
                    "INSERT INTO staged_row VALUES (99, :number, :variant_id, :location_id, :quantity, NULL, NULL, "
                    "NULL, NULL, NULL, NULL, '{}', true, true, false)"
                ),
                {
                    "number": number,
                    "variant_id": variant_id,
                    "location_id": location_id,
                    "quantity": quantity,
                },
            )
        figures = run_query(connection, query, shop_id="demo", snapshot_id=99).mappings().one()
        connection.rollback()
    return {name: figures[name] for name in ("variant_count", "zero_count", "risen_count")}


def test_both_ways_to_measure_a_stage_agree_where_each_variant_has_one_row(world: World) -> None:
    world.sync(a_row("A", 0, "north"), a_row("B", 4, "north"), a_row("C", 0, "south"), a_row("E", 1, "north"))
    for excluded in ("{}", "{south}"):
        with world.engine.begin() as connection:
            connection.execute(text("UPDATE shop SET excluded_locations = :names"), {"names": excluded})
        figures = measure(world, "snapshot.measure_rows", ROWS)
        assert figures == measure(world, "snapshot.measure_stage", ROWS)
        assert figures["zero_count"] == (3 if excluded == "{}" else 4)
        assert figures["risen_count"] == (2 if excluded == "{}" else 1)


def test_a_stage_with_several_rows_of_a_variant_shows_fewer_variants_than_rows(world: World) -> None:
    figures = measure(world, "snapshot.measure_rows", [*ROWS, ("A", 1, "south")])
    assert figures["variant_count"] == len(ROWS)


def test_the_first_row_of_a_variant_says_what_it_is_called_also_when_only_a_later_one_differs(
    world: World,
) -> None:
    first, second = a_row("A", 1, "north", title="Mug"), a_row("A", 1, "south", title="Mug")
    world.sync(first, second)
    world.sync(a_row("A", 1, "north", title="Mug"), a_row("A", 1, "south", title="Cup"))
    assert world.value("SELECT title FROM variant") == "Mug"
    world.sync(a_row("A", 1, "north", title="Cup"), a_row("A", 1, "south", title="Mug"))
    assert world.value("SELECT title FROM variant") == "Cup"


def test_a_variant_takes_the_name_of_its_first_row_also_when_only_the_order_of_rows_differs(
    world: World,
) -> None:
    for _ in range(2):
        world.sync(a_row("A", 1, "north", title="Mug"), a_row("A", 1, "south", title="Cup"))
        assert world.value("SELECT title FROM variant") == "Mug"
    world.sync(a_row("A", 1, "south", title="Cup"), a_row("A", 1, "north", title="Mug"))
    assert world.value("SELECT title FROM variant") == "Cup"


def test_the_checksum_of_a_level_is_that_of_what_the_variant_repeats(world: World) -> None:
    world.sync(a_row("A", 1, "north", title="Mug"), a_row("A", 1, "south", title="Cup"))
    world.sync(a_row("A", 2, "north", title="Pot"), a_row("A", 1, "south", title="Cup"), a_row("B", 0))
    assert world.value("SELECT count(DISTINCT facts_checksum) FROM stock_level WHERE variant_id = 'A'") == 1
    assert world.value("SELECT count(*) FROM stock_level WHERE facts_checksum IS NULL") == 0


def test_other_facts_alone_write_no_change_and_open_nothing(world: World) -> None:
    world.sync(a_row("A", 3, title="Mug", price="9.90"))
    level = "SELECT quantity, observed_at, missed_count FROM stock_level"
    stock = "SELECT units, is_open, observed_at, opened_at, added_units FROM variant_stock"
    before = world.query(level), world.query(stock)
    assert world.sync(a_row("A", 3, title="Cup", price="8.90"))["changed"] == 0
    assert (world.query(level), world.query(stock)) == before
    assert world.value("SELECT count(*) FROM stock_change") == 1
    assert world.query("SELECT title, price FROM variant")[0][0] == "Cup"


def test_each_fact_of_a_row_reaches_the_variant_also_when_it_alone_differs(world: World) -> None:
    other = {
        "product_id": "P2",
        "title": "Cup",
        "url": "https://shop.example/cup",
        "image_url": "https://shop.example/cup.jpg",
        "price": "2",
        "compare_at_price": "3",
        "collections": ("sale",),
        "is_published": False,
        "is_tracked": False,
        "continue_selling": True,
    }
    for name, value in other.items():
        world.sync(a_row("A", 3))
        world.sync(a_row("A", 3, **{name: value}))
        stored = world.value(f"SELECT CAST({name} AS text) FROM variant")
        expected = {True: "true", False: "false", ("sale",): "{sale}"}.get(value, value)
        assert stored == expected, name
