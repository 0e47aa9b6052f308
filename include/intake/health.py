"""/health: the process answers; /ready: its database answers too; /metrics: for Prometheus."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from include.db.queries import run_query
from include.intake.door import door_of
from include.intake.routing import at

READY_SECONDS = 5.0


async def tell_health(request: Request) -> Response:
    """The process lives."""
    return JSONResponse({"status": "ok"})


async def tell_ready(request: Request) -> Response:
    """200 while Postgres answers, else 503."""
    door = door_of(request)
    try:
        async with asyncio.timeout(READY_SECONDS):
            await door.run(_ask, door.engine)
    except Exception:
        return JSONResponse({"status": "the database does not answer"}, 503, {"Retry-After": "5"})
    return JSONResponse({"status": "ready"})


async def tell_metrics(request: Request) -> Response:
    """All measures of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _ask(engine: Engine) -> None:
    with engine.connect() as connection:
        run_query(connection, "migration.has_record_table").scalar_one()


ROUTES = [at("/health", GET=tell_health), at("/ready", GET=tell_ready), at("/metrics", GET=tell_metrics)]
