"""Channels: pausing, probing, resuming, and the alerts that people see (SEMANTICS 6.5, 9.5)."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.delivery import (
    FIRST_PROBE,
    LONGEST_PROBE,
    MOST_CONSECUTIVE_ERRORS,
    MOST_REFUSED_ADDRESSES,
)
from include.domain.wake import DISPATCH
from include.errors import NotFound
from include.services.due import wake

PAUSED = "channel_paused"

log = logging.getLogger(__name__)


def list_channels(engine: Engine) -> Sequence[Row[Any]]:
    """Every channel: whether and why it is paused, when it probes, and how many messages wait."""
    with engine.connect() as connection:
        return run_query(connection, "channel.list_channels").all()


def count_due(engine: Engine, channel: str, now: datetime) -> int:
    """How many messages of a channel could leave now."""
    with engine.connect() as connection:
        return int(run_query(connection, "channel.count_due", channel=channel, now=now).scalar_one())


def list_alerts(engine: Engine) -> Sequence[Row[Any]]:
    """What a person should look at now."""
    with engine.connect() as connection:
        return run_query(connection, "channel.list_alerts").all()


def pause_channel(engine: Engine, channel: str, reason: str, now: datetime) -> None:
    """Let nothing leave until `resume_channel`; the queue stays. Raises NotFound."""
    with engine.begin() as connection:
        known = run_query(connection, "channel.pause", channel=channel, reason=reason, now=now)
        _require(channel, known.one_or_none())
        raise_alert(connection, PAUSED, channel, reason, now)


def resume_channel(engine: Engine, channel: str, now: datetime) -> None:
    """Let a channel send again, whoever paused it. Raises NotFound."""
    with engine.begin() as connection:
        _require(channel, run_query(connection, "channel.resume", channel=channel).one_or_none())
        end_alert(connection, PAUSED, channel, now)
        wake(connection, DISPATCH)


def take_probe(connection: Connection, channel: str, now: datetime) -> bool:
    """Whether this lane may try one message on a paused channel now; for the others the next try is later."""
    taken = run_query(
        connection,
        "channel.take_probe",
        channel=channel,
        now=now,
        first_pause=FIRST_PROBE,
        longest_pause=LONGEST_PROBE,
    )
    return taken.one_or_none() is not None


def note_success(connection: Connection, channel: str, now: datetime) -> None:
    """A message was taken: errors in a row are over, and so is a pause that no person made."""
    noted = run_query(connection, "channel.note_success", channel=channel).one_or_none()
    if noted is not None and noted.paused_at is None:
        end_alert(connection, PAUSED, channel, now)


def note_errors(
    connection: Connection,
    channel: str,
    errors: int,
    refusals: int,
    detail: str,
    probe_at: datetime | None,
    now: datetime,
) -> bool:
    """Count errors of the channel and refused addresses, both in a row; whether the channel is paused now.

    `probe_at` is not before the usual first probe: a provider may have asked for more patience.
    """
    earliest = now + FIRST_PROBE
    row = run_query(
        connection,
        "channel.note_errors",
        channel=channel,
        error_count=errors,
        refusal_count=refusals,
        most_errors=MOST_CONSECUTIVE_ERRORS,
        most_refusals=MOST_REFUSED_ADDRESSES,
        detail=detail,
        probe_at=max(earliest, probe_at or earliest),
        now=now,
    ).one()
    if row.paused_at is None:
        return False
    raise_alert(connection, PAUSED, channel, row.pause_reason, now)
    log.warning("Channel %s is paused: %s", channel, row.pause_reason)
    return True


def raise_alert(connection: Connection, kind: str, subject: str, detail: str, now: datetime) -> None:
    """Something that a person should look at; `detail` holds no address."""
    run_query(connection, "channel.raise_alert", kind=kind, subject=subject, detail=detail, now=now)


def end_alert(connection: Connection, kind: str, subject: str, now: datetime) -> None:
    """It is over."""
    run_query(connection, "channel.end_alert", kind=kind, subject=subject, now=now)


def _require(channel: str, known: Row[Any] | None) -> None:
    if known is None:
        raise NotFound(f"There is no channel '{channel}'. There are EMAIL and SMS.")
