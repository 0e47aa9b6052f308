"""The whole dispatch of mails against Postfix's own load generator, into the same sink."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.crowds import fill_crowd
from benchmarks.debian_tools import Tool, find_tool
from benchmarks.framework import Skipped, register
from benchmarks.lanes import send_all, started_lanes
from benchmarks.place import (
    NOW,
    SETTINGS_TEXT,
    copied_database,
    folder,
    open_server,
    statement,
)
from include.db.engine import connect
from include.local.ports import HOST
from include.local.postgres import EmbeddedPostgres
from include.local.server_place import ACCOUNT_NAME, server_account
from include.services.flows import move_step
from include.services.outbox import set_delivery
from include.services.release import release_due
from include.services.rules import rules_in_force

MAIL_COUNT = 20_000
LANES = 2
CONNECTIONS = 8
# About what a mail of ours has, headers and all.
MAIL_BYTES = 5_000
MAKE_DUE = statement("dispatch.make_due")
COUNT_SENT = statement("dispatch.count_sent")


@dataclass(frozen=True)
class Place:
    """A sink that takes mails, and a database that can be copied with its queue."""

    server: EmbeddedPostgres
    source: Tool
    port: int


def queue_of_mails(engine: Engine) -> None:
    """Fill a database up to the moment at which 20,000 mails are queued."""
    fill_crowd(engine, variants=2_000, units=2, people=MAIL_COUNT, requests=2 * MAIL_COUNT)
    with engine.begin() as connection:
        connection.execute(text(MAKE_DUE), {"now": NOW})
        rule_set_id, _ = rules_in_force(connection, NOW)
    assert release_due(engine, rule_set_id, "bench", NOW)["released"] == MAIL_COUNT
    assert move_step(engine, "back_in_stock", "tell", NOW)["messages"] == MAIL_COUNT


@contextmanager
def _prepare() -> Iterator[Place]:
    sink, source = find_tool("smtp-sink", "postfix"), find_tool("smtp-source", "postfix")
    with open_server() as server, _open_sink(sink) as port:
        yield Place(server, source, port)


@contextmanager
def _open_sink(sink: Tool) -> Iterator[int]:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    account = ["-u", ACCOUNT_NAME] if server_account() else []
    command = [str(sink.path), *account, f"{HOST}:{port}", "1000"]
    process = subprocess.Popen(command, env=sink.environment, stderr=subprocess.PIPE, text=True)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, sink: "subprocess.Popen[str]") -> None:
    for _ in range(100):
        if sink.poll() is not None:
            raise Skipped(f"smtp-sink ended: {sink.stderr.read().strip() if sink.stderr else ''}")
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise Skipped("smtp-sink does not answer.")


def _ours(place: Place) -> tuple[float, dict[str, float]]:
    with (
        copied_database(place.server, queue_of_mails, "bench_dispatch") as url,
        tempfile.TemporaryDirectory(dir=folder()) as journals,
        started_lanes(LANES) as pool,
    ):
        engine = connect(url)
        set_delivery(engine, "live", ())
        began = time.perf_counter()
        counts = send_all(pool, LANES, url, place.port, CONNECTIONS // LANES, Path(journals))
        seconds = time.perf_counter() - began
        with engine.connect() as connection:
            marked = connection.execute(text(COUNT_SENT)).scalar_one()
        engine.dispose()
    assert counts["sent"] == marked == MAIL_COUNT, counts
    return MAIL_COUNT / seconds, {"cpu_us_per_mail": counts["cpu_us"] / MAIL_COUNT}


def _floor(place: Place) -> float:
    command = [str(place.source.path), "-s", str(CONNECTIONS), "-d", "-m", str(MAIL_COUNT)]
    command += ["-l", str(MAIL_BYTES), "-f", "shop@shop.example", "-t", "person@example.org"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, f"{HOST}:{place.port}"], env=place.source.environment, capture_output=True, text=True
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"smtp-source failed: {done.stderr.strip()}")
    return MAIL_COUNT / seconds


register(
    "dispatch",
    _ours,
    _floor,
    target_ratio=0.6,
    unit="mails/s",
    about=(
        "20,000 queued alerts to 20,000 people, sent by two lanes of the dispatch (as many as the local "
        "stack has), four connections each: claim under a lease, check of consent, stock and caps, "
        "render, sign, send, journal with fdatasync, mark message and request in committed transactions. "
        "The floor is Postfix's `smtp-source -s 8 -d`, a C program that sends one and the same text of "
        "the same length and remembers nothing. Both send to the same `smtp-sink` on this machine, which "
        f"takes its share of the same processors, as does Postgres 18 with fsync on, {SETTINGS_TEXT}."
    ),
    prepare=_prepare,
)
