"""Seats, occurrences and wall times on plain values."""

import datetime
from datetime import UTC, date, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.rules import (
    Span,
    Stay,
    closed_span,
    crowded_on,
    free_from,
    lowest_free,
    occurrences,
    reseat,
    seats_taken,
    span_on,
)

FIRST = date(2026, 1, 1)


def stay(seat: int, first: int, last: int | None = None) -> Stay:
    """A stay by day numbers of January 2026."""
    return Stay(seat, date(2026, 1, first), date(2026, 1, last) if last else None)


def test_the_lowest_free_seat() -> None:
    assert lowest_free({1, 2, 4}, 5) == 3
    assert lowest_free({1, 2}, 2) is None


def test_a_seat_is_taken_on_the_last_day_too() -> None:
    assert seats_taken(stay(0, 5), [stay(1, 1, 5), stay(2, 1, 4), stay(3, 9)]) == {1, 3}


def test_seats_are_kept_where_they_can_be() -> None:
    assert reseat([stay(10, 1), stay(2, 1), stay(9, 3)], 8) == [1, 2, 3]


def test_seats_that_are_free_one_after_the_other_make_a_whole_one() -> None:
    assert reseat([stay(1, 1, 9), stay(2, 10), stay(0, 1)], 2) == [1, 1, 2]


def test_those_around_keep_their_seats_and_may_leave_none() -> None:
    assert reseat([stay(0, 1)], 1, around=[stay(1, 5)]) is None


@given(
    st.lists(
        st.tuples(st.integers(1, 15), st.integers(0, 60), st.integers(0, 30) | st.none()),
        max_size=30,
    )
)
def test_reseating_fails_only_when_a_date_is_too_crowded(
    raw: list[tuple[int, int, int | None]],
) -> None:
    day = datetime.timedelta(days=1)
    stays = [
        Stay(seat, FIRST + first * day, None if last is None else FIRST + (first + last) * day)
        for seat, first, last in raw
    ]
    seats = reseat(stays, 8)
    assert (seats is None) == (crowded_on(stays, 8) is not None)
    if seats is None:
        return
    new = [one._replace(seat=seat) for one, seat in zip(stays, seats, strict=True)]
    assert all(1 <= one.seat <= 8 for one in new)
    pairs = [(a, b) for i, a in enumerate(new) for b in new[:i]]
    assert not any(a.seat == b.seat and a.overlaps(b) for a, b in pairs)


def test_the_first_crowded_date() -> None:
    assert crowded_on([stay(1, 1), stay(2, 4), stay(3, 7)], 2) == (date(2026, 1, 7), 3)
    assert crowded_on([stay(1, 1, 6), stay(2, 4), stay(3, 7)], 2) is None


def test_a_seat_is_free_from_the_day_after_somebody_leaves_for_good() -> None:
    def free(*stays: Stay) -> int | None:
        day = free_from(stays, 2, date(2026, 1, 5))
        return day.day if day else None

    assert free(stay(1, 1)) == 5
    assert free(stay(1, 1), stay(2, 1, 9)) == 10
    assert free(stay(1, 1), stay(2, 1, 9), stay(2, 20)) is None
    assert free(stay(1, 1, 7), stay(2, 1, 9), stay(1, 20)) == 8


# --- occurrences ---------------------------------------------------------------------------------


def days(first: date, last: date, **extra: object) -> list[date]:
    known = {
        "weekday": 0,
        "every_weeks": 1,
        "valid_from": date(2026, 1, 1),
        "valid_until": None,
    }
    return occurrences(**{**known, **extra}, first=first, last=last)  # type: ignore[arg-type]


def test_every_monday_of_two_weeks() -> None:
    assert days(date(2026, 3, 2), date(2026, 3, 15)) == [date(2026, 3, 2), date(2026, 3, 9)]


def test_a_block_that_begins_and_ends_inside() -> None:
    assert days(
        date(2026, 3, 1),
        date(2026, 3, 31),
        valid_from=date(2026, 3, 3),
        valid_until=date(2026, 3, 16),
    ) == [date(2026, 3, 9), date(2026, 3, 16)]


def test_every_second_week_counts_from_the_first_meeting() -> None:
    # 2026 has an ISO week 53: by even and odd calendar weeks the rhythm would break.
    found = days(
        date(2026, 12, 14),
        date(2027, 1, 24),
        every_weeks=2,
        valid_from=date(2026, 12, 7),
    )
    assert found == [date(2026, 12, 21), date(2027, 1, 4), date(2027, 1, 18)]
    assert [day.isocalendar().week for day in found] == [52, 1, 3]


def test_week_53_has_its_monday() -> None:
    found = days(date(2026, 12, 28), date(2027, 1, 3))
    assert [(day, day.isocalendar().week) for day in found] == [(date(2026, 12, 28), 53)]


# --- wall time -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "offsets"),
    [
        ("America/New_York", [14, 13, 13, 14]),
        ("America/Los_Angeles", [17, 16, 16, 17]),
        ("America/Phoenix", [16, 16, 16, 16]),
        ("Pacific/Honolulu", [19, 19, 19, 19]),
    ],
)
def test_nine_o_clock_stays_nine_o_clock(zone: str, offsets: list[int]) -> None:
    round_changes = [date(2026, 3, 7), date(2026, 3, 8), date(2026, 10, 31), date(2026, 11, 1)]
    spans = [span_on(day, time(9), time(12, 20), ZoneInfo(zone)) for day in round_changes]
    assert [span.starts_at.hour for span in spans] == offsets
    assert {span.ends_at - span.starts_at for span in spans} == {
        datetime.timedelta(hours=3, minutes=20)
    }


@pytest.mark.parametrize("day", [date(2026, 3, 8), date(2026, 11, 1)])
def test_a_meeting_across_a_change_keeps_its_length(day: date) -> None:
    span = span_on(day, time(0, 30), time(3, 30), ZoneInfo("America/New_York"))
    assert span.ends_at - span.starts_at == datetime.timedelta(hours=3)


def test_a_skipped_wall_time_starts_an_hour_later_on_the_same_date() -> None:
    zone = ZoneInfo("America/New_York")
    span = span_on(date(2026, 3, 8), time(2, 30), time(3), zone)
    assert span.starts_at == datetime.datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert span.starts_at.astimezone(zone).time() == time(3, 30)


def test_a_closed_day_is_as_long_as_the_day() -> None:
    zone = ZoneInfo("America/New_York")
    hours = [
        (span.ends_at - span.starts_at) // datetime.timedelta(hours=1)
        for day in (date(2026, 3, 7), date(2026, 3, 8), date(2026, 11, 1))
        for span in [closed_span(day, None, None, zone)]
    ]
    assert hours == [24, 23, 25]


def test_a_part_of_a_day_is_closed() -> None:
    span = closed_span(date(2026, 3, 2), time(12), None, ZoneInfo("America/New_York"))
    assert span == Span(
        datetime.datetime(2026, 3, 2, 17, tzinfo=UTC), datetime.datetime(2026, 3, 3, 5, tzinfo=UTC)
    )


def test_neighbours_do_not_overlap() -> None:
    nine, ten, eleven = (datetime.datetime(2026, 3, 2, h, tzinfo=UTC) for h in (9, 10, 11))
    assert not Span(nine, ten).overlaps(Span(ten, eleven))
    assert Span(nine, eleven).overlaps(Span(ten, eleven))
