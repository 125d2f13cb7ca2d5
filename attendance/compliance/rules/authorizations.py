"""What an authorization still covers: units used and the day on which they run out (R23).

Units are counted from the day lines, so an authorization never disagrees with a patient's week: a
qualifying day, an attended countable session (a visit), or an hour of the judged minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from attendance.compliance.rules.countdowns import Countdown, Stage, later
from attendance.compliance.rules.weeks import DayJudgement, DayMinutes, StandardTerms, judge_days

MINUTES = 60


class Unit(StrEnum):
    DAY = "day"
    VISIT = "visit"
    HOUR = "hour"


@dataclass(frozen=True, slots=True)
class Approval:
    """So many units between two inclusive dates."""

    unit: Unit
    units: int
    starts_on: date
    ends_on: date

    @property
    def most(self) -> int:
        """Days, visits, or the minutes of the hours."""
        return self.units * MINUTES if self.unit == Unit.HOUR else self.units


@dataclass(frozen=True, slots=True)
class Runway:
    """How far an authorization reaches, in its own units.

    `left` are whole units. `runs_out_on` is the date whose sessions use the last unit, as far as
    sessions are booked; `uncovered_on` the first date with a session that no unit is left for.
    """

    used: int
    left: int
    runs_out_on: date | None
    uncovered_on: date | None

    @property
    def exhausted(self) -> bool:
        return self.left == 0


def runway(approval: Approval, lines: Iterable[DayMinutes], terms: StandardTerms) -> Runway:
    """Units used by what is recorded, and the projection over what is unrecorded or booked (R23).

    A booked or unrecorded session is expected to be attended: nobody is surprised by a payer who
    stops paying a week early.
    """
    inside = [
        line
        for line in lines
        if approval.starts_on <= line.local_date <= approval.ends_on and terms.counts(line)
    ]
    open_services = _open_services(inside)
    days = judge_days(inside, terms)
    spent = sum(_spent(approval.unit, day) for day in days)
    runs_out_on, uncovered_on = _projected(approval, days, open_services)
    left = max(approval.most - spent, 0)
    divisor = MINUTES if approval.unit == Unit.HOUR else 1
    return Runway(spent // divisor, left // divisor, runs_out_on, uncovered_on)


def _spent(unit: Unit, day: DayJudgement) -> int:
    match unit:
        case Unit.DAY:
            return int(day.qualifies)
        case Unit.VISIT:
            return day.services
        case Unit.HOUR:
            return day.at_least


def _expected(unit: Unit, day: DayJudgement, open_services: int) -> int:
    match unit:
        case Unit.DAY:
            return int(day.can_qualify)
        case Unit.VISIT:
            return day.services + open_services
        case Unit.HOUR:
            return day.at_most


def _open_services(lines: Iterable[DayMinutes]) -> dict[date, int]:
    found: dict[date, int] = {}
    for line in lines:
        found[line.local_date] = found.get(line.local_date, 0) + line.services_open
    return found


def _projected(
    approval: Approval, days: Sequence[DayJudgement], open_services: dict[date, int]
) -> tuple[date | None, date | None]:
    total, runs_out_on = 0, None
    for day in days:
        units = _expected(approval.unit, day, open_services[day.local_date])
        total += units
        if runs_out_on is None and total >= approval.most:
            runs_out_on = day.local_date
        if units and total > approval.most:
            return runs_out_on, day.local_date
    return runs_out_on, None


def authorization_stage(
    approval: Approval,
    reach: Runway,
    *,
    today: date,
    countdown: Countdown,
    few_units: int,
    followed: bool,
) -> Stage | None:
    """How near the end of an authorization is, by its dates, its units and its projection (R23).

    Few units left are as near as the second stage of the countdown. Where another authorization
    follows (`followed`), only sessions that no unit is left for are a finding.
    """
    by_date = None if followed else countdown.stage((approval.ends_on - today).days)
    if reach.uncovered_on is not None:
        by_units = Stage.OVER if reach.exhausted else _soon(reach, few_units)
    elif followed:
        by_units = None
    elif reach.exhausted:
        by_units = Stage.OVER
    else:
        by_units = Stage.NEAR if reach.left <= few_units else None
    return later(by_date, by_units)


def _soon(reach: Runway, few_units: int) -> Stage:
    return Stage.NEAR if reach.left <= few_units else Stage.AHEAD
