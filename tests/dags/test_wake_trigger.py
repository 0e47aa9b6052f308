from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from include.db.listener import DueListener
from include.orchestration import wake
from include.orchestration.wake import DueTrigger, Reading

SOON = 60


@pytest.fixture(autouse=True)
def connection_of_this_test(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def find_database_url() -> str:
        return database_url

    monkeypatch.setattr("include.orchestration.connections.find_database_url", find_database_url)
    monkeypatch.setattr(wake, "FIRST_PAUSE", 0.05)


@pytest.fixture
def make_due(engine: Engine) -> Callable[[datetime | None], None]:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO shop (shop_id, name, currency, time_zone, locale, max_stock_age, registered_at)"
                " VALUES ('demo', 'Demo', 'EUR', 'UTC', 'en', '1 hour', now())"
            )
        )
        connection.execute(
            text(
                "INSERT INTO variant_stock (shop_id, variant_id, available, units, is_open, observed_at)"
                " VALUES ('demo', 'shirt', 1, 1, true, now())"
            )
        )

    def make_due(due_at: datetime | None) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE variant_stock SET next_check_at = :due_at"), {"due_at": due_at})
            connection.execute(text("SELECT pg_notify('restock_due', 'release')"))

    return make_due


def soon(awaitable: Awaitable[Any]) -> Any:
    async def wait() -> Any:
        async with asyncio.timeout(SOON):
            return await awaitable

    return asyncio.run(wait())


@asynccontextmanager
async def watching(target: str = "release") -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    async with aclosing(DueTrigger(target).run()) as events:

        async def next_event() -> dict[str, Any]:
            return (await anext(events)).payload

        yield next_event


async def wait_for_listeners(engine: Engine, count: int) -> None:
    listening = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'restock trigger'")
    while True:
        with engine.connect() as connection:
            if connection.execute(listening).scalar_one() == count:
                return
        await asyncio.sleep(0.02)


def test_what_was_due_before_the_trigger_started_is_found(make_due: Callable[[Any], None]) -> None:
    due_at = datetime.now(UTC) - timedelta(hours=1)
    make_due(due_at)

    async def watch() -> dict[str, Any]:
        async with watching() as next_event:
            return await next_event()

    assert soon(watch()) == {"target": "release", "due_at": due_at.isoformat()}


def test_a_notification_wakes(make_due: Callable[[Any], None], engine: Engine) -> None:
    async def watch() -> dict[str, Any]:
        async with watching() as next_event:
            event = asyncio.create_task(next_event())
            await wait_for_listeners(engine, 1)
            make_due(datetime.now(UTC))
            return await event

    assert soon(watch())["target"] == "release"


def test_a_due_time_comes_without_a_notification(make_due: Callable[[Any], None]) -> None:
    due_at = datetime.now(UTC) + timedelta(seconds=1)
    make_due(due_at)

    async def watch() -> datetime:
        async with watching() as next_event:
            await next_event()
            return datetime.now(UTC)

    assert soon(watch()) >= due_at


def test_a_target_hears_only_of_itself(make_due: Callable[[Any], None]) -> None:
    make_due(datetime.now(UTC))

    async def watch() -> list[Any]:
        trigger = DueTrigger("dispatch")

        async def readings() -> AsyncIterator[Reading]:
            yield Reading(datetime.now(UTC), {"release": datetime.now(UTC) - timedelta(hours=1)})

        return [event async for event in trigger.filter_shared_stream(readings())]

    assert soon(watch()) == []


def test_after_an_outage_the_due_times_are_read_again_and_it_is_said_once(
    make_due: Callable[[Any], None], engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def watch() -> dict[str, Any]:
        async with watching() as next_event:
            event = asyncio.create_task(next_event())
            await wait_for_listeners(engine, 1)
            with engine.begin() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'restock trigger'"
                    )
                )
                connection.execute(text("UPDATE variant_stock SET next_check_at = now()"))
            return await event

    with caplog.at_level("INFO", logger="include.orchestration.wake"):
        assert soon(watch())["target"] == "release"
    said = [record.message for record in caplog.records if record.name == "include.orchestration.wake"]
    assert len(said) == 2
    assert "trying again" in said[0]
    assert "read again" in said[1]


def test_a_database_that_never_answers_does_not_end_the_trigger(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, is_enough = [], asyncio.Event()

    async def find_nothing() -> str:
        asked.append(1)
        if len(asked) == 4:
            is_enough.set()
        return "postgresql+psycopg://me:hush-hush@127.0.0.1:1/nowhere"

    monkeypatch.setattr("include.orchestration.connections.find_database_url", find_nothing)

    async def watch() -> None:
        async with watching() as next_event:
            event = asyncio.create_task(next_event())
            while len(asked) < 5:
                await asyncio.sleep(0.01)
            assert not event.done()
            event.cancel()
            await asyncio.gather(event, return_exceptions=True)

    with caplog.at_level("INFO", logger="include.orchestration.wake"):
        soon(watch())
    said = [record.message for record in caplog.records if record.name == "include.orchestration.wake"]
    assert len(said) == 1
    assert "hush-hush" not in said[0]


def test_a_stopped_trigger_leaves_no_connection(make_due: Callable[[Any], None], engine: Engine) -> None:
    async def watch() -> None:
        async with watching() as next_event:
            event = asyncio.create_task(next_event())
            await wait_for_listeners(engine, 1)
            event.cancel()
            await asyncio.gather(event, return_exceptions=True)
        await wait_for_listeners(engine, 0)

    soon(watch())


def test_statements_that_come_together_are_one_reading(database_url: str, engine: Engine) -> None:
    async def count_waits() -> int:
        async with DueListener(database_url) as listener:
            for _ in range(50):
                with engine.begin() as connection:
                    connection.execute(text("SELECT pg_notify('restock_due', 'release')"))
            await listener.wait(timedelta(seconds=10))
            started = asyncio.get_running_loop().time()
            await listener.wait(timedelta(seconds=0.3))
            return round(asyncio.get_running_loop().time() - started, 1)

    assert soon(count_waits()) >= 0.3


def test_all_targets_share_one_stream() -> None:
    assert DueTrigger("release").shared_stream_key() == DueTrigger("dispatch").shared_stream_key()


def test_a_trigger_is_made_again_from_what_airflow_stores() -> None:
    from airflow.sdk.module_loading import import_string

    path, arguments = DueTrigger("flow:back_in_stock").serialize()
    again = import_string(path)(**json.loads(json.dumps(arguments)))
    assert again.target == "flow:back_in_stock"
