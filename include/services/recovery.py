"""What dead lanes of this machine left behind (SEMANTICS 6.3)."""

import logging
from collections import Counter
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine

from include.domain.wake import DISPATCH
from include.services.due import wake
from include.services.journal import DeadJournal, locked_dead_journals
from include.services.marks import mark_sent
from include.services.outbox import claims_of, free_dead_lane, read_delivery, settle_doubts

log = logging.getLogger(__name__)


def recover_journals(engine: Engine, journals: Path | None, now: datetime) -> dict[str, int]:
    """Mark what dead lanes sent, settle what is in doubt, free the rest; counts by kind.

    Call it before `requeue_expired`: else what a journal knows to be sent goes again.
    """
    counts = Counter[str](marked=0, in_doubt=0, freed=0)
    if journals is None or not journals.exists():
        return dict(counts)
    with locked_dead_journals(journals, read_delivery(engine).identity) as dead:
        for journal in dead:
            with engine.begin() as connection:
                counts.update(_recover(connection, journal, now))
            journal.delete()
            log.warning("A lane died and left its journal; so far: %s", dict(counts))
    return dict(counts)


def _recover(connection: Connection, journal: DeadJournal, now: datetime) -> dict[str, int]:
    mark_sent(connection, journal.sent)
    mark_sent(connection, journal.recorded, is_recorded_only=True)
    doubtful = claims_of(connection, journal.lane) if journal.is_damaged else sorted(journal.doubtful)
    in_doubt = settle_doubts(connection, journal.lane, doubtful, now)
    freed = free_dead_lane(connection, journal.lane)
    wake(connection, DISPATCH)
    return {"marked": len(journal.sent) + len(journal.recorded), "in_doubt": in_doubt, "freed": freed}
