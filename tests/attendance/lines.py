"""Day lines of one week in few words, for tests of pure arithmetic."""

from dataclasses import replace
from datetime import date, timedelta

from attendance.compliance.rules.weeks import DayMinutes, StandardTerms

MON, TUE, WED, THU, FRI, SAT = (date(2026, 3, 2) + timedelta(days=n) for n in range(6))
GROUP, INDIVIDUAL, YOGA = 1, 2, 3

ADULT = StandardTerms(minimum=540, maximum=1200, day_threshold=180, days=3)
ADOLESCENT = StandardTerms(minimum=360, maximum=1200, day_threshold=120, days=3)
PAYER = replace(ADULT, prorate=False)


def held(day, credited, of=180, **more):
    """An ended, recorded day of a group."""
    return DayMinutes(day, GROUP, scheduled=of, attended=credited, credited=credited, **more)


def ahead(day, minutes=180, sessions=3):
    """Booked and not yet ended."""
    return DayMinutes(
        day, GROUP, scheduled=minutes, attended_open=minutes, credited_open=minutes,
        upcoming=sessions, services_open=sessions,
    )  # fmt: skip


def unrecorded(day, minutes=180, sessions=3):
    """Ended without a roster."""
    return DayMinutes(
        day, GROUP, scheduled=minutes, attended_open=minutes, credited_open=minutes,
        unrecorded=sessions, services_open=sessions,
    )  # fmt: skip


def cancelled(day, minutes=180, left=0):
    return DayMinutes(day, GROUP, scheduled=left, attended=left, credited=left, cancelled=minutes)


FULL_WEEK = [held(MON, 180), held(WED, 180), held(FRI, 180)]
FRIDAY_SKIPPED = [held(MON, 180), held(WED, 180), held(FRI, 0)]
