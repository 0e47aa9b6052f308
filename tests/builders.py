"""What tests are made of: shops, feeds and people with a line each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from include.catalog.archive import Archive
from include.catalog.base import CatalogRow, Chunk, RejectedRow
from include.domain.flow import Flow
from include.domain.request import Request, fold_email
from include.domain.shop import Shop
from include.domain.window import Window
from include.messaging.address import Mailbox
from include.messaging.render.library import built_in_library
from include.messaging.senders.base import Envelope, Outcome
from include.services import catalog, flows, release, rules
from include.services.dispatch import Lane, dispatch_lane
from include.services.links import sign_token
from include.services.outbox import claim, read_delivery, set_delivery
from include.services.requests import Taken, take_requests
from include.services.shops import register_shop

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
INTERVAL = timedelta(minutes=15)
_numbers = itertools.count(1)


def a_shop(shop_id: str = "demo", **changes: Any) -> Shop:
    known = {
        "id": shop_id,
        "name": "Demo",
        "platform": "feed",
        "schedule": "15 minutes",
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "feed": {"url": "https://shop.example/feed.jsonl"},
    }
    return Shop.model_validate({**known, **changes})


def a_back_in_stock_flow(name: str = "back_in_stock", status: str = "live") -> Flow:
    return Flow.model_validate(
        {
            "name": name,
            "title": "Back in stock",
            "trigger": {"metric": "Subscribed to Back in Stock"},
            "steps": [
                {"id": "wait_for_stock", "kind": "back_in_stock_delay"},
                {"id": "tell", "kind": "send_email", "template": "back_in_stock", "status": status},
            ],
        }
    )


def a_row(variant_id: str, quantity: float | str, location_id: str = "", **changes: Any) -> CatalogRow:
    return CatalogRow(
        line_number=next(_numbers),
        variant_id=variant_id,
        location_id=location_id,
        quantity=str(quantity),
        title=changes.pop("title", f"Title of {variant_id}"),
        **changes,
    )


def _as_variable(value: object) -> str:
    if value == ():
        return ""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    return "" if value is None else str(value)


def a_two_channel_flow(name: str = "back_in_stock", **email: Any) -> Flow:
    return Flow.model_validate(
        {
            "name": name,
            "title": "Back in stock",
            "trigger": {"metric": "Subscribed to Back in Stock"},
            "steps": [
                {"id": "wait_for_stock", "kind": "back_in_stock_delay"},
                {"id": "tell", "kind": "send_email", "template": "back_in_stock", "status": "live", **email},
                {"id": "text", "kind": "send_sms", "template": "back_in_stock", "status": "live"},
            ],
        }
    )


def an_sms_flow(name: str = "back_in_stock") -> Flow:
    return Flow.model_validate(
        {
            "name": name,
            "title": "Back in stock by SMS",
            "trigger": {"metric": "Subscribed to Back in Stock"},
            "steps": [
                {"id": "wait_for_stock", "kind": "back_in_stock_delay"},
                {"id": "tell", "kind": "send_sms", "template": "back_in_stock", "status": "live"},
            ],
        }
    )


class RowsConnector:
    """A connector whose platform is a list of rows, which may say when it was written."""

    knows_the_past = False
    full_every: timedelta | None = None
    webhook_secret: str | None = None
    store_domain: str | None = None

    def __init__(
        self, rows: Iterable[CatalogRow | RejectedRow], last_modified: datetime | None = None
    ) -> None:
        self.rows = list(rows)
        self.last_modified = last_modified

    def pull(self, window: Window, archive: Archive, now: datetime, since: datetime | None = None) -> None:
        with archive.start(now, "test://rows") as writer:
            with writer.open_part() as part:
                part.write(b"rows")
            writer.finish(last_modified=self.last_modified, kind="full" if since is None else "partial")

    def is_ready(self, awaited: str) -> bool:
        return True

    def read(self, archive: Archive) -> Iterator[Chunk]:
        yield list(self.rows)


class Mailbin:
    """A sender that keeps what it was given; `answers` decides outcomes by recipient."""

    channel = "EMAIL"

    def __init__(self, answers: dict[str, Outcome] | None = None) -> None:
        self.answers = answers or {}
        self.envelopes: list[Envelope] = []
        self.leaving: Callable[[Envelope], None] = lambda _: None

    def send(self, batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
        for envelope in batch:
            outcome = self.answers.get(envelope.recipient, Outcome("sent"))
            self.leaving(envelope)
            if outcome.kind == "sent":
                self.envelopes.append(envelope)
            yield envelope, outcome

    def close(self) -> None:
        pass

    @property
    def recipients(self) -> list[str]:
        return [envelope.recipient for envelope in self.envelopes]


class World:
    """One shop on one database with a clock that tests move."""

    def __init__(self, engine: Engine, folder: Path, shop: Shop | None = None) -> None:
        self.engine = engine
        self.folder = folder
        self.shop = shop or a_shop()
        self.now = START
        self.window_start = START
        self.mail = Mailbin()
        self.record = Mailbin()
        self._runs = itertools.count(1)
        self.bind_delivery("live")
        with engine.begin() as connection:
            register_shop(connection, self.shop, self.now)

    def register(self, shop: Shop) -> None:
        self.shop = shop
        with self.engine.begin() as connection:
            register_shop(connection, shop, self.now)

    def bind_delivery(self, mode: str, allow_list: tuple[str, ...] = ()) -> None:
        set_delivery(self.engine, mode, allow_list)

    def set_rules(self, **values: object) -> int:
        variables = {f"restock_{name}": _as_variable(value) for name, value in values.items()}
        return int(rules.store_rule_set(self.engine, variables, self.now)["rule_set_id"])

    def use_flow(self, *given: Flow) -> None:
        flows.register_flows(self.engine, given or (a_back_in_stock_flow(),), self.now)

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    def next_window(self) -> Window:
        while self.window_start + 2 * INTERVAL <= self.now:
            self.window_start += INTERVAL
        window = Window.scheduled(self.window_start, self.window_start + INTERVAL)
        self.window_start += INTERVAL
        self.now = max(self.now, self.window_start)
        return window

    def sync(
        self,
        *rows: CatalogRow | RejectedRow,
        window: Window | None = None,
        last_modified: datetime | None = None,
    ) -> dict[str, Any]:
        window = window or self.next_window()
        connector = RowsConnector(rows, last_modified)
        given = (self.engine, self.shop, connector, self.folder, window)
        catalog.pull_window(*given, self.now)
        loaded = catalog.load_snapshot(*given, self.now)
        return loaded | catalog.detect_changes(*given, loaded["snapshot_id"], self.now)

    def ask(self, email: str | None, variant_id: str | None, **changes: Any) -> Taken:
        in_stock = changes.pop("in_stock", "notify")
        known = {
            "email": email,
            "email_key": fold_email(email) if email else None,
            "variant_id": variant_id,
            "subscribed_at": self.now,
        }
        with self.engine.begin() as connection:
            return take_requests(
                connection, self.shop.id, [Request(**{**known, **changes})], "api", in_stock, self.now
            )

    def ask_for_any(self, email: str, product_id: str, **changes: Any) -> Taken:
        return self.ask(email, None, product_id=product_id, **changes)

    def ask_many(self, variant_id: str, count: int, prefix: str = "p") -> list[str]:
        emails = [f"{prefix}{number:04}@example.org" for number in range(count)]
        asked = [
            Request(
                email, fold_email(email), variant_id, self.now - timedelta(days=30) + timedelta(minutes=place)
            )
            for place, email in enumerate(emails)
        ]
        with self.engine.begin() as connection:
            take_requests(connection, self.shop.id, asked, "api", "notify", self.now)
        return emails

    def release(self, run_id: str | None = None, **rule_values: object) -> dict[str, int]:
        rule_set_id = self.set_rules(**rule_values) if rule_values else self.current_rule_set()
        return release.release_due(self.engine, rule_set_id, run_id or f"run-{next(self._runs)}", self.now)

    def current_rule_set(self) -> int:
        with self.engine.begin() as connection:
            return rules.rules_in_force(connection, self.now)[0]

    def move(self, flow: str = "back_in_stock", step: str = "tell") -> dict[str, int]:
        return flows.move_step(self.engine, flow, step, self.now)

    def queue_alerts(self, people: int = 3, units: int = 50, title: str = "Brass lamp") -> list[str]:
        self.use_flow()
        self.sync(a_row("LAMP", 0, title=title))
        emails = self.ask_many("LAMP", people)
        self.sync(a_row("LAMP", units, title=title))
        self.release()
        self.move()
        return emails

    def lane(self, name: str = "lane-1", **changes: Any) -> Lane:
        usual = {
            "sender": self.mail,
            "recorder": self.record,
            "mailbox": Mailbox("shop@shop.example", "Demo"),
            "templates": built_in_library(),
            "clock": lambda: self.now,
            "journals": self.folder / "journals",
            "marks_every": timedelta(0),
        }
        return Lane(self.engine, name, **{**usual, **changes})

    def dispatch(self, name: str = "lane-1", **changes: Any) -> dict[str, int]:
        return dispatch_lane(self.lane(name, **changes), self.now + timedelta(minutes=5))

    def token(self, purpose: Any, target_id: int) -> str:
        return sign_token(read_delivery(self.engine).link_secret, purpose, self.shop.id, target_id)

    def claim(self, lane: str, size: int) -> list[int]:
        return [key.message_id for key in claim(self.engine, "EMAIL", lane, size, self.now, {})]

    def tell(self) -> list[str]:
        before = len(self.mail.envelopes)
        self.release()
        self.move()
        self.dispatch()
        return self.mail.recipients[before:]

    def query(self, statement: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), parameters).all())

    def value(self, statement: str, **parameters: Any) -> Any:
        return self.query(statement, **parameters)[0][0]

    def states(self) -> dict[str, int]:
        return dict(self.query("SELECT state, count(*) FROM subscription GROUP BY state"))
