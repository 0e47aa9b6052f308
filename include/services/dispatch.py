"""One lane of the dispatch: claim, check, render, send, mark, until nothing is due (SEMANTICS 5, 6)."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row

from include.db.queries import run_query
from include.domain.delivery import next_attempt, next_look
from include.domain.request import fold_email
from include.domain.wake import DISPATCH
from include.errors import ConfigurationError
from include.messaging.address import AddressRefused, Mailbox
from include.messaging.message_id import derive_message_id
from include.messaging.render.library import TemplateError, TemplateLibrary
from include.messaging.render.mime import build_message
from include.messaging.senders.base import Envelope, Outcome, Sender
from include.services.due import wake
from include.services.outbox import LEASE, Delivery, Marks, check, claim, read_delivery
from include.services.requests import sign_unsubscribe
from include.services.rules import rules_in_force

CHUNK = 100
MARKED_TOGETHER = 25


@dataclass
class Lane:
    """What a lane works with; `recorder` takes what must not be handed to the provider (SEMANTICS 6.6)."""

    engine: Engine
    name: str
    sender: Sender
    recorder: Sender
    mailbox: Mailbox
    templates: TemplateLibrary
    clock: Callable[[], datetime]
    channel: str = "EMAIL"
    counts: Counter[str] = field(default_factory=Counter)


def dispatch_lane(lane: Lane, stop_at: datetime) -> dict[str, int]:
    """Send what is due until nothing is, `stop_at` has come or the channel paused; counts by outcome.

    Raises ConfigurationError at the end when a template is wrong: its messages wait, the others went.
    """
    problems: list[TemplateError] = []
    try:
        while lane.clock() < stop_at and _dispatch_chunk(lane, problems):
            pass
    finally:
        lane.sender.close()
        lane.recorder.close()
        with lane.engine.begin() as connection:
            wake(connection, DISPATCH)
    if problems:
        raise ConfigurationError(f"{len(problems)} messages wait for their template: {problems[0]}")
    return {
        name: lane.counts[name] for name in ("sent", "recorded", "failed", "skipped", "later", "in_doubt")
    }


def _dispatch_chunk(lane: Lane, problems: list[TemplateError]) -> bool:
    size = _allowed_claim(lane)
    message_ids = claim(lane.engine, lane.channel, lane.name, size, lane.clock()) if size else []
    if not message_ids:
        return False
    marks = Marks(lane.name, lane.channel)
    delivery = read_delivery(lane.engine)
    with lane.engine.begin() as connection:
        _, rules = rules_in_force(connection, lane.clock())
    rows = check(lane.engine, lane.name, message_ids, rules.max_alerts_per_day, lane.clock())
    sendable = [row for row in rows if _passes(lane, row, marks)]
    marks.write(lane.engine, lane.clock())
    _send(lane, delivery, sendable, marks, problems)
    return True


def _allowed_claim(lane: Lane) -> int:
    """How many messages to claim: a paused channel gets nothing until its probe, which is one message."""
    with lane.engine.connect() as connection:
        state = run_query(connection, "outbox.find_channel", channel=lane.channel).one()
    if state.paused_at is None:
        return CHUNK
    return 1 if state.probe_at <= lane.clock() else 0


def _passes(lane: Lane, row: Row[Any], marks: Marks) -> bool:
    if row.skip_reason:
        lane.counts["skipped"] += 1
        marks.skipped.append((row.message_id, row.skip_reason))
    elif row.wait_reason:
        lane.counts["later"] += 1
        marks.later.append((row.message_id, row.wait_reason, next_look(lane.clock(), row.wait_reason), 0))
    return not (row.skip_reason or row.wait_reason)


def _send(
    lane: Lane, delivery: Delivery, rows: Sequence[Row[Any]], marks: Marks, problems: list[TemplateError]
) -> None:
    by_key = {f"{row.shop_id}/{row.message_key}": row for row in rows}
    live = [row for row in rows if delivery.is_live_for(fold_email(row.email))]
    recorded = [row for row in rows if row not in live]
    leased_at = lane.clock()
    for sender, group in ((lane.sender, live), (lane.recorder, recorded)):
        envelopes = _envelopes(lane, delivery, group, marks, problems)
        for done, (envelope, outcome) in enumerate(sender.send(envelopes), start=1):
            _note(lane, by_key[envelope.key], outcome, marks, is_recorded=sender is lane.recorder)
            if done % MARKED_TOGETHER == 0:
                marks.write(lane.engine, lane.clock())
                leased_at = _renew(lane, rows, leased_at)
        marks.write(lane.engine, lane.clock())


def _renew(lane: Lane, rows: Sequence[Row[Any]], leased_at: datetime) -> datetime:
    now = lane.clock()
    if now - leased_at < LEASE / 3:
        return leased_at
    with lane.engine.begin() as connection:
        run_query(
            connection,
            "outbox.renew_lease",
            lane=lane.name,
            message_ids=[row.message_id for row in rows],
            lease_until=now + LEASE,
        )
    return now


def _envelopes(
    lane: Lane, delivery: Delivery, rows: Sequence[Row[Any]], marks: Marks, problems: list[TemplateError]
) -> Iterator[Envelope]:
    for row in rows:
        try:
            yield _build(lane, delivery, row)
        except TemplateError as error:
            problems.append(error)
            lane.counts["later"] += 1
            marks.later.append(
                (row.message_id, "template_error", next_look(lane.clock(), "template_error"), 0)
            )
        except AddressRefused:
            lane.counts["failed"] += 1
            marks.failed.append((row.message_id, "invalid_address"))


def _build(lane: Lane, delivery: Delivery, row: Row[Any]) -> Envelope:
    token = sign_unsubscribe(delivery.link_secret, row.shop_id, row.profile_id)
    unsubscribe_url = f"mailto:{lane.mailbox.address}?subject=unsubscribe%20{token}"
    rendered = lane.templates.render_email(row.template, row.locale, _context(row, unsubscribe_url))
    domain = lane.mailbox.address.rpartition("@")[2]
    message_id = derive_message_id(f"{row.shop_id}/{row.message_key}", domain, delivery.identity)
    content = build_message(
        rendered,
        key=row.message_key,
        message_id=message_id,
        sender=lane.mailbox,
        recipient=row.email,
        date=lane.clock(),
        list_unsubscribe=[unsubscribe_url],
    )
    return Envelope(f"{row.shop_id}/{row.message_key}", message_id, lane.mailbox.address, row.email, content)


def _context(row: Row[Any], unsubscribe_url: str) -> dict[str, Any]:
    return {
        "first_name": row.first_name,
        "last_name": row.last_name,
        "shop": {"name": row.shop_name, "url": row.shop_url},
        "item": {
            "id": row.variant_id,
            "title": row.title or row.variant_id,
            "url": row.url,
            "image_url": row.image_url,
            "price": row.price,
            "currency": row.currency,
        },
        "unsubscribe_url": unsubscribe_url,
    }


def _note(lane: Lane, row: Row[Any], outcome: Outcome, marks: Marks, is_recorded: bool) -> None:
    if outcome.kind == "sent":
        lane.counts["recorded" if is_recorded else "sent"] += 1
        (marks.recorded if is_recorded else marks.sent).append((row.message_id, lane.clock()))
        return
    marks.attempts.append((row.message_id, outcome))
    if outcome.kind == "in_doubt":
        lane.counts["in_doubt"] += 1
    elif outcome.kind in ("address_refused", "message_refused"):
        _give_up(lane, row, outcome, marks)
    else:
        _try_later(lane, row, outcome, marks)


def _give_up(lane: Lane, row: Row[Any], outcome: Outcome, marks: Marks) -> None:
    lane.counts["failed"] += 1
    is_address = outcome.kind == "address_refused"
    marks.failed.append((row.message_id, "invalid_address" if is_address else "undeliverable"))
    if is_address:
        marks.suppressed.append(row.message_id)


def _try_later(lane: Lane, row: Row[Any], outcome: Outcome, marks: Marks) -> None:
    tried = int(outcome.is_tried)
    due_at = next_attempt(lane.clock(), row.attempt_count + tried, outcome.retry_after)
    if outcome.kind == "channel_refused":
        marks.channel_errors.append(outcome)
    if due_at is None:
        lane.counts["failed"] += 1
        marks.failed.append((row.message_id, "undeliverable"))
        return
    lane.counts["later"] += 1
    reason = "channel_paused" if outcome.kind == "channel_refused" or not tried else "temporary_error"
    marks.later.append((row.message_id, reason, due_at, tried))
