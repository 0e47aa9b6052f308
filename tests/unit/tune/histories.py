"""A small shop's order history, and the year made of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta

from include.local.replay.orders import OrderHistory, OrderLine
from include.local.replay.stock_policy import PolicySettings
from include.local.tune.walk import Clockwork
from include.local.tune.year import Year, end_of, year_of_orders

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
SCARCE = PolicySettings(initial_days=3, cover_days=2, lead_days_min=2, lead_days_max=5)


def a_history(articles: int = 8, days: int = 40, lines: int = 1_500) -> OrderHistory:
    draw = random.Random(7)
    minutes = sorted(draw.sample(range(days * 24 * 60), lines))
    return OrderHistory(
        lines=[
            OrderLine(
                FIRST + timedelta(minutes=minute),
                number,
                f"A{draw.randrange(articles)}",
                str(draw.randrange(60)),
                -1 if draw.random() < 0.05 else draw.randint(1, 6),
                draw.random() < 0.02,
            )
            for number, minute in enumerate(minutes, start=2)
        ]
    )


def a_year() -> Year:
    history = a_history()
    return year_of_orders(history, SCARCE, Clockwork(end_of(history)), time(9))
