"""What shops' platforms sign their webhooks with: the door checks it without knowing Airflow's Connections."""

from datetime import datetime

from sqlalchemy import Connection, Engine

from include.db.queries import run_query


def keep_key(connection: Connection, shop_id: str, secret: str | None, now: datetime) -> None:
    """Remember the secret of the shop's Connection; without one no webhook of the shop is believed."""
    if secret is None:
        run_query(connection, "webhook.drop_key", shop_id=shop_id)
    else:
        run_query(connection, "webhook.keep_key", shop_id=shop_id, secret=secret, now=now)


def find_key(engine: Engine, shop_id: str) -> str | None:
    """The secret of a shop's webhooks, if one is known."""
    with engine.connect() as connection:
        found: str | None = run_query(connection, "webhook.find_key", shop_id=shop_id).scalar_one_or_none()
    return found
