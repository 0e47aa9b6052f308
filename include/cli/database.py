"""`restock db`: the database's schema."""

from include.cli.parts import command_group, console, open_database
from include.db.engine import connect
from include.db.migrate import migrate
from include.settings import load_settings

db = command_group("The database's schema.")


@db.command("migrate")
def db_migrate() -> None:
    """Apply the migrations that the database lacks."""
    engine = connect(load_settings().require_database_url())
    applied = migrate(engine)
    engine.dispose()
    console.print(f"Applied: {', '.join(applied)}." if applied else "Nothing to apply.")


@db.command("check")
def db_check() -> None:
    """Say whether the database fits this version."""
    with open_database():
        console.print("The schema is up to date.")
