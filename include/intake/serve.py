"""Running the door as a process."""

import logging

import uvicorn

from include.db.engine import connect
from include.db.migrate import check_schema
from include.intake.logs import write_json_lines
from include.intake.rates import address_limit
from include.settings import load_settings

STOP_SECONDS = 10
MOST_CONNECTIONS = 2_000


def serve(host: str, port: int, workers: int = 1) -> None:
    """Answer until SIGTERM or SIGINT, then finish what was begun.

    Raises SchemaOutdated, naming the command, where the database's schema is another version's, and
    ConfigurationError for a setting that no process could start with.
    """
    settings = load_settings()
    address_limit(settings.address_rate)
    engine = connect(settings.require_database_url(), pool_size=1)
    try:
        check_schema(engine)
    finally:
        engine.dispose()
    write_json_lines()
    logging.getLogger("restock.intake").info(
        "intake serves", extra={"facts": {"address": f"http://{host}:{port}", "workers": workers}}
    )
    uvicorn.run(
        "include.intake.app:app",
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=MOST_CONNECTIONS,
    )
