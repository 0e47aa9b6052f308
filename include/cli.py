"""The `restock` command: each subcommand calls one service and prints what it answers."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from include.db.engine import connect
from include.db.migrate import check_schema, migrate
from include.errors import ConfigurationError, NotFound, RestockError
from include.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
db = typer.Typer(no_args_is_help=True, help="The database's schema.")
stack = typer.Typer(no_args_is_help=True, help="The local stack: Postgres, Airflow, mail sink, demo shop.")
demo = typer.Typer(no_args_is_help=True, help="The demo shop of the local stack.")
subscriptions = typer.Typer(no_args_is_help=True, help="Waiting lists.")
snapshots = typer.Typer(no_args_is_help=True, help="What was read of a shop's stock.")
delivery = typer.Typer(no_args_is_help=True, help="Whether messages are handed to the provider.")
flows = typer.Typer(no_args_is_help=True, help="The flow files.")
reports = typer.Typer(no_args_is_help=True, help="Report tables and CSV files.")
for name, group in {
    "db": db,
    "stack": stack,
    "demo": demo,
    "subscriptions": subscriptions,
    "snapshots": snapshots,
    "delivery": delivery,
    "flows": flows,
    "reports": reports,
}.items():
    app.add_typer(group, name=name)

ShopId = Annotated[str, typer.Option("--shop", help="The shop's id in dags/config/shops.yaml.")]
console = Console(soft_wrap=True, highlight=False)


def main() -> None:
    """Run the command; an error of ours is one line on stderr and exit code 1, without a traceback."""
    try:
        app()
    except RestockError as error:
        sys.stderr.write(f"restock: {error}\n")
        sys.exit(1)


@contextmanager
def _database(settings: Settings | None = None) -> Iterator[Engine]:
    engine = connect((settings or load_settings()).require_database_url())
    try:
        check_schema(engine)
        yield engine
    finally:
        engine.dispose()


def _now() -> datetime:
    return datetime.now(UTC)


@db.command("migrate")
def db_migrate() -> None:
    """Apply the migrations that the database lacks."""
    engine = connect(load_settings().require_database_url())
    applied = migrate(engine)
    engine.dispose()
    console.print(f"Applied: {', '.join(applied)}." if applied else "Nothing to apply.")


@db.command("check")
def db_check() -> None:
    """Say whether the database fits this version."""
    with _database():
        console.print("The schema is up to date.")


@stack.command("up")
def stack_up(detach: Annotated[bool, typer.Option(help="Return when everything runs.")] = False) -> None:
    """Start the local stack and stay until Ctrl-C."""
    from include.local.stack import up

    up(load_settings(), detach=detach)


@stack.command("down")
def stack_down() -> None:
    """Stop every process that `up` started, and no other."""
    from include.local.stack import down

    down(load_settings())


@stack.command("status")
def stack_status() -> None:
    """What runs, and at which addresses."""
    from include.local.stack import status

    status(load_settings())


@demo.command("run")
def demo_run(
    wait_minutes: Annotated[
        float | None,
        typer.Option(help="Between two batches of one variant; by default as this machine needs."),
    ] = None,
) -> None:
    """Show the main job from feed to mailbox with a stack of its own, then stop everything again."""
    from include.local.demo.driver import run_demo

    run_demo(load_settings(), wait_minutes)


@demo.command("people")
def demo_people() -> None:
    """Bring 3,000 people to the demo shop of `make up`, and let mails leave to its mail server."""
    from include.local.demo.people import bring_people

    settings = load_settings()
    with _database(settings) as engine:
        _register_shop(engine, "demo")
        console.print(bring_people(settings, engine, _now()), markup=False)


@demo.command("step")
def demo_step() -> None:
    """Advance the demo shop of `make up` by one step."""
    from include.local.demo import step_shop

    console.print(step_shop(load_settings()), markup=False)


@app.command("replay")
def replay(
    orders: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="An order history, CSV or CSV.gz.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="The figures for programs.")] = False,
    keep: Annotated[Path | None, typer.Option(help="An empty folder that receives feeds and mails.")] = None,
    days: Annotated[int | None, typer.Option(help="Only the first days.")] = None,
    min_inventory: int = 1,
    customers_per_unit: Annotated[str, typer.Option(help="A number, or all.")] = "1",
    wait_minutes: float = 60.0,
) -> None:
    """Walk an order history through the services and judge from outside who was told wrongly."""
    from include.domain.rules import parse_rule_set
    from include.local.replay import ReplayOptions
    from include.local.replay import replay as walk

    rules = parse_rule_set(
        {
            "restock_min_inventory": str(min_inventory),
            "restock_customers_per_unit": customers_per_unit,
            "restock_wait_minutes": str(wait_minutes),
        }
    )
    options = ReplayOptions(
        orders=orders,
        keep=keep,
        days=days,
        min_inventory=rules.min_inventory,
        customers_per_unit=rules.people_allowed(),
        wait_minutes=rules.wait_minutes,
    )
    result = walk(options)
    console.print(json.dumps(result.as_json(), indent=2) if as_json else result.as_text(), markup=False)
    if result.violations:
        raise typer.Exit(1)


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
    with _database() as engine:
        _register_shop(engine, shop)
        result = import_waiting_list(engine, shop, file, _now(), in_stock)  # type: ignore[arg-type]
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

    with _database() as engine:
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

    with _database() as engine:
        was_open = cancel_request(engine, shop, subscription, _now())
    console.print("Cancelled." if was_open else "It was not open.")


@app.command("unsubscribe")
def unsubscribe_by_token(token: str) -> None:
    """Honour the token of a message's unsubscribe link."""
    from include.services.requests import unsubscribe

    with _database() as engine:
        is_new = unsubscribe(engine, token, _now())
    console.print("Nothing more is sent to this address." if is_new else "It was unsubscribed before.")


@app.command("why")
def why(subscription: int) -> None:
    """Say in one sentence why a request stands where it stands."""
    from include.services.why import explain_request

    with _database() as engine:
        console.print(explain_request(engine, subscription), markup=False)


@snapshots.command("list")
def snapshots_list(shop: ShopId, most: int = 20) -> None:
    """The newest snapshots of a shop."""
    from include.services.snapshots import list_snapshots

    table = Table(
        "id", "observed at", "state", "rows", "refused rows", "changed", "restocks", "window", "reason"
    )
    with _database() as engine:
        for row in list_snapshots(engine, shop, most):
            table.add_row(
                str(row.snapshot_id),
                row.observed_at.strftime("%Y-%m-%d %H:%M:%S"),
                row.state,
                str(row.row_count),
                str(row.reject_count),
                str(row.changed_count if row.changed_count is not None else ""),
                str(row.event_count if row.event_count is not None else ""),
                row.window_key,
                row.reason or "",
            )
    console.print(table)


@snapshots.command("accept")
def snapshots_accept(
    snapshot: int, shop: ShopId, reason: Annotated[str, typer.Option(help="Why it is right after all.")]
) -> None:
    """Let a refused snapshot pass once: its window's `load` task takes it when it is cleared."""
    from include.services.snapshots import accept_snapshot

    with _database() as engine:
        accept_snapshot(engine, shop, snapshot, reason)
    console.print(f"Accepted. Now clear the task `load` of its run in Dag catalog_sync__{shop}.")


@delivery.command("show")
def delivery_show() -> None:
    """How this database delivers."""
    from include.services.outbox import read_delivery

    with _database() as engine:
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
    with _database() as engine:
        set_delivery(engine, mode, allow or [])
    console.print(f"Delivery is {mode}.")


@flows.command("check")
def flows_check() -> None:
    """Read every flow file and list its problems."""
    from include.flows.definition import BrokenFlow, load_flows
    from include.messaging.render.library import built_in_library

    known = load_flows(load_settings().flows_folder, tuple(built_in_library().list_templates()))
    broken = [flow for flow in known if isinstance(flow, BrokenFlow)]
    for flow in broken:
        console.print(str(flow), markup=False)
    if broken:
        raise typer.Exit(1)
    console.print("Every flow file is valid.")


@reports.command("build")
def reports_build(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")],
) -> None:
    """Build the report tables of some days again and write their CSV files."""
    from include.services.reports import REPORTS, build_report, export_report

    settings = load_settings()
    first_on, last_on = _days(first, last)
    folder = Path(settings.artefact_url)
    with _database(settings) as engine:
        for name in REPORTS:
            build_report(engine, name, first_on, last_on, _now())
            rows = export_report(engine, name, first_on, last_on, folder)
            console.print(f"{name}: {rows} rows in {folder}")


def _days(first: datetime, last: datetime) -> tuple[date, date]:
    if first > last:
        raise ConfigurationError(f"--from {first.date()} is after --to {last.date()}.")
    return first.date(), last.date()


def _register_shop(engine: Engine, shop_id: str) -> None:
    from include.catalog.shops import load_shops
    from include.services.shops import register_shop

    settings = load_settings()
    shops = {shop.id: shop for shop in load_shops(settings.shops_file)}
    if shop_id not in shops:
        raise NotFound(
            f"{settings.shops_file} has no shop '{shop_id}'. It has: {', '.join(shops) or 'none'}."
        )
    with engine.begin() as connection:
        register_shop(connection, shops[shop_id], _now())
