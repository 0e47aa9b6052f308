"""A running stack as journeys see it: its feed, database, API, door and mailbox."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import Engine, text

from include.domain.request import Request, fold_email
from include.services.requests import take_requests
from tests.fixtures.shopify.server import FakeShopify

PATIENCE = 180.0


@dataclass
class Journey:
    """A running stack with a feed that the test writes."""

    folder: Path
    engine: Engine
    address: str
    session: requests.Session
    shopify: FakeShopify
    door: str
    today: datetime

    def midnight(self, days_ago: int) -> datetime:
        return self.today - timedelta(days=days_ago)

    def write_feed(self, **levels: int) -> None:
        rows = [
            {"id": name, "title": f"Title of {name}", "quantity": level} for name, level in levels.items()
        ]
        unfinished = self.folder / "feed.unfinished"
        unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows))
        unfinished.replace(self.folder / "feed.jsonl")

    def ask(self, email: str, variant_id: str, shop_id: str = "demo") -> None:
        now = datetime.now(UTC)
        with self.engine.begin() as connection:
            take_requests(
                connection,
                shop_id,
                [Request(email, fold_email(email), variant_id, now)],
                "test",
                "notify",
                now,
            )

    def query(self, statement: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), parameters).all())

    def value(self, statement: str, **parameters: Any) -> Any:
        rows = self.query(statement, **parameters)
        return rows[0][0] if rows else None

    def mails(self) -> list[str]:
        return [
            path.read_text(errors="replace")
            for path in sorted((self.folder / "var" / "mailbox").glob("*.eml"))
        ]

    def api(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        answer = self.session.request(method, self.address + path, json=content, timeout=60)
        assert answer.ok, f"{answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        found = self.api("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=100&order_by=-run_after")
        return list(found["dag_runs"])

    def count_runs(self, dag_id: str) -> int:
        return int(self.api("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=1")["total_entries"])

    def counts(self) -> dict[str, Any]:
        tables = ("restock_event", "batch", "subscription", "enrolment", "message", "stock_change")
        counted = {
            table: self.value(f"SELECT count(*) FROM {table} WHERE shop_id = 'demo'") for table in tables
        }
        states = self.query(
            "SELECT state, count(*) FROM subscription WHERE shop_id = 'demo' GROUP BY state ORDER BY state"
        )
        return {**counted, "states": [tuple(row) for row in states], "mails": len(self.mails())}


def wait_for(what: str, look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if seen := look():
            return seen
        time.sleep(0.3)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


def running(journey: Journey, dag_id: str) -> bool:
    return any(run["state"] in ("queued", "running") for run in journey.runs(dag_id))


def working(journey: Journey, dag_id: str) -> bool:
    states = "&".join(f"state={state}" for state in ("queued", "running", "deferred"))
    return bool(
        journey.api("GET", f"/api/v2/dags/{dag_id}/dagRuns/~/taskInstances?{states}")["total_entries"]
    )


def set_variable(journey: Journey, name: str, value: str) -> None:
    journey.api("PATCH", f"/api/v2/variables/{name}?update_mask=value", {"key": name, "value": value})
