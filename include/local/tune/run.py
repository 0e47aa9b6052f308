"""A comparison from beginning to end: the same history and the same shoppers under each setting."""

import gc
import time as clock
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path

from sqlalchemy import Engine

from include.domain.pace import Pace
from include.domain.shopper import ShopperModel
from include.errors import ConfigurationError
from include.local.replay.orders import read_orders
from include.local.replay.stock_policy import PolicySettings
from include.local.tune.grid import OTHERS, Ranges, other_paces, own_paces
from include.local.tune.outcome import Comparison, Outcome
from include.local.tune.stored import year_of_history
from include.local.tune.walk import Clockwork
from include.local.tune.year import Year, end_of, year_of_orders
from include.services.history import read_history


@dataclass(frozen=True)
class TuneOptions:
    """Which settings are compared, and under which assumptions (docs/tuning.md)."""

    ranges: Ranges = field(default_factory=Ranges)
    against: str = OTHERS
    baseline: str = "klaviyo"
    shoppers: ShopperModel = field(default_factory=ShopperModel)
    policy: PolicySettings = field(default_factory=PolicySettings)
    beat_minutes: int = 15
    knows_orders: bool = False
    delivery_hour: int = 9
    days: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.beat_minutes <= 24 * 60 or 24 * 60 % self.beat_minutes:
            raise ConfigurationError(
                f"beat_minutes is {self.beat_minutes}; allowed is what divides a day: 1, 5, 15, 60 …"
            )
        if not 0 <= self.delivery_hour <= 23:
            raise ConfigurationError(f"delivery_hour is {self.delivery_hour}; allowed is 0 to 23.")
        if self.days is not None and self.days < 1:
            raise ConfigurationError(f"days is {self.days}; allowed is 1 or more.")

    def clockwork(self, end: datetime) -> Clockwork:
        """How time passes until `end`."""
        return Clockwork(end, timedelta(minutes=self.beat_minutes), self.knows_orders)


def tune_by_orders(
    orders: Path, options: TuneOptions, on_setting: Callable[[str], None] = lambda name: None
) -> Comparison:
    """Compare over an order history; raises ConfigurationError for a file that is none."""
    own, others = _settings(options)
    history = read_orders(orders)
    clockwork = options.clockwork(end_of(history, options.days))
    year = year_of_orders(history, options.policy, clockwork, time(options.delivery_hour))
    return _compare(year, own, others, options, on_setting)


def tune_by_shop(
    engine: Engine,
    shop_id: str,
    options: TuneOptions,
    now: datetime,
    on_setting: Callable[[str], None] = lambda name: None,
) -> Comparison:
    """Compare over what the database knows of a shop up to `now`; raises NotFound, ConfigurationError."""
    own, others = _settings(options)
    changes, requests = read_history(engine, shop_id)
    return _compare(
        year_of_history(changes, requests, options.clockwork(now)), own, others, options, on_setting
    )


def _settings(options: TuneOptions) -> tuple[list[Pace], list[Pace]]:
    own, others = own_paces(options.ranges), other_paces(options.against)
    names = [pace.name for pace in (*others, *own)]
    if others and options.baseline not in names:
        raise ConfigurationError(f"--baseline '{options.baseline}' is none of: {', '.join(names)}.")
    return own, others


def _compare(
    year: Year, own: list[Pace], others: list[Pace], options: TuneOptions, on_setting: Callable[[str], None]
) -> Comparison:
    # The history stays: not looking through it again and again saves a third of a walk.
    gc.freeze()
    outcomes = []
    for pace in (*others, *own):
        on_setting(pace.name)
        started = clock.process_time()
        figures = year.walk(pace, options.shoppers)
        outcomes.append(Outcome(pace, figures, pace in own, clock.process_time() - started))
    return Comparison(outcomes, options.baseline)
