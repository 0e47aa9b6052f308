"""Bad feeds through the real connector, the archive and the gates: the last good state stands."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from include.catalog.feed.connector import FeedConnector
from include.cli import app
from include.errors import SnapshotRefused
from include.services import catalog
from include.services.snapshots import accept_snapshot, list_snapshots, show_snapshot
from tests.builders import World, a_shop

Row = dict[str, Any]
LAMPS = 100
# The same bytes each time: they are part of a test's name.
pack = partial(gzip.compress, mtime=0)


class FeedWorld(World):
    """A world whose shop is a feed file."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        super().__init__(engine, folder / "archive", a_shop(feed={"url": str(folder / "feed")}))
        self.file = folder / "feed"

    def read(self, content: str | bytes) -> dict[str, Any]:
        """One window: what its load and detect return; raises SnapshotRefused."""
        self.file.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        self.window = self.next_window()
        self.given = (
            self.engine,
            self.shop,
            FeedConnector(self.shop, None, self.folder),
            self.folder,
            self.window,
        )
        catalog.pull_window(*self.given, self.now)
        return self.load()

    def load(self) -> dict[str, Any]:
        loaded = catalog.load_snapshot(*self.given, self.now)
        return loaded | catalog.detect_changes(*self.given, loaded["snapshot_id"], self.now)

    def refusal_of(self, content: str | bytes) -> str:
        """The reason for which a feed is refused; what was known of the stock has not changed."""
        before = self.stock()
        with pytest.raises(SnapshotRefused) as caught:
            self.read(content)
        newest = list_snapshots(self.engine, self.shop.id, 1)[0]
        assert newest.state == "rejected"
        assert newest.reason in str(caught.value)
        assert self.stock() == before
        with pytest.raises(SnapshotRefused):  # a repeated task says the same and does nothing
            self.load()
        return str(caught.value)

    def stock(self) -> list[Any]:
        levels = self.query("SELECT variant_id, location_id, quantity FROM stock_level ORDER BY 1, 2")
        opened = self.query("SELECT variant_id, units, is_open, cycle FROM variant_stock ORDER BY 1")
        return [levels, opened, self.query("SELECT variant_id, cycle FROM restock_event ORDER BY 1, 2")]

    def rejects(self) -> list[tuple[int, str]]:
        newest = list_snapshots(self.engine, self.shop.id, 1)[0]
        return [
            (row.line_number, row.reason)
            for row in show_snapshot(self.engine, self.shop.id, newest.snapshot_id).rejects
        ]


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> FeedWorld:
    world = FeedWorld(engine, tmp_path)
    world.read(lines(*lamps()))
    return world


def lamps(count: int = LAMPS, quantity: Any = 5) -> list[Row]:
    return [{"id": f"LAMP-{number}", "quantity": quantity} for number in range(count)]


def lines(*rows: Row) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_csv(rows: list[Row]) -> str:
    return "id,quantity\n" + "".join(f"{row['id']},{row['quantity']}\n" for row in rows)


def as_xml(rows: list[Row]) -> str:
    items = "".join(
        f"<lamp><id>{row['id']}</id><quantity>{row['quantity']}</quantity></lamp>" for row in rows
    )
    return f"<lamps>{items}</lamps>"


FORMATS: dict[str, Callable[[list[Row]], str]] = {
    "jsonl": lambda rows: lines(*rows),
    "json": json.dumps,
    "csv": as_csv,
    "xml": as_xml,
}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_feed_cut_in_the_middle_is_refused(shop: FeedWorld, kind: str) -> None:
    whole = FORMATS[kind](lamps(quantity=0))
    told = shop.refusal_of(whole[: whole.rindex("LAMP-9") + 3])
    assert "cut off" in told
    assert str(shop.file) in told


@pytest.mark.parametrize("kind", FORMATS)
def test_a_packed_feed_cut_in_the_middle_is_refused(shop: FeedWorld, kind: str) -> None:
    packed = gzip.compress(FORMATS[kind](lamps(quantity=0)).encode())
    assert "the gzip file is cut off" in shop.refusal_of(packed[: len(packed) // 2])


def test_an_html_page_is_refused(shop: FeedWorld) -> None:
    assert "an HTML page titled 'Log in'" in shop.refusal_of("<!doctype html><title>Log in</title>")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_third_of_the_rows_is_refused(shop: FeedWorld, kind: str) -> None:
    told = shop.refusal_of(FORMATS[kind](lamps(LAMPS // 3)))
    assert "33 rows are 33.0 % of the 100 of the last complete pull; allowed are at least 50 %" in told
    assert "restock snapshots accept" in told


def test_duplicate_keys_with_different_quantities_are_refused(shop: FeedWorld) -> None:
    told = shop.refusal_of(lines(*lamps(), {"id": "LAMP-7", "quantity": 6}))
    assert "variant 'LAMP-7' (lines 8 and 101) stands twice with different quantities" in told


def test_duplicate_keys_with_the_same_quantity_count_once(shop: FeedWorld) -> None:
    assert shop.read(lines(*lamps(), {"id": "LAMP-7", "quantity": 5.0}))["rows"] == LAMPS


def test_sold_out_variants_that_all_read_999_are_refused(engine: Engine, tmp_path: Path) -> None:
    shop = FeedWorld(engine, tmp_path)
    shop.read(lines(*lamps(quantity=0)))
    told = shop.refusal_of(lines(*lamps(quantity=999)))
    assert "100 of 100 variants rise from zero at once (100.0 %); allowed are 40 %" in told
    assert shop.value("SELECT count(*) FROM restock_event") == 0


def test_negative_fractional_and_absurd_quantities_are_taken_or_refused_row_by_row(shop: FeedWorld) -> None:
    odd: dict[str, Any] = {
        "MINUS": -3,
        "HALF": 0.5,
        "MORE": 2.75,
        "TEXT": "7",
        "MOST": 10**12,
        "TINY": 1e-9,
        "BEYOND": 10**13,
        "HUGE": 10**400,
        "MANY": "many",
        "NONE": None,
        "LIST": [1],
    }
    rows = [{"id": variant, "quantity": quantity} for variant, quantity in odd.items()]
    loaded = shop.read(lines(*lamps(1000), *rows))
    assert (loaded["rows"], loaded["rejected"]) == (1006, 5)
    units = dict(shop.query("SELECT variant_id, units FROM variant_stock WHERE variant_id !~ '^LAMP'"))
    assert units == {"MINUS": 0, "HALF": 0, "MORE": 2, "TEXT": 7, "MOST": 10**12, "TINY": 0}
    assert [line for line, _ in shop.rejects()] == [1007, 1008, 1009, 1010, 1011]
    assert all("quantity" in reason or "number" in reason for _, reason in shop.rejects())


@pytest.mark.parametrize("kind", ["jsonl", "json"])
@pytest.mark.parametrize("bad", [r"\ud800", r"\udfff", r"\u0000", "\0"], ids=ascii)
def test_nul_and_lone_surrogates_refuse_their_row_and_no_other(shop: FeedWorld, kind: str, bad: str) -> None:
    rows = lamps(200)
    rows[50]["title"] = "BAD"
    rows[199]["id"] = "BAD"
    loaded = shop.read(FORMATS[kind](rows).replace("BAD", f"lamp{bad}"))
    assert (loaded["rows"], loaded["rejected"]) == (198, 2)
    assert [line for line, _ in shop.rejects()] == [51, 200]


def test_a_wrong_encoding_is_refused_row_by_row_and_as_a_whole_when_too_many(shop: FeedWorld) -> None:
    one = [*lamps(200), {"id": "LAMPE-É", "quantity": 1}]
    assert shop.read(as_csv(one).encode("latin-1"))["rejected"] == 1
    assert "not valid UTF-8 text; another encoding is told by feed.encoding" in shop.rejects()[0][1]
    many = [{"id": f"LAMPE-É-{number}", "quantity": 1} for number in range(200)]
    told = shop.refusal_of(as_csv(many).encode("latin-1"))
    assert "no readable row" in told
    assert "The first: line 2, field 'id' is not valid UTF-8 text; another encoding" in told


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            '<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><l><i><id>&b;</id></i></l>',
            "declares a document type",
        ),
        (f"<lamps>{as_xml(lamps())}{'<a>' * 100_000}", "is nested deeper than 32 levels"),
        (json.dumps(lamps())[:-1] + ', {"id": ' + "[" * 100_000, "nested deeper than 100 levels"),
        (pack(lines(*lamps()).encode() + b"\n" * 40_000_000), "the feed unpacks to more than"),
    ],
    ids=["entities", "xml nesting", "json nesting", "gzip"],
)
def test_a_bomb_is_refused(shop: FeedWorld, content: str | bytes, problem: str) -> None:
    assert problem in shop.refusal_of(content)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_cell_of_5_mb_refuses_its_row_and_no_other(shop: FeedWorld, kind: str) -> None:
    rows = lamps(200)
    rows[50]["id"] = "x" * 5_000_000
    loaded = shop.read(FORMATS[kind](rows))
    assert (loaded["rows"], loaded["rejected"]) == (199, 1)
    assert "longer than" in shop.rejects()[0][1] or "larger than" in shop.rejects()[0][1]


def test_short_rows_are_refused_one_by_one(shop: FeedWorld) -> None:
    loaded = shop.read(as_csv(lamps(200)) + "SHORT\n" + "LONG,1,2\n")
    assert (loaded["rows"], loaded["rejected"]) == (200, 2)
    assert shop.rejects() == [
        (202, "the line has 1 cells where the header has 2"),
        (203, "the line has 3 cells where the header has 2"),
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_shop_with_one_variant_works(engine: Engine, tmp_path: Path, kind: str) -> None:
    shop = FeedWorld(engine, tmp_path)
    for quantity, opened in ((0, 0), (3, 1), (0, 0)):
        assert shop.read(FORMATS[kind](lamps(1, quantity)))["opened"] == opened
    assert shop.value("SELECT count(*) FROM restock_event") == 1


def test_text_that_copy_must_survive_arrives_as_it_was(shop: FeedWorld) -> None:
    titles = [
        "a\tb",
        "a\nb",
        "a\r\nb",
        "back\\slash",
        "\\N",
        "\\.",
        "\x1e",
        "\x1f",
        '"',
        "NULL",
        "{x}",
        "a,b",
        "'",
        "\\",
        "é\u2028",
    ]
    rows = [
        {"id": f"T{number}", "quantity": 1, "title": title, "categories": [title, "x"]}
        for number, title in enumerate(titles)
    ]
    assert shop.read(json.dumps([*lamps(200), *rows]))["rejected"] == 0
    stored = dict(shop.query("SELECT variant_id, title FROM variant WHERE variant_id ~ '^T'"))
    lists = dict(shop.query("SELECT variant_id, collections FROM variant WHERE variant_id ~ '^T'"))
    for number, title in enumerate(titles):
        assert stored[f"T{number}"] in (title, None if title == "\x1e" else title)
        assert lists[f"T{number}"] == [title, "x"]


@pytest.mark.parametrize("price", ["19,90 €", "1.299,00", "$5", 19.9, "1e3", "", None])
def test_prices_are_stored_as_numbers_however_they_are_written(shop: FeedWorld, price: Any) -> None:
    assert shop.read(lines(*lamps(200), {"id": "P", "quantity": 1, "price": price}))["rejected"] == 0
    known = {"19,90 €": "19.90", "1.299,00": "1299.00", "$5": "5", "19.9": "19.9", "1e3": "1000"}
    stored = shop.value("SELECT price FROM variant WHERE variant_id = 'P'")
    assert (None if stored is None else f"{stored:f}") == known.get(str(price))


def test_a_price_that_is_none_refuses_its_row_and_not_the_load(shop: FeedWorld) -> None:
    loaded = shop.read(lines(*lamps(200), {"id": "P", "quantity": 1, "price": "call us"}))
    assert (loaded["rows"], loaded["rejected"]) == (200, 1)
    assert shop.rejects() == [(201, "field 'price' is 'call us', where a price is a number such as 19.90")]


def test_everything_about_a_snapshot_can_be_shown(shop: FeedWorld) -> None:
    shop.refusal_of(lines(*lamps(20)) + "oops\n")
    newest = list_snapshots(shop.engine, shop.shop.id, 1)[0]
    story = show_snapshot(shop.engine, shop.shop.id, newest.snapshot_id)
    snapshot, rejects = story.figures, story.rejects
    assert (snapshot.state, snapshot.row_count, snapshot.reject_count) == ("rejected", 20, 1)
    assert snapshot.reason.startswith("20 rows are 20.0 %")
    assert [(row.line_number, row.excerpt) for row in rejects] == [(21, "oops")]
    accept_snapshot(shop.engine, shop.shop.id, newest.snapshot_id, "a clearance sale")
    assert shop.load()["rows"] == 20
    snapshot = show_snapshot(shop.engine, shop.shop.id, newest.snapshot_id).figures
    assert (snapshot.state, snapshot.accepted_reason) == ("complete", "a clearance sale")


def test_the_command_shows_a_snapshot(
    shop: FeedWorld, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOCK_DATABASE_URL", database_url)
    shop.refusal_of(lines(*lamps(20)) + "oops [red]\n")
    newest = list_snapshots(shop.engine, shop.shop.id, 1)[0]
    shown = CliRunner().invoke(app, ["snapshots", "show", str(newest.snapshot_id), "--shop", shop.shop.id])
    assert shown.exit_code == 0
    for part in ("state: rejected", "row count: 20", "reason: 20 rows are 20.0 %", ": oops [red]"):
        assert part in shown.output
    missing = CliRunner().invoke(app, ["snapshots", "show", "999", "--shop", shop.shop.id])
    assert "has no snapshot 999" in str(missing.exception)
