"""Why a request stands where it stands, in one sentence (SEMANTICS 4.8)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row

from include.db.queries import run_query
from include.errors import NotFound

HOLDS = {
    "absent": "the variant is missing from the last full pull, so nobody is told until it is seen again",
    "stale_stock": "the last look at the stock is too old or was refused, so nobody is told until a fresh one",
    "no_live_message": "no flow has a live message, so a release would tell nobody",
    "in_flight": "people released before are still to be told, and they come first",
    "waiting_time": "the wait between two batches has not ended",
}


def explain_request(engine: Engine, subscription_id: int) -> str:
    """One sentence for one request; raises NotFound."""
    with engine.connect() as connection:
        row = run_query(connection, "request.explain_request", subscription_id=subscription_id).one_or_none()
    if row is None:
        raise NotFound(
            f"No request has the id {subscription_id}. `restock subscriptions export` lists who waits."
        )
    return f"Request {subscription_id} for {_item(row)} {_explain(row)}."


def _item(row: Row[Any]) -> str:
    if row.product_id is None:
        return f"variant '{row.variant_id}'"
    queue = f", now in the queue of variant '{row.variant_id}'," if row.variant_id else ""
    return f"any variant of product '{row.product_id}'{queue}"


def _explain(row: Row[Any]) -> str:
    if row.state == "notified":
        return f"was told at {_at(row.notified_at)}; {_batch(row)}"
    if row.state == "released":
        return f"was released and its message is {_message(row)}; {_batch(row)}"
    if row.state == "waiting":
        place = f" at place {row.place}" if row.variant_id else ""
        return f"waits{place}: {_waiting(row)}"
    if row.state == "skipped":
        return f"was skipped at {_at(row.ended_at)} because of '{row.reason}'"
    return f"is {row.state} since {_at(row.ended_at)}" if row.ended_at else f"is {row.state}"


def _message(row: Row[Any]) -> str:
    if row.message_state is None:
        return "about to be queued"
    waits_for = (
        f" (waits: {row.message_reason}, looked at again {_at(row.message_due_at)})"
        if row.message_reason
        else ""
    )
    return f"{row.message_state}{waits_for}"


def _batch(row: Row[Any]) -> str:
    per_unit = row.batch_per_unit or "all"
    allowed = (
        f" - {row.batch_in_flight} in flight = {row.batch_allowed}" if row.batch_allowed is not None else ""
    )
    return (
        f"batch {row.batch_id} of {_at(row.decided_at)} took {row.batch_released} of {row.batch_waiting} who waited: "
        f"{row.batch_units} units x {per_unit} per unit{allowed}"
    )


def _waiting(row: Row[Any]) -> str:
    if row.variant_id is None:
        return "no variant of it that this person may be told about is in stock"
    if not row.is_known_variant:
        return "no catalog knows this variant yet"
    if not row.is_open:
        again = (
            " after it sold out again before the message left" if row.reason == "out_of_stock_again" else ""
        )
        return f"{row.units} units are in stock, too few to tell anyone{again}"
    if row.restock_after is not None and (row.restocked_at is None or row.restocked_at <= row.restock_after):
        return f"it asked for the next restock after {_at(row.restock_after)}, and none has come since"
    if row.not_before is not None and (row.next_check_at is None or row.not_before >= row.next_check_at):
        return f"it was told about this variant less than 24 hours ago; next look at {_at(row.not_before)}"
    if row.hold_reason in HOLDS:
        return HOLDS[row.hold_reason]
    return _between_batches(row)


def _between_batches(row: Row[Any]) -> str:
    if row.last_batch_at is None:
        return f"{row.units} units are in stock and release looks at it at {_at(row.next_check_at)}"
    return (
        f"the batch of {_at(row.last_batch_at)} took {row.last_batch_released}; {row.units} units are in stock and "
        f"the next batch is decided at {_at(row.next_check_at)}"
    )


def _at(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "a time not yet known"
