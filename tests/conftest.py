from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import Connection, Engine
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from include.db.engine import connect
from include.db.migrate import migrate
from include.local.postgres import FAST_UNSAFE_SETTINGS, EmbeddedPostgres
from tests.builders import World

_numbers = itertools.count(1)

# `make test` says the same of the same code; `make fuzz` looks for new examples.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("searching", derandomize=False)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--histories", type=int, default=2_000, help="random histories to play (make fuzz: 50,000)"
    )
    parser.addoption(
        "--door-cases",
        type=int,
        default=3,
        help="requests per operation of the door's APIs (make fuzz: 20,000)",
    )


class SharedCosts(LoadScopeScheduling):
    """Tests that share something costly stay with one worker: one stack at a time, one metadata database."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        shares = path.parts[1] in ("dags", "e2e") and path.name != "test_replay.py"
        return path.parts[1] if shares else str(path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedCosts:
    return SharedCosts(config, log)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), FAST_UNSAFE_SETTINGS)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    postgres_server.create_database("restock_template")
    engine = connect(postgres_server.url("restock_template"))
    migrate(engine)
    engine.dispose()
    return "restock_template"


@pytest.fixture(scope="session")
def new_database(
    postgres_server: EmbeddedPostgres, migrated_template: str
) -> Iterator[Callable[[], AbstractContextManager[str]]]:
    """The URL of a migrated database, each time it is called; thousands of them share one connection."""
    with psycopg.connect(postgres_server.url("postgres", "postgresql"), autocommit=True) as maintenance:

        @contextmanager
        def build() -> Iterator[str]:
            name = f"restock_{next(_numbers)}"
            maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
            try:
                yield postgres_server.url(name)
            finally:
                maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")

        yield build


@pytest.fixture
def database_url(new_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    with new_database() as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(engine, tmp_path)


@pytest.fixture(scope="session")
def engine_of_session(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[Engine]:
    postgres_server.create_database("restock_session", template=migrated_template)
    engine = connect(postgres_server.url("restock_session"))
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine_of_session: Engine) -> Iterator[Connection]:
    with engine_of_session.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture(scope="session")
def new_world(
    new_database: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], AbstractContextManager[World]]:
    """A world with a database of its own, each time it is called."""

    @contextmanager
    def build() -> Iterator[World]:
        with new_database() as url:
            engine = connect(url)
            try:
                yield World(engine, tmp_path_factory.mktemp("world"))
            finally:
                engine.dispose()

    return build
