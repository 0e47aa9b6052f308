"""The sentences of the demo: what happened and why, with the figures of this run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from include.local.demo.script import MIN_INVENTORY, Stage
from include.local.demo.sightings import count_waiting, skips_of
from include.local.demo.theatre import Theatre
from include.local.demo.walk import title_of
from include.services.waiting_list import ImportResult

SKIP_REASONS = {
    "undeliverable": "gave no e-mail channel",
    "suppressed": "unsubscribed",
    "invalid_address": "has an address that does not exist",
}


def tell_baseline(theatre: Theatre, pull: Row[Any], taken: ImportResult) -> None:
    """The first pull, and the waiting list."""
    say = theatre.show.say
    say(
        f"{pull.row_count:,} rows, {pull.variant_count:,} variants, {pull.zero_count:,} of them sold out. What is seen "
        f"for the first time is no restock: {pull.event_count} restocks."
    )
    line, reason = taken.rejects[0]
    say(
        f"The waiting list: {taken.new:,} requests taken, {len(taken.rejects)} lines refused (line {line:,}: {reason})."
    )
    say(
        f"{taken.open_now} of them ask for something that is in stock: imported people wait for its next restock, so "
        f"{theatre.count_mails()} mails leave. {taken.unmatched} ask for something that no catalog knows."
    )


def tell_pull(theatre: Theatre, pull: Row[Any]) -> None:
    """What a pull changed."""
    theatre.show.say(
        f"Pulled: {_count(pull.changed_count, 'quantity')} changed, {_count(pull.event_count, 'restock')}."
    )


def tell_batch(theatre: Theatre, batch: Row[Any], detected_at: datetime, since: datetime) -> None:
    """Who was told, why so many, and what comes next."""
    skipped = skips_of(theatre, batch.variant_id, since)
    allowed = batch.units * batch.customers_per_unit
    who = (
        f"the {batch.released_count} oldest of {batch.waiting_count} who wait"
        if allowed < batch.waiting_count
        else f"all {batch.released_count} who wait and can be reached"
    )
    theatre.show.say(
        f"'{title_of(batch.variant_id)}': {batch.units} units × {batch.customers_per_unit} customers per unit = up to "
        f"{allowed} people: {who} are told.{_tell_skips(skipped)}"
    )
    seconds = (batch.first_sent_at - max(detected_at, batch.decided_at)).total_seconds()
    whence = (
        "the pull"
        if batch.decided_at - detected_at < batch.first_sent_at - batch.decided_at
        else "the decision"
    )
    theatre.show.say(f"{batch.sent_count} mails delivered, the first {seconds:.1f} s after {whence}.")
    left = count_waiting(theatre, batch.variant_id).waiting_count
    if left:
        theatre.show.say(
            f"{left} wait on. The next batch is decided at {batch.next_release_at:%H:%M:%S} UTC, on what is left then."
        )


def tell_short_stock(theatre: Theatre, stage: Stage) -> None:
    """Variants that have some units, but fewer than the minimum."""
    for variant_id, stock in stage.stock.items():
        if 0 < stock.units < MIN_INVENTORY:
            waiting = count_waiting(theatre, variant_id).waiting_count
            theatre.show.say(
                f"'{title_of(variant_id)}': {stock.units} units are fewer than the minimum of {MIN_INVENTORY}: "
                f"nobody is told, {waiting} people wait on."
            )


def tell_timer(theatre: Theatre, variant_id: str, timer: datetime) -> None:
    """The wait is over and no batch came, as the stock is too low."""
    waiting = count_waiting(theatre, variant_id).waiting_count
    theatre.show.say(
        f"The wait for '{title_of(variant_id)}' ended at {timer:%H:%M:%S} UTC. Too few are left, so no batch followed; "
        f"{waiting} people keep their places."
    )


def tell_refusal(theatre: Theatre, refusal: Row[Any]) -> None:
    """Why the feed was refused, and what believing it would have done."""
    theatre.show.say(f"Refused: {refusal.reason}")
    theatre.show.say(
        f"Believed, it would have told {count_waiting(theatre).closed_count:,} people of stock that does not exist. "
        "The last good state stands, and nobody is told until a feed can be believed again."
    )


def tell_nobody_else(theatre: Theatre) -> None:
    """After a refused feed: nobody was told because of it."""
    theatre.show.say(f"The bad feed told nobody: the other {count_waiting(theatre).waiting_count:,} wait on.")


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _tell_skips(skipped: Mapping[str, int]) -> str:
    parts = [f"{count} {SKIP_REASONS.get(reason, reason)}" for reason, count in skipped.items()]
    return f" Passed over: {', '.join(parts)}." if parts else ""
