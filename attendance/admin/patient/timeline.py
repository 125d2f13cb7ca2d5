"""The last two weeks and the coming one: each booking with arrival, departure and minutes."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone

from attendance.admin.patient.weeks import _by_program
from attendance.admin.weeks import presence_said, span_said
from attendance.admin.wording import day_worth
from attendance.compliance.ledger import MinutesLine, minutes_between
from attendance.compliance.status import PatientWeek
from attendance.records.rules import Interval, Status
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import hours_and_minutes
from patients.models import Episode
from scheduling.models import Booking

BACK, AHEAD = datetime.timedelta(days=14), datetime.timedelta(days=7)
HOUR = 60


@dataclass(frozen=True, slots=True)
class Strip:
    """A stretch of time on the axis of the day, in percent of its length."""

    kind: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Line:
    """A booking in words: when, what, what came of it, what it adds."""

    when: str
    title: str
    url: str
    status: str
    credited: str


@dataclass(frozen=True, slots=True)
class Day:
    title: str
    today: bool
    worth: str
    strips: Sequence[Strip]
    lines: Sequence[Line]


@dataclass(frozen=True)
class Timeline(Panel):
    template: ClassVar[str] = "attendance/patient/timeline.html"
    days: Sequence[Day] = ()
    marks: Sequence[tuple[str, str]] = ()
    """Hours on the axis: where, in percent, and what is written there."""


def timeline(
    row: Episode, weeks: Iterable[PatientWeek], user: User, now: datetime.datetime, zone: str
) -> Timeline:
    """Six statements, however many bookings there are."""
    today = timezone.localdate(now)
    lines = minutes_between(episode=row, first=today - BACK, last=today + AHEAD, now=now)
    axis = Axis.of(lines)
    worth = dict(_worth(weeks))
    pages = _pages(row, user, now)
    by_day = {day: list(own) for day, own in groupby(lines, key=lambda one: one.local_date)}
    return Timeline(
        "The last 14 days and the coming 7",
        note="Solid: present. Hatched: not recorded. Outlined: to come, or missed. "
        f"Times in {zone}.",
        empty="Nothing is booked in these days.",
        days=[
            _day(day, by_day.get(day, []), axis, worth.get(day, ""), pages, today)
            for day in sorted({*by_day, today})
        ]
        if lines
        else [],
        marks=axis.marks(),
    )


def _pages(row: Episode, user: User, now: datetime.datetime) -> Mapping[uuid.UUID, str]:
    """The addresses of those bookings that this person may open."""
    rows = Booking.objects.visible_to(user).filter(
        clinic=row.clinic_id,
        episode=row,
        starts_at__gte=now - BACK - datetime.timedelta(days=2),
        starts_at__lt=now + AHEAD + datetime.timedelta(days=2),
    )
    keys = rows.values_list("public_id", "pk")
    return {key: reverse("admin:scheduling_booking_change", args=[pk]) for key, pk in keys}


def _worth(weeks: Iterable[PatientWeek]) -> Iterator[tuple[datetime.date, str]]:
    """What each date is worth under the program's standard, which asks for days or does not."""
    for week in weeks:
        for one in week.standards:
            if _by_program(one) and one.terms.days:
                for day in one.judgement.days:
                    yield day.local_date, day_worth(day, one.terms)


def _day(
    day: datetime.date,
    lines: Sequence[MinutesLine],
    axis: Axis,
    worth: str,
    pages: Mapping[uuid.UUID, str],
    today: datetime.date,
) -> Day:
    cancelled = bool(lines) and all(one.cancelled for one in lines)
    return Day(
        title=f"{day:%a %b %-d}",
        today=day == today,
        worth="" if cancelled else worth,
        strips=[strip for one in lines for strip in axis.strips(one)],
        lines=[_line(one, pages) for one in lines],
    )


def _line(one: MinutesLine, pages: Mapping[uuid.UUID, str]) -> Line:
    settled = one.ended and not one.cancelled and one.status != Status.UNRECORDED
    return Line(
        when=span_said(one.starts_at, one.ends_at),
        title=one.title,
        url=pages.get(one.booking, ""),
        status=presence_said(one),
        credited=f"{hours_and_minutes(one.credited)} credited" if settled else "",
    )


# --- where on the axis ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Axis:
    """Wall time from one full hour to another, in minutes since midnight."""

    first: int
    last: int

    @classmethod
    def of(cls, lines: Iterable[MinutesLine]) -> Axis:
        spans = [_wall(Interval(one.starts_at, one.ends_at)) for one in lines]
        first = min((start for start, _ in spans), default=8 * HOUR) // HOUR
        last = -(-max((end for _, end in spans), default=18 * HOUR) // HOUR)
        return cls(first * HOUR, last * HOUR)

    def marks(self) -> list[tuple[str, str]]:
        """At most seven hours, with room for their names."""
        hours = range(self.first // HOUR, self.last // HOUR + 1)
        step = -(-len(hours) // 6)
        return [(self._percent(one * HOUR - self.first), _hour(one)) for one in hours[::step][:7]]

    def strips(self, one: MinutesLine) -> Iterator[Strip]:
        """The session's own strip, and in it presence and the times away."""
        planned = Interval(one.starts_at, one.ends_at)
        yield self._strip(_kind(one), planned)
        if one.status == Status.PRESENT:
            there = Interval(one.arrived_at or one.starts_at, one.left_at or one.ends_at)
            yield self._strip("present", there.clipped_to(planned))
            for away in (*one.away, *one.nested_visits):
                yield self._strip("away", away.clipped_to(planned))

    def _strip(self, kind: str, span: Interval) -> Strip:
        start, end = _wall(span)
        width = self._percent(max(end - start, 0))
        return Strip(kind, self._percent(start - self.first), width)

    def _percent(self, minutes: int) -> str:
        return f"{100 * minutes / (self.last - self.first):.2f}%"


def _kind(one: MinutesLine) -> str:
    if one.cancelled:
        return "cancelled"
    if one.status == Status.UNRECORDED and one.ended:
        return "unrecorded"
    return "planned"


def _wall(span: Interval) -> tuple[int, int]:
    """Minutes since midnight; what ends on another date ends with the day."""
    start, end = timezone.localtime(span.start), timezone.localtime(span.end)
    last = _of_day(end) if end.date() == start.date() else 24 * HOUR
    return _of_day(start), last


def _of_day(moment: Any) -> int:
    return int(moment.hour * HOUR + moment.minute)


def _hour(hour: int) -> str:
    return f"{datetime.time(hour % 24):%-I %p}"
