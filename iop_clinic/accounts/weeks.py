"""Local dates and weeks of a clinic: the only place that knows where a week begins.

A week is seven local dates of the clinic, from whichever weekday the clinic starts it on. It is
never derived from a UTC date: a Sunday 18:00 session in Los Angeles is already Monday in UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

MONDAY, SUNDAY = 0, 6
DAYS_IN_WEEK = 7
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """Seven consecutive local dates, named by the first."""

    start: date

    @property
    def end(self) -> date:
        """The last local date, inclusive."""
        return self.start + 6 * _DAY

    @property
    def label(self) -> str:
        """Inclusive dates: "Mar 2 – Mar 8, 2026", with both years where they differ."""
        first = _day_label(self.start, with_year=self.start.year != self.end.year)
        return f"{first} – {_day_label(self.end, with_year=True)}"

    def __str__(self) -> str:
        return self.label

    def __contains__(self, day: date) -> bool:
        """Whether a local date lies in the week; an instant has none without a zone."""
        if isinstance(day, datetime):
            raise TypeError("an instant has no local date: ask local_date(instant, zone) first")
        return self.start <= day <= self.end

    def days(self) -> tuple[date, ...]:
        return tuple(self.start + n * _DAY for n in range(DAYS_IN_WEEK))

    def instants(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """The week in UTC, half-open; 167 or 169 hours long when the clocks change in it."""
        return day_instants(self.start, zone)[0], day_instants(self.end, zone)[1]

    def shifted(self, weeks: int) -> "Week":
        """The week so many weeks later, or earlier when negative."""
        return Week(self.start + weeks * DAYS_IN_WEEK * _DAY)


def local_date(instant: datetime, zone: tzinfo) -> date:
    """The date on the clinic's wall calendar at an instant. A naive datetime is a ValueError."""
    if instant.utcoffset() is None:
        raise ValueError("a naive datetime has no instant: give it a zone at the edge")
    return instant.astimezone(zone).date()


def week_of(moment: date, *, week_start: int, zone: tzinfo | None = None) -> Week:
    """The week that holds a local date, or an instant seen from `zone`.

    `week_start` counts from 0 = Monday to 6 = Sunday. An instant without a zone is a TypeError.
    """
    if not MONDAY <= week_start <= SUNDAY:
        raise ValueError(f"week_start runs from 0 (Monday) to 6 (Sunday), not {week_start}")
    day = _as_local_date(moment, zone)
    return Week(day - (day.weekday() - week_start) % DAYS_IN_WEEK * _DAY)


def weeks_touching(first: date, last: date, *, week_start: int) -> Iterator[Week]:
    """Every week with a day between two local dates, both inclusive, oldest first."""
    week = week_of(first, week_start=week_start)
    while week.start <= last:
        yield week
        week = week.shifted(1)


def day_instants(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """A local date in UTC, half-open; 23 or 25 hours long when the clocks change in it."""
    return _first_instant(day, zone), _first_instant(day + _DAY, zone)


def no_such_time(day: date, wall: time, zone: tzinfo) -> str:
    """A sentence if the clocks leave this wall time out on a local date, or nothing.

    A time that they show twice is the first of the two wherever an instant is made of it.
    """
    asked = datetime.combine(day, wall, tzinfo=zone)
    by_new = asked.replace(fold=1)
    before, after = asked.utcoffset(), by_new.utcoffset()
    if before is None or after is None or before >= after:
        return ""
    change = by_new.astimezone(UTC)  # read by the new offset, it lies before the change
    while change.astimezone(zone).utcoffset() == before:
        change += _MINUTE
    skipped = (clock_time(change + offset) for offset in (before, after))
    return (
        f"{clock_time(wall)} does not exist on {full_date(day)}: the clocks go from "
        f"{' to '.join(skipped)}. Enter another time."
    )


def hours_and_minutes(minutes: int) -> str:
    """Minutes as staff say them: "6 h 50", "9 h", "9 h 05", "50 min"."""
    sign = "-" if minutes < 0 else ""
    hours, rest = divmod(abs(minutes), 60)
    if not hours:
        return f"{sign}{rest} min"
    return f"{sign}{hours} h {rest:02}" if rest else f"{sign}{hours} h"


def long_date(day: date) -> str:
    """A date near today as staff say it: "Tue Nov 24"."""
    return f"{day:%a %b} {day.day}"


def clock_time(wall: time | datetime) -> str:
    """A time on the clinic's wall: "9:00 AM"."""
    return f"{wall:%-I:%M %p}"


def long_moment(wall: datetime) -> str:
    """A moment near today, as seen from the clinic's zone already: "Tue Nov 24, 9:00 AM"."""
    return f"{long_date(wall)}, {clock_time(wall)}"


def full_date(day: date) -> str:
    """A date of any year: "Nov 24, 2026"."""
    return _day_label(day, with_year=True)


def date_span(first: date, last: date) -> str:
    """Inclusive dates near today: "Tue Nov 24", or "Tue Nov 24 – Wed Nov 25"."""
    return long_date(first) if first == last else f"{long_date(first)} – {long_date(last)}"


def _first_instant(day: date, zone: tzinfo) -> datetime:
    # Where midnight is skipped, fold=0 reads it with the offset before the change: that is the
    # instant of the change itself. Where it happens twice, fold=0 is the first. Both are right.
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def _as_local_date(moment: date, zone: tzinfo | None) -> date:
    # A datetime is a date to isinstance() and to mypy: it must be asked about first.
    if not isinstance(moment, datetime):
        return moment
    if zone is None:
        raise TypeError("an instant lies in a week only as seen from a zone")
    return local_date(moment, zone)


def _day_label(day: date, *, with_year: bool) -> str:
    return f"{day:%b} {day.day}" + (f", {day.year}" if with_year else "")
