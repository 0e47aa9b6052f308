from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from include.domain.dated_address import address_of, check_dated_address, is_dated

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_address_is_dated_by_the_window_it_names() -> None:
    address = check_dated_address("/{window_start:%Y/%m/%d/%H%M}-{window_end:%H%M}.csv")
    assert is_dated(address)
    assert address_of(address, NOON, NOON + timedelta(minutes=15)) == "/2026/03/01/1200-1215.csv"


def test_windows_are_spelled_in_utc() -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    assert address_of("{window_start:%H}", berlin, berlin) == "12"


def test_an_address_without_braces_is_not_dated() -> None:
    assert not is_dated("https://shop.example/feed.csv?page=1")
