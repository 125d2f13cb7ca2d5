"""How much room a timetable leaves: slack, gaps between services, what a closure takes.

A timetable goes in as the judgement of a week in which every session is attended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from attendance.compliance.rules.weeks import DayJudgement, StandardTerms, WeekJudgement

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Gap:
    """So many local dates in a row without a service; `after` is the last one with one."""

    after: date
    days: int

    @property
    def first(self) -> date:
        return self.after + _DAY

    @property
    def last(self) -> date:
        return self.after + self.days * _DAY


@dataclass(frozen=True, slots=True)
class Loss:
    """What closures take of a week: minutes, qualifying days, and what is left at most."""

    minutes: int
    days: int
    left: WeekJudgement


def day_slack(day: DayJudgement, terms: StandardTerms) -> int | None:
    """Minutes of a date that may be missed before it qualifies no more (R4); 0: not one.

    None where the date does not qualify, or no days are asked for.
    """
    if not terms.days or not day.qualifies:
        return None
    return day.at_least - terms.qualifying_minutes


def week_slack(week: WeekJudgement) -> int:
    """Minutes of a week above its minimum (R1); what is missing is negative."""
    return week.at_least - week.prorated_minimum


def spare_days(week: WeekJudgement) -> int:
    """Qualifying days beyond those asked for (R4); what is missing is negative."""
    return week.days_qualifying - week.prorated_days


def largest_gap(days: Iterable[date], *, cycle: int) -> Gap | None:
    """The longest run of dates without a service (R5), the first of equals; None without any.

    The dates lie within `cycle` days, after which they come again: the gap from the last to the
    first of the next round counts as well.
    """
    offered = sorted(set(days))
    if not offered:
        return None
    again = [*offered, offered[0] + cycle * _DAY]
    gaps = [Gap(one, (other - one).days - 1) for one, other in pairwise(again)]
    return max(gaps, key=lambda gap: gap.days)


def services_a_day(days: Iterable[DayJudgement]) -> tuple[int, int]:
    """The fewest and the most services on a date that has any (R6); zeros without one."""
    counts = [day.services for day in days if day.services]
    return min(counts, default=0), max(counts, default=0)


def loss(whole: WeekJudgement, left: WeekJudgement) -> Loss | None:
    """What a week has less than it would have whole; None where that is nothing."""
    minutes = whole.at_least - left.at_least
    days = whole.days_qualifying - left.days_qualifying
    return Loss(minutes, days, left) if minutes or days else None
