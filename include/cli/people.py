"""`restock people`: what is kept of one person, and forgetting it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from include.cli.parts import ShopId, command_group, console, open_database, present
from include.errors import ConfigurationError, RowRejected

if TYPE_CHECKING:
    from include.services.privacy import Identifiers

people = command_group("One person's data.")
Email = Annotated[str, typer.Option(help="By e-mail address.")]
Phone = Annotated[str, typer.Option(help="By phone number with its country code.")]
ExternalId = Annotated[str, typer.Option(help="By the shop's own id.")]


@people.command("export")
def people_export(
    shop: ShopId,
    email: Email = "",
    phone: Phone = "",
    external_id: ExternalId = "",
    file: Annotated[Path | None, typer.Argument(help="Default: standard output.")] = None,
) -> None:
    """Everything that is kept of somebody, as JSON."""
    from include.services.privacy import export_person

    with open_database() as engine:
        found = export_person(engine, shop, _identifiers(email, phone, external_id), "cli", present())
    text = json.dumps(found, indent=2, default=str, ensure_ascii=False) + "\n"
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_text(text, encoding="utf-8")
        console.print(f"Written to {file}.")


@people.command("erase")
def people_erase(shop: ShopId, email: Email = "", phone: Phone = "", external_id: ExternalId = "") -> None:
    """Forget somebody: requests end, nothing more is sent, reports keep their counts."""
    from include.services.privacy import erase_person

    with open_database() as engine:
        count = erase_person(engine, shop, _identifiers(email, phone, external_id), "cli", present())
    console.print(f"{count} {'profile' if count == 1 else 'profiles'} forgotten.")


def _identifiers(email: str, phone: str, external_id: str) -> "Identifiers":
    from include.domain.request import fold_email
    from include.services.contacts import check_phone
    from include.services.privacy import Identifiers

    if not (email or phone or external_id):
        raise ConfigurationError("Nobody is named. Give --email, --phone or --external-id.")
    try:
        return Identifiers(
            fold_email(email) if email else None, check_phone(phone) if phone else None, external_id or None
        )
    except RowRejected as rejected:
        raise ConfigurationError(f"{rejected}.") from None
