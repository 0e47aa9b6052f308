"""Lanes of the dispatch in processes of their own, as Airflow's tasks are."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.pool import Pool
from pathlib import Path

from benchmarks.place import NOW
from include.db.engine import connect
from include.local.ports import HOST
from include.messaging.render.library import built_in_library
from include.messaging.senders.file import FileSender
from include.messaging.senders.smtp import SmtpSender, SmtpSettings
from include.services.dispatch import Lane, dispatch_lane

START_SECONDS = 0.2


@contextmanager
def started_lanes(count: int) -> Iterator[Pool]:
    """Processes that have imported everything, each for one lane at a time."""
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        pool.map(time.sleep, [START_SECONDS] * count, chunksize=1)
        yield pool


def send_all(pool: Pool, count: int, url: str, port: int, connections: int, journals: Path) -> Counter[str]:
    """Let `count` lanes send whatever is due; outcomes, and microseconds of our processor time."""
    given = [(f"bench {number}", url, port, connections, journals) for number in range(count)]
    return sum(pool.starmap(_send, given, chunksize=1), Counter())


def _send(name: str, url: str, port: int, connections: int, journals: Path) -> Counter[str]:
    """One lane, its clock going on from the moment at which the queue was filled."""
    settings = SmtpSettings(HOST, port, "none", "shop@shop.example", "Bench", connections=connections)
    engine, began, began_cpu = connect(url), datetime.now(UTC), time.process_time()
    lane = Lane(
        engine=engine,
        name=name,
        sender=SmtpSender(settings),
        recorder=FileSender(journals / "recorded"),
        mailbox=settings.mailbox,
        templates=built_in_library(),
        clock=lambda: NOW + (datetime.now(UTC) - began),
        journals=journals,
    )
    counts = Counter(dispatch_lane(lane, NOW + timedelta(hours=1)))
    engine.dispose()
    counts["cpu_us"] = int((time.process_time() - began_cpu) * 1e6)
    return counts
