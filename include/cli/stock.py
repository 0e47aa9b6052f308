"""`restock snapshots` and `restock feed`: what was read of a shop's stock, and what would be."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from include.cli.parts import (
    Most,
    ShopId,
    command_group,
    console,
    name_and_value,
    open_database,
    present,
)
from include.domain.shop import Shop
from include.domain.text import count_of
from include.settings import load_settings

Address = Annotated[str, typer.Argument(metavar="FILE-OR-URL", help="The feed, as feed.url names it.")]
Baseline = Annotated[
    str | None, typer.Option(help="The last good feed, a file or URL: what the gates compare with.")
]
LikeShop = Annotated[
    str | None, typer.Option("--shop", help="A shop of dags/config/shops.yaml whose feed settings apply.")
]
FieldNames = Annotated[
    list[str] | None, typer.Option(help="NAME=NAME-IN-THE-FEED, as under feed.fields; repeatable.")
]
AllowPrivate = Annotated[
    bool | None, typer.Option("--allow-private", help="Let the address be a loopback or private one.")
]
Limits = Annotated[list[str] | None, typer.Option(help="VARIABLE=VALUE for a gate's limit; repeatable.")]

snapshots = command_group("What was read of a shop's stock.")
feed = command_group("Feeds, before they are loaded.")


@snapshots.command("list")
def snapshots_list(shop: ShopId, most: Most = 20) -> None:
    """The newest snapshots of a shop."""
    from include.services.snapshots import list_snapshots

    with open_database() as engine:
        for row in list_snapshots(engine, shop, most):
            figures = {
                "rows": row.row_count,
                "refused rows": row.reject_count,
                "changed": row.changed_count,
                "restocks": row.event_count,
                "window": row.window_key,
            }
            told = ", ".join(f"{name} {value}" for name, value in figures.items() if value is not None)
            console.print(f"{row.snapshot_id}  {row.observed_at:%Y-%m-%d %H:%M:%S}  {row.state}  {told}")
            if row.reason:
                console.print(f"    {row.reason}")


@snapshots.command("accept")
def snapshots_accept(
    snapshot: int, shop: ShopId, reason: Annotated[str, typer.Option(help="Why it is right after all.")]
) -> None:
    """Let a refused snapshot pass once: its window's `load` task takes it when it is cleared."""
    from include.services.snapshots import accept_snapshot

    with open_database() as engine:
        accept_snapshot(engine, shop, snapshot, reason)
    console.print(f"Accepted. Now clear the task `load` of its run in Dag catalog_sync__{shop}.")


@snapshots.command("show")
def snapshots_show(
    snapshot: int,
    shop: ShopId,
    most: Most = 20,
) -> None:
    """Everything about one snapshot: figures, reason, unreadable rows, what guards held back, what it moved if late."""
    from include.services.snapshots import show_snapshot

    with open_database() as engine:
        story = show_snapshot(engine, shop, snapshot, most)
    moved = {f"late, {name}": count for name, count in story.backfill.items()}
    for name, value in [*story.figures._mapping.items(), *moved.items()]:
        if value is not None:
            console.print(f"{name.replace('_', ' ')}: {value}")
    for row in story.held:
        console.print(f"  held back {row.variant_id}, {count_of(row.units, 'unit')}: {row.guard_reason}")
    rejects = ((row.line_number, row.reason, row.excerpt) for row in story.rejects)
    _print_rejects(rejects, story.figures.reject_count)


@feed.command("check")
def feed_check(
    address: Address,
    baseline: Baseline = None,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict for programs.")] = False,
    shop: LikeShop = None,
    format: Annotated[str | None, typer.Option(help="json, jsonl, csv or xml, where it is not told.")] = None,
    field: FieldNames = None,
    item: Annotated[
        str | None, typer.Option(help="XML: the element that stands for one variant. JSON: the way to them.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Where it is not told and not UTF-8.")] = None,
    allow_private: AllowPrivate = None,
    rule: Limits = None,
) -> None:
    """Say what a load would do with a feed: accept it, take its good rows, or refuse it (exit code 1)."""
    from include.domain.rules import parse_rule_set
    from include.services.feed_check import check_address, feed_to_check

    known = _shop_of_file(shop) if shop else None
    settings = {
        "format": format,
        "fields": name_and_value("--field", field) if field else None,
        "item": item,
        "encoding": encoding,
        "allow_private": allow_private,
    }
    before = feed_to_check(baseline, settings, known) if baseline else None
    rules = parse_rule_set(name_and_value("--rule", rule))
    verdict = check_address(address, settings, known, before, rules, present(), Path.cwd())
    if as_json:
        typer.echo(json.dumps(verdict.as_json(), indent=2))
    else:
        console.print(verdict.as_text())
        rejects = ((row.line_number, row.reason, row.excerpt) for row in verdict.rejects)
        _print_rejects(rejects, verdict.rejected)
    if verdict.verdict == "refuse":
        raise typer.Exit(1)


def _shop_of_file(shop_id: str) -> Shop:
    from include.catalog.shops import read_shops_file

    return read_shops_file(load_settings().shops_file).find(shop_id)


def _print_rejects(rejects: Iterable[tuple[int, str, str]], count: int) -> None:
    shown = 0
    for line, reason, excerpt in rejects:
        shown += 1
        console.print(f"  line {line}: {reason}" + (f": {excerpt}" if excerpt else ""))
    if count > shown:
        console.print(f"  and {count - shown} more rows that could not be read")
