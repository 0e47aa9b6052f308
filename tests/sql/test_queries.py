from __future__ import annotations

import re

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from include.db.queries import find_query, query_names, run_query

UTILITY = ("CALL", "ANALYZE", "CREATE", "TRUNCATE", "LOCK")


@pytest.mark.parametrize("name", query_names())
def test_every_block_prepares_on_a_migrated_database(engine_of_session: Engine, name: str) -> None:
    statement = find_query(name)
    body = re.sub(r"^--.*$", "", str(statement), flags=re.MULTILINE).strip()
    if body.startswith(UTILITY):
        pytest.skip("a utility statement can't be prepared")
    numbered = str(statement.compile(dialect=PGDialect_psycopg(paramstyle="numeric_dollar")))
    with engine_of_session.connect() as connection:
        connection.exec_driver_sql(f"PREPARE checked AS {numbered}")
        connection.exec_driver_sql("DEALLOCATE checked")


@pytest.mark.parametrize("name", query_names())
def test_every_block_says_in_a_line_what_it_is_for(name: str) -> None:
    assert str(find_query(name)).startswith("-- ")


def test_a_surplus_or_missing_parameter_is_an_error(connection: Connection) -> None:
    with pytest.raises(TypeError, match="takes"):
        run_query(connection, "due.notify_due", target="release", other=1)
    with pytest.raises(TypeError, match="takes"):
        run_query(connection, "due.notify_due")


def test_an_unknown_block_names_those_that_exist(connection: Connection) -> None:
    with pytest.raises(KeyError, match="read_due_times"):
        run_query(connection, "due.read_due")


def test_an_error_of_the_database_quotes_no_values(connection: Connection) -> None:
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError) as caught:
        connection.execute(
            text(
                "INSERT INTO profile (shop_id, email, email_key, created_at) VALUES ('x', :email, :email, now())"
            ),
            {"email": "canary@example.org"},
        )
    assert "canary" not in str(caught.value) + repr(caught.value) + str(caught.value.__cause__)
