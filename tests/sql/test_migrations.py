from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from include.db.migrate import check_schema, migrate, read_migrations
from include.errors import SchemaOutdated


def test_a_migrated_database_is_up_to_date_and_migrating_again_does_nothing(engine: Engine) -> None:
    check_schema(engine)
    assert migrate(engine) == []


def test_an_older_schema_names_the_command_to_run(engine: Engine, tmp_path: Path) -> None:
    for migration in read_migrations():
        (tmp_path / f"{migration.name}.sql").write_text(migration.body)
    (tmp_path / "9999_add_column.sql").write_text("ALTER TABLE shop ADD COLUMN colour text;")
    with pytest.raises(SchemaOutdated, match=r"9999_add_column.*restock db migrate"):
        check_schema(engine, tmp_path)
    assert migrate(engine, tmp_path) == ["9999_add_column"]
    with pytest.raises(SchemaOutdated, match="does not know"):
        check_schema(engine)


def test_a_changed_migration_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE schema_migration SET checksum = 'other' WHERE name LIKE '0002%'"))
    with pytest.raises(SchemaOutdated, match="changed after it was applied"):
        check_schema(engine)
    with pytest.raises(SchemaOutdated, match="0002"):
        migrate(engine)


def test_a_failing_migration_leaves_nothing_behind(engine: Engine, tmp_path: Path) -> None:
    for migration in read_migrations():
        (tmp_path / f"{migration.name}.sql").write_text(migration.body)
    (tmp_path / "9998_fail.sql").write_text("CREATE TABLE half_done (id int); SELECT 1 / 0;")
    with pytest.raises(Exception, match="division by zero"):
        migrate(engine, tmp_path)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT to_regclass('half_done')")).scalar_one() is None


def test_the_schema_file_is_what_the_migrations_give(database_url: str) -> None:
    from include.local.schema_dump import SCHEMA, dump_schema

    assert dump_schema(database_url) == SCHEMA.read_text(encoding="utf-8"), (
        "run python -m include.local.schema_dump"
    )
