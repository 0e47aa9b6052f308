"""Shops as the database knows them."""

import json
from datetime import datetime, timedelta
from itertools import pairwise

from croniter import croniter
from sqlalchemy import Connection

from include.db.queries import run_query
from include.domain.shop import Shop
from include.errors import NotFound

SHORTEST_STOCK_AGE = timedelta(hours=1)
FIRINGS_COMPARED = 60


def register_shop(connection: Connection, shop: Shop, now: datetime) -> None:
    """Store a shop as its file describes it now."""
    locations = shop.locations
    run_query(
        connection,
        "shop.register_shop",
        shop_id=shop.id,
        name=shop.display_name,
        currency=shop.currency,
        time_zone=shop.time_zone,
        locale=shop.locale,
        included_locations=list(locations.include) if locations and locations.include is not None else None,
        excluded_locations=list(locations.exclude) if locations else [],
        double_opt_in=shop.double_opt_in,
        preferred_channels=list(shop.preferred_channels),
        max_stock_age_seconds=max_stock_age(shop, _age_by_variable(connection), now).total_seconds(),
        now=now,
    )
    run_query(connection, "shop.replace_bundles", shop_id=shop.id, parts=json.dumps(_bundle_parts(shop)))


def name_store(connection: Connection, shop_id: str, store_domain: str | None) -> None:
    """Keep how the platform names the shop's store."""
    run_query(connection, "shop.name_store", shop_id=shop_id, store_domain=store_domain)


def find_shop_of_store(connection: Connection, shop_id: str, store_domain: str) -> str:
    """The shop of a store: the one that pulls from it, else the shop told, where that has no other store.

    Raises NotFound: what is told of one store is never done to another.
    """
    if not store_domain:
        return shop_id
    rows = run_query(
        connection, "shop.find_store", shop_id=shop_id, store_domain=store_domain.strip().lower()
    ).all()
    if not rows or rows[0].is_another:
        raise NotFound(
            f"Shop '{shop_id}' is not this store, and no other shop is: its Connection names another one."
        )
    return str(rows[0].shop_id)


def max_stock_age(shop: Shop, by_variable: timedelta | None, now: datetime) -> timedelta:
    """How old an observation may be to tell anybody (SEMANTICS 2.7).

    What the shop says, else what the Variable says, else two intervals, at least an hour.
    """
    said = shop.stock_age or by_variable
    return said or max(SHORTEST_STOCK_AGE, 2 * _longest_interval(shop, now))


def _age_by_variable(connection: Connection) -> timedelta | None:
    newest = run_query(connection, "rules.find_newest").one_or_none()
    minutes = newest.rules.get("max_stock_age_minutes") if newest is not None else None
    return None if minutes is None else timedelta(minutes=minutes)


def _bundle_parts(shop: Shop) -> list[dict[str, object]]:
    return [
        {"bundle_variant_id": bundle.variant, "component_variant_id": component, "units_per_bundle": units}
        for bundle in shop.bundles
        for component, units in bundle.components.items()
    ]


def require_shop(connection: Connection, shop_id: str) -> None:
    """Raise NotFound unless the shop was registered by a sync or an import."""
    if run_query(connection, "shop.find_shop", shop_id=shop_id).one_or_none() is None:
        raise NotFound(
            f"No shop '{shop_id}' is known. A shop is registered by its first sync, or by an import with its "
            "entry in dags/config/shops.yaml."
        )


def _longest_interval(shop: Shop, now: datetime) -> timedelta:
    if shop.interval is not None:
        return shop.interval
    firings = croniter(shop.cron, now.astimezone(shop.zone))
    times = [firings.get_next(datetime) for _ in range(FIRINGS_COMPARED)]
    return max(later - earlier for earlier, later in pairwise(times))
