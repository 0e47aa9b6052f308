"""Made-up people who wait, written in SQL through every constraint."""

from datetime import timedelta

from sqlalchemy import Engine, text

from benchmarks.place import NOW, statement
from include.domain.flow import Flow
from include.services.flows import register_flows
from include.services.rules import store_rule_set

SHOP = statement("crowds.shop")
SNAPSHOT = statement("crowds.snapshot")
VARIANTS = statement("crowds.variants")
STOCK = statement("crowds.stock")
PEOPLE = statement("crowds.people")
REQUESTS = statement("crowds.requests")
FLOW = {
    "name": "back_in_stock",
    "title": "Back in stock",
    "trigger": {"metric": "Subscribed to Back in Stock"},
    "steps": [
        {"id": "wait_for_stock", "kind": "back_in_stock_delay"},
        {"id": "tell", "kind": "send_email", "template": "back_in_stock", "status": "live"},
    ],
}


def fill_crowd(engine: Engine, *, variants: int, units: int, people: int, requests: int) -> None:
    """A shop whose variants are all open, with `requests` spread evenly over them."""
    given = {"now": NOW, "variants": variants, "units": units, "people": people, "requests": requests}
    for filling in (SHOP, SNAPSHOT, VARIANTS, STOCK, PEOPLE, REQUESTS):
        clause = text(filling)
        with engine.begin() as connection:
            connection.execute(clause, {name: given[name] for name in clause._bindparams})
    store_rule_set(engine, {"restock_customers_per_unit": "5"}, NOW - timedelta(days=1))
    register_flows(engine, [Flow.model_validate(FLOW)], NOW - timedelta(days=1))
    with engine.begin() as connection:
        connection.execute(text(statement("crowds.make_nobody_due")))
