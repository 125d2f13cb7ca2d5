"""The small picture of a week: for each day how many were expected, came, missed, are not recorded.

A bar over very few patients would be a bar about a patient, so a day with fewer than five is only
said to have had sessions (R15).
"""

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from iop_clinic.accounts.weeks import Week

FEWEST_PATIENTS = 5


class DayTotals(NamedTuple):
    """The bookings of one local date and primary therapist."""

    local_date: datetime.date
    therapist_id: int | None
    expected: int
    attended: int
    absent: int
    patients: int


def week_picture(
    totals: Sequence[DayTotals], week: Week, judged: datetime.date
) -> dict[str, Any] | None:
    """The week's seven days for a report; None when no day may be shown as a bar.

    Days after `judged` only say how many are booked.
    """
    days = [_day([t for t in totals if t.local_date == day], day, judged) for day in week.days()]
    if all(day["few"] or not day["expected"] for day in days):
        return None
    return {"starts_on": week.start.isoformat(), "days": days}


def _day(totals: Iterable[DayTotals], day: datetime.date, judged: datetime.date) -> dict[str, Any]:
    totals = list(totals)
    patients = sum(t.patients for t in totals)
    if 0 < patients < FEWEST_PATIENTS:
        return {"date": day.isoformat(), "few": True, "expected": 0}
    expected, attended, absent = (
        sum(t.expected for t in totals),
        sum(t.attended for t in totals),
        sum(t.absent for t in totals),
    )
    ahead = day > judged
    return {
        "date": day.isoformat(),
        "few": False,
        "expected": expected,
        "attended": attended,
        "absent": absent,
        "unrecorded": 0 if ahead else expected - attended - absent,
        "ahead": ahead,
    }
