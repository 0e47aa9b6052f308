"""The door as a process: health, limits, what it says of itself, and when it refuses to start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from sqlalchemy import Engine, text

from include.db.engine import connect
from include.errors import ConfigurationError
from include.intake.serve import serve
from include.local.ports import HOST, free_port
from include.local.postgres import EmbeddedPostgres
from include.services.keys import create_key
from tests.builders import START, World
from tests.intake.conftest import app_on, errors_of, serving

COMMAND = [sys.executable, "-c", "from include.cli import main; main()", "intake", "serve"]


def start(database_url: str, folder: Path, port: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "RESTOCK_DATABASE_URL": database_url, "RESTOCK_VAR": str(folder)}
    return subprocess.Popen(
        [*COMMAND, "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_is_alive_ready_and_measured(address: str, http: requests.Session) -> None:
    assert http.get(f"{address}/health").json() == {"status": "ok"}
    assert http.get(f"{address}/ready/").json() == {"status": "ready"}
    assert (
        'restock_intake_requests_total{method="GET",route="/health",status="200"}'
        in http.get(f"{address}/metrics").text
    )


def test_what_is_not_served_is_an_error_document(address: str, http: requests.Session) -> None:
    assert errors_of(http.get(f"{address}/nowhere"))[0]["code"] == "not_found"
    refused = http.delete(f"{address}/health")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET")


def test_too_large_and_broken_requests_are_refused_before_anything_is_read(
    address: str, http: requests.Session
) -> None:
    assert http.post(f"{address}/health", data=b"x" * 6_100_000).status_code in (405, 413)
    assert http.get(f"{address}/{'x' * 3000}").status_code == 400
    assert http.get(f"{address}/health?x=%00").status_code == 400


def test_an_older_schema_is_refused_with_the_command(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM schema_migration WHERE name LIKE '0012%'"))
    process = start(database_url, tmp_path, free_port())
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "restock db migrate" in output and "Traceback" not in output


def test_it_stops_in_good_order_and_logs_json_without_paths(
    database_url: str, tmp_path: Path, http: requests.Session
) -> None:
    port = free_port()
    process = start(database_url, tmp_path, port)
    wait_until_ready(http, port)
    http.get(f"http://{HOST}:{port}/people/ann@example.org?email=ann@example.org")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in output.splitlines()]
    assert any(line["event"] == "request" and line["status"] == 404 for line in lines)
    assert "ann@" not in output


def wait_until_ready(http: requests.Session, port: int) -> None:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        try:
            if http.get(f"http://{HOST}:{port}/ready", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail("the door is not ready after 30 s")


def test_while_postgres_is_away_people_are_told_when_to_come_back(
    postgres_server: EmbeddedPostgres, migrated_template: str, tmp_path: Path, http: requests.Session
) -> None:
    postgres_server.create_database("restock_away", template=migrated_template)
    url = postgres_server.url("restock_away")
    engine = connect(url)
    world = World(engine, tmp_path)
    token = world.token("cancel", 1)
    key = create_key(engine, "demo", "private", START)
    engine.dispose()
    with serving(app_on(url, tmp_path)) as address:
        assert http.get(f"{address}/ready").status_code == 200
        postgres_server.drop_database("restock_away")
        assert http.get(f"{address}/ready").status_code == 503
        assert http.get(f"{address}/health").status_code == 200
        for path in ("/api/catalog-items", "/api/catalog-items/x", f"/l/cancel/{token}"):
            answer = http.get(address + path, headers={"Authorization": f"Klaviyo-API-Key {key}"})
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
            assert errors_of(answer)[0]["code"] == "unavailable"


def test_a_setting_that_cannot_be_read_is_refused_before_a_process_starts(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    monkeypatch.setenv("RESTOCK_ADDRESS_RATE", "many")
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: pytest.fail("it started"))
    with pytest.raises(ConfigurationError, match=r"RESTOCK_ADDRESS_RATE is 'many'.*20/s 300/m"):
        serve(HOST, free_port())
