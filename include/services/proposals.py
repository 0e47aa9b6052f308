"""Batches that are large enough for a person to approve them first (SEMANTICS 4.7)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.text import count_of
from include.domain.wake import RELEASE
from include.errors import NotFound
from include.services.due import wake

MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Question:
    """What a person is asked about one proposed batch; it names nobody."""

    subject: str
    body: str
    time_left: timedelta


def list_unasked(engine: Engine) -> list[dict[str, str | int]]:
    """Proposals that no person was asked about yet; those that are too many for one run come with the next."""
    with engine.connect() as connection:
        rows = run_query(connection, "proposal.list_unasked", most=MOST_AT_ONCE)
        return [{"shop_id": row.shop_id, "batch_id": row.batch_id} for row in rows]


def ask_about(engine: Engine, shop_id: str, batch_id: int, now: datetime) -> Question:
    """The question about a proposal, from now on asked; raises NotFound."""
    with engine.begin() as connection:
        found = run_query(
            connection, "proposal.find_proposal", shop_id=shop_id, batch_id=batch_id
        ).one_or_none()
        if found is None:
            raise NotFound(f"Shop '{shop_id}' has no batch {batch_id}.")
        run_query(connection, "proposal.mark_asked", shop_id=shop_id, batch_id=batch_id, now=now)
        wake(connection, RELEASE)
    per_unit = found.customers_per_unit or "all"
    return Question(
        subject=f"Tell {count_of(found.released_count, 'person', 'people')} "
        f"that '{found.title or found.variant_id}' is back?",
        body=(
            f"Shop `{shop_id}`, variant `{found.variant_id}`, batch {batch_id}: {found.released_count} of "
            f"{found.waiting_count} who wait, {found.ordering} first; {count_of(found.units, 'unit')} x {per_unit} "
            f"per unit as of {found.decided_at:%Y-%m-%d %H:%M:%S} UTC. More than {found.rules['approval_above']} "
            "people need approval.\n\n**Approve**: the stock is read again, and as many are told as it allows then. "
            f"**Reject**, or no answer until {found.answer_until:%Y-%m-%d %H:%M} UTC: nobody is told for "
            f"{found.wait_minutes:g} minutes, then it is decided anew."
        ),
        time_left=max(found.answer_until - now, timedelta(seconds=1)),
    )


def expire_unanswered(connection: Connection, now: datetime) -> None:
    """Proposals whose time to answer is over release nobody until the wait has passed."""
    run_query(connection, "proposal.expire_unanswered", now=now)


def record_answer(
    connection: Connection, shop_id: str, batch_id: int, state: str, answered_by: str | None, now: datetime
) -> Row[Any] | None:
    """Settle an open proposal as approved, declined or expired; None where it is settled already."""
    answered = run_query(
        connection,
        "proposal.answer",
        shop_id=shop_id,
        batch_id=batch_id,
        state=state,
        answered_by=answered_by,
        now=now,
    ).one_or_none()
    if answered is not None and state != "approved":
        run_query(
            connection,
            "proposal.hold_declined",
            shop_id=shop_id,
            variant_id=answered.variant_id,
            wait_minutes=answered.wait_minutes,
            now=now,
        )
        wake(connection, RELEASE)
    return answered
