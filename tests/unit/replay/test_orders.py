import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.errors import ConfigurationError
from include.local.replay.orders import BadLine, OrderHistory, read_orders

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def read(tmp_path: Path, *lines: str, header: str = HEADER) -> OrderHistory:
    path = tmp_path / "orders.csv"
    path.write_text(header + "".join(f"{line}\n" for line in lines))
    return read_orders(path)


def test_a_line_is_read_with_its_article(tmp_path: Path) -> None:
    history = read(
        tmp_path, '536365,85123A,"HEART,  HOLDER",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom'
    )
    at = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
    assert history.lines == [(at, 2, "85123A", "17850", 6, False)]
    assert (history.articles["85123A"].title, history.articles["85123A"].price) == ("HEART, HOLDER", "2.55")


def test_a_packed_file_with_a_byte_order_mark_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + HEADER.encode() + b"1,LAMP,Lamp,1,2010-12-01,2,7,UK\n"))
    assert read_orders(path).lines[0].sku == "LAMP"


def test_cancellations_adjustments_and_unknown_customers_are_kept_apart(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        "C1,LAMP,Lamp,-2,2010-12-01T08:00:00,2.50,7,UK",
        "2,LAMP,damaged,-3,2010-12-01T08:01:00,0.00,,UK",
        "3,LAMP,Lamp,4,2010-12-01T09:02:00+01:00,2.50,,UK",
    )
    assert [line[3:] for line in history.lines] == [("7", -2, False), ("", -3, True), ("", 4, False)]
    assert history.articles["LAMP"].title == "Lamp"
    assert history.lines[2].at == datetime(2010, 12, 1, 8, 2, tzinfo=UTC)


def test_lines_come_in_the_order_of_their_time_whatever_the_files_order(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        "1,LAMP,Lamp,1,2010-12-02,2,7,UK",
        "2,SOFA,Sofa,1,2010-12-01,2,7,UK",
        "3,BED,Bed,1,2010-12-01,2,7,UK",
    )
    assert [line.sku for line in history.lines] == ["SOFA", "BED", "LAMP"]


def test_bad_lines_are_listed_with_their_reason_and_the_others_are_read(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        "1,LAMP,Lamp,1,2010-12-01,2,7,UK",
        "2,LAMP,Lamp,many,2010-12-01,2,7,UK",
        "3,LAMP,Lamp,0,2010-12-01,2,7,UK",
        "4,LAMP,Lamp,1,yesterday,2,7,UK",
        "5,,Lamp,1,2010-12-01,2,7,UK",
        "6,LAMP,Lamp,1,2010-12-01,-2,7,UK",
        "7,LAMP,Lamp,1,2010-12-01,nan,7,UK",
        "8,LAMP",
        "9,LAMP,Lamp,1.5,2010-12-01,2,7,UK",
    )
    assert len(history.lines) == 1
    assert [line.line_number for line in history.bad_lines] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert history.bad_lines[0] == BadLine(3, "Quantity is no whole number")
    assert history.bad_counts["UnitPrice is negative or not finite"] == 2
    assert history.bad_counts.total() == 8


def test_columns_may_stand_in_any_order_and_titles_may_be_missing(tmp_path: Path) -> None:
    header = "CustomerID,UnitPrice,InvoiceDate,Quantity,StockCode\n"
    history = read(tmp_path, "7,2.00,2010-12-01,3,LAMP", header=header)
    assert (history.lines[0].quantity, history.articles["LAMP"].title) == (3, "")


def test_a_file_without_the_columns_says_which_are_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no column Quantity, CustomerID"):
        read(tmp_path, header="StockCode,InvoiceDate,UnitPrice\n")


def test_a_file_without_a_readable_line_says_what_is_wrong_with_the_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Line 2: Quantity is no whole number"):
        read(tmp_path, "1,LAMP,Lamp,x,2010-12-01,2,7,UK")


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "1,LAMP,Lamp,1,2010-12-01,2,7,UK\n" * 999).encode())[:-40])
    with pytest.raises(ConfigurationError, match="can't be read to its end"):
        read_orders(path)


def test_a_file_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        read_orders(tmp_path / "orders.csv")
