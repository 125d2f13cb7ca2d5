"""The patient's weeks as bars against minimum and maximum, each with the words beside it.

Drawn from the judgement of the week alone: nothing is added up here.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.utils import timezone

from attendance.admin.weeks import week_url
from attendance.admin.wording import (
    days_counted,
    days_said,
    judged_part,
    minimum_said,
    minutes_said,
    plan_said,
    verdict,
)
from attendance.compliance.status import JudgedStandard, PatientWeek, WeekStatus, week_statuses
from attendance.models import Standard
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.weeks import hours_and_minutes
from patients.models import Episode

WEEKS = 9
"""The running one and eight before it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One week, or one part of it, under the program's standard. Minutes."""

    solid: int
    possible: int
    """What could come on top of the solid part."""
    minimum: int | None
    maximum: int | None
    part: str
    said: str
    status: str

    @property
    def reach(self) -> int:
        return max(self.solid + self.possible, self.minimum or 0, self.maximum or 0)

    @property
    def described(self) -> str:
        """What the picture shows, for whoever does not see it."""
        parts = {
            "credited": self.solid,
            "still possible": self.possible,
            "minimum": self.minimum,
            "maximum": self.maximum,
        }
        given = ((name, one) for name, one in parts.items() if one is not None)
        return ", ".join(f"{name} {hours_and_minutes(one)}" for name, one in given)


@dataclass(frozen=True, slots=True)
class DrawnBar:
    """A bar with its lengths in percent of the longest one on the page."""

    bar: Bar
    scale: int

    def _percent(self, minutes: int | None) -> str:
        return "" if minutes is None else f"{100 * minutes / self.scale:.2f}%"

    @property
    def solid(self) -> str:
        return self._percent(self.bar.solid)

    @property
    def possible(self) -> str:
        return self._percent(self.bar.possible)

    @property
    def minimum(self) -> str:
        return self._percent(self.bar.minimum)

    @property
    def maximum(self) -> str:
        return self._percent(self.bar.maximum)


@dataclass(frozen=True, slots=True)
class BarWeek:
    """A clinic week: its bars, and in words what stands behind them and what others judge."""

    label: str
    url: str
    running: bool
    bars: Sequence[DrawnBar]
    behind: str
    others: Sequence[str]


@dataclass(frozen=True)
class WeekBars(Panel):
    template: ClassVar[str] = "attendance/patient/weeks.html"
    weeks: Sequence[BarWeek] = ()


def week_bars(row: Episode, found: Iterable[PatientWeek], today: datetime.date) -> WeekBars:
    weeks = [(week, list(_bars(week))) for week in found if _treated(row, week)]
    scale = max((bar.reach for _, bars in weeks for bar in bars), default=0) * 51 // 50 or 1
    return WeekBars(
        "Weeks",
        empty="The first week begins with the admission.",
        weeks=[_drawn(week, bars, scale, today) for week, bars in weeks],
    )


def last_weeks(row: Episode, now: datetime.datetime) -> list[PatientWeek]:
    """The weeks that are shown, and the next one, the latest first; 4 statements."""
    last = min(row.discharged_on or timezone.localdate(now), timezone.localdate(now))
    days = [last - datetime.timedelta(weeks=n) for n in range(-1, WEEKS)]
    found = week_statuses(clinic=row.clinic_id, episode_ids=[row.pk], weeks=days, now=now)
    return sorted(found.values(), key=lambda one: one.week.start, reverse=True)


def _treated(row: Episode, week: PatientWeek) -> bool:
    return row.admitted_on is not None and row.admitted_on <= week.week.end


def _drawn(week: PatientWeek, bars: Sequence[Bar], scale: int, today: datetime.date) -> BarWeek:
    return BarWeek(
        label=week.week.label,
        url=week_url(week.episode_id, week.week.start),
        running=today in week.week,
        bars=[DrawnBar(bar, scale) for bar in bars],
        behind=_behind(week),
        others=[_other(one) for one in week.standards if not _by_program(one)],
    )


def _bars(week: PatientWeek) -> Iterator[Bar]:
    """A bar for each part of the week that the program's standard judges by itself."""
    own = [one for one in week.standards if _by_program(one)]
    for one in own:
        judged = one.judgement
        yield Bar(
            solid=judged.at_least,
            possible=judged.at_most - judged.at_least,
            minimum=one.prorated_minimum,
            maximum=one.terms.maximum,
            part=judged_part(one),
            said=_said(one),
            status=one.minutes_status.value,
        )
    if not own:
        said = f"{hours_and_minutes(week.credited)} credited; no standard of the program judges it"
        yield Bar(week.credited, week.at_most - week.credited, None, None, "", said, "unjudged")


def _said(one: JudgedStandard) -> str:
    """ "7 h 40 of 9 h, short 1 h 20", "3 h of 9 h, open, at most 9 h"."""
    judged = one.judgement
    said = f"{hours_and_minutes(judged.at_least)} of {minimum_said(one)}, {minutes_said(one)}"
    if one.minutes_status == WeekStatus.OPEN:
        said += f", at most {hours_and_minutes(judged.at_most)}"
    if judged.over_maximum and one.terms.maximum is not None:
        said += f", over the maximum of {hours_and_minutes(one.terms.maximum)}"
    if one.terms.days:
        said += f". Days: {days_counted(one)}, {days_said(one)}"
    return said


def _behind(week: PatientWeek) -> str:
    minutes = {"scheduled": week.scheduled, "attended": week.attended, "credited": week.credited}
    said = ", ".join(f"{name} {hours_and_minutes(one)}" for name, one in minutes.items())
    return f"Plan {plan_said(week)}; {said}"


def _other(one: JudgedStandard) -> str:
    part = judged_part(one)
    dates = f" ({part})" if part else ""
    return f"{one.name}{dates}, {minimum_said(one)}: {verdict(one)}"


def _by_program(one: Any) -> bool:
    return bool(one.standard.source == Standard.Source.PROGRAM)
