"""The rules in force: Airflow Variables, validated and stored (SEMANTICS 4.9)."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from include.db.queries import run_query
from include.domain.rules import RuleSet, parse_rule_set
from include.domain.wake import DISPATCH, RELEASE
from include.services.due import wake
from include.services.openings import judge_touched


def store_rule_set(engine: Engine, values: Mapping[str, str | None], now: datetime) -> dict[str, Any]:
    """Validate the Variables and make them the rule set in force; an unchanged one keeps its id.

    Raises ConfigurationError with each bad Variable, its value and what is allowed.
    """
    rules = parse_rule_set(values)
    with engine.begin() as connection:
        run_query(connection, "rules.lock_rules")
        newest = run_query(connection, "rules.find_newest").one_or_none()
        if newest is not None and newest.rules == rules.model_dump(mode="json"):
            return {"rule_set_id": newest.rule_set_id, "is_new": False}
        rule_set_id = _insert(connection, rules, now)
        _judge_again(connection, rules, now)
        _adopt_limits(connection, rules)
        return {"rule_set_id": rule_set_id, "is_new": True}


def rules_in_force(connection: Connection, now: datetime) -> tuple[int, RuleSet]:
    """The newest rule set; the defaults are stored where there is none yet."""
    newest = run_query(connection, "rules.find_newest").one_or_none()
    if newest is not None:
        return newest.rule_set_id, RuleSet.model_validate(newest.rules)
    run_query(connection, "rules.lock_rules")
    rules = RuleSet()
    return _insert(connection, rules, now), rules


def read_rule_set(connection: Connection, rule_set_id: int) -> RuleSet:
    """One rule set as it was stored."""
    return RuleSet.model_validate(
        run_query(connection, "rules.find_rule_set", rule_set_id=rule_set_id).one().rules
    )


def _insert(connection: Connection, rules: RuleSet, now: datetime) -> int:
    inserted = run_query(
        connection,
        "rules.insert_rule_set",
        min_inventory=rules.min_inventory,
        customers_per_unit=rules.people_allowed(),
        wait_minutes=rules.wait_minutes,
        rules=json.dumps(rules.model_dump(mode="json")),
        now=now,
    )
    return int(inserted.scalar_one())


def _adopt_limits(connection: Connection, rules: RuleSet) -> None:
    limits = rules.email_limits()
    domains, rates = list(limits), list(limits.values())
    if run_query(connection, "rate.adopt_limits", domains=domains, per_second=rates).rowcount:
        wake(connection, DISPATCH)


def _judge_again(connection: Connection, rules: RuleSet, now: datetime) -> None:
    for shop_id in run_query(connection, "rules.list_shops").scalars().all():
        run_query(connection, "snapshot.lock_shop", shop_id=shop_id)
        run_query(connection, "stock.clear_touched")
        run_query(connection, "rules.recall_last_below", shop_id=shop_id, min_inventory=rules.min_inventory)
        run_query(
            connection,
            "stock.judge_under_new_rules",
            shop_id=shop_id,
            snapshot_id=0,
            min_inventory=rules.min_inventory,
        )
        judge_touched(connection, shop_id, None, rules, now, now)
    run_query(connection, "release.wake_held", now=now)
    wake(connection, RELEASE)
