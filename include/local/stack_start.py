"""Starting the local stack, in the order in which its parts need each other."""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from include.errors import StackError
from include.local.airflow import (
    COMMANDS,
    PATIENCE,
    LocalAirflow,
    airflow_command,
    migrate_metadata,
    prepare_airflow,
)
from include.local.companions import COMPANIONS, start_companions
from include.local.intake_process import NAME as INTAKE
from include.local.intake_process import choose_intake_port, intake_address, start_intake
from include.local.postgres import EmbeddedPostgres
from include.local.private_file import write_private
from include.local.processes import ProcessTable, Program, log_tail
from include.settings import PROJECT_HOME, Settings

START_SECONDS = 180.0
METADATA_DATABASE, RESTOCK_DATABASE = "airflow", "restock"


@dataclass(frozen=True)
class RunningStack:
    """Where a started stack is reached; `ports` are those of the companions by name."""

    address: str
    user: str
    password: str
    database_url: str
    ports: Mapping[str, int]
    airflow_environment: Mapping[str, str]


def start_stack(settings: Settings, table: ProcessTable, say: Callable[[str], None]) -> RunningStack:
    """Start what does not run; leftovers of a broken stack are stopped first, its data is kept.

    Raises StackError when something does not come up; what was started by then still runs.
    """
    if not _is_whole(table):
        table.stop_all()
    say("Starting Postgres …")
    postgres = EmbeddedPostgres(settings.var_folder / "postgres")
    postgres.start()
    postgres.create_database(METADATA_DATABASE)
    database_url = _restock_database(settings, postgres)
    ports = start_companions(settings.var_folder, table)
    intake_port = choose_intake_port(settings, table)
    airflow = prepare_airflow(
        settings,
        metadata_url=postgres.url(METADATA_DATABASE, driver="postgresql+psycopg2"),
        connections=_connections(database_url, ports),
        restock_environment=_environment(settings, database_url),
        is_running=_is_whole(table),
    )
    if not _is_whole(table):
        say("Migrating the databases …")
        _migrate(settings, airflow, database_url)
        say("Starting Airflow …")
        for name in COMMANDS:
            spawn_airflow(name, settings, table, airflow.environment, airflow.address)
    start_intake(settings, table, database_url)
    _wait_until_healthy(airflow, table)
    return RunningStack(
        airflow.address,
        airflow.user,
        airflow.password,
        database_url,
        {**ports, INTAKE: intake_port},
        airflow.environment,
    )


def _is_whole(table: ProcessTable) -> bool:
    rows = {row.name: row for row in table.started()}
    return all(name in rows and rows[name].process() for name in COMMANDS) and all(
        row.process() for row in rows.values()
    )


def _restock_database(settings: Settings, postgres: EmbeddedPostgres) -> str:
    """The given database, or one of our own server; a URL that came from our own pointer counts as ours."""
    pointer = settings.var_folder / "database_url"
    pointed = pointer.read_text().strip() if pointer.exists() else None
    if settings.database_url and settings.database_url != pointed:
        return settings.database_url
    postgres.create_database(RESTOCK_DATABASE)
    write_private(pointer, postgres.url(RESTOCK_DATABASE))
    return postgres.url(RESTOCK_DATABASE)


def _connections(database_url: str, ports: Mapping[str, int]) -> dict[str, str]:
    connections = {
        companion.connection: companion.connection_json(ports[companion.name])
        for companion in COMPANIONS
        if companion.name in ports
    }
    return {"restock_db": "postgres://" + database_url.split("://", 1)[1], **connections}


def _environment(settings: Settings, database_url: str) -> dict[str, str]:
    return {
        "RESTOCK_HOME": str(settings.home),
        "RESTOCK_VAR": str(settings.var_folder),
        "RESTOCK_DATABASE_URL": database_url,
        "RESTOCK_ARCHIVE": settings.archive_url,
        "RESTOCK_ARTEFACTS": settings.artefact_url,
        "RESTOCK_SHOPS": str(settings.shops_file),
        "RESTOCK_FLOWS": str(settings.flows_folder),
        "RESTOCK_INTAKE_URL": settings.intake_url or intake_address(settings),
        "PYTHONPATH": str(PROJECT_HOME),
    }


def _migrate(settings: Settings, airflow: LocalAirflow, database_url: str) -> None:
    with ThreadPoolExecutor(max_workers=1) as beside:
        metadata = beside.submit(migrate_metadata, airflow, settings.var_folder / "logs" / "migrate.log")
        _migrate_restock(database_url)
        metadata.result()


def _migrate_restock(database_url: str) -> None:
    from include.db.engine import connect
    from include.db.migrate import migrate

    engine = connect(database_url)
    try:
        migrate(engine)
    finally:
        engine.dispose()


def spawn_airflow(
    name: str, settings: Settings, table: ProcessTable, environment: Mapping[str, str], address: str
) -> None:
    """Start one of Airflow's processes."""
    table.spawn(
        Program(
            name=name,
            command=airflow_command(*COMMANDS[name]),
            environment=environment,
            log=settings.var_folder / "logs" / f"{name}.log",
            address=address if name == "api-server" else "",
            patience=PATIENCE.get(name, 10.0),
        )
    )


def _wait_until_healthy(airflow: LocalAirflow, table: ProcessTable) -> None:
    limit = time.monotonic() + START_SECONDS
    missing = "no answer yet"
    while time.monotonic() < limit:
        raise_if_ended(table)
        missing = _unhealthy(airflow)
        if not missing:
            return
        time.sleep(0.2)
    raise StackError(
        f"Airflow at {airflow.address} is not healthy after {START_SECONDS:.0f} s ({missing}). "
        f"Its logs: {airflow.folder.parent / 'logs'}."
    )


def raise_if_ended(table: ProcessTable) -> None:
    """Raise StackError with the end of the log when a process of the stack is gone."""
    for row in table.started():
        if row.process() is None:
            raise StackError(f"{row.name} ended. The end of {row.log}:\n{log_tail(Path(row.log))}")


def _unhealthy(airflow: LocalAirflow) -> str:
    """What is not healthy yet; empty when everything is."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{airflow.address}/api/v2/monitor/health", timeout=5) as answer:
            health = json.load(answer)
    except (OSError, ValueError) as error:
        return str(error)
    return ", ".join(name for name, part in health.items() if part["status"] != "healthy")
