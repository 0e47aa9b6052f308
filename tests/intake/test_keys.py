"""Keys: what they open, and what nobody gets without one."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from typer.testing import CliRunner

from include.cli import app
from include.errors import NotFound
from include.services.keys import create_key, find_key, list_keys, revoke_key
from tests.builders import START, World, a_shop
from tests.intake.conftest import Visitor, errors_of
from tests.intake.test_subscriptions import a_subscription, from_browser, requests_of

PATH = "/api/back-in-stock-subscriptions"


def test_a_key_is_shown_once_and_stored_as_a_digest(world: World) -> None:
    key = create_key(world.engine, "demo", "private", START)
    assert key.startswith("pk_") and len(key) == 46
    rows = world.query("SELECT * FROM api_key")
    assert key not in str(rows) and key.encode().hex() not in str(rows)
    with pytest.raises(NotFound):
        create_key(world.engine, "nowhere", "private", START)


def test_without_a_key_nothing_opens(visitor: Visitor) -> None:
    for key in ("", "pk_", "x" * 5_000, "pk_\udcff", "' OR 1=1 --"):
        header = f"Klaviyo-API-Key {key}".encode("utf-8", "surrogateescape")
        answer = visitor.post(PATH, a_subscription(), headers={"Authorization": header})
        assert answer.status_code == 401
        assert errors_of(answer)[0]["code"] in ("not_authenticated", "authentication_failed")


def test_a_key_that_was_cut_short_or_is_of_the_other_kind_opens_nothing(visitor: Visitor) -> None:
    for key in (visitor.private_key[:-1], visitor.private_key + "x", visitor.company_id):
        answer = visitor.post(PATH, a_subscription(), headers={"Authorization": f"Klaviyo-API-Key {key}"})
        assert answer.status_code == 401
    for company_id in ("", visitor.company_id[:-1], visitor.private_key):
        answer = visitor.post(
            f"/client/back-in-stock-subscriptions?company_id={company_id}", a_subscription()
        )
        assert answer.status_code == 400
        assert errors_of(answer)[0]["source"] == {"parameter": "company_id"}
    assert requests_of(visitor) == []


def test_a_revoked_key_opens_nothing_soon_after(visitor: Visitor) -> None:
    assert visitor.post(PATH, a_subscription()).status_code == 202
    for row in list_keys(visitor.world.engine, "demo"):
        revoke_key(visitor.world.engine, "demo", row.key_id, datetime.now(UTC))
    limit = time.monotonic() + 30
    while (status := visitor.post(PATH, a_subscription()).status_code) == 202 and time.monotonic() < limit:
        pass
    assert status == 401
    assert from_browser(visitor, a_subscription()).status_code == 400
    with pytest.raises(NotFound):
        revoke_key(visitor.world.engine, "demo", 1, datetime.now(UTC))


def test_a_key_of_one_shop_writes_to_no_other(visitor: Visitor) -> None:
    other = World(visitor.world.engine, visitor.world.folder, a_shop("other"))
    key = create_key(other.engine, "other", "private", START)
    visitor.post(PATH, a_subscription(), headers={"Authorization": f"Klaviyo-API-Key {key}"})
    assert visitor.world.query("SELECT shop_id FROM subscription") == [("other",)]
    with pytest.raises(NotFound):
        revoke_key(other.engine, "other", 1, START)


def test_a_company_id_can_be_kept_to_some_origins(visitor: Visitor) -> None:
    visitor.company_id = create_key(
        visitor.world.engine, "demo", "public", START, origins=["https://shop.example"]
    )
    mine = from_browser(visitor, a_subscription(), Origin="https://shop.example")
    assert (mine.status_code, mine.headers["Access-Control-Allow-Origin"]) == (202, "https://shop.example")
    other = from_browser(visitor, a_subscription(), Origin="https://thief.example")
    assert other.status_code == 403
    assert "Access-Control-Allow-Origin" not in other.headers


def test_only_digests_are_compared_so_that_no_time_tells_how_near_a_guess_is(world: World) -> None:
    key = create_key(world.engine, "demo", "private", START)
    guess = key[:-1] + ("a" if key[-1] != "a" else "b")
    asked: list[Any] = []
    with world.engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[3]))
        assert find_key(connection, guess, "private") is None
    assert asked == [{"key_digest": hashlib.sha256(guess.encode()).digest()}]


def test_one_digest_opens_one_shop(world: World) -> None:
    create_key(world.engine, "demo", "public", START)
    with pytest.raises(Exception, match="a_key_is_of_one_shop"), world.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO api_key (shop_id, kind, key_digest, hint, created_at) "
                "SELECT shop_id, kind, key_digest, hint, created_at FROM api_key"
            )
        )


def test_the_command_stores_origins_as_browsers_send_them_and_refuses_others(
    world: World, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)

    def create(kind: str, origin: str) -> int:
        words = ["keys", "create", "--shop", "demo", "--kind", kind, "--origin", origin]
        return CliRunner().invoke(app, words).exit_code

    assert create("public", "https://Shop.example/") == 0
    assert create("public", "shop.example") != 0 and create("private", "https://shop.example") != 0
    assert [row.origins for row in list_keys(world.engine, "demo")] == [["https://shop.example"]]


def test_who_comes_with_the_wrong_kind_of_key_is_told_where_the_right_one_is_made(visitor: Visitor) -> None:
    answer = visitor.post(PATH, a_subscription(), headers={"Authorization": "Klaviyo-API-Key pk_of_klaviyo"})
    assert "restock keys create --kind private" in errors_of(answer)[0]["detail"]
    for company_id, hint in (("XyZ123", "--kind public"), (visitor.private_key, "restock keys revoke")):
        answer = visitor.post(
            f"/client/back-in-stock-subscriptions?company_id={company_id}", a_subscription()
        )
        assert hint in errors_of(answer)[0]["detail"] and visitor.private_key not in answer.text
    assert "docs/intake.md" in errors_of(visitor.get("/api/lists"))[0]["detail"]
