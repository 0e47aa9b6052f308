"""Expiry in SQL and its pure rule say the same (SEMANTICS 3.6)."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from include.domain.expiry import Age, judge_age
from include.services.request_age import age_requests
from tests.builders import World

days = st.integers(0, 12)
cases = st.tuples(days, st.one_of(st.none(), days), st.one_of(st.none(), days), st.booleans())


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    ages=st.lists(cases, min_size=1, max_size=30),
    limits=st.tuples(st.integers(0, 10), st.integers(0, 9)).filter(lambda pair: pair[1] < max(pair[0], 1)),
)
def test_3_6_requests_grow_old_as_the_rule_says(new_world, ages, limits) -> None:
    expire_days, still_wanted_days = limits
    with new_world() as world:
        world.set_rules(expire_days=expire_days, still_wanted_days=still_wanted_days, max_alerts_per_day=50)
        expected = []
        for number, (asked_for, kept, asked, is_askable) in enumerate(ages):
            age = Age(
                world.now - timedelta(days=asked_for),
                _ago(world.now, kept, asked_for),
                _ago(world.now, asked, asked_for),
                is_askable,
            )
            expected.append(judge_age(age, expire_days, still_wanted_days, world.now))
            _store(world, number, age)
        with world.engine.begin() as connection:
            age_requests(connection, world.now)
        assert [_fate(world, *row) for row in _read(world)] == expected


def _ago(now: datetime, days_ago: int | None, at_most: int) -> datetime | None:
    return None if days_ago is None else now - timedelta(days=min(days_ago, at_most))


def _store(world: World, number: int, age: Age) -> None:
    channels = ("EMAIL",) if age.is_askable else ("PUSH",)
    world.ask(f"p{number}@example.org", "LAMP", channels=channels, subscribed_at=age.subscribed_at)
    with world.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE subscription SET kept_at = :kept, asked_at = :asked"
                " WHERE subscription_id = (SELECT max(subscription_id) FROM subscription)"
            ),
            {"kept": age.kept_at, "asked": age.asked_at},
        )


def _read(world: World) -> list[tuple[str, bool]]:
    return [
        tuple(row)
        for row in world.query(
            "SELECT subscription.state, message_id IS NOT NULL FROM subscription"
            " LEFT JOIN message USING (shop_id, subscription_id) ORDER BY subscription_id"
        )
    ]


def _fate(world: World, state: str, has_mail: bool) -> str:
    return "expire" if state == "expired" else "ask" if has_mail else "wait"
