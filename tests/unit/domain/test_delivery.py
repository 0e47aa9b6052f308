from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.domain.delivery import (
    LARGEST_CLAIM,
    LONGEST_RETRY,
    MOST_ATTEMPTS,
    SECONDS_PER_CLAIM,
    SMALLEST_CLAIM,
    next_attempt,
    next_claim,
)

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(0, 1), (1, 1), (2, 2), (3, 4), (8, 128), (9, 240), (11, 240)]
)
def test_each_try_waits_twice_as_long_as_the_one_before_up_to_four_hours(attempts, minutes):
    assert next_attempt(NOW, attempts, None) == NOW + timedelta(minutes=minutes)


def test_after_twelve_tries_a_message_is_given_up():
    assert next_attempt(NOW, MOST_ATTEMPTS, 10.0) is None


@given(attempts=st.integers(0, MOST_ATTEMPTS - 1), retry_after=st.floats(0, 1e9))
def test_retry_after_is_honoured_within_four_hours(attempts, retry_after):
    due_at = next_attempt(NOW, attempts, retry_after)
    assert due_at is not None and due_at <= NOW + LONGEST_RETRY
    assert due_at >= NOW + min(timedelta(seconds=min(retry_after, 1e6)), LONGEST_RETRY)


@given(
    size=st.integers(SMALLEST_CLAIM, LARGEST_CLAIM), ended=st.integers(0, 5000), seconds=st.floats(0, 1000)
)
def test_a_claim_stays_within_its_bounds_and_at_most_doubles(size, ended, seconds):
    assert SMALLEST_CLAIM <= next_claim(size, ended, seconds) <= min(2 * size, LARGEST_CLAIM)


def test_a_claim_nears_what_leaves_in_its_time():
    assert next_claim(200, 500, 1.0) == int(500 * SECONDS_PER_CLAIM)
    assert next_claim(400, 100, 10.0) == 200
