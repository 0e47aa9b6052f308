"""Made-up people who wait, written in SQL through every constraint."""

from datetime import timedelta

from sqlalchemy import Engine, text

from benchmarks.place import NOW
from include.domain.flow import Flow
from include.services.flows import register_flows
from include.services.rules import store_rule_set

SHOP = """INSERT INTO shop (shop_id, name, currency, time_zone, locale, url, max_stock_age, registered_at)
VALUES ('bench', 'Bench', 'EUR', 'Europe/Berlin', 'en', 'https://shop.example', INTERVAL '1 hour', :now)"""
SNAPSHOT = """INSERT INTO snapshot
    (shop_id, window_key, kind, state, source, observed_at, loaded_at, detected_at)
VALUES ('bench', 'bench-0', 'full', 'complete', 'bench', :now, :now, :now)"""
VARIANTS = """INSERT INTO variant
    (shop_id, variant_id, product_id, title, url, image_url, price, first_seen_at, changed_at)
SELECT
    'bench', 'v' || n, 'p' || n / 4, 'Linen shirt ' || n || ' / M',
    'https://shop.example/products/linen-shirt-' || n || '?variant=' || n,
    'https://cdn.shop.example/files/linen-shirt-' || n || '.jpg?v=1700000000', 49.90, :now, :now
FROM generate_series(1, :variants) AS n"""
STOCK = """INSERT INTO variant_stock
    (shop_id, variant_id, available, units, is_open, last_below, cycle, observed_at, opened_at, restocked_at)
SELECT 'bench', 'v' || n, :units, :units, true, 0, 1, :now, :now, :now
FROM generate_series(1, :variants) AS n"""
PEOPLE = """INSERT INTO profile (shop_id, email, email_key, first_name, created_at)
SELECT 'bench', address, address, 'Robin', CAST(:now AS timestamptz) - INTERVAL '90 days'
FROM (SELECT 'person' || n || '@example.org' AS address FROM generate_series(1, :people) AS n) AS person"""
# One request after the other, each for another variant, as they come in: a variant's lie far from each other.
REQUESTS = """INSERT INTO subscription
    (shop_id, variant_id, profile_id, channels, source, subscribed_at, created_at, state)
SELECT
    'bench', 'v' || 1 + n % :variants, 1 + (n + n / :variants) % :people, '{EMAIL}', 'bench', moment, moment, 'waiting'
FROM (
    SELECT n, CAST(:now AS timestamptz) - INTERVAL '80 days' + n * INTERVAL '0.5 seconds' AS moment
    FROM generate_series(0, :requests - 1) AS n
) AS asked"""
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
    for statement in (SHOP, SNAPSHOT, VARIANTS, STOCK, PEOPLE, REQUESTS):
        clause = text(statement)
        with engine.begin() as connection:
            connection.execute(clause, {name: given[name] for name in clause._bindparams})
    store_rule_set(engine, {"restock_customers_per_unit": "5"}, NOW - timedelta(days=1))
    register_flows(engine, [Flow.model_validate(FLOW)], NOW - timedelta(days=1))
    with engine.begin() as connection:
        connection.execute(text("UPDATE variant_stock SET next_check_at = NULL"))
