"""`restock stack`, `restock demo` and `restock replay`: what runs on this machine."""

import json
from pathlib import Path
from typing import Annotated

import typer

from include.cli.parts import (
    command_group,
    console,
    name_and_value,
    open_database,
    present,
    register_shop_of_file,
)
from include.settings import load_settings

stack = command_group("The local stack: Postgres, Airflow, mail sink, demo shop.")
demo = command_group("The demo shop of the local stack.")


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
    with open_database(settings) as engine:
        register_shop_of_file(engine, "demo")
        console.print(bring_people(settings, engine, present()))


@demo.command("step")
def demo_step() -> None:
    """Advance the demo shop of `make up` by one step."""
    from include.local.demo import step_shop

    console.print(step_shop(load_settings()))


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
    rule: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Another rule, such as sizing=wanted_units; repeatable."),
    ] = None,
    all_options: Annotated[
        bool, typer.Option("--all-options", help="Every rule that the audit judges, switched on.")
    ] = False,
) -> None:
    """Walk an order history through the services and judge from outside who was told wrongly."""
    from include.domain.rules import VARIABLE_PREFIX, parse_rule_set
    from include.local.replay import ALL_OPTIONS, ReplayOptions
    from include.local.replay import replay as walk

    given = {
        name.removeprefix(VARIABLE_PREFIX): value for name, value in name_and_value("--rule", rule).items()
    }

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
        other_rules=(ALL_OPTIONS if all_options else {}) | given,
    )
    result = walk(options)
    console.print(json.dumps(result.as_json(), indent=2) if as_json else result.as_text())
    if result.violations:
        raise typer.Exit(1)
