"""A copy of a live database sends nothing until somebody says otherwise (SEMANTICS 6.6)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url

from include.db.engine import connect
from include.local.postgres import FAST_UNSAFE_SETTINGS, EmbeddedPostgres
from include.local.server_place import place_binaries
from include.services.outbox import read_delivery
from tests.builders import World

Restore = Callable[[World, EmbeddedPostgres], AbstractContextManager[Engine]]


def run_client(program: str, url: str, *arguments: str) -> None:
    parsed = make_url(url)
    subprocess.run(
        [
            place_binaries(None) / program,
            f"--host={parsed.host}",
            f"--port={parsed.port}",
            f"--username={parsed.username}",
            f"--dbname={parsed.database}",
            *arguments,
        ],
        env={**os.environ, "PGPASSWORD": str(parsed.password)},
        check=True,
    )


@pytest.fixture
def restored(tmp_path: Path) -> Restore:
    """A dump of a world's database, restored under another name on some server."""

    @contextmanager
    def restore(world: World, server: EmbeddedPostgres) -> Iterator[Engine]:
        dump = str(tmp_path / "restock.dump")
        run_client(
            "pg_dump",
            world.engine.url.render_as_string(hide_password=False),
            "--format=custom",
            f"--file={dump}",
        )
        server.create_database("restored")
        run_client("pg_restore", server.url("restored"), "--exit-on-error", dump)
        engine = connect(server.url("restored"))
        yield engine
        engine.dispose()
        server.drop_database("restored")

    return restore


def sends_nothing(world: World, engine: Engine, emails: list[str]) -> None:
    live = world.engine
    world.engine = engine
    try:
        assert read_delivery(engine).mode == "record_only"
        assert world.dispatch()["recorded"] == len(emails)
        assert world.mail.envelopes == []
    finally:
        world.engine = live
    assert world.dispatch()["sent"] == len(emails)


def test_a_new_installation_records_only_until_somebody_says_otherwise(engine: Engine) -> None:
    assert read_delivery(engine).mode == "record_only"


def test_a_dump_restored_beside_its_live_database_sends_nothing(world, postgres_server, restored):
    emails = world.queue_alerts(people=5)
    with restored(world, postgres_server) as engine:
        sends_nothing(world, engine, emails)


def test_a_dump_restored_on_another_server_sends_nothing(world, tmp_path_factory, restored):
    emails = world.queue_alerts(people=5)
    folder = tmp_path_factory.mktemp("another")
    with EmbeddedPostgres(folder, FAST_UNSAFE_SETTINGS) as server:
        with restored(world, server) as engine:
            sends_nothing(world, engine, emails)
        server.remove()


def test_a_copy_sends_once_somebody_says_so_for_it(world, postgres_server, restored):
    emails = world.queue_alerts(people=2)
    with restored(world, postgres_server) as engine:
        world.engine, live = engine, world.engine
        world.bind_delivery("live")
        assert world.dispatch()["sent"] == len(emails)
        world.engine = live
    assert read_delivery(world.engine).mode == "live"


def test_the_journal_of_the_live_database_says_nothing_about_its_copy(
    world, postgres_server, restored, tmp_path
):
    from include.services.recovery import recover_journals
    from tests.sql.test_journal import leave_journal

    world.queue_alerts(people=2)
    journals = tmp_path / "journals"
    journals.mkdir()
    with restored(world, postgres_server) as engine:
        leave_journal(journals, read_delivery(world.engine).identity, "sent 1.000000 1 demo\n")
        assert recover_journals(engine, journals, world.now)["marked"] == 0
