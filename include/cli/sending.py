"""`restock delivery`: whether messages are handed to the provider."""

from typing import Annotated

import typer

from include.cli.parts import command_group, console, open_database
from include.errors import ConfigurationError

delivery = command_group("Whether messages are handed to the provider.")


@delivery.command("show")
def delivery_show() -> None:
    """How this database delivers."""
    from include.services.outbox import read_delivery

    with open_database() as engine:
        console.print(read_delivery(engine).mode)


@delivery.command("set")
def delivery_set(
    mode: Annotated[str, typer.Argument(help="live, allow_list or record_only.")],
    allow: Annotated[list[str] | None, typer.Option(help="An address or a domain, for allow_list.")] = None,
) -> None:
    """Set it, for this very database: a copy of it records only."""
    from include.services.outbox import set_delivery

    if mode not in ("live", "allow_list", "record_only"):
        raise ConfigurationError(
            f"'{mode}' is no way of delivery; allowed are live, allow_list and record_only."
        )
    with open_database() as engine:
        set_delivery(engine, mode, allow or [])
    console.print(f"Delivery is {mode}.")
