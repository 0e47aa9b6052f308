"""`restock subscriptions`, `unsubscribe` and `why`: the people who wait."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from include.cli.parts import ShopId, command_group, console, open_database, present, register_shop_of_file
from include.errors import ConfigurationError

subscriptions = command_group("Waiting lists.")


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
        console.print(f"  line {line} refused: {reason}", markup=False)
    if len(result.rejects) > 50:
        console.print(f"  … and {len(result.rejects) - 50} more, all in table import_reject")
    console.print(
        f"{result.new} new, {result.merged} joined an open request, {result.known} known before, "
        f"{len(result.rejects)} refused. {result.waiting} wait in all; of these, {result.open_now} for variants that "
        f"are in stock now and {result.unmatched} for variants that no catalog knows yet."
    )


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
def subscriptions_cancel(subscription: int, shop: ShopId) -> None:
    """End one request; the person's others stay."""
    from include.services.requests import cancel_request

    with open_database() as engine:
        was_open = cancel_request(engine, shop, subscription, present())
    console.print("Cancelled." if was_open else "It was not open.")


def unsubscribe_by_token(token: str) -> None:
    """Honour the token of a message's unsubscribe link."""
    from include.services.requests import unsubscribe

    with open_database() as engine:
        is_new = unsubscribe(engine, token, present())
    console.print("Nothing more is sent to this address." if is_new else "It was unsubscribed before.")
