"""`restock why` and `restock simulate`: what was decided, and what would be."""

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from include.cli.flow_files import read_flow_files
from include.cli.parts import LARGEST_ID, console, open_database, present, print_whole
from include.errors import ConfigurationError

if TYPE_CHECKING:
    from include.domain.flow import Flow
    from include.services.simulate import Simulation

Shop = Annotated[
    str | None, typer.Option("--shop", help="The shop's id; not needed where there is only one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Everything, for programs.")]


def why(
    subscription: Annotated[int | None, typer.Argument(help="A request's id.")] = None,
    email: Annotated[str | None, typer.Option(help="A person, by address: all requests.")] = None,
    profile: Annotated[
        int | None, typer.Option(min=1, max=LARGEST_ID, help="A person, by profile id: all requests.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="A variant: what holds its queue, by which rules.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="A batch: what decided it.")] = None,
    shop: Shop = None,
    as_json: AsJson = False,
) -> None:
    """Say in one sentence why somebody was or was not told, or why a variant or a batch stands as it does."""
    from include.services import why as reasons

    asked = [one for one in (subscription, email, profile, variant, batch) if one is not None]
    if len(asked) != 1:
        raise ConfigurationError("Name one of: a request's id, --email, --profile, --variant, --batch.")
    with open_database() as engine:
        if subscription is not None:
            found = [reasons.explain_request(engine, subscription, present())]
        elif batch is not None:
            found = [reasons.explain_batch(engine, batch)]
        elif variant is not None:
            found = [reasons.explain_variant(engine, reasons.require_shop(engine, shop), variant, present())]
        else:
            found = reasons.explain_person(
                engine, reasons.require_shop(engine, shop), present(), email, profile
            )
    for one in found:
        if as_json:
            typer.echo(json.dumps(dataclasses.asdict(one), indent=2, default=str))
        else:
            console.print(one.sentence)
    if not found:
        console.print("This person has asked for nothing.")


def simulate(
    variant: Annotated[str, typer.Option(help="The variant that comes back.")],
    units: Annotated[
        int, typer.Option(min=0, max=1_000_000_000, help="Units that are in stock then, all of them.")
    ],
    shop: Shop = None,
    min_inventory: Annotated[str | None, typer.Option("--min", help="Another minimum inventory.")] = None,
    per_unit: Annotated[str | None, typer.Option(help="Other customers per unit: a number, or all.")] = None,
    wait: Annotated[str | None, typer.Option(help="Other minutes between batches.")] = None,
    sales_per_hour: Annotated[
        float, typer.Option(min=0, max=1_000_000_000, help="Units that sell per hour.")
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Say who would be told, when and in which batch, if these units came back now; nothing is written."""
    from include.services.simulate import Assumption, simulate_restock
    from include.services.why import HOLDS, require_shop

    spelled = {"min_inventory": min_inventory, "customers_per_unit": per_unit, "wait_minutes": wait}
    rules = {name: value for name, value in spelled.items() if value is not None}
    with open_database() as engine:
        given = Assumption(require_shop(engine, shop), variant, units, rules, sales_per_hour)
        result = simulate_restock(engine, given, present(), _valid_flows())
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(result), indent=2, default=str))
        return
    if result.batches:
        print_whole(_as_table(result))
    end = {"closed": "there are too few units to tell anyone", **HOLDS}.get(result.end, result.end)
    console.print(f"It ends: {end}. {result.still_waiting:,} keep waiting.")


def _valid_flows() -> "list[Flow]":
    from include.domain.flow import Flow

    return [flow for flow in read_flow_files() if isinstance(flow, Flow)]


def _as_table(result: "Simulation") -> Table:
    table = Table("batch", "at (UTC)", "units", "told", "places", "requests")
    for number, batch in enumerate(result.batches, 1):
        ids, count = batch.subscription_ids, len(batch.subscription_ids)
        table.add_row(
            str(number),
            f"{batch.decided_at:%Y-%m-%d %H:%M:%S}" + (" after approval" if batch.needs_approval else ""),
            str(batch.units),
            str(count),
            f"{batch.first_place}-{batch.first_place + count - 1}",
            " ".join(map(str, ids[:3])) + (f" ... {ids[-1]}" if count > 3 else ""),
        )
    return table
