"""Who pays for whom: payers, coverages, and authorizations in every state."""

from __future__ import annotations

import datetime
from typing import Any

from attendance.demo.cast import Person
from attendance.demo.courses import DAY, Calendar, Course
from attendance.demo.facts import Fact

Rows = list[dict[str, Any]]
PAYERS = ("Granite Health Plan", "Bluestone Mutual", "Nutmeg Care", "Harbor Medicaid")
SELF_PAY = "Self-pay"
LAPSED = -2
ENDS_IN = (1, 2, 3, LAPSED)
"""Days from today on which the first four authorizations end: three soon, one already over."""
EARLY = 4


def payer_rows() -> Rows:
    rows: Rows = [{"name": name, "needs_authorization": True} for name in PAYERS]
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
    payers = payers_by_record(courses)
    active = sorted((c for c in courses if c.active), key=lambda course: course.place)
    asked = [c for c in active if payers[c.person.record] != SELF_PAY]
    return [
        _authorization(course, number, payers[course.person.record], facts, calendar)
        for number, course in enumerate(asked)
    ]


def _authorization(
    course: Course, number: int, payer: str, facts: list[Fact], calendar: Calendar
) -> dict[str, Any]:
    ahead = ENDS_IN[number] if number < len(ENDS_IN) else 12 + number * 3 % 40
    ends = calendar.today + DAY * ahead
    starts = max(course.admitted, ends - DAY * 89)
    units = 3 * ((ends - starts).days // 7 + 2)
    if number == len(ENDS_IN):
        units = _used(course, starts, facts) + _to_come(course, ends - DAY * EARLY, calendar)
    return {
        "record_number": course.person.record,
        "payer": payer,
        "number": f"AU-{7001 + number}",
        "unit": "day",
        "units": units,
        "starts_on": min(starts, ends),
        "ends_on": ends,
        "next_review_on": ends - DAY * 7,
        "level": "IOP",
    }


def _used(course: Course, starts: datetime.date, facts: list[Fact]) -> int:
    """The days on which the patient sat through the whole group."""
    days = {
        fact.meeting.day
        for fact in facts
        if fact.meeting.course is course and fact.meeting.group and fact.meeting.day >= starts
        and fact.kind == "present"
    }  # fmt: skip
    return len(days)


def _to_come(course: Course, before: datetime.date, calendar: Calendar) -> int:
    days = (before - calendar.today).days
    coming = [calendar.today + DAY * n for n in range(days)]
    return sum(day.weekday() in course.cohort.days for day in coming)
