from datetime import UTC, date, datetime, timedelta

import pytest

from include.errors import ConfigurationError
from include.local.replay.orders import OrderLine
from include.local.replay.stock_policy import Demand, PolicySettings, StockPolicy, measure_demand

FIRST = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_line(
    quantity: int, customer: str = "7", day: int = 0, sku: str = "LAMP", adjusts: bool = False
) -> OrderLine:
    return OrderLine(NOON + timedelta(days=day), 2, sku, customer, quantity, adjusts)


def a_policy(units_per_day: int = 1, **settings: float) -> StockPolicy:
    demand = {"LAMP": Demand(FIRST, FIRST + timedelta(days=19), units_per_day * 20)}
    known = {"initial_days": 5, "cover_days": 8, "lead_days_min": 2, "lead_days_max": 2}
    policy = StockPolicy(demand, PolicySettings(**{**known, **settings}))  # type: ignore[arg-type]
    policy.open_day(FIRST)
    return policy


def test_an_article_starts_with_stock_for_some_days_of_its_mean_demand() -> None:
    assert a_policy(units_per_day=3, initial_days=5).stock == {"LAMP": 15}


def test_an_article_is_in_the_catalog_from_its_first_order_on() -> None:
    policy = StockPolicy({"SOFA": Demand(FIRST + timedelta(days=1), FIRST, 1)}, PolicySettings())
    policy.open_day(FIRST)
    assert policy.stock == {}
    policy.open_day(FIRST + timedelta(days=1))
    assert policy.stock["SOFA"] >= 1


def test_what_is_not_there_is_unmet() -> None:
    policy = a_policy()
    assert policy.take(a_line(3)) == 0
    assert policy.take(a_line(6)) == 4
    assert policy.stock == {"LAMP": 0}


def test_when_the_stock_is_gone_a_delivery_comes_after_the_lead_time() -> None:
    policy = a_policy()
    policy.take(a_line(5))
    policy.open_day(FIRST + timedelta(days=1))
    assert policy.stock == {"LAMP": 0}
    policy.open_day(FIRST + timedelta(days=2))
    assert policy.stock == {"LAMP": 8}


def test_one_order_is_under_way_at_a_time() -> None:
    policy = a_policy()
    policy.take(a_line(9))
    policy.take(a_line(9, day=1))
    policy.open_day(FIRST + timedelta(days=2))
    policy.open_day(FIRST + timedelta(days=3))
    assert policy.stock == {"LAMP": 8}


def test_a_cancellation_puts_back_at_most_what_this_customer_got() -> None:
    policy = a_policy()
    policy.take(a_line(4, customer="7"))
    policy.take(a_line(-9, customer="8"))
    assert policy.stock == {"LAMP": 1}
    policy.take(a_line(-9, customer="7"))
    assert policy.stock == {"LAMP": 5}
    policy.take(a_line(-1, customer="7"))
    assert policy.stock == {"LAMP": 5}


def test_an_adjustment_changes_the_stock_and_never_below_nothing() -> None:
    policy = a_policy()
    assert policy.take(a_line(10, adjusts=True)) == 0
    assert policy.stock == {"LAMP": 15}
    assert policy.take(a_line(-99, adjusts=True)) == 0
    assert policy.stock == {"LAMP": 0}


def test_the_same_seed_gives_the_same_lead_times_and_another_one_others() -> None:
    def arrivals(seed: int) -> list[int]:
        policy = a_policy(lead_days_min=1, lead_days_max=60, seed=seed)
        seen = []
        for day in range(1, 400):
            policy.take(a_line(99, day=day - 1))
            policy.open_day(FIRST + timedelta(days=day))
            if policy.stock["LAMP"]:
                seen.append(day)
        return seen

    assert arrivals(1) == arrivals(1)
    assert arrivals(1) != arrivals(2)


def test_demand_counts_sales_and_neither_cancellations_nor_adjustments() -> None:
    lines = [
        a_line(5),
        a_line(-2, day=1),
        a_line(7, day=2, adjusts=True),
        a_line(5, day=19),
        a_line(-5, day=30),
    ]
    known = measure_demand(lines)["LAMP"]
    assert (known.units, known.first_on, known.last_on) == (10, FIRST, FIRST + timedelta(days=19))
    assert known.units_per_day == 0.5


@pytest.mark.parametrize(
    "wrong",
    [{"initial_days": 0}, {"cover_days": -1}, {"lead_days_min": 0}, {"lead_days_min": 9, "lead_days_max": 8}],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        PolicySettings(**wrong)  # type: ignore[arg-type]
