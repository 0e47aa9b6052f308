"""`restock tune`: thresholds side by side, over a past year."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from include.cli.parts import console, name_and_value, open_database, present, print_whole
from include.errors import ConfigurationError

if TYPE_CHECKING:
    from include.local.tune import Comparison, TuneOptions

ASSUMED, SUPPLY, OUTPUT = "What is assumed of shoppers", "What is assumed of the supply", "Output"
OF_A_SHOP = (
    "Of a shop only its stock is read: every fall of it counts as a walk-in sale, so those who were told at the "
    "time buy twice here. Compare settings with each other; for the level itself give --orders with the shop's "
    "order lines."
)
SETTINGS = "Settings: values separated by commas, every combination is walked"

Orders = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="An order history, CSV or CSV.gz.")
]
Shop = Annotated[str | None, typer.Option(help="Instead: what the database knows of this shop.")]
PerUnit = Annotated[str, typer.Option(help="Customers per unit: numbers or all.", rich_help_panel=SETTINGS)]
Wait = Annotated[str, typer.Option(help="Minutes between two batches.", rich_help_panel=SETTINGS)]
MinInventory = Annotated[str, typer.Option("--min", help="Minimum inventory.", rich_help_panel=SETTINGS)]
Rule = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUES",
        help="Another rule: sizing, subtract_invited_hours, allow_overtaking, ordering; repeatable.",
        rich_help_panel=SETTINGS,
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        help="klaviyo, klaviyo:PER-UNIT/MINUTES, braze:PEOPLE/MINUTES, magento; '' for none.",
        rich_help_panel=SETTINGS,
    ),
]
Baseline = Annotated[
    str, typer.Option(help="The setting that ours must sell as fast as.", rich_help_panel=SETTINGS)
]
Returning = Annotated[float, typer.Option(help="Share of the told who come.", rich_help_panel=ASSUMED)]
VisitMinutes = Annotated[
    float, typer.Option(help="Median from mail to visit, log-normal.", rich_help_panel=ASSUMED)
]
VisitSpread = Annotated[
    float, typer.Option(help="Its sigma: 0 for everybody alike.", rich_help_panel=ASSUMED)
]
PatienceDays = Annotated[
    float, typer.Option(help="Half lose interest within these days.", rich_help_panel=ASSUMED)
]
AskingAgain = Annotated[
    float, typer.Option(help="Share of those in vain who ask again.", rich_help_panel=ASSUMED)
]
Seed = Annotated[int, typer.Option(help="Of all draws.", rich_help_panel=ASSUMED)]
InitialDays = Annotated[
    float, typer.Option(help="First stock, in days of mean demand.", rich_help_panel=SUPPLY)
]
CoverDays = Annotated[float, typer.Option(help="A delivery, in days of mean demand.", rich_help_panel=SUPPLY)]
LeadDaysMin = Annotated[int, typer.Option(help="Shortest lead time.", rich_help_panel=SUPPLY)]
LeadDaysMax = Annotated[int, typer.Option(help="Longest lead time.", rich_help_panel=SUPPLY)]
DeliveryHour = Annotated[
    int, typer.Option(help="Hour (UTC) at which deliveries are on the shelf.", rich_help_panel=SUPPLY)
]
BeatMinutes = Annotated[
    int, typer.Option(help="Minutes between two readings of the stock.", rich_help_panel=SUPPLY)
]
KnowsOrders = Annotated[
    bool,
    typer.Option(help="Who bought counts no more as invited: orders reach Restock.", rich_help_panel=SUPPLY),
]
Days = Annotated[int | None, typer.Option(help="Only the first days.", rich_help_panel=SUPPLY)]
Csv = Annotated[Path | None, typer.Option(dir_okay=False, help="The figures as CSV.", rich_help_panel=OUTPUT)]
Chart = Annotated[
    Path | None, typer.Option(dir_okay=False, help="A chart, .png or .svg.", rich_help_panel=OUTPUT)
]


def tune(
    orders: Orders = None,
    shop: Shop = None,
    per_unit: PerUnit = "all,1,2",
    wait: Wait = "60",
    min_inventory: MinInventory = "1",
    rule: Rule = None,
    against: Against = None,
    baseline: Baseline = "klaviyo",
    returning: Returning = 0.3,
    visit_minutes: VisitMinutes = 60.0,
    visit_spread: VisitSpread = 1.5,
    patience_days: PatienceDays = 60.0,
    asking_again: AskingAgain = 0.5,
    seed: Seed = 1,
    initial_days: InitialDays = 90.0,
    cover_days: CoverDays = 90.0,
    lead_days_min: LeadDaysMin = 7,
    lead_days_max: LeadDaysMax = 14,
    delivery_hour: DeliveryHour = 9,
    beat_minutes: BeatMinutes = 15,
    knows_orders: KnowsOrders = False,
    days: Days = None,
    csv: Csv = None,
    chart: Chart = None,
) -> None:
    """Walk past restocks and orders under other thresholds: told in vain, waits, how fast units sold."""
    from include.domain.rules import VARIABLE_PREFIX
    from include.domain.shopper import ShopperModel
    from include.local.replay import PolicySettings
    from include.local.tune import Ranges, TuneOptions
    from include.local.tune.grid import OTHERS

    _check(orders, shop, csv, chart)
    rules = {
        name.removeprefix(VARIABLE_PREFIX): values for name, values in name_and_value("--rule", rule).items()
    }
    options = TuneOptions(
        ranges=Ranges(per_unit, wait, min_inventory, rules),
        against=OTHERS if against is None else against,
        baseline=baseline,
        shoppers=ShopperModel(returning, visit_minutes, visit_spread, patience_days, asking_again, seed),
        policy=PolicySettings(initial_days, cover_days, lead_days_min, lead_days_max, seed),
        beat_minutes=beat_minutes,
        knows_orders=knows_orders,
        delivery_hour=delivery_hour,
        days=days,
    )
    comparison = _walk(orders, shop, options)
    print_whole(comparison.as_table())
    console.print(comparison.verdict())
    if shop is not None:
        console.print(OF_A_SHOP)
    if csv is not None:
        comparison.write_csv(csv)
    if chart is not None:
        from include.local.tune.chart import write_chart

        write_chart(comparison, chart)


def _check(orders: Path | None, shop: str | None, csv: Path | None, chart: Path | None) -> None:
    if (orders is None) == (shop is None):
        raise ConfigurationError("Give either --orders FILE or --shop SHOP.")
    for option, file in (("--csv", csv), ("--chart", chart)):
        if file is not None and not file.parent.is_dir():
            raise ConfigurationError(f"{option} {file}: there is no folder {file.parent}.")
    if chart is not None and chart.suffix not in (".png", ".svg"):
        raise ConfigurationError(f"--chart {chart} ends in neither .png nor .svg.")


def _walk(orders: Path | None, shop: str | None, options: "TuneOptions") -> "Comparison":
    from include.local.tune import tune_by_orders, tune_by_shop

    with console.status("") as status:

        def show(name: str) -> None:
            status.update(f"walking: {name}")

        if orders is not None:
            return tune_by_orders(orders, options, show)
        with open_database() as engine:
            return tune_by_shop(engine, str(shop), options, present(), show)
