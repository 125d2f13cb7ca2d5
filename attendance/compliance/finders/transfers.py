"""A transfer between groups in mid-week: the schedule left the patient short, not the patient.

Such a week is not prorated. Its case names the cause and holds nothing against anybody.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from attendance.compliance.courses import Course
from attendance.compliance.status import JudgedStandard
from iop_clinic.accounts.weeks import long_date

CAUSE = "schedule"


def transferred_short(course: Course, judged: JudgedStandard) -> date | None:
    """The first date in another group, where all sessions of the week as sat were too few.

    None where full presence could have met what the case is about: minutes, or else days.
    """
    moved = _moved_on(course, judged)
    return moved if moved and _is_out_of_reach(judged) else None


def _moved_on(course: Course, judged: JudgedStandard) -> date | None:
    """When a seat in one group began after that in another had ended, both inside the dates."""
    left = {
        seat.group_id: seat.span.last
        for seat in course.seats
        if seat.span.last and judged.first <= seat.span.last < judged.last
    }
    return min(
        (
            seat.span.first
            for seat in course.seats
            if judged.first < seat.span.first <= judged.last
            and any(group != seat.group_id and on < seat.span.first for group, on in left.items())
        ),
        default=None,
    )


def _is_out_of_reach(judged: JudgedStandard) -> bool:
    week = judged.judgement
    if week.make_up_minutes:
        return week.scheduled < week.prorated_minimum
    planned: defaultdict[date, int] = defaultdict(int)
    for line in judged.lines:
        if judged.terms.counts(line):
            planned[line.local_date] += line.scheduled
    days = sum(minutes >= judged.terms.qualifying_minutes for minutes in planned.values())
    return days < week.prorated_days


def cause_sentence(moved: date | None) -> str:
    """ "; cause: schedule, moved to another group on Wed Mar 4", or nothing."""
    if moved is None:
        return ""
    return f"; cause: {CAUSE}, moved to another group on {long_date(moved)}"


def cause_evidence(moved: date | None) -> dict[str, str]:
    return {} if moved is None else {"cause": CAUSE, "moved_on": moved.isoformat()}
