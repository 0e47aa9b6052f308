from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from starlette.applications import Starlette

from include.intake.app import build_app
from include.local.ports import HOST, free_port
from include.settings import load_settings


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """The application behind real HTTP on a free port."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host=HOST, port=port, log_config=None, access_log=False, lifespan="on")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    limit = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < limit
        time.sleep(0.01)
    try:
        yield f"http://{HOST}:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def app_on(database_url: str, folder: Path, **more: str) -> Starlette:
    return build_app(
        load_settings({"RESTOCK_DATABASE_URL": database_url, "RESTOCK_VAR": str(folder), **more})
    )


@pytest.fixture
def address(database_url: str, tmp_path: Path) -> Iterator[str]:
    with serving(app_on(database_url, tmp_path)) as address:
        yield address


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def errors_of(answer: requests.Response) -> list[dict[str, Any]]:
    return list(answer.json()["errors"])
