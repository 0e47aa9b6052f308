"""A real stack with a shop whose stock the campaign writes and people who wait for it."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from include.db.engine import connect
from include.domain.request import Request, fold_email
from include.domain.shop import Shop
from include.domain.wake import DISPATCH
from include.local import stack
from include.local.keeper import Keeper
from include.local.postgres import EmbeddedPostgres
from include.local.processes import ProcessTable
from include.local.stack_start import RunningStack
from include.services.due import wake
from include.services.outbox import LEASE, set_delivery
from include.services.requests import cancel_request, take_requests
from include.services.shops import register_shop
from include.settings import Settings, load_settings

SHOP = "demo"
SOLD_OUT = "soldout"
CANCEL_EVERY = 50
PATIENCE = 240.0
UNSENT = "SELECT count(*) FROM message WHERE state IN ('queued', 'sending')"
UNSETTLED = """
SELECT
    (SELECT count(*) FROM message WHERE state IN ('queued', 'sending'))
    + (SELECT count(*) FROM enrolment WHERE state = 'active')
    + (SELECT count(*) FROM subscription WHERE state = 'released')
    + (SELECT count(*) FROM subscription WHERE state = 'waiting' AND variant_id <> :sold_out)
"""

# Not of what goes again since: claimed after the doubt, its lease ends later than one that began before it.
END_LEASES = """
UPDATE message SET lease_until = now()
FROM delivery_attempt AS attempt
WHERE
    message.state = 'sending' AND message.lease_until > now() AND attempt.outcome = 'in_doubt'
    AND (attempt.shop_id, attempt.message_id) = (message.shop_id, message.message_id)
    AND message.lease_until < attempt.attempted_at + :lease
"""


@dataclass
class Besieged:
    """A running stack; `owed` are the people who are to be told, by variant in the order of their requests."""

    folder: Path
    settings: Settings
    running: RunningStack
    engine: Engine
    keeper: Keeper
    levels: dict[str, int] = field(default_factory=dict)
    owed: dict[str, list[str]] = field(default_factory=dict)

    @property
    def mailbox(self) -> Path:
        return self.settings.var_folder / "mailbox"

    @property
    def table(self) -> ProcessTable:
        return ProcessTable(self.settings.var_folder)

    def add_variants(self, names: list[str]) -> None:
        """The shop sells these from now on; all are sold out."""
        self.levels.update(dict.fromkeys(names, 0))
        self._write_feed()

    def restock(self, variant_id: str, people: int) -> None:
        """People ask for the variant, a few think better of it, then it is back."""
        emails = self.ask(variant_id, people)
        cancelled = emails[::CANCEL_EVERY]
        rows = self.query(
            "SELECT subscription_id FROM subscription JOIN profile USING (shop_id, profile_id) "
            "WHERE variant_id = :variant AND email = ANY (:emails)",
            variant=variant_id,
            emails=cancelled,
        )
        for row in rows:
            cancel_request(self.engine, SHOP, row.subscription_id, datetime.now(UTC))
        gone = set(cancelled)
        self.owed[variant_id] = [email for email in emails if email not in gone]
        self.levels[variant_id] = 1
        self._write_feed()

    def ask(self, variant_id: str, people: int) -> list[str]:
        """So many people ask for a variant, one after the other."""
        now = datetime.now(UTC)
        first = now - timedelta(days=1)
        emails = [f"{variant_id}-{number:05}@example.org" for number in range(people)]
        asked = [
            Request(email, fold_email(email), variant_id, first + timedelta(seconds=place))
            for place, email in enumerate(emails)
        ]
        with self.engine.begin() as connection:
            take_requests(connection, SHOP, asked, "test", "notify", now)
        return emails

    def set_pace(self, seconds: float) -> None:
        """Every mail takes the provider so long."""
        file = self.settings.var_folder / "mail_sink.pace"
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(f"{seconds}\n")
        unfinished.replace(file)

    def query(self, statement: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), parameters).all())

    def count(self, statement: str, **parameters: Any) -> int | None:
        """A number, or None while the database is away."""
        with contextlib.suppress(DBAPIError):
            return int(self.query(statement, **parameters)[0][0])
        return None

    def unsent(self) -> int | None:
        return self.count(UNSENT)

    def unsettled(self) -> int | None:
        return self.count(UNSETTLED, sold_out=SOLD_OUT)

    def end_leases_of_doubts(self) -> None:
        """What living lanes are in doubt about goes again now, as if the lease were over."""
        with contextlib.suppress(DBAPIError), self.engine.begin() as connection:
            if connection.execute(text(END_LEASES), {"lease": LEASE}).rowcount:
                wake(connection, DISPATCH)

    def mail_count(self) -> int:
        return sum(1 for _ in self.mailbox.glob("*.eml"))

    def revive(self) -> list[str]:
        """What an init system would do."""
        ended = self.keeper.ended()
        self.keeper.revive(ended)
        return list(ended)

    def wait_for(self, what: str, look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Look until it is so; what dies meanwhile is started again."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if seen := look():
                return seen
            self.revive()
            time.sleep(0.2)
        raise AssertionError(f"waited {seconds:.0f} s for {what}")

    def _write_feed(self) -> None:
        rows = [{"id": name, "title": name, "quantity": level} for name, level in self.levels.items()]
        unfinished = self.folder / "feed.unfinished"
        unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows))
        unfinished.replace(self.folder / "feed.jsonl")


@contextlib.contextmanager
def besieged_stack(variants: list[str]) -> Iterator[Besieged]:
    """Postgres with its safe settings, Airflow's processes and the mail sink, in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="restock-kills-") as name:
        folder = Path(name)
        shop = {
            "id": SHOP,
            "platform": "feed",
            "schedule": "10 seconds",
            "currency": "EUR",
            "time_zone": "UTC",
            "feed": {"url": f"file://{folder}/feed.jsonl"},
        }
        (folder / "shops.yaml").write_text(yaml.safe_dump({"shops": [shop]}))
        places = {"RESTOCK_VAR": str(folder / "var"), "RESTOCK_SHOPS": str(folder / "shops.yaml")}
        settings = dataclasses.replace(load_settings(places), database_url=None)
        quiet = Console(file=io.StringIO())
        try:
            running = stack.start(settings, quiet)
            engine = connect(running.database_url)
            with engine.begin() as connection:
                register_shop(connection, Shop.model_validate(shop), datetime.now(UTC))
            set_delivery(engine, "live", [])
            besieged = Besieged(
                folder, settings, running, engine, Keeper(settings, running, most_restarts=1_000)
            )
            besieged.add_variants([SOLD_OUT, *variants])
            wanted = len(variants) + 1
            besieged.wait_for(
                "the baseline", lambda: besieged.count("SELECT count(*) FROM variant_stock") == wanted
            )
            yield besieged
            engine.dispose()
        finally:
            stack.down(settings, quiet)
            EmbeddedPostgres(settings.var_folder / "postgres").remove()
