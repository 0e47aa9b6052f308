import threading
from contextlib import closing

import pytest

from include.ahead import ahead


def test_items_come_in_their_order_and_all_of_them():
    assert list(ahead(iter(range(100)), 3)) == list(range(100))
    assert list(ahead([], 3)) == []


def test_items_are_made_in_another_thread_while_the_last_ones_are_in_use():
    makers = ahead((threading.get_ident() for _ in range(3)), 2)
    assert threading.get_ident() not in set(makers)


def test_no_more_items_are_made_than_were_allowed():
    made: list[int] = []
    with closing(ahead((made.append(number) or number for number in range(100)), 3)) as items:
        assert next(items) == 0
    assert len(made) <= 5


def test_an_error_comes_in_its_place_and_ends_the_items():
    def items():
        yield 1
        raise ValueError("ELEGANT-LAMP")

    got = ahead(items(), 4)
    assert next(got) == 1
    with pytest.raises(ValueError, match="ELEGANT-LAMP"):
        next(got)
    assert list(got) == []


def test_what_the_items_hold_open_is_closed_when_nobody_wants_more():
    closed: list[bool] = []

    def items():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    with closing(ahead(items(), 2)) as got:
        next(got)
    assert closed == [True]
