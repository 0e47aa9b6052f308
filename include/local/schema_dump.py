"""`sql/schema.sql`: the whole schema as the migrations leave it, for people to read.

`python -m include.local.schema_dump` writes it anew.
"""

import re
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import make_url

from include.db.engine import connect
from include.db.migrate import migrate
from include.errors import StackError
from include.local.postgres import FAST_UNSAFE_SETTINGS, EmbeddedPostgres
from include.local.server_place import place_binaries
from include.settings import PROJECT_HOME, process_environment

SCHEMA = PROJECT_HOME / "sql" / "schema.sql"
_NOISE = re.compile(r"^(\\(un)?restrict .*|--.*|SET .*|SELECT pg_catalog\.set_config.*)\n", re.MULTILINE)


def dump_schema(url: str) -> str:
    """The schema of a migrated database without the lines that differ from dump to dump."""
    parsed = make_url(url)
    dumped = subprocess.run(
        [
            place_binaries(None) / "pg_dump",
            "--schema-only",
            "--no-owner",
            "--no-privileges",
            f"--host={parsed.host}",
            f"--port={parsed.port}",
            f"--username={parsed.username}",
            str(parsed.database),
        ],
        env={**process_environment(), "PGPASSWORD": str(parsed.password or "")},
        capture_output=True,
        text=True,
    )
    if dumped.returncode:
        raise StackError(f"pg_dump failed: {dumped.stderr.strip()[-500:]}")
    return re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", dumped.stdout)).strip() + "\n"


def write_schema(target: Path = SCHEMA) -> None:
    """Migrate an empty database of its own and write what that gives."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder), FAST_UNSAFE_SETTINGS) as server,
    ):
        server.create_database("restock")
        engine = connect(server.url("restock"))
        migrate(engine)
        engine.dispose()
        target.write_text(dump_schema(server.url("restock")), encoding="utf-8")
        server.remove()


if __name__ == "__main__":
    write_schema()
