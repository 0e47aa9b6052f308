from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from include.intake.app import build_app
from include.intake.door import present
from include.intake.frontage import Frontage
from include.local.ports import HOST, free_port
from include.services.keys import create_key
from include.settings import load_settings
from tests.builders import START, World

SERVE = "from include.cli import main; main()"


@contextmanager
def serving(app: Frontage) -> Iterator[str]:
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


@contextmanager
def a_process(
    database_url: str, folder: Path, **settings: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`restock intake serve`, ready."""
    port = free_port()
    environment = {**os.environ, "RESTOCK_DATABASE_URL": database_url, "RESTOCK_VAR": str(folder), **settings}
    command = [sys.executable, "-c", SERVE, "intake", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            limit = time.monotonic() + 60
            while True:
                with contextlib.suppress(requests.ConnectionError):
                    if requests.get(f"http://{HOST}:{port}/ready", timeout=5).ok:
                        break
                assert process.poll() is None and time.monotonic() < limit
                time.sleep(0.05)
            yield process, f"http://{HOST}:{port}"
        finally:
            process.kill()


def app_on(database_url: str, folder: Path, world: World | None = None, **more: str) -> Frontage:
    settings = load_settings({"RESTOCK_DATABASE_URL": database_url, "RESTOCK_VAR": str(folder), **more})
    return build_app(settings, (lambda: world.now) if world else present)


@pytest.fixture
def address(database_url: str, tmp_path: Path) -> Iterator[str]:
    with serving(app_on(database_url, tmp_path)) as address:
        yield address


@dataclass
class Visitor:
    """Somebody who talks to the door of one world, with keys of its shop."""

    world: World
    address: str
    session: requests.Session
    company_id: str
    private_key: str
    headers: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        return self.send("POST", path, json=body, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.send("GET", path, **more)

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {
            "Authorization": f"Klaviyo-API-Key {self.private_key}",
            "revision": "2026-07-15",
            **self.headers,
            **more.pop("headers", {}),
        }
        headers = {name: value for name, value in headers.items() if value is not None}
        timeout = more.pop("timeout", 20)
        return self.session.request(method, self.address + path, headers=headers, timeout=timeout, **more)


@pytest.fixture
def visitor(world: World, database_url: str, tmp_path: Path, http: requests.Session) -> Iterator[Visitor]:
    with visiting(world, database_url, tmp_path, http) as visitor:
        yield visitor


@contextmanager
def visiting(
    world: World, database_url: str, folder: Path, http: requests.Session, **settings: str
) -> Iterator[Visitor]:
    usual = {"RESTOCK_ADDRESS_RATE": "1000/s 10000/m"}
    app = app_on(database_url, folder, world, **{**usual, **settings})
    company_id = create_key(world.engine, world.shop.id, "public", START)
    private_key = create_key(world.engine, world.shop.id, "private", START)
    with serving(app) as address:
        yield Visitor(world, address, http, company_id, private_key)


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def errors_of(answer: requests.Response) -> list[dict[str, Any]]:
    return list(answer.json()["errors"])
