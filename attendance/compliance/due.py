"""When a case must have been worked: instants in the clinic's business hours. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from attendance.compliance.settings import BusinessHours
from attendance.models import AbsenceRule

PRIORITY_HOURS = 2
"""A priority patient is called within so many hours of the clinic's opening."""

_DAY = timedelta(days=1)


def due_at(opened_at: datetime, hours: BusinessHours, due: str, amount: int = 0) -> datetime:
    """The instant, in UTC, by which a case opened at an instant is due.

    The business day it opens: closing time that day, or of the next business day when the clinic
    has closed. Hours are counted from the first business moment and end at one. Business days are
    counted after the local date on which it opened, to closing time. A date on which the whole
    clinic is closed is no business day.
    """
    start = business_moment(opened_at, hours)
    match AbsenceRule.Due(due):
        case AbsenceRule.Due.SAME_BUSINESS_DAY:
            day = start.astimezone(hours.zone).date()
            return _wall(hours, day, hours.closes_at)
        case AbsenceRule.Due.HOURS:
            return business_moment(start + timedelta(hours=amount), hours)
        case AbsenceRule.Due.BUSINESS_DAYS:
            opened_on = opened_at.astimezone(hours.zone).date()
            return _wall(hours, business_day_after(opened_on, amount, hours), hours.closes_at)


def priority_due_at(opened_at: datetime, hours: BusinessHours) -> datetime:
    """Two hours after the clinic opens, or after the case does in business hours (2b)."""
    return due_at(opened_at, hours, AbsenceRule.Due.HOURS, PRIORITY_HOURS)


def due_by(opened_at: datetime, hours: BusinessHours, day: date) -> datetime:
    """Closing time of the last business day up to a local date, and no sooner than the business day
    on which the case opens."""
    soonest = due_at(opened_at, hours, AbsenceRule.Due.SAME_BUSINESS_DAY)
    opened_on = opened_at.astimezone(hours.zone).date()
    while day > opened_on and not hours.opens_on(day):
        day -= _DAY
    return max(soonest, _wall(hours, day, hours.closes_at))


def business_day_after(day: date, n: int, hours: BusinessHours) -> date:
    """The n-th business day after a local date; of 0, the date itself or the next business day."""
    while n > 0 or not hours.opens_on(day):
        day += _DAY
        n -= hours.opens_on(day)
    return day


def business_moment(instant: datetime, hours: BusinessHours) -> datetime:
    """The instant itself in business hours, or else the next opening."""
    day = instant.astimezone(hours.zone).date()
    while True:
        if hours.opens_on(day):
            opens = _wall(hours, day, hours.opens_at)
            if instant < _wall(hours, day, hours.closes_at):
                return max(opens, instant.astimezone(UTC))
        day += _DAY


def _wall(hours: BusinessHours, day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, tzinfo=hours.zone).astimezone(UTC)
