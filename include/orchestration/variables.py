"""The rules as Airflow Variables: created with their defaults when missing, edited by people in the UI."""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowRuntimeError

from include.domain.rules import VARIABLE_PREFIX, describe_variables, parse_rule_set
from include.errors import TemporaryError
from include.orchestration.connections import open_database


def create_missing_variables() -> list[str]:
    """Create the Variables that do not exist, with default and description; the names created.

    What exists is never overwritten. `Variable.get` also says "not found" when Airflow's API did not answer,
    so only `Variable.keys`, which fails then, decides that a Variable is missing.
    """
    existing = set(Variable.keys(prefix=VARIABLE_PREFIX))
    missing = {name: spec for name, spec in describe_variables().items() if name not in existing}
    created = [name for name in missing if Variable.get(name, default=None) is None]
    for name in created:
        default, description = missing[name]
        Variable.set(name, default, description=description)
    return created


def read_rule_variables() -> dict[str, str]:
    """The text of every rule's Variable, unvalidated; one that can't be read never falls to its default."""
    return {name: _read(name) for name in describe_variables()}


def store_rules(is_dry_run: bool) -> dict[str, Any]:
    """Make the Variables the rule set in force; a dry run only checks them."""
    from include.services.rules import store_rule_set

    create_missing_variables()
    if is_dry_run:
        parse_rule_set(read_rule_variables())
        return {}
    with open_database() as engine:
        return store_rule_set(engine, read_rule_variables(), now=datetime.now(UTC))


def _read(name: str) -> str:
    try:
        return str(Variable.get(name))
    except AirflowRuntimeError as error:
        raise TemporaryError(
            f"Variable {name} can't be read: {error}. Nobody is told until it can."
        ) from error
