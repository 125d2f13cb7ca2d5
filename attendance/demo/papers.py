"""Who pays for whom: payers, coverages, and authorizations in every state."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

from attendance.demo.cast import Person
from attendance.demo.courses import DAY, Calendar, Course
from attendance.demo.facts import Fact, Meeting, meetings

Rows = list[dict[str, Any]]
Recorded = dict[tuple[tuple[str, datetime.date, datetime.time], str], Fact]
"""By session and patient, what was recorded."""
PAYERS = ("Granite Health Plan", "Bluestone Mutual", "Nutmeg Care", "Harbor Medicaid")
SELF_PAY = "Self-pay"
LAPSED = -2
ENDS_IN = (1, 2, 3, LAPSED)
"""Days from today on which the first four authorizations end: three soon, one already over."""
EARLY = 4


def payer_rows() -> Rows:
    """The first of them asks for a physician's certification every 60 days (R6)."""
    rows: Rows = [
        {"name": name, "needs_authorization": True, "certification_days": None if n else 60}
        for n, name in enumerate(PAYERS)
    ]
    return [*rows, {"name": SELF_PAY, "needs_authorization": False}]


def coverage_rows(people: list[Person], courses: list[Course]) -> Rows:
    first = {c.person.record: c for c in sorted(courses, key=lambda c: c.admitted, reverse=True)}
    payers = payers_by_record(courses)
    return [
        {
            "record_number": person.record,
            "payer": payers[person.record],
            "starts_on": first[person.record].admitted - DAY * 200,
            "member_number": f"M-{person.record[2:]}",
            "verified_on": first[person.record].admitted - DAY * 2,
        }
        for person in people
        if person.record in first
    ]


def payers_by_record(courses: list[Course]) -> dict[str, str]:
    """Every fifth patient in treatment needs no authorization."""
    order = sorted(courses, key=lambda course: (not course.active, course.place))
    return {
        course.person.record: SELF_PAY if number % 5 == 4 else PAYERS[number % 4]
        for number, course in reversed(list(enumerate(order)))
    }


def authorization_rows(courses: list[Course], facts: list[Fact], calendar: Calendar) -> Rows:
    """For everybody in treatment whose payer asks for one; the fifth runs out four days early."""
    recorded = {(fact.meeting.key, fact.meeting.course.person.record): fact for fact in facts}
    payers = payers_by_record(courses)
    active = sorted((c for c in courses if c.active), key=lambda course: course.place)
    asked = [c for c in active if payers[c.person.record] != SELF_PAY]
    rows = [_authorization(c, n, payers[c.person.record], calendar) for n, c in enumerate(asked)]
    fifth, row = asked[len(ENDS_IN)], rows[len(ENDS_IN)]
    _runs_out_early(fifth, row, recorded, calendar)
    return rows


def _authorization(course: Course, number: int, payer: str, calendar: Calendar) -> dict[str, Any]:
    ahead = ENDS_IN[number] if number < len(ENDS_IN) else 12 + number * 3 % 40
    ends = calendar.today + DAY * ahead
    starts = min(max(course.admitted, ends - DAY * 89), ends)
    days = {day for seat in course.seats for day in seat.cohort.days}
    return {
        "record_number": course.person.record,
        "payer": payer,
        "number": f"AU-{7001 + number}",
        "unit": "day",
        "units": len(days) * ((ends - starts).days // 7 + 2),
        "starts_on": starts,
        "ends_on": ends,
        "next_review_on": ends - DAY * 7,
        "level": "IOP",
    }


def _runs_out_early(
    course: Course, row: dict[str, Any], recorded: Recorded, calendar: Calendar
) -> None:
    """As many days as the patient used and as are planned through the fourth day before the end."""
    last = calendar.today + DAY * (27 - EARLY)
    while last.weekday() not in course.cohort.days:
        last -= DAY
    row["ends_on"] = last + DAY * EARLY
    row["next_review_on"] = row["ends_on"] - DAY * 7
    row["starts_on"] = max(course.admitted, row["ends_on"] - DAY * 89)
    coming = [calendar.today + DAY * n for n in range((last - calendar.today).days + 1)]
    row["units"] = len(_used(course, row["starts_on"], recorded, calendar))
    row["units"] += sum(day.weekday() in course.cohort.days for day in coming)


def _used(
    course: Course, starts: datetime.date, recorded: Recorded, calendar: Calendar
) -> set[datetime.date]:
    """The days of three hours; a roster that is not in counts as attended."""
    minutes: Counter[datetime.date] = Counter()
    for meeting in meetings([course], calendar):
        if meeting.day >= starts:
            fact = recorded.get((meeting.key, course.person.record))
            minutes[meeting.day] += _minutes(meeting, fact)
    return {day for day, sum_ in minutes.items() if sum_ >= 180}


def _minutes(meeting: Meeting, fact: Fact | None) -> int:
    if fact is not None and fact.kind not in ("present", "late", "left"):
        return 0
    arrived, left = (fact.arrived, fact.left) if fact else (None, None)
    begins = max(meeting.starts, arrived or meeting.starts)
    ends = min(meeting.ends, left or meeting.ends)
    midnight = datetime.date.min
    inside = datetime.datetime.combine(midnight, ends) - datetime.datetime.combine(midnight, begins)
    return max(int(inside.total_seconds()) // 60, 0)
