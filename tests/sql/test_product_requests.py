"""Requests for any variant of a product (SEMANTICS 1.6)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from include.catalog.base import CatalogRow
from include.db.queries import find_query
from include.domain.request import Request
from include.domain.window import Window
from include.services import catalog
from include.services.request_age import age_requests
from include.services.requests import cancel_by_token, confirm_by_token, take_requests
from include.services.why import explain_request
from tests.builders import RowsConnector, World, a_row


def stock(world: World, **units: int) -> None:
    world.sync(*[a_row(variant, quantity, product_id="LIGHTS") for variant, quantity in units.items()])


@pytest.fixture
def lights(world: World) -> World:
    world.use_flow()
    stock(world, RED=0, BLUE=0)
    return world


def requests(world: World) -> list[tuple[object, ...]]:
    return [
        tuple(row)
        for row in world.query(
            "SELECT variant_id, product_id, state, reason FROM subscription ORDER BY subscription_id"
        )
    ]


def test_1_6_it_joins_the_queue_of_whichever_variant_opens_first(lights: World) -> None:
    lights.ask_for_any("a@example.org", "LIGHTS")
    stock(lights, RED=3, BLUE=0)
    assert requests(lights) == [("RED", "LIGHTS", "waiting", None)]
    stock(lights, RED=3, BLUE=3)
    assert requests(lights) == [("RED", "LIGHTS", "waiting", None)]
    assert lights.tell() == ["a@example.org"]
    assert "Title of RED" in str(lights.mail.envelopes[0].content)


def test_1_6_on_a_tie_the_lowest_id_is_joined(lights: World) -> None:
    lights.ask_for_any("a@example.org", "LIGHTS")
    stock(lights, RED=3, BLUE=3)
    assert requests(lights) == [("BLUE", "LIGHTS", "waiting", None)]


def test_1_6_it_stands_among_those_who_asked_for_that_variant_by_date(lights: World) -> None:
    lights.set_rules(customers_per_unit=1)
    lights.ask("early@example.org", "RED")
    lights.pass_time(minutes=1)
    lights.ask_for_any("any@example.org", "LIGHTS")
    lights.pass_time(minutes=1)
    lights.ask("late@example.org", "RED")
    stock(lights, RED=2, BLUE=0)
    assert lights.tell() == ["early@example.org", "any@example.org"]


def test_1_6_it_leaves_a_variant_that_closed_for_one_that_is_open(lights: World) -> None:
    lights.set_rules(customers_per_unit=1)
    lights.ask("first@example.org", "RED")
    lights.pass_time(minutes=1)
    lights.ask_for_any("any@example.org", "LIGHTS")
    stock(lights, RED=1, BLUE=0)
    assert lights.tell() == ["first@example.org"]
    stock(lights, RED=0, BLUE=0)
    assert requests(lights)[1] == (None, "LIGHTS", "waiting", None)
    stock(lights, RED=0, BLUE=2)
    assert requests(lights)[1] == ("BLUE", "LIGHTS", "waiting", None)
    assert lights.tell() == ["any@example.org"]


def test_1_6_it_moves_to_another_open_variant_when_its_own_closes(lights: World) -> None:
    lights.ask_for_any("any@example.org", "LIGHTS")
    stock(lights, RED=1, BLUE=0)
    stock(lights, RED=1, BLUE=1)
    stock(lights, RED=0, BLUE=1)
    assert requests(lights) == [("BLUE", "LIGHTS", "waiting", None)]
    assert lights.tell() == ["any@example.org"]


def test_1_6_asking_while_a_variant_is_open_joins_it_at_once(lights: World) -> None:
    stock(lights, RED=1, BLUE=0)
    lights.ask_for_any("any@example.org", "LIGHTS")
    assert lights.tell() == ["any@example.org"]


def test_1_6_next_restock_joins_only_what_comes_back_later(lights: World) -> None:
    stock(lights, RED=1, BLUE=0)
    lights.ask_for_any("any@example.org", "LIGHTS", in_stock="next_restock")
    assert lights.tell() == []
    stock(lights, RED=1, BLUE=1)
    assert lights.tell() == ["any@example.org"]
    assert requests(lights) == [("BLUE", "LIGHTS", "notified", None)]


def test_1_6_the_variants_request_wins_and_its_release_covers_the_other(lights: World) -> None:
    lights.ask_for_any("a@example.org", "LIGHTS")
    lights.pass_time(minutes=1)
    lights.ask("a@example.org", "RED")
    stock(lights, RED=1, BLUE=1)
    assert lights.tell() == ["a@example.org"]
    assert requests(lights) == [
        (None, "LIGHTS", "skipped", "covered"),
        ("RED", None, "notified", None),
    ]


def test_1_6_the_release_for_any_variant_covers_the_request_for_another_one(lights: World) -> None:
    lights.ask("a@example.org", "RED")
    lights.ask_for_any("a@example.org", "LIGHTS")
    lights.ask("b@example.org", "RED")
    stock(lights, RED=0, BLUE=1)
    assert lights.tell() == ["a@example.org"]
    assert requests(lights) == [
        ("RED", None, "skipped", "covered"),
        ("BLUE", "LIGHTS", "notified", None),
        ("RED", None, "waiting", None),
    ]


def test_1_6_asking_for_the_variant_by_name_takes_the_other_request_out_of_its_queue(lights: World) -> None:
    lights.set_rules(customers_per_unit=1, wait_minutes=60)
    lights.ask("first@example.org", "RED")
    lights.ask_for_any("a@example.org", "LIGHTS", subscribed_at=lights.now.replace(year=2027))
    stock(lights, RED=1, BLUE=0)
    lights.tell()
    lights.ask("a@example.org", "RED")
    assert requests(lights)[1:] == [
        (None, "LIGHTS", "waiting", None),
        ("RED", None, "waiting", None),
    ]
    assert (
        lights.value("SELECT count(*) FROM subscription WHERE state = 'waiting' AND variant_id = 'RED'") == 1
    )


def test_1_6_what_was_covered_waits_again_when_it_sold_out_before_the_message(lights: World) -> None:
    lights.ask("a@example.org", "RED")
    place = lights.now
    lights.pass_time(minutes=1)
    lights.ask_for_any("a@example.org", "LIGHTS")
    stock(lights, RED=0, BLUE=1)
    lights.release()
    stock(lights, RED=0, BLUE=0)
    lights.move()
    lights.dispatch()
    assert requests(lights) == [
        ("RED", None, "waiting", None),
        (None, "LIGHTS", "waiting", "out_of_stock_again"),
    ]
    assert lights.value("SELECT min(subscribed_at) FROM subscription") == place
    stock(lights, RED=1, BLUE=0)
    assert lights.tell() == ["a@example.org"]


def test_1_6_cancelling_the_variants_request_lets_the_other_join(lights: World) -> None:
    lights.ask_for_any("a@example.org", "LIGHTS")
    lights.ask("a@example.org", "RED")
    stock(lights, RED=1, BLUE=0)
    cancel_by_token(lights.engine, lights.token("cancel", 2), lights.now)
    assert lights.tell() == ["a@example.org"]
    assert requests(lights)[0] == ("RED", "LIGHTS", "notified", None)


def test_1_6_asking_twice_is_one_place(lights: World) -> None:
    first = lights.now
    assert lights.ask_for_any("a@example.org", "LIGHTS").new == 1
    lights.pass_time(hours=1)
    taken = lights.ask_for_any("A@example.org", "LIGHTS", channels=("SMS",), wanted_quantity=2)
    assert (taken.new, taken.merged) == (0, 1)
    assert lights.query("SELECT subscribed_at, channels, wanted_quantity FROM subscription") == [
        (first, ["EMAIL", "SMS"], 2)
    ]


def test_1_6_who_was_told_of_one_variant_is_told_of_no_other_within_a_day(lights: World) -> None:
    lights.ask("a@example.org", "RED")
    stock(lights, RED=1, BLUE=0)
    assert lights.tell() == ["a@example.org"]
    lights.ask_for_any("a@example.org", "LIGHTS")
    stock(lights, RED=1, BLUE=1)
    assert lights.tell() == []
    lights.pass_time(hours=24)
    lights.window_start = lights.now
    stock(lights, RED=1, BLUE=1)
    assert lights.tell() == ["a@example.org"]


def test_1_6_an_unknown_product_is_kept_and_joins_when_the_catalog_learns_it(world: World) -> None:
    world.use_flow()
    world.sync(a_row("CUP", 1))
    world.ask_for_any("a@example.org", "LIGHTS")
    world.sync(a_row("CUP", 1), a_row("RED", 2, product_id="LIGHTS"))
    assert world.tell() == ["a@example.org"]


def test_1_6_the_reason_names_the_product_and_the_queue(lights: World) -> None:
    lights.ask_for_any("a@example.org", "LIGHTS")
    assert explain_request(lights.engine, 1, lights.now).sentence == (
        "Request 1 for any variant of product 'LIGHTS' waits: "
        "no variant of it is in stock for which this person did not ask by name and may be told now."
    )
    stock(lights, RED=1, BLUE=0)
    assert (
        "in the queue of variant 'RED', waits at place 1"
        in explain_request(lights.engine, 1, lights.now).sentence
    )


def test_1_6_reports_hold_requests_that_stand_in_no_queue(lights: World) -> None:
    from include.services.report_build import build_report
    from include.services.report_plan import list_report_shops, note_due_days

    lights.ask_for_any("a@example.org", "LIGHTS")
    (shop,) = list_report_shops(lights.engine, lights.now)
    note_due_days(lights.engine, shop, lights.now)
    build_report(lights.engine, "activity", lights.now)
    assert lights.query("SELECT variant_id, product_id, place FROM report_queue") == [(None, "LIGHTS", 1)]
    assert lights.query("SELECT variant_id, request_count FROM report_activity") == [("", 1)]


def test_1_6_standing_aside_counts_nobody_twice(lights: World) -> None:
    stock(lights, RED=1, BLUE=0)
    lights.ask_for_any("a@example.org", "LIGHTS")
    lights.ask("b@example.org", "RED")
    lights.pass_time(minutes=1)
    both = [Request(f"{name}@example.org", f"{name}@example.org", "RED", lights.now) for name in ("a", "b")]
    with lights.engine.begin() as connection:
        taken = take_requests(connection, "demo", both, "api", "notify", lights.now)
    assert (taken.new, taken.merged, taken.known) == (1, 1, 0)
    assert requests(lights)[0] == (None, "LIGHTS", "waiting", None)


def test_1_6_no_statistics_are_needed_to_see_that_nobody_asks_for_any_variant(lights: World) -> None:
    lights.ask_many("RED", 2000)
    statement = str(find_query("product_request.is_any_open")).replace(":shop_id", "'demo'")
    plan = " ".join(row[0] for row in lights.query(f"EXPLAIN {statement}"))
    assert "one_open_request_per_person_and_product" in plan


def test_1_6_who_asks_for_variants_only_pays_nothing_for_it(lights: World) -> None:
    lights.ask_many("RED", 100)
    index = "one_open_request_per_person_and_product"
    assert lights.value("SELECT pg_relation_size(CAST(:index AS regclass))", index=index) == 8192


def archived(world: World, window: Window, **units: int) -> list[CatalogRow]:
    rows = [a_row(variant, quantity, product_id="LIGHTS") for variant, quantity in units.items()]
    catalog.pull_window(world.engine, world.shop, RowsConnector(rows), world.folder, window, window.end)
    return rows


def test_1_6_what_a_late_snapshot_opened_is_joined(lights: World) -> None:
    lights.set_rules(confirm_pulls=2)
    lights.ask_for_any("a@example.org", "LIGHTS")
    late = lights.next_window()
    rows = archived(lights, late, RED=3, BLUE=0)
    stock(lights, RED=3, BLUE=0)
    assert requests(lights) == [(None, "LIGHTS", "waiting", None)]
    lights.sync(*rows, window=late)
    assert requests(lights) == [("RED", "LIGHTS", "waiting", None)]
    assert lights.tell() == ["a@example.org"]


def test_1_6_what_another_rule_opened_is_joined(lights: World) -> None:
    lights.set_rules(min_inventory=5)
    lights.ask_for_any("a@example.org", "LIGHTS")
    stock(lights, RED=3, BLUE=0)
    assert requests(lights) == [(None, "LIGHTS", "waiting", None)]
    lights.set_rules(min_inventory=2)
    assert requests(lights) == [("RED", "LIGHTS", "waiting", None)]
    assert lights.tell() == ["a@example.org"]


def test_1_6_it_joins_once_the_request_beside_it_has_expired(lights: World) -> None:
    lights.set_rules(expire_days=30, customers_per_unit=1)
    stock(lights, RED=1, BLUE=0)
    lights.ask("a@example.org", "RED", subscribed_at=lights.now - timedelta(days=40))
    lights.ask_for_any("a@example.org", "LIGHTS")
    assert requests(lights)[1] == (None, "LIGHTS", "waiting", None)
    with lights.engine.begin() as connection:
        assert age_requests(connection, lights.now)["expired"] == 1
    assert requests(lights)[1] == ("RED", "LIGHTS", "waiting", None)


def test_1_6_it_stands_aside_once_the_request_for_an_open_variant_is_confirmed(lights: World) -> None:
    stock(lights, RED=1, BLUE=1)
    lights.ask_for_any("a@example.org", "LIGHTS")
    asked = [Request("a@example.org", "a@example.org", "RED", lights.now)]
    with lights.engine.begin() as connection:
        take_requests(connection, "demo", asked, "api", "notify", lights.now, needs_confirmation=True)
    assert requests(lights)[0] == ("BLUE", "LIGHTS", "waiting", None)
    assert confirm_by_token(lights.engine, lights.token("confirm", 2), lights.now)
    assert requests(lights) == [(None, "LIGHTS", "waiting", None), ("RED", None, "waiting", None)]


@pytest.fixture
def crowd(lights: World) -> World:
    """Two thousand people wait for any variant, and Postgres knows it."""
    with lights.engine.begin() as connection:
        asked = [
            Request(f"p{place}@example.org", f"p{place}@example.org", None, lights.now, product_id="LIGHTS")
            for place in range(2_000)
        ]
        take_requests(connection, "demo", asked, "api", "notify", lights.now)
        connection.execute(text("ANALYZE subscription"))
    return lights


READ_SO_FAR = (
    "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'subscription'"
)


def test_1_6_the_request_of_one_person_costs_nothing_by_how_many_wait_beside_it(crowd: World) -> None:
    stock(crowd, RED=1, BLUE=0)
    for asked in ({"variant_id": None, "product_id": "LIGHTS"}, {"variant_id": "RED"}):
        request = Request("new@example.org", "new@example.org", subscribed_at=crowd.now, **asked)
        with crowd.engine.begin() as connection:
            before = connection.execute(text(READ_SO_FAR)).scalar_one()
            take_requests(connection, "demo", [request], "api", "notify", crowd.now)
            assert connection.execute(text(READ_SO_FAR)).scalar_one() - before < 50


def test_1_6_a_pull_that_opens_and_closes_nothing_moves_nobody(crowd: World) -> None:
    crowd.set_rules(wait_minutes=600, customers_per_unit=1)
    stock(crowd, RED=20, BLUE=0)
    assert len(crowd.tell()) == 20
    written = "SELECT count(*) FROM subscription WHERE variant_id = 'RED' AND state = 'waiting'"
    assert crowd.value(written) == 1_980
    with crowd.engine.begin() as connection:
        connection.execute(text("UPDATE subscription SET variant_id = NULL WHERE subscription_id = 2000"))
    stock(crowd, RED=19, BLUE=0)
    assert crowd.value(written) == 1_979
