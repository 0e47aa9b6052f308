"""The demo shop's waiting list, for a stack that stays."""

from datetime import datetime

from sqlalchemy import Engine

from include.errors import StackError
from include.local.demo.theatre import SHOP_ID
from include.services.outbox import set_delivery
from include.services.waiting_list import import_waiting_list
from include.settings import Settings


def bring_people(settings: Settings, engine: Engine, now: datetime) -> str:
    """Import the people who wait at the demo shop, and let mails leave to the local mail server.

    Called again, it adds nobody. Raises StackError when the shop was never started.
    """
    file = settings.var_folder / "demo_shop" / "waiting_list.csv"
    if not file.exists():
        raise StackError(
            f"{file} does not exist: the demo shop was never started here. Start it with `make up`."
        )
    taken = import_waiting_list(engine, SHOP_ID, file, now)
    set_delivery(engine, "live", [])
    return (
        f"{taken.new:,} requests are new, {taken.waiting:,} wait in all; {len(taken.rejects)} lines of {file} were "
        f"refused. Delivery is live: mails are kept in {settings.var_folder / 'mailbox'}. "
        "`restock demo step` lets the shop go on."
    )
