from __future__ import annotations

import csv
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from include.cli import app
from include.settings import PROJECT_HOME
from tests.unit.tune.histories import a_history


def an_order_file(path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(("StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"))
        for line in a_history().lines:
            price = 0 if line.is_adjustment else 2.5
            rows.writerow((line.sku, line.quantity, f"{line.at:%Y-%m-%d %H:%M:%S}", price, line.customer))
    return path


def test_tune_shows_settings_side_by_side_and_names_the_best(tmp_path: Path) -> None:
    orders = an_order_file(tmp_path / "orders.csv")
    figures, chart = tmp_path / "tune.csv", tmp_path / "tune.svg"
    supply = ["--initial-days", "3", "--cover-days", "2", "--lead-days-min", "2", "--lead-days-max", "5"]
    written = ["--csv", str(figures), "--chart", str(chart)]
    ranges = ["--per-unit", "all,1", "--wait", "60", "--rule", "subtract_invited_hours=0,4"]
    ran = CliRunner().invoke(app, ["tune", "--orders", str(orders), *ranges, *supply, *written])
    assert ran.exit_code == 0, ran.output
    assert "Best: restock 1/60" in ran.output
    assert "restock 1/60 by wanted units, held 4 h" in ran.output and "…" not in ran.output
    rows = {row["setting"]: row for row in csv.DictReader(figures.open())}
    assert rows["klaviyo"]["in_vain"] == rows["restock all"]["in_vain"]
    assert int(rows["restock 1/60 by wanted units, held 4 h"]["in_vain"]) < int(rows["klaviyo"]["in_vain"])
    assert chart.read_text().startswith("<svg")


def test_tune_wants_one_history() -> None:
    assert "Give either --orders FILE or --shop SHOP." in str(CliRunner().invoke(app, ["tune"]).exception)


def test_tune_does_not_walk_before_it_knows_where_to_write(tmp_path: Path) -> None:
    orders = an_order_file(tmp_path / "orders.csv")
    for option, file in (("--csv", "tune.csv"), ("--chart", "tune.svg")):
        words = ["tune", "--orders", str(orders), option, str(tmp_path / "nowhere" / file)]
        ran = CliRunner().invoke(app, words)
        assert "there is no folder" in str(ran.exception) and ran.output == ""


def test_tune_names_no_best_where_nobody_was_told(tmp_path: Path) -> None:
    ran = CliRunner().invoke(
        app, ["tune", "--orders", str(an_order_file(tmp_path / "orders.csv")), "--days", "1"]
    )
    assert "Nothing to compare: nobody was told" in ran.output and "Best" not in ran.output


def test_the_documentation_names_every_option() -> None:
    documented = (PROJECT_HOME / "docs" / "tuning.md").read_text(encoding="utf-8")
    options = {name for option in get_command(app).commands["tune"].params for name in option.opts}
    assert {name for name in options if name.startswith("--") and name not in documented} == set()
