"""Who gets which report by mail: kept by commands or by a Variable, ended by the recipient's link (SEMANTICS 9.3)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.domain.report_wish import VARIABLE, ReportWish, check_domains, parse_wishes
from include.domain.request import fold_email
from include.errors import ConfigurationError, NotFound, RowRejected
from include.reports.definition import find_report
from include.services.contacts import check_email
from include.services.links import read_token
from include.services.report_figures import check_condition
from include.services.rules import rules_in_force
from include.services.shops import require_shop

COMMAND, FROM_VARIABLE = "command", "variable"
# Recipients are kept apart from how a subscription is described.
STAND_IN = ("kept@apart.invalid",)


def subscribe(engine: Engine, wish: ReportWish, now: datetime) -> int:
    """A new report subscription; its recipients, each counted once. Raises ConfigurationError, NotFound."""
    with engine.begin() as connection:
        known = _lock_and_list(connection, wish.shop)
        if wish.name in known:
            raise ConfigurationError(
                f"Shop '{wish.shop}' has a report subscription '{wish.name}': `restock reports edit` changes it."
            )
        return _insert(connection, wish, COMMAND, now)


def edit(engine: Engine, shop_id: str, name: str, changes: Mapping[str, Any], now: datetime) -> ReportWish:
    """Change what is given, keep the rest; the subscription as it is then.

    Recipients who are not given stay as they are, also where none of them gets the report any more.
    """
    with engine.begin() as connection:
        row = _require_own(connection, shop_id, name)
        wish = ReportWish.model_validate({**_as_given(row), "to": STAND_IN, **changes})
        if "to" in changes:
            _update(connection, row, wish, now)
            return wish
        _describe_anew(connection, row, wish, now)
        listed = [one.address for one in _recipients(connection, row) if one.end_reason is None]
        return wish.model_copy(update={"to": tuple(listed)})


def pause(engine: Engine, shop_id: str, name: str) -> None:
    """Mail nothing until `resume`; periods that come due meanwhile are not sent later."""
    with engine.begin() as connection:
        _change(connection, "report_mail.pause_subscription", find_subscription(connection, shop_id, name))


def resume(engine: Engine, shop_id: str, name: str, now: datetime) -> None:
    """Mail again, from the next period that comes due."""
    with engine.begin() as connection:
        _change(
            connection,
            "report_mail.resume_subscription",
            find_subscription(connection, shop_id, name),
            now=now,
        )


def end(engine: Engine, shop_id: str, name: str, now: datetime) -> None:
    """Delete a subscription: what is queued of it does not leave, its history stays."""
    with engine.begin() as connection:
        _end(connection, _require_own(connection, shop_id, name), now)


def list_subscriptions(engine: Engine, shop_id: str | None = None) -> Sequence[Row[Any]]:
    """All subscriptions that have not ended, or those of a shop; raises NotFound."""
    with engine.connect() as connection:
        if shop_id is not None:
            require_shop(connection, shop_id)
        return run_query(connection, "report_mail.list_subscriptions", shop_id=shop_id).all()


def list_runs(engine: Engine, shop_id: str, name: str, most: int) -> Sequence[Row[Any]]:
    """What was mailed of a subscription, newest first."""
    with engine.connect() as connection:
        row = find_subscription(connection, shop_id, name)
        return run_query(
            connection,
            "report_mail.list_runs",
            shop_id=row.shop_id,
            report_subscription_id=row.report_subscription_id,
            most=most,
        ).all()


def unsubscribe_recipient(engine: Engine, token: str, now: datetime) -> bool:
    """Honour the link of a report mail; False when it was honoured before. Raises NotFound."""
    with engine.begin() as connection:
        shop_id, recipient_id = read_token(connection, "unsubscribe_report", token)
        ended = run_query(
            connection, "report_mail.end_recipient", shop_id=shop_id, recipient_id=recipient_id, now=now
        )
        return ended.one_or_none() is not None


def adopt_variable(engine: Engine, text: str, now: datetime) -> dict[str, int]:
    """Make the Variable's subscriptions what it says, all of them or none; counts. Those of commands stay."""
    wishes = parse_wishes(text)
    counts = {"added": 0, "changed": 0, "ended": 0}
    with engine.begin() as connection:
        shops = sorted({wish.shop for wish in wishes} | _shops_of_variable(connection))
        for shop_id in shops:
            _adopt(connection, shop_id, [wish for wish in wishes if wish.shop == shop_id], counts, now)
    return counts


def _adopt(
    connection: Connection, shop_id: str, wishes: Sequence[ReportWish], counts: dict[str, int], now: datetime
) -> None:
    known = _lock_and_list(connection, shop_id)
    for wish in wishes:
        row = known.get(wish.name)
        if row is None:
            _insert(connection, wish, FROM_VARIABLE, now)
            counts["added"] += 1
        elif row.origin == COMMAND:
            raise ConfigurationError(
                f"Variable {VARIABLE}: shop '{shop_id}' has a report subscription '{wish.name}' that the commands "
                "keep. Name it otherwise, or delete that one: `restock reports unsubscribe`."
            )
        elif _update(connection, row, wish, now):
            counts["changed"] += 1
    wanted = {wish.name for wish in wishes}
    for name, row in known.items():
        if row.origin == FROM_VARIABLE and name not in wanted:
            _end(connection, row, now)
            counts["ended"] += 1


def _shops_of_variable(connection: Connection) -> set[str]:
    rows = run_query(connection, "report_mail.list_subscriptions", shop_id=None)
    return {row.shop_id for row in rows if row.origin == FROM_VARIABLE}


def _lock_and_list(connection: Connection, shop_id: str) -> dict[str, Row[Any]]:
    if run_query(connection, "report_mail.find_shop", shop_id=shop_id).one_or_none() is None:
        raise NotFound(
            f"No shop '{shop_id}' is known to the database yet. See the shops file; its first pull adds it."
        )
    run_query(connection, "report_mail.lock_subscriptions", shop_id=shop_id)
    rows = run_query(connection, "report_mail.list_subscriptions", shop_id=shop_id)
    return {row.name: row for row in rows}


def find_subscription(connection: Connection, shop_id: str, name: str) -> Row[Any]:
    """One subscription that has not ended; raises NotFound that names the others."""
    known = _lock_and_list(connection, shop_id)
    if name not in known:
        raise NotFound(
            f"Shop '{shop_id}' has no report subscription '{name}'. There are: {', '.join(known) or 'none'}."
        )
    return known[name]


def _require_own(connection: Connection, shop_id: str, name: str) -> Row[Any]:
    row = find_subscription(connection, shop_id, name)
    if row.origin == FROM_VARIABLE:
        raise ConfigurationError(
            f"'{name}' comes from the Variable {VARIABLE}. Change it there (Admin > Variables)."
        )
    return row


def _change(connection: Connection, query: str, row: Row[Any], **more: Any) -> None:
    run_query(
        connection, query, shop_id=row.shop_id, report_subscription_id=row.report_subscription_id, **more
    )


def _insert(connection: Connection, wish: ReportWish, origin: str, now: datetime) -> int:
    addresses = _checked(connection, wish, now)
    inserted = run_query(
        connection,
        "report_mail.insert_subscription",
        shop_id=wish.shop,
        name=wish.name,
        origin=origin,
        now=now,
        **_columns(wish),
    )
    _set_recipients(connection, wish.shop, inserted.scalar_one(), addresses, now)
    return len(addresses)


def _update(connection: Connection, row: Row[Any], wish: ReportWish, now: datetime) -> bool:
    addresses = _checked(connection, wish, now)
    listed = {one.address_key for one in _recipients(connection, row) if one.end_reason != "removed"}
    before = _as_given(row), listed
    _describe_anew(connection, row, wish, now)
    _set_recipients(connection, row.shop_id, row.report_subscription_id, addresses, now)
    return before != (wish.model_dump(exclude={"to"}), {fold_email(address) for address in addresses})


def _describe_anew(connection: Connection, row: Row[Any], wish: ReportWish, now: datetime) -> None:
    _check_report(wish)
    _change(connection, "report_mail.update_subscription", row, **_columns(wish), now=now)


def _end(connection: Connection, row: Row[Any], now: datetime) -> None:
    _change(connection, "report_mail.cancel_mails", row, now=now)
    _change(connection, "report_mail.end_subscription", row, now=now)


def _recipients(connection: Connection, row: Row[Any]) -> Sequence[Row[Any]]:
    return run_query(
        connection,
        "report_mail.list_recipients",
        shop_id=row.shop_id,
        report_subscription_id=row.report_subscription_id,
    ).all()


def _set_recipients(
    connection: Connection, shop_id: str, subscription_id: int, addresses: Sequence[str], now: datetime
) -> None:
    keys = [fold_email(address) for address in addresses]
    here = {"shop_id": shop_id, "report_subscription_id": subscription_id}
    run_query(connection, "report_mail.remove_recipients", **here, address_keys=keys, now=now)
    run_query(connection, "report_mail.add_recipients", **here, addresses=list(addresses), address_keys=keys)


def _check_report(wish: ReportWish) -> None:
    find_report(wish.report)
    if wish.when is not None:
        check_condition(wish.report, wish.when)


def _checked(connection: Connection, wish: ReportWish, now: datetime) -> list[str]:
    """The addresses, each once; raises ConfigurationError for anything that can't be mailed, and names no address."""
    where = f"report subscription '{wish.name}'"
    _check_report(wish)
    addresses: dict[str, str] = {}
    for number, text in enumerate(wish.to, 1):
        try:
            address = check_email(text.strip())
        except RowRejected as error:
            raise ConfigurationError(f"{where}, recipient {number}: {error}.") from None
        addresses.setdefault(fold_email(address), address)
    _, rules = rules_in_force(connection, now)
    check_domains([key.rpartition("@")[2] for key in addresses], rules.report_domains, where)
    return list(addresses.values())


def _columns(wish: ReportWish) -> dict[str, Any]:
    return {
        "report": wish.report,
        "frequency": wish.every,
        "send_at": wish.at,
        "time_zone": wish.time_zone,
        "condition": str(wish.when) if wish.when else None,
        "attachment": wish.attach,
        "has_chart": wish.chart,
        "skips_empty": wish.skip_empty,
    }


def _as_given(row: Row[Any]) -> dict[str, Any]:
    wish = {
        "name": row.name,
        "shop": row.shop_id,
        "report": row.report,
        "every": row.frequency,
        "at": row.send_at,
        "time_zone": row.own_time_zone,
        "when": row.condition,
        "attach": row.attachment,
        "chart": row.has_chart,
        "skip_empty": row.skips_empty,
    }
    return ReportWish.model_validate({**wish, "to": STAND_IN}).model_dump(exclude={"to"})
