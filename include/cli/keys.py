"""`restock keys`: who may use the door."""

import sys
from typing import Annotated, Literal, cast

import typer

from include.cli.parts import ShopId, command_group, console, open_database, present, register_shop_of_file
from include.errors import ConfigurationError

keys = command_group("Keys of the public door.")


@keys.command("create")
def keys_create(
    shop: ShopId,
    kind: Annotated[str, typer.Option(help="public (a company id, for browsers) or private (for servers).")],
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Browser origin that may use a public key; repeatable. Default: any."),
    ] = None,
    rate_factor: Annotated[float, typer.Option(min=0.001, help="Times the usual rate limits.")] = 1.0,
) -> None:
    """Print a new key, alone, the only time that it is shown."""
    from include.domain.origin import read_origin
    from include.services.keys import create_key

    if kind not in ("public", "private"):
        raise ConfigurationError(f"--kind is '{kind}'; allowed are public and private.")
    if origin and kind == "private":
        raise ConfigurationError("--origin is for public keys: browsers don't hold private ones.")
    origins = [read_origin(text) for text in origin or ()]
    with open_database() as engine:
        register_shop_of_file(engine, shop)
        key = create_key(
            engine, shop, cast('Literal["public", "private"]', kind), present(), origins, rate_factor
        )
    sys.stdout.write(f"{key}\n")


@keys.command("list")
def keys_list(shop: Annotated[str, typer.Option("--shop", help="Only this shop's.")] = "") -> None:
    """The keys, by their first characters."""
    from include.services.keys import list_keys

    with open_database() as engine:
        found = list_keys(engine, shop or None)
    for row in found:
        state = f"revoked {row.revoked_at:%Y-%m-%d %H:%M}Z" if row.revoked_at else "in use"
        origins = f"  origins {', '.join(row.origins)}" if row.origins else ""
        factor = f"  rates x {row.rate_factor:g}" if row.rate_factor != 1 else ""
        hint = row.hint if row.kind == "public" else f"{row.hint}…"
        console.print(
            f"{row.shop_id}  key {row.key_id}  {row.kind}  {hint}  created {row.created_at:%Y-%m-%d}  {state}"
            f"{origins}{factor}",
        )
    if not found:
        console.print("There are no keys. `restock keys create --shop SHOP --kind public` makes one.")


@keys.command("revoke")
def keys_revoke(
    key_id: Annotated[int, typer.Argument(help="Its number in `restock keys list`.")], shop: ShopId
) -> None:
    """End a key; within a second it opens nothing."""
    from include.services.keys import revoke_key

    with open_database() as engine:
        revoke_key(engine, shop, key_id, present())
    console.print("Revoked.")
