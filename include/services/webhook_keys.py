"""What shops' platforms sign their webhooks with: the door checks it without knowing Airflow's Connections."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from include.db.queries import run_query


def keep_key(connection: Connection, shop_id: str, secret: str | None, now: datetime) -> None:
    """Remember the secret of the shop's Connection; without one no webhook of the shop is believed."""
    if secret is None:
        run_query(connection, "webhook.drop_key", shop_id=shop_id)
    else:
        run_query(connection, "webhook.keep_key", shop_id=shop_id, secret=secret, now=now)


@dataclass(frozen=True)
class WebhookKey:
    """What a shop's webhooks are signed with, and of which store they are, where that is known."""

    secret: str
    store_domain: str | None

    def is_of_store(self, named: str) -> bool:
        """Whether a webhook that names this store is the shop's: one app signs for all stores that have it."""
        return not (named and self.store_domain) or named.strip().lower() == self.store_domain


def find_key(engine: Engine, shop_id: str) -> WebhookKey | None:
    """The key of a shop's webhooks, if one is known."""
    with engine.connect() as connection:
        row = run_query(connection, "webhook.find_key", shop_id=shop_id).one_or_none()
    return row and WebhookKey(row.secret, row.store_domain)
