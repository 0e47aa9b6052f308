"""How the demo shop's stock goes on: the script first, then plausible days without an end.

A stage is a number; the same number is always the same stock, so that a shop which is started again goes on
where it was.
"""

import random
from collections.abc import Mapping
from functools import cache

from include.local.demo.assortment import Split, first_stock, list_variants, seeded_chance
from include.local.demo.crowd import rank_awaited
from include.local.demo.script import NOTHING, STAGES, Stage

SELLING_VARIANTS = 8
SELL_OUT_CHANCE = 0.5
RESTOCKED_VARIANTS = 3
RESTOCK_UNITS = (4, 8, 12, 20, 30)
MAINTENANCE_EVERY = 6
MOST_WANTED = 60

Stock = Mapping[str, Split]

_past: list[tuple[Stage, Stock]] = []


def stage_at(number: int) -> Stage:
    """What stage `number` changes; after the script a made-up one."""
    return _live_until(number)[0]


def stock_at(number: int) -> Stock:
    """Every variant's stock in stage `number`."""
    return _live_until(number)[1]


def title_of(variant_id: str) -> str:
    """A variant's title."""
    return _titles()[variant_id]


def _live_until(number: int) -> tuple[Stage, Stock]:
    while len(_past) <= number:
        before = _past[-1][1] if _past else first_stock()
        today = len(_past)
        stage = STAGES[today] if today < len(STAGES) else _make_up(today, before)
        _past.append((stage, {**before, **stage.stock}))
    return _past[number]


@cache
def _titles() -> Mapping[str, str]:
    return {variant.variant_id: variant.title for variant in list_variants()}


def _make_up(number: int, before: Stock) -> Stage:
    if (number - len(STAGES)) % MAINTENANCE_EVERY == MAINTENANCE_EVERY - 1:
        return Stage(
            title="Maintenance",
            story="The shop answers with a web page instead of its feed; the next step ends that.",
            fault="maintenance_page",
        )
    chance = seeded_chance(f"stage {number}")
    awaited = [name for name in rank_awaited() if name in before]
    sold_out = [name for name in awaited if before[name].units == 0][:MOST_WANTED]
    stocked = [name for name in awaited if before[name].units > 0]
    restocked = {
        name: _delivery(chance) for name in chance.sample(sold_out, min(RESTOCKED_VARIANTS, len(sold_out)))
    }
    selling = chance.sample(stocked, min(SELLING_VARIANTS, len(stocked)))
    sold = {name: _after_sales(before[name], chance) for name in selling}
    return Stage(title="An ordinary day", story=_tell(before, sold, restocked), stock={**sold, **restocked})


def _delivery(chance: random.Random) -> Split:
    units = chance.choice(RESTOCK_UNITS)
    return Split(units - units // 3, units // 3)


def _after_sales(stock: Split, chance: random.Random) -> Split:
    if chance.random() < SELL_OUT_CHANCE:
        return NOTHING
    return Split(chance.randint(0, stock.warehouse), chance.randint(0, stock.store))


def _tell(before: Stock, sold: Stock, restocked: Stock) -> str:
    arrived = "; ".join(f"'{title_of(name)}' (+{stock.units})" for name, stock in restocked.items())
    gone = "; ".join(
        f"'{title_of(name)}' ({before[name].units} → {stock.units})"
        for name, stock in sold.items()
        if stock != before[name]
    )
    return f"Back in stock: {arrived or 'nothing'}. Sold: {gone or 'nothing'}."
