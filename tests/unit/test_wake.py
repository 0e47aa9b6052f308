from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from include.domain.wake import FIRST_REPEAT, IDLE_LOOK, LONGEST_REPEAT, SLOWEST_LOOK, Lookout, Wake

NOON = datetime(2025, 3, 30, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

moments = st.integers(0, 7_200_000).map(lambda milliseconds: NOON + timedelta(milliseconds=milliseconds))


def fire_times(due_at: datetime, until: timedelta, step: timedelta = SECOND) -> list[timedelta]:
    wake, fired, now = Wake(), [], due_at
    while now <= due_at + until:
        fires, wake = wake.decide(due_at, now)
        if fires:
            fired.append(now - due_at)
        now += step
    return fired


def test_nothing_due_wakes_nobody() -> None:
    assert Wake().decide(None, NOON) == (False, Wake())


def test_a_due_time_in_the_future_waits_for_its_moment() -> None:
    assert Wake().decide(NOON + MINUTE, NOON) == (False, Wake())
    assert Wake().decide(NOON, NOON)[0]


def test_an_unchanged_due_time_is_repeated_after_1_2_4_8_and_then_every_15_minutes() -> None:
    minutes = [moment / MINUTE for moment in fire_times(NOON, timedelta(hours=1))]
    assert minutes == [0, 1, 3, 7, 15, 30, 45, 60]


def test_a_changed_due_time_fires_again_after_a_second() -> None:
    _, wake = Wake().decide(NOON, NOON)
    assert not wake.decide(NOON + timedelta(milliseconds=10), NOON + timedelta(milliseconds=500))[0]
    assert wake.decide(NOON + timedelta(milliseconds=10), NOON + SECOND)[0]


def test_a_changed_due_time_starts_the_repeats_afresh() -> None:
    _, wake = Wake().decide(NOON, NOON)
    _, wake = wake.decide(NOON, NOON + MINUTE)
    _, wake = wake.decide(NOON + MINUTE, NOON + 2 * MINUTE)
    assert wake.repeat_after == FIRST_REPEAT


def test_the_same_due_time_is_new_once_nothing_was_due_between() -> None:
    _, wake = Wake().decide(NOON, NOON)
    _, wake = wake.decide(None, NOON + SECOND)
    assert wake.decide(NOON, NOON + 2 * SECOND)[0]


@given(st.lists(st.tuples(moments, st.one_of(st.none(), moments)), max_size=200))
def test_events_are_never_early_and_never_more_than_one_a_second(
    readings: list[tuple[datetime, datetime | None]],
) -> None:
    wake, last = Wake(), None
    for now, due_at in sorted(readings, key=lambda reading: reading[0]):
        fires, wake = wake.decide(due_at, now)
        if fires:
            assert due_at is not None and due_at <= now
            assert last is None or now - last >= SECOND
            last = now


@given(st.lists(st.tuples(moments, st.one_of(st.none(), moments)), max_size=50), moments)
def test_whatever_happened_before_an_overdue_target_is_woken_within_15_minutes(
    readings: list[tuple[datetime, datetime | None]], due_at: datetime
) -> None:
    wake, now = Wake(), NOON
    for now, seen in sorted(readings, key=lambda reading: reading[0]):
        _, wake = wake.decide(seen, now)
    assert wake.decide(due_at, max(now, due_at) + LONGEST_REPEAT)[0]


def test_with_nothing_due_the_due_times_are_read_once_a_minute() -> None:
    assert Lookout().after_reading({}, NOON)[1] == IDLE_LOOK


def test_the_next_look_is_at_the_next_due_time() -> None:
    due_times = {"release": NOON + 7 * SECOND, "dispatch": NOON + timedelta(hours=1)}
    assert Lookout().after_reading(due_times, NOON)[1] == 7 * SECOND


def test_what_is_overdue_is_read_again_after_1_2_4_and_then_every_5_seconds() -> None:
    lookout, waits = Lookout(), []
    for _ in range(5):
        lookout, wait = lookout.after_reading({"release": NOON}, NOON)
        waits.append(wait / SECOND)
    assert waits == [1, 2, 4, 5, 5]


@given(st.dictionaries(st.sampled_from(["release", "dispatch", "flow:a"]), moments), moments)
def test_the_next_look_is_ahead_never_past_a_due_time_and_within_a_minute(
    due_times: dict[str, datetime], now: datetime
) -> None:
    _, wait = Lookout().after_reading(due_times, now)
    assert timedelta(0) < wait <= IDLE_LOOK
    assert all(now + wait <= due_at or due_at <= now for due_at in due_times.values())
    if any(due_at <= now for due_at in due_times.values()):
        assert wait <= SLOWEST_LOOK
