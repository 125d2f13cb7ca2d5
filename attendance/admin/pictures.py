"""Pictures for those who would rather look than read: census, show rate, hours of a week.

Columns drawn by the server, each with its number in words for those who do not see them.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet

from attendance.models import Standard, WeekResult
from attendance.reports.figures import percent
from attendance.reports.measures import results_of
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import Week, hours_and_minutes, week_of
from patients.models import Episode
from scheduling.models import Booking

CENSUS_WEEKS = 12
SHOW_WEEKS = 4
MOST_HOURS = 21
"""Longer weeks stand in the last column."""
WIDTH, HEIGHT, BASE = 360, 150, 126
DAY = datetime.timedelta(days=1)


class Bar(NamedTuple):
    """A rectangle of the drawing, in its own units."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """`parts` from the bottom: kind and amount. `label` stands below, `value` above; either may be
    empty. `said` is the column in words."""

    said: str
    parts: tuple[tuple[str, int], ...]
    label: str = ""
    value: str = ""

    @property
    def height(self) -> int:
        return sum(amount for _, amount in self.parts)


@dataclass(frozen=True, slots=True)
class Picture:
    """Columns on a common scale that ends at `top`; `band` are the first and the last column of
    what is aimed for."""

    title: str
    note: str
    columns: tuple[Column, ...]
    top: int
    band: tuple[int, int] | None = None

    @property
    def described(self) -> str:
        """The drawing in words."""
        return "; ".join(one.said for one in self.columns if one.said)

    @property
    def step(self) -> float:
        return WIDTH / len(self.columns)

    @property
    def shade(self) -> Bar | None:
        if self.band is None:
            return None
        first, last = self.band
        return Bar("band", first * self.step, 14, (last - first + 1) * self.step, BASE - 14)

    @property
    def bars(self) -> Iterator[Bar]:
        scale = (BASE - 18) / max(self.top, 1)
        for n, column in enumerate(self.columns):
            below = float(BASE)
            for kind, amount in column.parts:
                below -= amount * scale
                if amount:
                    yield Bar(kind, (n + 0.15) * self.step, below, 0.7 * self.step, amount * scale)

    @property
    def labels(self) -> Iterator[tuple[float, float, str]]:
        scale = (BASE - 18) / max(self.top, 1)
        for n, column in enumerate(self.columns):
            middle = (n + 0.5) * self.step
            yield middle, HEIGHT - 8, column.label
            yield middle, BASE - column.height * scale - 4, column.value


def pictures(clinic: Clinic, today: datetime.date) -> list[Picture]:
    """Those with something to show; three statements."""
    week = week_of(today, week_start=clinic.week_starts_on)
    drawn = (_census(clinic, week, today), _show_rate(clinic, today), _hours(clinic, week))
    return [one for one in drawn if one is not None]


def _census(clinic: Clinic, week: Week, today: datetime.date) -> Picture | None:
    """Patients in treatment on the first day of each week, and today."""
    starts = {week.shifted(-n).start for n in range(CENSUS_WEEKS)}
    days = sorted({*starts, today})
    stays = list(
        Episode.objects.filter(clinic=clinic, admitted_on__lte=today)
        .filter(Q(discharged_on=None) | Q(discharged_on__gte=days[0]))
        .order_by()
        .values_list("admitted_on", "discharged_on")
    )
    counts = [sum(_in_treatment(stay, day) for stay in stays) for day in days]
    if not any(counts):
        return None
    columns = [
        Column(f"{day:%b} {day.day}: {count}", (("plain", count),), value=str(count))
        for day, count in zip(days, counts, strict=True)
    ]
    return Picture(
        f"Census: {counts[-1]} in treatment today",
        f"On the first day of each of the last {CENSUS_WEEKS} weeks, and today.",
        tuple(_labelled(columns, days)),
        max(counts),
    )


def _in_treatment(stay: tuple[Any, Any], day: datetime.date) -> bool:
    admitted, discharged = stay
    return admitted <= day and (discharged is None or discharged >= day)


def _labelled(columns: Sequence[Column], days: Sequence[datetime.date]) -> Iterator[Column]:
    """A date below every third column and "today" below the last."""
    for n, (column, day) in enumerate(zip(columns, days, strict=True)):
        last = n == len(days) - 1
        label = "today" if last else f"{day:%b} {day.day}" if n % 3 == 0 else ""
        yield Column(column.said, column.parts, label, column.value)


def _show_rate(clinic: Clinic, today: datetime.date) -> Picture | None:
    """Attended of scheduled and recorded bookings by weekday (R20)."""
    rows = (
        Booking.objects.expected()
        .filter(
            clinic=clinic,
            session__local_date__range=(today - 7 * SHOW_WEEKS * DAY, today - DAY),
            attendance__isnull=False,
        )
        .order_by()
        .values_list("session__local_date")
        .annotate(recorded=Count("pk"), came=Count("pk", filter=Q(attendance__attended=True)))
    )
    recorded: Counter[int] = Counter()
    came: Counter[int] = Counter()
    for day, many, some in rows:
        recorded[day.weekday()] += many
        came[day.weekday()] += some
    if not recorded:
        return None
    rate = percent(came.total(), recorded.total())
    columns = [_weekday(n, came[n], recorded[n]) for n in _weekdays(clinic) if recorded[n]]
    return Picture(
        f"Show rate by weekday: {rate} % in all",
        f"The last {SHOW_WEEKS} weeks, attended of recorded. Unrecorded is not absent.",
        tuple(columns),
        100,
    )


def _weekdays(clinic: Clinic) -> list[int]:
    return [(clinic.week_starts_on + n) % 7 for n in range(7)]


def _weekday(n: int, came: int, recorded: int) -> Column:
    monday = datetime.date(2024, 1, 1)
    name, rate = f"{monday + n * DAY:%a}", percent(came, recorded) or 0
    said = f"{name} {rate} % ({came} of {recorded})"
    return Column(said, (("plain", rate),), name, f"{rate} %")


def _hours(clinic: Clinic, week: Week) -> Picture | None:
    """How many patients reached how many hours in the last judged week, against the standard."""
    last = week.shifted(-1)
    results = list(_program_weeks(clinic, last))
    if not results:
        return None
    met: Counter[int] = Counter()
    short: Counter[int] = Counter()
    for status, minutes, *_ in results:
        found = met if status == WeekResult.Status.MET else short
        found[min(minutes // 60, MOST_HOURS)] += 1
    terms = Counter((least, most) for *_, least, most in results).most_common(1)[0][0]
    columns = [_hour(n, met[n], short[n]) for n in range(MOST_HOURS + 1)]
    return Picture(
        f"Hours of the week {last.label}",
        f"{_patients(met.total())} met the minimum, {_were(short.total())} short. {_aim(*terms)}",
        tuple(columns),
        max(one.height for one in columns),
        band=_band(*terms),
    )


def _program_weeks(clinic: Clinic, week: Week) -> QuerySet[Any, Any]:
    rows = results_of(clinic.pk, week).filter(standard__source=Standard.Source.PROGRAM)
    terms = ("standard__min_minutes", "standard__max_minutes")
    return rows.order_by().values_list("minutes_status", "judged_minutes", *terms)


def _hour(n: int, met: int, short: int) -> Column:
    said = f"{n} h: {met} met, {short} short" if met or short else ""
    return Column(said, (("plain", met), ("short", short)), str(n) if n % 3 == 0 else "")


def _band(minimum: int, maximum: int | None) -> tuple[int, int]:
    most = MOST_HOURS if maximum is None else min(maximum // 60 - 1, MOST_HOURS)
    return minimum // 60, most


def _patients(count: int) -> str:
    return "1 patient" if count == 1 else f"{count} patients"


def _were(count: int) -> str:
    return "1 was" if count == 1 else f"{count} were"


def _aim(minimum: int, maximum: int | None) -> str:
    most = "on" if maximum is None else f"to {hours_and_minutes(maximum)}"
    return f"Shaded: {hours_and_minutes(minimum)} {most}."
