from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from include.catalog.base import CatalogRow, Chunk, RejectedRow
from include.cli import app
from include.domain.rules import RuleSet
from include.errors import ConfigurationError
from include.services.feed_check import FeedVerdict, check_feed, feed_to_check
from include.services.feed_figures import FeedFigures, FeedTally
from tests.unit.catalog.feed_server import Answer, FeedServer, run_feed_server

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DEFAULTS = RuleSet()
Check = Callable[..., FeedVerdict]


def table(quantities: dict[str, Any]) -> str:
    return "id,quantity\n" + "".join(f"{variant},{quantity}\n" for variant, quantity in quantities.items())


def lamps(count: int, quantity: Any = 5, **others: Any) -> str:
    return table({f"LAMP-{number}": quantity for number in range(count)} | others)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def run(
        feed: str | bytes, baseline: str | None = None, rules: RuleSet = DEFAULTS, **settings: Any
    ) -> FeedVerdict:
        (tmp_path / "feed").write_bytes(feed.encode() if isinstance(feed, str) else feed)
        if baseline is not None:
            (tmp_path / "baseline").write_text(baseline)
        before = feed_to_check("baseline", settings) if baseline is not None else None
        return check_feed(feed_to_check("feed", settings), before, rules, NOW, tmp_path)

    return run


def test_a_good_feed_is_accepted(check: Check) -> None:
    verdict = check(lamps(100, B=0, C=0.5))
    assert (verdict.verdict, verdict.rows, verdict.rejected) == ("accept", 102, 0)
    assert (verdict.variants, verdict.sold_out, verdict.back_in_stock) == (102, 2, None)


def test_few_bad_rows_are_left_out_and_listed(check: Check) -> None:
    verdict = check(lamps(200, B="many"))
    assert (verdict.verdict, verdict.rows, verdict.rejected) == ("rows", 200, 1)
    assert verdict.reason.startswith(
        "1 of 201 rows would be left out, the others taken. The first: line 202,"
    )
    assert [(row.line_number, row.excerpt) for row in verdict.rejects] == [(202, "B,many")]


REFUSED: dict[str, tuple[str | bytes, str | None, str]] = {
    "nothing": ("", None, "the feed is empty"),
    "a page": ("<html><title>Log in</title>", None, "an HTML page titled 'Log in'"),
    "cut off": ('[{"id": 1, "quantity": 2}, {"id', None, "the JSON array is cut off after 1 whole rows"),
    "no field": ("ean,stock\n1,2\n", None, "the feed has no field for variant_id"),
    "too many bad rows": (
        lamps(90, B="x", C="y"),
        None,
        "2 of 92 rows are unreadable (2.2 %); allowed are 1 % (restock_max_rejected_percent). The first: line 92, ",
    ),
    "only bad rows": (table({"A": "x"}), None, "no readable row"),
    "two quantities": (lamps(60) + "LAMP-7,6\n", None, "variant 'LAMP-7' (lines 9 and 62) stands twice"),
    "a third of the rows": (
        lamps(100),
        lamps(300),
        "100 rows are 33.3 % of the 300 of the last complete pull",
    ),
    "sold out": (lamps(100, 0), lamps(100), "100.0 % of the variants are sold out, 0.0 % were"),
    "999": (
        lamps(100, 999),
        lamps(100, 0),
        "100 of 100 variants rise from zero at once (100.0 %); allowed are 40 %",
    ),
}


@pytest.mark.parametrize(("feed", "baseline", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_a_load_refuses_is_refused_with_its_reason(
    check: Check, feed: str, baseline: str | None, reason: str
) -> None:
    verdict = check(feed, baseline)
    assert verdict.verdict == "refuse"
    assert reason in verdict.reason
    assert "feed" in verdict.reason.partition(":")[0]


@pytest.mark.parametrize(
    ("feed", "baseline"),
    [
        (lamps(51), lamps(100)),
        (lamps(20), lamps(49)),
        (lamps(49, 999), lamps(49, 0)),
        (lamps(60, 0), lamps(60, 0)),
        (lamps(60) + "LAMP-7,5\n", None),
    ],
)
def test_what_a_load_takes_is_accepted(check: Check, feed: str, baseline: str | None) -> None:
    assert check(feed, baseline).verdict == "accept"


def test_rows_that_say_the_same_twice_count_once(check: Check) -> None:
    assert check(lamps(60) + "LAMP-7,5\nLAMP-7,5.0\n").rows == 60


def test_only_counted_locations_are_counted(check: Check) -> None:
    feed = "id,location,quantity\nA,main,0\nA,pos,9\nB,main,0.4\nB,pos,0\nB,web,0.6\n"
    assert check(feed).sold_out == 0
    shop = feed_to_check("feed", {}).model_copy(update={"locations": None})
    described = shop.model_validate({**shop.model_dump(), "id": "lamp", "locations": ["main", "web"]})
    assert feed_to_check("feed", {}, described).locations == described.locations
    figures = counted(iter([[row("A", 0, "main"), row("A", 9, "pos")]]), described.locations.counts)
    assert (figures.variant_count, figures.zero_count) == (1, 1)


def counted(chunks: Iterator[Chunk], counts: Callable[[str], bool]) -> FeedFigures:
    with FeedTally.open() as tally:
        return tally.count(chunks, counts)


def row(variant_id: str, quantity: Any, location_id: str = "", line: int = 1) -> CatalogRow:
    return CatalogRow(line, variant_id, location_id, str(quantity))


def test_figures_are_exact_for_fractional_negative_and_absurd_quantities() -> None:
    tenths = [row("A", "0.1", str(place), place) for place in range(10)]
    others = [
        row("B", "-1000000000000", "x"),
        row("B", "1", "y"),
        row("C", "0.999999"),
        row("D", "1000000000000"),
    ]
    figures = counted(iter([[*tenths, *others]]), lambda place: True)
    assert (figures.variant_count, figures.zero_count, figures.row_count) == (4, 2, 14)


def test_all_rejects_are_counted_and_the_first_are_kept() -> None:
    chunk: Chunk = [RejectedRow(number, "bad") for number in range(1000)]
    figures = counted(iter([chunk]), lambda place: True)
    assert (figures.reject_count, len(figures.rejects), figures.row_count) == (1000, 20, 0)


def test_settings_of_a_shop_apply_and_those_given_go_before() -> None:
    fields = {"variant_id": "ean", "quantity": "menge"}
    shop = feed_to_check(
        "https://shop.example/feed", {"fields": fields, "format": "csv", "encoding": "cp1252"}
    )
    checked = feed_to_check("feed.csv", {"format": "jsonl"}, shop)
    assert checked.feed is not None
    names = {name: rule.source for name, rule in checked.feed.fields.items()}
    assert (checked.feed.url, checked.feed.format, names) == ("feed.csv", "jsonl", fields)


def test_limits_of_gates_may_be_given(check: Check) -> None:
    assert check(lamps(40), lamps(100), RuleSet(min_rows_percent=30)).verdict == "accept"


def test_a_baseline_that_cannot_be_read_is_an_error_of_its_own(check: Check) -> None:
    with pytest.raises(ConfigurationError, match=r"The baseline can't be compared with: .*the feed is empty"):
        check(lamps(3), "")


def test_the_check_leaves_nothing_behind(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    check(lamps(3))
    assert [path.name for path in tmp_path.iterdir()] == ["feed"]


# --- the command


def restock(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["feed", "check", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def write(content: str) -> str:
        path = tmp_path / f"feed-{len(list(tmp_path.iterdir()))}"
        path.write_text(content)
        return str(path)

    return write


def test_the_command_prints_json_and_its_exit_code_is_the_verdict(file: Callable[[str], str]) -> None:
    code, output = restock(file(lamps(200, B="many")), "--json")
    told = json.loads(output)
    assert (code, told["verdict"], told["rows"], told["rejected"]) == (0, "rows", 200, 1)
    assert told["rejects"][0] == {"line": 202, "reason": told["rejects"][0]["reason"], "excerpt": "B,many"}
    code, output = restock(file(lamps(100)), "--baseline", file(lamps(300)), "--json")
    assert (code, json.loads(output)["verdict"]) == (1, "refuse")
    assert "allowed are at least 50 % (restock_min_rows_percent)" in json.loads(output)["reason"]
    code, output = restock(file(lamps(3)), "--json")
    assert (code, json.loads(output)["verdict"]) == (0, "accept")


def test_the_command_says_it_in_words(file: Callable[[str], str]) -> None:
    code, output = restock(
        file("ean;menge\nA;1\nB;:x:\n"), "--field", "variant_id=ean", "--field", "quantity=menge"
    )
    assert code == 0
    assert "rows: 1 of 2 rows would be left out" in output
    assert (
        "  line 3: field 'menge' is ':x:', where a quantity is a number such as 12 or -0.5: B,:x:" in output
    )


def test_a_misspelt_setting_says_what_is_allowed(file: Callable[[str], str]) -> None:
    for words, said in {
        ("--field", "qty=menge"): "fields.qty: allowed is 'variant_id', 'quantity'",
        ("--format", "xls"): "format: allowed is 'auto', 'json'",
    }.items():
        result = CliRunner().invoke(app, ["feed", "check", file("x"), *words])
        assert isinstance(result.exception, ConfigurationError) and str(result.exception).startswith(said)


def test_the_command_reads_addresses_as_a_shop_would() -> None:
    with run_feed_server() as server:
        url = offer(server)
        code, output = restock(url, "--json")
        assert (code, json.loads(output)["verdict"]) == (1, "refuse")
        assert "is a loopback address" in json.loads(output)["reason"]
        assert not server.asked
        assert restock(url, "--allow-private")[0] == 0


@pytest.mark.parametrize(
    ("address", "reason", "source"),
    [
        (
            "https://ann:canary@shop.example/f?key=canary",
            "a login does not belong here",
            "https://shop.example/f?…",
        ),
        ("http://[::1]:9/f?key=canary", "http://[::1]:9/f?…: ::1 is a loopback", "http://[::1]:9/f?…"),
        ("ftp://shop.example/f", "ftp:// is not supported. Allowed are http://", "ftp://shop.example/f"),
        ("nothing/here.csv", "here.csv does not exist", "nothing/here.csv"),
    ],
)
def test_any_address_has_a_verdict_and_shows_no_secret(address: str, reason: str, source: str) -> None:
    code, output = restock(address, "--json")
    told = json.loads(output)
    assert (code, told["verdict"], told["source"]) == (1, "refuse", source)
    assert reason in told["reason"] and "canary" not in output


def test_a_wrong_option_is_no_verdict_on_the_feed(file: Callable[[str], str]) -> None:
    result = CliRunner().invoke(app, ["feed", "check", file(lamps(3)), "--encoding", "klingon", "--json"])
    assert isinstance(result.exception, ConfigurationError) and not result.stdout
    assert "'klingon' is not an encoding that feeds are read in" in str(result.exception)


def test_a_file_on_localhost_is_a_file(file: Callable[[str], str]) -> None:
    assert restock(f"file://localhost{file(lamps(3))}")[0] == 0


def offer(server: FeedServer) -> str:
    return server.offer("/feed", Answer(lamps(3).encode()))
