"""`restock sync` and `restock shops`: a shop's first contact, and one pull outside Airflow."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from include.cli.parts import Most, command_group, console, open_database, open_store, present, print_whole
from include.errors import ConfigurationError
from include.settings import airflow_connection, airflow_variable, load_settings

if TYPE_CHECKING:
    from include.catalog.base import Connector
    from include.domain.shop import Shop
    from include.services.sync import Patience

ShopArgument = Annotated[str, typer.Argument(metavar="SHOP", help="The shop's id in the shops file.")]
Config = Annotated[
    Path | None, typer.Option(help="The shops file (default: dags/config/shops.yaml, or RESTOCK_SHOPS).")
]
ConnectionUri = Annotated[
    str | None,
    typer.Option(
        "--connection",
        metavar="URI",
        help="What the shop's Airflow Connection holds, as https://login:password@host/?name=value "
        "or as JSON; - reads it from standard input, where no list of processes shows it. Default: the "
        "environment variable AIRFLOW_CONN_<its id>.",
    ),
]

shops = command_group("Shops, before and beside Airflow.")


@shops.command("check")
def shops_check(shop: ShopArgument, config: Config = None, connection: ConnectionUri = None) -> None:
    """Ask a shop for everything once, store nothing, print what was understood (exit code 1: it would be refused)."""
    from include.domain.rules import RuleSet
    from include.services.shop_check import check_shop

    described, connector = _open_shop(shop, config, connection)
    check = check_shop(described, connector, RuleSet(), present(), _patience())
    for line in check.as_lines():
        console.print(line)
    if check.refusals:
        raise typer.Exit(1)


def sync(
    shop: ShopArgument,
    config: Config = None,
    connection: ConnectionUri = None,
    full: Annotated[bool, typer.Option("--full", help="The whole shop, not only what changed.")] = False,
    accept_reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why this pull is right, whatever the limits say of it.")
    ] = "",
    most: Most = 50,
) -> None:
    """Pull a shop once into the database, and print what changed; nobody is told by this alone."""
    from include.services.sync import sync_once

    described, connector = _open_shop(shop, config, connection)
    with open_database() as engine:
        story = sync_once(
            engine,
            described,
            connector,
            open_store(load_settings().archive_url, "RESTOCK_ARCHIVE"),
            present,
            _patience(),
            full,
            most,
            accept_reason,
        )
    console.print(f"{story.kind} pull from {story.source}")
    shown = {name: value for name, value in story.figures.items() if name not in ("state", "snapshot_id")}
    console.print(", ".join(f"{name} {value}" for name, value in shown.items()))
    table = Table("variant", "title", "location", "before", "now", "")
    for row in story.changes:
        before = "" if row.previous_quantity is None else f"{row.previous_quantity:f}"
        news = "back in stock" if row.is_restock else ""
        table.add_row(row.variant_id, row.title or "", row.location_id, before, f"{row.quantity:f}", news)
    if story.changes:
        print_whole(table)
    unshown = story.figures["changed"] - len(story.changes)
    if unshown > 0:
        console.print(f"… and {unshown:,} more; --most {story.figures['changed']} shows all.")


def _open_shop(shop_id: str, config: Path | None, uri: str | None) -> tuple["Shop", "Connector"]:
    from include.catalog.base import ShopConnection
    from include.catalog.registry import build_connector
    from include.catalog.shops import read_shops_file

    shop = read_shops_file(config or load_settings().shops_file).find(shop_id)
    place, given = "--connection", sys.stdin.readline().strip() if uri == "-" else uri
    if not given and shop.conn_id is not None:
        place, given = airflow_variable(shop.conn_id), airflow_connection(shop.conn_id)
    if not given and shop.conn_id is not None:
        raise ConfigurationError(
            f"shop {shop.id!r}: its Connection {shop.conn_id!r} is kept by Airflow, which is not asked here. Say what "
            f"it holds: --connection https://login:password@host, - for standard input, or in {place}."
        )
    connection = ShopConnection.from_text(given, place) if given else None
    return shop, build_connector(shop, connection, home=Path.cwd())


def _patience() -> "Patience":
    from include.services.sync import Patience

    return Patience(time.sleep, lambda why: console.print(f"{why}; waiting"))
