"""`restock subscriptions`, `unsubscribe` and `why`: the people who wait."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from include.cli.parts import (
    Most,
    ShopId,
    command_group,
    console,
    open_database,
    present,
    register_shop_of_file,
)
from include.errors import ConfigurationError, NotFound, RowRejected

subscriptions = command_group("Waiting lists.")
ANSWERS = {
    "waiting": "Taken as request {id}; `restock why {id}` says what it waits for.",
    "unconfirmed": "Taken as request {id}; it waits once the link in the confirmation mail is followed.",
    "known": "Known: it joined request {id}, at its place.",
}


@subscriptions.command("import")
def subscriptions_import(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a header.")],
    shop: ShopId,
    in_stock: Annotated[
        str, typer.Option(help="For variants that are open now: next_restock or notify (told at once).")
    ] = "next_restock",
) -> None:
    """Take a waiting list with its original dates; the same file again adds nothing."""
    from include.services.waiting_list import import_waiting_list

    if in_stock not in ("next_restock", "notify"):
        raise ConfigurationError(f"--in-stock is '{in_stock}'; allowed are next_restock and notify.")
    with open_database() as engine:
        register_shop_of_file(engine, shop)
        result = import_waiting_list(engine, shop, file, present(), in_stock)  # type: ignore[arg-type]
    for line, reason in result.rejects[:50]:
        console.print(f"  line {line} refused: {reason}")
    if len(result.rejects) > 50:
        console.print(f"  … and {len(result.rejects) - 50} more, all in table import_reject")
    console.print(
        f"{result.new} new, {result.merged} joined an open request, {result.known} known before, "
        f"{len(result.rejects)} refused. {result.waiting} wait in all; of these, {result.open_now} for variants that "
        f"are in stock now, {result.unmatched} for what no catalog knows yet and {result.undeliverable} on channels "
        "that have no sender yet."
    )


@subscriptions.command("refused")
def subscriptions_refused(shop: ShopId, most: Most = 100) -> None:
    """The refused lines of imports, each with its reason, the newest import first."""
    from include.services.waiting_list import list_refused

    with open_database() as engine:
        refused = list_refused(engine, shop, most)
    for row in refused:
        console.print(
            f"{row.imported_at:%Y-%m-%d %H:%M}Z  file {row.file}  line {row.line_number}: {row.reason}",
        )
    if not refused:
        console.print("No line was refused.")


@subscriptions.command("count")
def subscriptions_count(shop: ShopId) -> None:
    """How many wait, and for how many of them something is in the way."""
    from include.services.waiting_list import count_waiting

    with open_database() as engine:
        row = count_waiting(engine, shop)
    console.print(
        f"{row.waiting_count} wait: {row.open_count} for what is in stock now, {row.unmatched_count} for what no "
        f"catalog knows yet, {row.undeliverable_count} on channels that have no sender yet. "
        f"{row.unconfirmed_count} are not confirmed."
    )


@subscriptions.command("add")
def subscriptions_add(
    shop: ShopId,
    variant: Annotated[str, typer.Option(help="The variant's id.")] = "",
    product: Annotated[str, typer.Option(help="Instead: the product's id, for any of its variants.")] = "",
    email: Annotated[str, typer.Option(help="An e-mail address.")] = "",
    phone: Annotated[str, typer.Option(help="A number with its country code: +49 30 1234567.")] = "",
    channels: Annotated[str, typer.Option(help="EMAIL, SMS or both: EMAIL,SMS.")] = "",
    quantity: Annotated[str, typer.Option(help="Wanted units.")] = "1",
    sms_consent: Annotated[str, typer.Option(help="The text by which the person agreed to SMS.")] = "",
) -> None:
    """Take one request, as the shop and the rules say."""
    from include.services.asking import ask_to_be_told
    from include.services.contacts import read_request

    now = present()
    try:
        request = read_request(email, phone, variant, product, channels, quantity, now)
        with open_database() as engine:
            register_shop_of_file(engine, shop)
            proof = {"text": sms_consent} if sms_consent else None
            outcome = ask_to_be_told(engine, shop, request, "cli", now, proof)
    except RowRejected as rejected:
        raise ConfigurationError(f"Not taken: {rejected}.") from None
    if outcome.answer == "in_stock":
        raise ConfigurationError("Not taken: it is in stock now (restock_in_stock_request is 'reject').")
    console.print(ANSWERS[outcome.answer].format(id=outcome.subscription_id))


@subscriptions.command("export")
def subscriptions_export(
    shop: ShopId, file: Annotated[Path | None, typer.Argument(help="Default: standard output.")] = None
) -> None:
    """Write everyone who waits, oldest first, in the form that import takes."""
    from include.services.waiting_list import export_waiting_list

    with open_database() as engine:
        if file is None:
            export_waiting_list(engine, shop, sys.stdout)
            return
        with file.open("w", encoding="utf-8", newline="") as target:
            count = export_waiting_list(engine, shop, target)
    console.print(f"{count} requests written to {file}.")


@subscriptions.command("cancel")
def subscriptions_cancel(
    request: Annotated[
        str, typer.Argument(help="The token of a message's link, or with --shop a request's id.")
    ],
    shop: Annotated[str, typer.Option("--shop", help="The shop of the request with this id.")] = "",
) -> None:
    """End one request and its unsent messages; the person's others stay."""
    from include.services.requests import cancel_by_id, cancel_by_token

    if shop and not request.isdecimal():
        raise ConfigurationError("With --shop a request is named by its id, a whole number.")
    with open_database() as engine:
        was_open = (
            cancel_by_id(engine, shop, int(request), present())
            if shop
            else cancel_by_token(engine, request, present())
        )
    console.print("Cancelled." if was_open else "It was not open.")


@subscriptions.command("confirm")
def subscriptions_confirm(token: str) -> None:
    """Honour the token of a confirmation mail: the request waits from now on."""
    from include.services.requests import confirm_by_token

    with open_database() as engine:
        is_new = confirm_by_token(engine, token, present())
    console.print("Confirmed." if is_new else "It was confirmed before, or has ended.")


@subscriptions.command("keep")
def subscriptions_keep(token: str) -> None:
    """Honour the token of a 'still want it?' mail: the request goes on, at its place."""
    from include.services.requests import keep_by_token

    with open_database() as engine:
        is_kept = keep_by_token(engine, token, present())
    console.print(
        "It goes on, at its old place." if is_kept else "It has ended. Ask again to join the queue."
    )


def unsubscribe_by_token(token: str) -> None:
    """Honour the token of a message's unsubscribe link, a shopper's or that of a report."""
    from include.services.report_subscriptions import unsubscribe_recipient
    from include.services.requests import unsubscribe

    with open_database() as engine:
        try:
            is_new = unsubscribe(engine, token, present())
            done = "Nothing more is sent to this address."
        except NotFound:
            is_new = unsubscribe_recipient(engine, token, present())
            done = "This report is not sent to this address any more."
    console.print(done if is_new else "It was unsubscribed before.")
