"""The rules in force: Airflow Variables, validated and stored (SEMANTICS 4.9)."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from include.db.queries import run_many, run_query
from include.domain.rules import RuleSet, parse_rule_set
from include.domain.wake import DISPATCH, RELEASE
from include.services.calendars import check_countries
from include.services.due import wake
from include.services.openings import Rulebook, judge_touched


def store_rule_set(engine: Engine, values: Mapping[str, str | None], now: datetime) -> dict[str, Any]:
    """Validate the Variables and make them the rule set in force; an unchanged one keeps its id.

    Raises ConfigurationError with each bad Variable, its value and what is allowed.
    """
    rules = parse_rule_set(values)
    check_countries(rules)
    with engine.begin() as connection:
        rule_set_id, is_new = put_in_force(connection, rules, now)
    return {"rule_set_id": rule_set_id, "is_new": is_new}


def put_in_force(connection: Connection, rules: RuleSet, now: datetime) -> tuple[int, bool]:
    """The id under which these rules hold from now on, and whether they differ from those before."""
    run_query(connection, "rules.lock_rules")
    newest = run_query(connection, "rules.find_newest").one_or_none()
    if newest is not None and newest.rules == rules.model_dump(mode="json"):
        return newest.rule_set_id, False
    rule_set_id = insert_rule_set(connection, rules, now)
    before = RuleSet.model_validate(newest.rules) if newest is not None else RuleSet()
    counts_otherwise = _counts_in_its_own_way(before) or _counts_in_its_own_way(rules)
    _judge_again(connection, Rulebook(rule_set_id, rules), counts_otherwise, now)
    _adopt_limits(connection, rules)
    return rule_set_id, True


def rules_in_force(connection: Connection, now: datetime) -> tuple[int, RuleSet]:
    """The newest rule set; the defaults are stored where there is none yet."""
    newest = run_query(connection, "rules.find_newest").one_or_none()
    if newest is not None:
        return newest.rule_set_id, RuleSet.model_validate(newest.rules)
    run_query(connection, "rules.lock_rules")
    rules = RuleSet()
    return insert_rule_set(connection, rules, now), rules


def read_rule_set(connection: Connection, rule_set_id: int) -> RuleSet:
    """One rule set as it was stored."""
    return RuleSet.model_validate(
        run_query(connection, "rules.find_rule_set", rule_set_id=rule_set_id).one().rules
    )


def insert_rule_set(connection: Connection, rules: RuleSet, now: datetime) -> int:
    """Store a rule set with its overrides; the new id."""
    inserted = run_query(
        connection,
        "rules.insert_rule_set",
        min_inventory=rules.min_inventory,
        customers_per_unit=rules.people_allowed(),
        wait_minutes=rules.wait_minutes,
        rules=json.dumps(rules.model_dump(mode="json")),
        now=now,
    )
    rule_set_id = int(inserted.scalar_one())
    run_many(connection, "rules.insert_overrides", _override_rows(rule_set_id, rules))
    return rule_set_id


def _override_rows(rule_set_id: int, rules: RuleSet) -> list[dict[str, Any]]:
    return [
        {
            "rule_set_id": rule_set_id,
            "entry_number": number,
            "scope": override.scope,
            "target": override.target,
            "shop_id": override.shop,
            "priority": override.priority,
            "rules": json.dumps(override.rules),
        }
        for number, override in enumerate(rules.rule_overrides, 1)
    ]


def _adopt_limits(connection: Connection, rules: RuleSet) -> None:
    for channel in ("EMAIL", "SMS"):
        limits = rules.limits(channel)
        domains, rates = list(limits), list(limits.values())
        adopted = run_query(
            connection, "rate.adopt_limits", channel=channel, domains=domains, per_second=rates
        )
        if adopted.rowcount:
            wake(connection, DISPATCH)


def _judge_again(connection: Connection, rulebook: Rulebook, counts_otherwise: bool, now: datetime) -> None:
    for shop_id in run_query(connection, "rules.list_shops").scalars().all():
        here = {"shop_id": shop_id, "snapshot_id": 0}
        run_query(connection, "snapshot.lock_shop", shop_id=shop_id)
        run_query(connection, "stock.clear_touched")
        run_query(connection, "stock.judge_under_new_rules", **here, **rulebook.minimum)
        run_query(connection, "rules.recall_last_below", **here, **rulebook.minimum, **rulebook.locations)
        if counts_otherwise:
            run_query(connection, "stock.touch_miscounted", **here, **rulebook.counting)
            run_query(connection, "stock.touch_bundles", **here)
        judge_touched(connection, shop_id, None, rulebook, now, now)
    run_query(connection, "release.wake_held", now=now)
    wake(connection, RELEASE)


def _counts_in_its_own_way(rules: RuleSet) -> bool:
    """Whether a rule decides anywhere which stock counts."""
    sets = [rules.model_dump(mode="json"), *(override.rules for override in rules.rule_overrides)]
    return any(
        values.get("oversell") == "always_in_stock"
        or values.get("included_locations") is not None
        or values.get("excluded_locations") is not None
        for values in sets
    )
