"""What the demo can see of Restock's work: pulls, batches and mails, read from the database."""

from collections.abc import Container, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from include.db.queries import run_query
from include.local.demo.script import Stage
from include.local.demo.theatre import SHOP_ID, DemoFailed, Theatre
from include.local.demo.walk import title_of


def find_rules(theatre: Theatre, wanted: Mapping[str, float]) -> bool | None:
    """True once the newest rule set holds the wanted values."""
    with theatre.engine.connect() as connection:
        newest = run_query(connection, "rules.find_newest").one_or_none()
    if newest is None:
        return None
    return (
        all(newest.rules.get(name.removeprefix("restock_")) == value for name, value in wanted.items())
        or None
    )


def find_pull(theatre: Theatre, since: datetime) -> Row[Any] | None:
    """The first pull since a moment whose changes are worked out; a refused one is not expected here."""
    for pull in _pulls(theatre, since):
        if pull.state == "rejected":
            raise DemoFailed(f"A good feed was refused: {pull.reason}")
        return pull if pull.detected_at else None
    return None


def find_refusal(theatre: Theatre, since: datetime) -> Row[Any] | None:
    """The first pull since a moment, which must be refused."""
    for pull in _pulls(theatre, since):
        if pull.state != "rejected":
            raise DemoFailed("The bad feed was not refused. Its limits are Airflow Variables: restock_max_….")
        return pull
    return None


def find_told_batch(
    theatre: Theatre, since: datetime, stage: Stage, missing: Container[str]
) -> Row[Any] | None:
    """A batch of a missing variant whose people have all been told; every batch is held against the script."""
    told = None
    for batch in list_batches(theatre, since):
        _compare(batch, stage)
        if batch.variant_id in missing and batch.sent_count == batch.released_count:
            told = told or batch
    return told


def list_batches(theatre: Theatre, since: datetime) -> list[Row[Any]]:
    """The batches that were decided since a moment."""
    with theatre.engine.connect() as connection:
        found = run_query(connection, "demo.list_batches_since", shop_id=SHOP_ID, since=since)
        return list(found)


def skips_of(theatre: Theatre, variant_id: str, since: datetime) -> dict[str, int]:
    """How many of a variant's people were skipped since a moment, by reason."""
    with theatre.engine.connect() as connection:
        found = run_query(connection, "demo.count_skips_since", shop_id=SHOP_ID, since=since)
        return {row.reason: row.request_count for row in found if row.variant_id == variant_id}


def count_waiting(theatre: Theatre, variant_id: str | None = None) -> Row[Any]:
    """Who waits, for one variant or for any."""
    with theatre.engine.connect() as connection:
        return run_query(connection, "demo.count_waiting", shop_id=SHOP_ID, variant_id=variant_id).one()


def find_passed_timer(theatre: Theatre, variant_id: str) -> datetime | None:
    """When a variant's next batch could have followed, once that is past."""
    with theatre.engine.connect() as connection:
        timer = run_query(connection, "demo.find_timer", shop_id=SHOP_ID, variant_id=variant_id).scalar_one()
    return timer if timer < datetime.now(UTC) else None


def _pulls(theatre: Theatre, since: datetime) -> list[Row[Any]]:
    with theatre.engine.connect() as connection:
        return list(run_query(connection, "demo.list_snapshots_since", shop_id=SHOP_ID, since=since))


def _compare(batch: Row[Any], stage: Stage) -> None:
    allowed = stage.told.get(batch.variant_id, 0)
    if batch.released_count == allowed:
        return
    title, units = title_of(batch.variant_id), stage.stock.get(batch.variant_id)
    if units and batch.units != units.units:
        raise DemoFailed(
            f"'{title}': the next batch was decided on {batch.units} units, before the shop's {units.units} were "
            "pulled. This machine is too busy for so short a wait; choose a longer one, as in "
            "`make demo ARGS='--wait-minutes 2'`."
        )
    raise DemoFailed(
        f"'{title}': {batch.released_count} people were released; by the script it had to be {allowed}."
    )
