"""A thousand webhooks a second for half a minute at the door, with repeats and in the wrong order."""

import asyncio
import base64
import hmac
import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from sqlalchemy import Engine, text

from benchmarks.apart import run_apart
from benchmarks.framework import register
from benchmarks.place import SETTINGS_TEXT, copied_database, folder, open_server, statement
from include.db.engine import connect
from include.local.ports import free_port
from include.services.webhook_keys import keep_key
from include.services.webhooks import apply_all
from include.settings import PROJECT_HOME, process_environment

RATE = 1_000
SECONDS = 30
ITEMS = 500
REPEATED = 0.10
DISPLACED = 0.05
CONNECTIONS = 32
SECRET = "bench"


@dataclass(frozen=True)
class Place:
    """A running door, and the database behind it."""

    port: int
    database: str


def a_shop_with_items(engine: Engine) -> None:
    """A shop with ITEMS variants at one location, pulled yesterday."""
    with engine.begin() as connection:
        connection.execute(text(statement("webhooks.shop")))
        for name in ("variants", "levels", "stock"):
            connection.execute(text(statement(f"webhooks.{name}")), {"items": ITEMS})
        keep_key(connection, "bench", SECRET, datetime.now(UTC))


@contextmanager
def _prepare() -> Iterator[Place]:
    with (
        open_server() as server,
        copied_database(server, a_shop_with_items, "bench_webhooks") as database,
        tempfile.TemporaryDirectory(dir=folder()) as var,
    ):
        port = free_port()
        environment = process_environment() | {"RESTOCK_DATABASE_URL": database, "RESTOCK_VAR": var}
        start = "from include.cli import main; main()"
        command = [sys.executable, "-c", start, "intake", "serve", "--port", str(port)]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        door = subprocess.Popen(command, cwd=PROJECT_HOME, env=environment, **silent)
        try:
            _wait(port)
            yield Place(port, database)
        finally:
            door.terminate()
            door.wait()


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            if requests.get(f"http://127.0.0.1:{port}/ready", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise RuntimeError("The door did not open.")


def _ours(place: Place) -> tuple[float, dict[str, float]]:
    engine = connect(place.database)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE webhook_delivery, stock_report"))
        connection.execute(text(statement("webhooks.sell_out")))
    sends, newest = _plan(random.Random(7))
    applier = multiprocessing.get_context("spawn").Process(
        target=_apply_until, args=(place.database,), daemon=True
    )
    applier.start()
    seconds, milliseconds, refused = run_apart(send_all, place.port, sends)
    applier.terminate()
    applier.join()
    began = time.perf_counter()
    apply_all(engine, datetime.now(UTC))
    left = time.perf_counter() - began
    lost = _count_lost(engine, sends, newest)
    engine.dispose()
    milliseconds.sort()
    return (len(sends) - refused) / seconds, {
        "lost": float(lost),
        "refused": float(refused),
        "answer_ms_median": milliseconds[len(milliseconds) // 2],
        "answer_ms_p99": milliseconds[len(milliseconds) * 99 // 100],
        "applied_after_end_s": left,
    }


Send = tuple[str, int, int, str]


def _plan(chance: random.Random) -> tuple[list[Send], dict[int, int]]:
    """Every sending in its order: id, item, units, time; and what each item has in the end."""
    begin = datetime.now(UTC) - timedelta(seconds=SECONDS + 5)
    sends: list[Send] = []
    newest: dict[int, int] = {}
    for number in range(int(RATE * SECONDS / (1 + REPEATED))):
        item, units = chance.randint(1, ITEMS), chance.randint(0, 50)
        newest[item] = units
        at = (begin + timedelta(milliseconds=number)).isoformat(timespec="milliseconds")
        sends.append((f"w{number}", item, units, at))
    for place in chance.sample(range(len(sends)), int(len(sends) * DISPLACED)):
        other = max(0, place - chance.randint(1, 2 * RATE))
        sends[place], sends[other] = sends[other], sends[place]
    for send in chance.sample(sends, int(len(sends) * REPEATED)):
        sends.insert(chance.randrange(len(sends)), send)
    return sends, newest


def send_all(port: int, sends: list[Send]) -> tuple[float, list[float], int]:
    """Send each at its time; the seconds until the last answer, each answer's milliseconds, how many were refused."""
    return asyncio.run(_send_all(port, [_packed(send) for send in sends]))


def _packed(send: Send) -> bytes:
    webhook_id, item, units, at = send
    body = json.dumps({"inventory_item_id": item, "location_id": 7, "available": units}).encode()
    signature = base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()
    head = (
        "POST /webhooks/shopify/bench HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-Shopify-Topic: inventory_levels/update\r\n"
        f"X-Shopify-Webhook-Id: {webhook_id}\r\nX-Shopify-Triggered-At: {at}\r\n"
        f"X-Shopify-Hmac-Sha256: {signature}\r\n\r\n"
    )
    return head.encode() + body


async def _send_all(port: int, packed: list[bytes]) -> tuple[float, list[float], int]:
    took: list[float] = []
    refused = 0
    places = iter(range(len(packed)))
    began = time.perf_counter()

    async def sender() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for place in places:
            due = began + place / RATE
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            sent = time.perf_counter()
            writer.write(packed[place])
            head = await reader.readuntil(b"\r\n\r\n")
            took.append((time.perf_counter() - sent) * 1000)
            refused += not head.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))
    return time.perf_counter() - began, took, refused


def _apply_until(database: str) -> None:
    """What the Dag does meanwhile: about once in two seconds all that waits."""
    engine = connect(database)
    while True:
        apply_all(engine, datetime.now(UTC))
        time.sleep(2)


def _count_lost(engine: Engine, sends: list[Send], newest: dict[int, int]) -> int:
    """Deliveries that are not kept, kept twice or not applied, and items that do not have their newest stock."""
    with engine.connect() as connection:
        kept, applied = connection.execute(text(statement("webhooks.count_deliveries"))).one()
        levels: Any = connection.execute(text(statement("webhooks.read_levels"))).all()
    unique = len({send[0] for send in sends})
    stock = {row.variant_id: int(row.quantity) for row in levels}
    wrong = sum(stock[f"v{item}"] != units for item, units in newest.items())
    return abs(unique - kept) + abs(unique - applied) + wrong


def _floor(place: Place) -> float:
    return float(RATE)


register(
    "webhooks",
    _ours,
    _floor,
    target_ratio=0.97,
    unit="/s",
    about=(
        f"{RATE:,} of Shopify's webhooks a second for {SECONDS} seconds at one process of the door, over {CONNECTIONS} "
        f"connections: {REPEATED:.0%} are sent twice, {DISPLACED:.0%} come up to two seconds late. Meanwhile another "
        "process applies what waits, as the Dag does. The floor is the rate at which they are sent. `lost` counts "
        "webhooks that were not kept exactly once or not applied, and levels that do not hold the newest words in the "
        f"end. Sender, door, applier and Postgres share the machine ({SETTINGS_TEXT})."
    ),
    prepare=_prepare,
    limits={"lost": 0, "refused": 0},
)
