"""Why a request, a person, a variant or a batch stands where it stands: a sentence and its numbers (SEMANTICS 4.8)."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.request import fold_email
from include.domain.text import count_of
from include.domain.variant_rules import VariantRules
from include.errors import NotFound

MOST_REQUESTS = 50
HOLDS = {
    "absent": "the variant is missing from the last full pull, so nobody is told until it is seen again",
    "stale_stock": "the last look at the stock is too old or was refused, so nobody is told until a fresh one",
    "no_live_message": "no flow has a live message, so a release would tell nobody",
    "in_flight": "people released before are still to be told, and they come first",
    "invited": "people told before may still buy what there is, and they come first",
    "nothing_added": "nothing was added to the stock since the last batch",
    "does_not_fit": "who is next wants more units than there is room for, and is not overtaken",
    "waiting_time": "the wait between two batches has not ended",
    "awaiting_approval": "the next batch is so large that a person has to approve it first",
    "declined": "a person declined the batch, or nobody answered in time, and the wait has not passed",
}
SIZES = ("units", "basis_units", "customers_per_unit", "allowed_count", "in_flight_count", "invited_count")
PASSED = {
    "wants_more": "it wants {wanted}, more than there were, so the others went on without it",
    "does_not_fit": "it wants {wanted}, more than the batch still had room for",
}


@dataclass(frozen=True)
class Explanation:
    """One sentence for people, and the numbers behind it; neither holds an address."""

    sentence: str
    numbers: dict[str, Any]


def explain_request(engine: Engine, subscription_id: int, now: datetime) -> Explanation:
    """Why one request was or was not told; raises NotFound."""
    with engine.connect() as connection:
        return _explain_request(connection, subscription_id, now)


def explain_person(
    engine: Engine, shop_id: str, now: datetime, email: str | None = None, profile_id: int | None = None
) -> list[Explanation]:
    """The same for every request of a person, the newest first; raises NotFound without repeating the address."""
    key = fold_email(email) if email else None
    with engine.connect() as connection:
        found = run_query(
            connection, "why.find_person", shop_id=shop_id, profile_id=profile_id, email_key=key
        )
        person = found.scalars().first()
        if person is None:
            raise NotFound(f"Shop '{shop_id}' knows nobody with this address or profile id.")
        ids = run_query(
            connection, "why.list_requests", shop_id=shop_id, profile_id=person, most=MOST_REQUESTS
        )
        return [_explain_request(connection, one, now) for one in ids.scalars().all()]


def explain_variant(engine: Engine, shop_id: str, variant_id: str, now: datetime) -> Explanation:
    """What holds a variant's queue, and by which rules; raises NotFound."""
    with engine.connect() as connection:
        row = run_query(
            connection, "why.explain_variant", shop_id=shop_id, variant_id=variant_id
        ).one_or_none()
        waiting = run_query(
            connection, "why.count_waiting", shop_id=shop_id, variant_id=variant_id
        ).scalar_one()
    if row is None:
        if not waiting:
            raise NotFound(f"Nothing is known of the stock of variant '{variant_id}' in shop '{shop_id}'.")
        return Explanation(
            f"Variant '{variant_id}' is in no catalog yet, and {count_of(waiting, 'waits', 'wait')} until one "
            "knows it.",
            {"shop_id": shop_id, "variant_id": variant_id, "waiting_count": waiting},
        )
    per_unit = row.rules.get("customers_per_unit", "all")
    sentence = (
        f"Variant '{variant_id}' has {count_of(_counted(row), 'unit')}, "
        f"{count_of(row.waiting_count, 'waits', 'wait')} and {count_of(row.in_flight_count, 'was', 'were')} "
        f"released but not told yet; {_variant_state(row, now)}. Rules: from "
        f"{count_of(row.rules.get('min_inventory', 1), 'unit')}, {per_unit} per unit{_origins(row.rule_origins)}."
    )
    return Explanation(sentence, _numbers(row))


def explain_batch(engine: Engine, batch_id: int) -> Explanation:
    """How many a batch took and what decided it; raises NotFound."""
    with engine.connect() as connection:
        row = run_query(connection, "why.explain_batch", batch_id=batch_id).one_or_none()
    if row is None:
        raise NotFound(f"No batch has the id {batch_id}. The report 'batches' lists them.")
    sentence = (
        f"Batch {batch_id} of variant '{row.variant_id}' {_batch_state(row)} {row.released_count} of "
        f"{row.waiting_count} who waited at {_at(row.decided_at)}, {row.ordering} first: {_sizing(row)}"
        f"{_left_out(row)}{_origins(row.rule_origins)}."
    )
    return Explanation(sentence, _numbers(row))


def require_shop(engine: Engine, shop_id: str | None) -> str:
    """The shop that is meant: the named one, or the only one; raises NotFound."""
    with engine.connect() as connection:
        known = list(run_query(connection, "rules.list_shops").scalars())
    meant = [one for one in known if shop_id in (None, one)]
    if len(meant) == 1:
        return str(meant[0])
    named = f"No shop is called '{shop_id}'" if shop_id else "Name the shop with --shop"
    raise NotFound(f"{named}; there are: {', '.join(known) or 'none yet'}.")


def _explain_request(connection: Connection, subscription_id: int, now: datetime) -> Explanation:
    row = run_query(connection, "why.explain_request", subscription_id=subscription_id).one_or_none()
    if row is None:
        raise NotFound(
            f"No request has the id {subscription_id}. `restock why --email ADDRESS` names a person's, the report "
            "'queue' those of all who wait."
        )
    sentence = f"Request {subscription_id} for {_item(row)} {_explain(row, now)}."
    return Explanation(sentence, _numbers(row))


def _item(row: Row[Any]) -> str:
    if row.product_id is None:
        return f"variant '{row.variant_id}'"
    queue = f", now in the queue of variant '{row.variant_id}'," if row.variant_id else ""
    return f"any variant of product '{row.product_id}'{queue}"


def _explain(row: Row[Any], now: datetime) -> str:
    if row.state == "notified":
        return f"was told at {_at(row.notified_at)}; {_own_batch(row)}"
    if row.state == "released":
        return f"was released and its message is {_message(row)}; {_own_batch(row)}"
    if row.state == "waiting":
        place = f" at place {row.place}" if row.variant_id else ""
        return f"waits{place}: {_waiting(row, now)}"
    if row.state == "unconfirmed":
        return "waits for nothing yet: the link in its confirmation mail was not followed"
    if row.state == "skipped":
        return f"was skipped at {_at(row.ended_at)} because of '{row.reason}'"
    because = f" because of '{row.reason}'" if row.reason not in (None, row.state) else ""
    return f"is {row.state} since {_at(row.ended_at)}{because}"


def _message(row: Row[Any]) -> str:
    if row.message_state is None:
        return "about to be queued"
    if row.message_state == "held":
        return f"held until a person decides ({row.message_reason}; see `restock messages doubts`)"
    waits_for = (
        f" (waits: {row.message_reason}, looked at again {_at(row.message_due_at)})"
        if row.message_reason
        else ""
    )
    return f"{row.message_state}{waits_for}"


def _own_batch(row: Row[Any]) -> str:
    counts = f"{row.batch_released_count} of {row.batch_waiting_count} who waited, {row.batch_ordering} first"
    sizing = _sizing(row, "batch_") + _origins(row.batch_rule_origins)
    return f"batch {row.batch_id} of {_at(row.decided_at)} took {counts}: {sizing}"


def _waiting(row: Row[Any], now: datetime) -> str:
    if row.variant_id is None:
        return "no variant of it is in stock for which this person did not ask by name and may be told now"
    if not row.is_known_variant:
        return "no catalog knows this variant yet"
    if row.units is None:
        return "its stock is not known yet"
    if not row.is_open or row.hold_reason == "closed":
        again = (
            " after it sold out again before the message left" if row.reason == "out_of_stock_again" else ""
        )
        return f"{_in_stock(_counted(row))}, {row.guard_reason or _too_few(row)}{again}"
    if row.restock_after is not None and (row.restocked_at is None or row.restocked_at <= row.restock_after):
        return f"it asked for the next restock after {_at(row.restock_after)}, and none has come since{_guarded(row)}"
    if row.not_before is not None and (row.next_check_at is None or row.not_before >= row.next_check_at):
        return f"it was told about this variant less than 24 hours ago; next look at {_at(row.not_before)}"
    if row.reason in PASSED:
        batch = f"batch {row.passed_batch_id} passed it over: " if row.passed_batch_id else ""
        return (
            batch
            + PASSED[row.reason].format(wanted=count_of(row.wanted_quantity, "unit"))
            + _next_look(row, now)
        )
    if row.hold_reason in HOLDS:
        return HOLDS[row.hold_reason]
    return _between_batches(row, now)


def _guarded(row: Row[Any]) -> str:
    return f" ({row.guard_reason})" if row.guard_reason else ""


def _between_batches(row: Row[Any], now: datetime) -> str:
    if row.last_batch_at is None or not row.was_in_last_batch:
        return f"{_in_stock(row.units)}{_next_look(row, now)}"
    ahead = row.last_batch_released_count + row.last_batch_skipped_count
    return (
        f"it was at place {min(row.place + ahead, row.last_batch_waiting_count)}, and batch {row.last_batch_id} of "
        f"{_at(row.last_batch_at)} took {row.last_batch_released_count} ({_sizing(row, 'last_batch_')}); "
        f"{_in_stock(row.units)}{_next_look(row, now)}"
    )


def _sizing(row: Row[Any], prefix: str = "") -> str:
    number = {name: row._mapping[prefix + name] for name in SIZES}
    basis = number["basis_units"] if number["basis_units"] is not None else number["units"]
    size = f"{count_of(basis, 'unit')} x {number['customers_per_unit'] or 'all'} per unit"
    if number["allowed_count"] is None:
        return size
    invited = f" - {number['invited_count']} invited" if number["invited_count"] else ""
    return f"{size} - {number['in_flight_count']} in flight{invited} = {number['allowed_count']}"


def _batch_state(row: Row[Any]) -> str:
    if row.state == "released":
        return "took"
    answers = {"proposed": f"waits until {_at(row.answer_until)} for a person to let it tell"}
    answered = f"was {row.state} at {_at(row.answered_at)} and would have told"
    return answers.get(row.state, answered)


def _left_out(row: Row[Any]) -> str:
    counts = {"could not be reached": row.skipped_count, "were passed over": row.passed_count}
    said = [f"{count} {what}" for what, count in counts.items() if count]
    return f"; {' and '.join(said)}" if said else ""


def _counted(row: Row[Any]) -> int:
    """What the shop has, also where none of it may be announced."""
    return math.floor(row.available) if row.units < 1 <= row.available else int(row.units)


def _too_few(row: Row[Any]) -> str:
    """Why nobody is told of what there is (SEMANTICS 1.3, 1.4)."""
    if row.is_published is False:
        return "and the shop does not offer it any more"
    if row.is_tracked is False:
        return "and the shop does not count them, so it never comes back"
    if row.units < 1 <= row.available:
        return "and it is sold on when out of stock, which the rule oversell never announces"
    return "too few to tell anyone"


def _variant_state(row: Row[Any], now: datetime) -> str:
    if not row.is_open or row.units < row.rules.get("min_inventory", 1):
        reason = _too_few(row)
        return f"that is {reason}" if reason.startswith("too") else reason.removeprefix("and ")
    held = HOLDS.get(row.hold_reason or "", "nothing holds it back")
    if row.hold_reason is None and row.next_release_at is not None and row.next_release_at > now:
        held = HOLDS["waiting_time"]
    return held + _next_look(row, now)


def _next_look(row: Row[Any], now: datetime) -> str:
    """When release looks at it again; what has been due says what may be in the way."""
    if row.next_check_at is None:
        return ""
    if row.next_check_at > now:
        return f"; the next batch is decided at {_at(row.next_check_at)}"
    return (
        f"; due since {_at(row.next_check_at)}: Dag restock_release decides it within seconds, unless it is paused or "
        "its newest run failed"
    )


def _in_stock(units: int) -> str:
    return f"{count_of(units, 'unit is', 'units are')} in stock"


def _origins(origins: dict[str, str] | None) -> str:
    if not origins:
        return ""
    return " (" + ", ".join(f"{rule} from {origin}" for rule, origin in sorted(origins.items())) + ")"


def _numbers(row: Row[Any]) -> dict[str, Any]:
    numbers = {name: value for name, value in row._mapping.items() if value is not None}
    if "rules" in numbers:
        numbers["rules"] = {
            name: value for name, value in numbers["rules"].items() if name in VariantRules.model_fields
        }
    return numbers


def _at(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "a time not yet known"
