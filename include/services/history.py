"""What is stored of a shop's past: how its stock moved, and who asked for what and when."""

from typing import Any

from sqlalchemy import Engine, Row

from include.db.queries import run_query
from include.services.shops import require_shop


def read_history(engine: Engine, shop_id: str) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """Stock changes of the variants that anybody asked for, and all requests; raises NotFound."""
    with engine.connect() as connection:
        require_shop(connection, shop_id)
        changes = run_query(connection, "history.read_stock_history", shop_id=shop_id).all()
        requests = run_query(connection, "history.read_request_history", shop_id=shop_id).all()
    return list(changes), list(requests)
