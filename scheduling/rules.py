"""Arithmetic of seats, weekly occurrences and closed hours on plain values."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from iop_clinic.accounts.weeks import DAYS_IN_WEEK, day_instants

SHORTEST = datetime.timedelta(minutes=15)
LONGEST = datetime.timedelta(hours=6)
"""How long a session lasts."""

A_YEAR = datetime.timedelta(days=364)
"""How far ahead a block or a member may begin: later is a year that was typed wrongly, which adds
365 days or one more."""

THREE_YEARS = datetime.timedelta(days=3 * 365)
"""How far ahead a block or a seat may be said to end: a later year was typed wrongly as well."""

LASTS = "A session lasts 15 minutes to 6 hours."
END_AFTER_START = "The session must end after it starts. Look at both times."

MOST_SEATS = 15
"""A group's last seat, overflow included (R11)."""


class Span(NamedTuple):
    """Half-open instants: a session that ends at ten leaves ten o'clock free."""

    starts_at: datetime.datetime
    ends_at: datetime.datetime

    def overlaps(self, other: Span) -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


class Stay(NamedTuple):
    """A seat for inclusive local dates; no last date: open."""

    seat: int
    first: datetime.date
    last: datetime.date | None

    def overlaps(self, other: Stay) -> bool:
        return self.first <= (other.last or datetime.date.max) and other.first <= (
            self.last or datetime.date.max
        )


# --- seats ---------------------------------------------------------------------------------------


def lowest_free(taken: Collection[int], most: int) -> int | None:
    """The lowest of the seats 1 to `most` that nobody has."""
    return next((seat for seat in range(1, most + 1) if seat not in taken), None)


def seats_taken(stay: Stay, others: Iterable[Stay]) -> set[int]:
    """The seats that are not free for the whole of the stay."""
    return {other.seat for other in others if other.overlaps(stay)}


def reseat(stays: Sequence[Stay], most: int, around: Sequence[Stay] = ()) -> list[int] | None:
    """Seats 1 to `most` for every stay, in their order, each kept where it can be.

    Taking the stays by their first date never fails as long as no date has more than `most` of
    them; only stays `around` that keep their seats can make it fail: None.
    """
    placed = list(around)
    seats = [0] * len(stays)
    for index in sorted(range(len(stays)), key=lambda i: stays[i].first):
        stay = stays[index]
        taken = seats_taken(stay, placed)
        keeps = 1 <= stay.seat <= most and stay.seat not in taken
        seat = stay.seat if keeps else lowest_free(taken, most)
        if seat is None:
            return None
        seats[index] = seat
        placed.append(stay._replace(seat=seat))
    return seats


def crowded_on(stays: Sequence[Stay], most: int) -> tuple[datetime.date, int] | None:
    """The first date with more than `most` stays, and how many there are."""
    for day in sorted({stay.first for stay in stays}):
        count = sum(stay.first <= day <= (stay.last or datetime.date.max) for stay in stays)
        if count > most:
            return day, count
    return None


def has_room(stay: Stay, fixed: Sequence[Stay], movable: Sequence[Stay], most: int) -> bool:
    """Whether a stay finds a seat from 1 to `most`: one that is free all the time, or else by
    seating anew those who are `movable` within these, and the `fixed` up to the last seat."""
    if lowest_free(seats_taken(stay, [*fixed, *movable]), most) is not None:
        return True
    people = [*movable, stay]
    if crowded_on(people, most) is not None:
        return False
    seats = reseat(people, most)
    if seats is None:
        return False
    sitting = [one._replace(seat=seat) for one, seat in zip(people, seats, strict=True)]
    return reseat(fixed, MOST_SEATS, around=sitting) is not None


def free_from(stays: Sequence[Stay], most: int, today: datetime.date) -> datetime.date | None:
    """The first date from which on one more stay would fit for good; None: on none."""
    ends = {stay.last + datetime.timedelta(days=1) for stay in stays if stay.last is not None}
    for day in sorted({today, *(end for end in ends if end > today)}):
        if crowded_on([*stays, Stay(0, day, None)], most) is None:
            return day
    return None


def only_breaks(length: datetime.timedelta, breaks: Iterable[Sequence[int]]) -> bool:
    """Whether breaks, pairs of minutes from the start, leave nothing of a length."""
    return datetime.timedelta(minutes=sum(last - first for first, last in breaks)) >= length


# --- occurrences ---------------------------------------------------------------------------------


def occurrences(
    *,
    weekday: int,
    every_weeks: int,
    valid_from: datetime.date,
    valid_until: datetime.date | None,
    first: datetime.date,
    last: datetime.date,
) -> list[datetime.date]:
    """The local dates between `first` and `last`, both inclusive, on which a block meets.

    Weeks are counted from the block's own first meeting, not from the calendar, so that every
    second week stays every second week over a year of 53 weeks.
    """
    step = datetime.timedelta(days=DAYS_IN_WEEK * every_weeks)
    ahead = (weekday - valid_from.weekday()) % DAYS_IN_WEEK
    day = valid_from + datetime.timedelta(days=ahead)
    if day < first:
        day += -((day - first) // step) * step
    end = min(last, valid_until or last)
    days = []
    while day <= end:
        days.append(day)
        day += step
    return days


def span_on(
    day: datetime.date,
    starts: datetime.time,
    ends: datetime.time,
    zone: datetime.tzinfo,
) -> Span:
    """A block's meeting on a local date, in UTC.

    It starts at its wall time in the offset of that date. Where the clocks change within the
    meeting it keeps its planned length, and where its wall time is skipped it starts so much later.
    """
    starts_at = datetime.datetime.combine(day, starts, tzinfo=zone).astimezone(datetime.UTC)
    length = datetime.datetime.combine(day, ends) - datetime.datetime.combine(day, starts)
    return Span(starts_at, starts_at + length)


def closed_span(
    day: datetime.date,
    from_time: datetime.time | None,
    to_time: datetime.time | None,
    zone: datetime.tzinfo,
) -> Span:
    """The closed part of a local date, in UTC; the whole of it without times."""
    opens, ends = day_instants(day, zone)
    if from_time is not None:
        opens = datetime.datetime.combine(day, from_time, tzinfo=zone).astimezone(datetime.UTC)
    if to_time is not None:
        ends = datetime.datetime.combine(day, to_time, tzinfo=zone).astimezone(datetime.UTC)
    return Span(opens, ends)
