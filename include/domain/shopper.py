"""How somebody who was told behaves: the assumptions under which thresholds are compared (docs/tuning.md).

A choice is drawn from the seed and the shopper alone, never from the moment or the setting: under every
setting the same shopper makes the same choices, so that settings differ by what they do and not by luck.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist

from include.errors import ConfigurationError

# The longest that any drawn time may be; beyond it a walk has ended anyway.
LONGEST = timedelta(days=3650)
_DRAW_BYTES = 8
_DRAWS = 4
_STANDARD = NormalDist()


@dataclass(frozen=True)
class ShopperModel:
    """`returning`: share of the told who come; `visit_minutes`: median time from mail to shop, log-normal
    with `visit_spread`; `patience_days`: half of the waiting have lost interest after so long;
    `asking_again`: share of those who came in vain and ask once more."""

    returning: float = 0.3
    visit_minutes: float = 60.0
    visit_spread: float = 1.5
    patience_days: float = 60.0
    asking_again: float = 0.5
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("returning", "asking_again"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; allowed is 0 to 1.")
        for name in ("visit_minutes", "patience_days"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; allowed is a number above 0.")
        if not 0 <= self.visit_spread <= 5:
            raise ConfigurationError(f"visit_spread is {self.visit_spread}; allowed is 0 to 5.")


@dataclass(frozen=True)
class Choice:
    """What a shopper does about one request: `patience` counts from asking, `delay` from the mail."""

    comes: bool
    delay: timedelta
    patience: timedelta
    asks_again: bool


def choose(model: ShopperModel, shopper: str, turn: int) -> Choice:
    """The choice of a shopper the `turn`-th time that this wish is asked for; the same for the same seed."""
    comes, visit, patience, again = _draw(f"{model.seed}/{turn}/{shopper}")
    spread = math.exp(model.visit_spread * _STANDARD.inv_cdf(visit))
    return Choice(
        comes=comes < model.returning,
        delay=_limit(timedelta(minutes=1), model.visit_minutes * spread),
        patience=_limit(timedelta(days=1), model.patience_days * -math.log2(patience)),
        asks_again=again < model.asking_again,
    )


def _draw(text: str) -> list[float]:
    """Numbers above 0 and below 1, evenly spread."""
    digest = hashlib.blake2b(text.encode(), digest_size=_DRAW_BYTES * _DRAWS).digest()
    parts = (digest[place : place + _DRAW_BYTES] for place in range(0, len(digest), _DRAW_BYTES))
    return [((int.from_bytes(part) >> 12) + 0.5) / 2**52 for part in parts]


def _limit(unit: timedelta, count: float) -> timedelta:
    return unit * count if count < LONGEST / unit else LONGEST
