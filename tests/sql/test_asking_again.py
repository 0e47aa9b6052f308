"""SEMANTICS 3.3, 3.5, 3.6: what a second request makes of one that is open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from include.domain.request import Request
from include.services.requests import take_requests
from include.services.why import explain_request
from tests.builders import World, a_row


def test_3_5_who_was_imported_for_the_next_restock_and_asks_again_joins_the_next_batch(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 5))
    asked_at = world.now - timedelta(days=90)
    world.ask("a@example.org", "LAMP", in_stock="next_restock", subscribed_at=asked_at)
    assert world.tell() == []
    world.ask("a@example.org", "LAMP")
    assert world.tell() == ["a@example.org"]
    assert world.value("SELECT subscribed_at FROM subscription") == asked_at


def test_3_5_an_import_holds_back_nobody_who_asked_to_be_told_at_once(world: World) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 5))
    world.ask("a@example.org", "LAMP")
    world.ask("a@example.org", "LAMP", in_stock="next_restock", subscribed_at=world.now - timedelta(days=90))
    assert world.tell() == ["a@example.org"]


@pytest.mark.parametrize("item", [{"variant_id": "LAMP"}, {"variant_id": None, "product_id": "P"}])
def test_3_6_who_never_confirmed_and_is_imported_waits(world: World, item: dict[str, Any]) -> None:
    world.use_flow()
    world.sync(a_row("LAMP", 0, product_id="P"))
    request = {"email": "a@example.org", "email_key": "a@example.org", "subscribed_at": world.now, **item}
    with world.engine.begin() as connection:
        take_requests(connection, "demo", [Request(**request)], "api", "notify", world.now, True)
    assert (
        "the link in its confirmation mail was not followed"
        in explain_request(world.engine, 1, world.now).sentence
    )
    imported = {**request, "subscribed_at": world.now - timedelta(days=90)}
    with world.engine.begin() as connection:
        take_requests(connection, "demo", [Request(**imported)], "import", "next_restock", world.now)
    world.sync(a_row("LAMP", 1, product_id="P"))
    assert world.tell()[-1:] == ["a@example.org"]
    assert world.states() == {"notified": 1}
