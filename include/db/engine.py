"""Connections to Restock's own database."""

import psycopg
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError

from include.errors import ConfigurationError

DRIVER = "postgresql+psycopg"


def connect(
    url: str, pool_size: int = 5, statement_seconds: float = 0, application: str = "restock"
) -> Engine:
    """An engine on psycopg 3 for any Postgres URL; times are read and written in UTC.

    `statement_seconds` ends what takes longer; 0 lets it run.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            f"The database URL can't be read; allowed is {DRIVER}://user:password@host/restock."
        ) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigurationError(
            f"The database URL names '{parsed.drivername}'. Restock needs Postgres: {DRIVER}://user@host/restock."
        )
    engine = create_engine(
        parsed.set(drivername=DRIVER),
        pool_size=pool_size,
        max_overflow=5,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "options": f"-c timezone=UTC -c statement_timeout={round(statement_seconds * 1000)}",
            "application_name": application,
        },
    )
    event.listen(engine, "handle_error", _drop_values)
    return engine


def _drop_values(context: ExceptionContext) -> None:
    """Postgres quotes values of rows in an error's detail: addresses must not reach a log."""
    original = context.original_exception
    if isinstance(original, psycopg.Error) and context.sqlalchemy_exception is not None:
        primary = original.diag.message_primary or str(original).splitlines()[0]
        original.args = (primary,)
        context.sqlalchemy_exception.args = (f"({type(original).__name__}) {primary}",)
