from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url

from include.errors import ConfigurationError, TemporaryError
from include.orchestration.connections import database_url as find_database_url
from include.orchestration.connections import shop_connection, sms_account, smtp_settings
from include.orchestration.lanes import open_sms_lane


def give(monkeypatch: pytest.MonkeyPatch, conn_id: str, **parts: object) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(parts))


@pytest.fixture(autouse=True)
def tasks_ask_no_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_any_postgres_uri_is_driven_by_psycopg(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"{scheme}://me:s%40fe%2F@db.example:5433/restock?sslmode=require"
    monkeypatch.setenv("AIRFLOW_CONN_RESTOCK_DB", uri)
    url = make_url(find_database_url())
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        *("me", "s@fe/"),
        *("db.example", 5433, "restock"),
    )
    assert url.query == {"sslmode": "require"}


def test_without_a_connection_the_settings_name_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOCK_VAR", str(tmp_path))
    monkeypatch.setenv("RESTOCK_DATABASE_URL", "postgresql+psycopg://elsewhere/restock")
    assert find_database_url() == "postgresql+psycopg://elsewhere/restock"
    monkeypatch.delenv("RESTOCK_DATABASE_URL")
    with pytest.raises(ConfigurationError, match="RESTOCK_DATABASE_URL"):
        find_database_url()


@pytest.mark.parametrize(
    ("port", "extra", "security", "used_port"),
    [
        (None, {}, "starttls", 587),
        (465, {}, "tls", 465),
        (None, {"security": "tls"}, "tls", 465),
        (25, {"disable_ssl": True, "disable_tls": True}, "none", 25),
        (25, {"disable_ssl": True}, "starttls", 25),
        (2525, {"security": "none"}, "none", 2525),
    ],
)
def test_how_mail_is_secured(
    port: int | None, extra: dict[str, object], security: str, used_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"conn_type": "smtp", "host": "127.0.0.1", "port": port}
    give(monkeypatch, "restock_smtp", **parts, extra={"from_email": "shop@shop.example", **extra})
    settings = smtp_settings()
    assert (settings.security, settings.port) == (security, used_port)


def test_a_mail_account_needs_a_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, "restock_smtp", conn_type="smtp", host="127.0.0.1")
    with pytest.raises(ConfigurationError, match="from_email"):
        smtp_settings()


def test_the_password_is_passed_on_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"conn_type": "smtp", "host": "mail.example", "login": "me", "password": "hush-hush"}
    give(monkeypatch, "restock_smtp", **parts, extra={"from_email": "shop@shop.example"})
    settings = smtp_settings()
    assert settings.password == "hush-hush"
    assert "hush-hush" not in repr(settings)


def test_a_missing_connection_says_where_to_create_it_and_may_be_tried_again() -> None:
    with pytest.raises(TemporaryError, match=r"AIRFLOW_CONN_SHOP_NORTH"):
        shop_connection("shop_north")


def test_a_shop_without_conn_id_needs_no_connection() -> None:
    assert shop_connection(None) is None


def test_a_shop_connection_carries_address_and_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_NORTH", "http://me:hush-hush@shop.example:8080")
    connection = shop_connection("shop_north")
    assert connection is not None
    assert (connection.login, connection.password) == ("me", "hush-hush")
    assert "shop.example:8080" in str(connection.base_url)
    assert "hush-hush" not in repr(connection)


def test_a_feed_in_an_object_store_is_read_with_the_shops_connection() -> None:
    from include.orchestration.catalog_sync import open_store

    path = open_store("s3://bucket/feeds/lamp.jsonl", "lamp_store")
    assert (path.protocol, path.path, path.conn_id) == ("s3", "bucket/feeds/lamp.jsonl", "lamp_store")


def test_sms_are_optional_and_their_account_is_read_from_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_RESTOCK_SMS", raising=False)
    assert sms_account() is None
    account = {"conn_type": "http", "login": "AC1", "password": "secret"}
    give(monkeypatch, "restock_sms", **account, extra={"from": "+4930123"})
    found = sms_account()
    assert found is not None
    assert found.messages_url == "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    assert "secret" not in repr(found)
    give(
        monkeypatch,
        "restock_sms",
        **account,
        schema="http",
        host="127.0.0.1",
        port=8080,
        extra={"from": "MG1"},
    )
    found = sms_account()
    assert found is not None and found.url == "http://127.0.0.1:8080"


def test_an_sms_account_without_an_origin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, "restock_sms", conn_type="http", login="AC1", password="secret")
    with pytest.raises(ConfigurationError, match=r'restock_sms.*"from"'):
        sms_account()


def test_without_an_account_an_sms_lane_has_nothing_to_do_until_an_sms_waits(
    database_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_RESTOCK_SMS", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_RESTOCK_DB", raising=False)
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    with open_sms_lane(1) as lane:
        assert lane is None
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO message (shop_id, message_key, channel, purpose, template, state, due_at, created_at)"
            " VALUES ('demo', 'flow:1:tell', 'SMS', 'marketing', 'x', 'queued', now(), now())"
        )
    no_account = pytest.raises(ConfigurationError, match="1 SMS wait, and there is no Connection restock_sms")
    with no_account, open_sms_lane(1):
        pass
