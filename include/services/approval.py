"""What follows when a person has answered about a large batch (SEMANTICS 4.7)."""

from datetime import datetime

from sqlalchemy import Engine

from include.db.queries import run_query
from include.services.proposals import record_answer
from include.services.release import Look, carry_out, find_run, look
from include.services.rules import rules_in_force

NOBODY = {"considered": 0, "batches": 0, "proposals": 0, "released": 0, "skipped": 0}


def approve_batch(
    engine: Engine, shop_id: str, batch_id: int, run_id: str, answered_by: str | None, now: datetime
) -> dict[str, int]:
    """Decide again on the present stock and tell as many as it allows now; a repeated call changes nothing."""
    with engine.begin() as connection:
        run_query(connection, "release.lock_release")
        if (earlier := find_run(connection, run_id)) is not None:
            return earlier
        proposal = record_answer(connection, shop_id, batch_id, "approved", answered_by, now)
        if proposal is None:
            return NOBODY
        rule_set_id, rules = rules_in_force(connection, now)
        given = Look(
            rule_set_id,
            rules,
            run_id,
            now,
            seed=proposal.run_id,
            shop_id=shop_id,
            variant_id=proposal.variant_id,
            proposal_id=batch_id,
            needs_approval=False,
        )
        look(connection, given)
        return carry_out(connection, given)


def decline_batch(
    engine: Engine, shop_id: str, batch_id: int, answered_by: str | None, now: datetime
) -> dict[str, int]:
    """Tell nobody until the wait has passed; nobody's name in `answered_by` means that time ran out."""
    with engine.begin() as connection:
        run_query(connection, "release.lock_release")
        record_answer(
            connection, shop_id, batch_id, "declined" if answered_by else "expired", answered_by, now
        )
    return NOBODY
