"""The demo clinic as the CSV set of docs/import.md: the same for the same seed and date."""

from __future__ import annotations

import csv
import datetime
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attendance.demo.cast import Person, patient_rows
from attendance.demo.courses import DAY, WEEK, Calendar, Casting, Course
from attendance.demo.facts import Fact, Recorder
from attendance.demo.papers import authorization_rows, coverage_rows, payer_rows
from attendance.demo.timetable import (
    BY_KEY,
    COHORTS,
    CREDENTIALS,
    FAMILY,
    FRI,
    MAY_DIAGNOSE,
    PHP_HOURS,
    PHP_ROOM,
    PROGRAMS,
    ROOMS,
    SECOND,
    STAFF,
    SUD,
    THU,
    WED,
    Staff,
    clock,
)

NAME, ZONE = "Riverside IOP", "America/New_York"
SEED = 20
WAITING = 4

Rows = list[dict[str, Any]]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SOURCES = ("Lakeside Hospital", "Self or family", "Dr. Placebo", "Hilltop Residential")


def demo_tables(seed: int, today: datetime.date) -> dict[str, Rows]:
    """Every file of the demo clinic, by name; `today` is the clinic's local date."""
    calendar = Calendar(today)
    casting = Casting(random.Random(seed), calendar)  # noqa: S311  a demo, not a secret
    courses = casting.run()
    waiting = [casting.cast.adult() for _ in range(WAITING)]
    facts = list(Recorder(courses, calendar, seed).facts())
    people = casting.cast.people
    return {
        "clinic": [{"name": NAME, "zone": ZONE, "state": "CT", "phone": "203-555-0100"}],
        "staff": staff_rows(STAFF, calendar.today),
        "rooms": [{"name": name, "seats": seats} for name, seats in ROOMS.items()],
        "programs": [{"name": n, "kind": k, "part2": p} for n, (k, p) in PROGRAMS.items()],
        "payers": payer_rows(),
        "patients": patient_rows(people),
        "coverages": coverage_rows(people, courses),
        "episodes": [episode_row(c, i) for i, c in enumerate(courses)]
        + [_referral(person, calendar, i) for i, person in enumerate(waiting)],
        "plans": [row for course in courses for row in plan_rows(course, today)],
        "authorizations": authorization_rows(courses, facts, calendar),
        "certifications": _certifications(courses, calendar),
        "session_types": [
            {"name": name, "kind": name.split()[0].lower(), "credentials": ", ".join(codes)}
            for name, codes in CREDENTIALS.items()
        ],
        "groups": _groups(),
        "blocks": _group_blocks(calendar) + [r for c in courses for r in _own_blocks(c, calendar)],
        "memberships": membership_rows(courses),
        "waitlist": [
            {"group": BY_KEY["B"].name, "record_number": p.record, "added_on": today - n * WEEK}
            for n, p in enumerate(waiting, start=1)
        ],
        "closures": [
            {"starts_on": calendar.snow_day, "ends_on": calendar.snow_day, "reason": "Snow day"}
        ],
        "time_off": _time_off(calendar),
        "make_ups": _make_ups(courses, calendar),
        "attendance": [fact_row(f) for f in facts] + _make_up_facts(courses, calendar),
    }


def write_tables(tables: Mapping[str, Rows], folder: Path) -> Path:
    """One file a table, as a spreadsheet would save it; yes and no for true and false."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows({k: _text(v) for k, v in row.items()} for row in rows)
    return folder


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, datetime.time):
        return f"{value:%H:%M}"
    return "" if value is None else str(value)


# --- who ------------------------------------------------------------------------------------------


def staff_rows(staff: Iterable[Staff], today: datetime.date) -> Rows:
    rows: Rows = []
    for number, person in enumerate(staff):
        row: dict[str, Any] = {"email": person.email, "name": person.name, "role": person.role}
        if person.credential:
            row |= {
                "credentials": person.credential,
                "phone": f"203-555-01{number:02}",
                "license_credential": person.credential,
                "license_state": "CT",
                "license_number": person.number,
                "license_expires_on": today + DAY * 400,
                "license_may_diagnose": person.credential in MAY_DIAGNOSE,
            }
        rows.append(row)
    return rows


def episode_row(course: Course, number: int) -> dict[str, Any]:
    referred = course.admitted - DAY * (3 + number % 8)
    story = course.story
    source = "Drug Court" if course.court else SOURCES[number % len(SOURCES)]
    priority = {"step_down": "inpatient_discharge", "dropout": "unstable_housing"}.get(story, "")
    if course.person.minor and not priority:
        priority = "minor"
    return {
        "record_number": course.person.record,
        "program": course.cohort.program,
        "referred_on": referred,
        "referral_source": "Lakeside Hospital" if story == "step_down" else source,
        "admitted_on": course.admitted,
        "discharged_on": course.discharged,
        "discharge_reason": course.reason,
        "primary_therapist": course.therapist,
        "planned_weeks": 12 if course.active else 8,
        "priority": priority,
        "priority_until": course.admitted + DAY * 30 if story == "step_down" else None,
        "evaluated_on": course.admitted - DAY * 2,
        "diagnosis": "F33.1" if course.cohort.program != SUD else "F10.20",
        "diagnosed_on": course.admitted - DAY * 2,
        "agreement_signed_on": course.admitted,
        "court": "Riverside Drug Court" if course.court else "",
    }


def _referral(person: Person, calendar: Calendar, number: int) -> dict[str, Any]:
    return {
        "record_number": person.record,
        "program": SUD,
        "referred_on": calendar.today - WEEK * (number + 1) - DAY,
        "referral_source": SOURCES[number % len(SOURCES)],
        "evaluated_on": calendar.today - WEEK * (number + 1),
    }


def plan_rows(course: Course, today: datetime.date) -> Rows:
    cohort, starts = course.cohort, course.admitted
    bracket = "adolescent" if cohort.adolescent else "adult"
    same = {"record_number": course.person.record, "age_bracket": bracket}
    rows: Rows = []
    if course.php_until is not None:
        rows.append(
            same
            | {"starts_on": starts, "level": "PHP", "weekly_minutes": 1200, "days_per_week": 5}
            | {"ends_on": course.php_until}
        )
        starts = course.php_until + DAY
    target = 1200 if course.story == "two_groups" else cohort.target
    rows.append(
        same
        | {"starts_on": starts, "level": "IOP", "weekly_minutes": target, "days_per_week": 3}
        | {"review_due_on": _next_review(starts, today)}
    )
    return rows


def _next_review(starts: datetime.date, today: datetime.date) -> datetime.date:
    """Plans are reviewed every 30 days; whoever was due has been, and nobody is in the next ten."""
    done = max((today + DAY * 10 - starts).days // 30, 0)
    return starts + DAY * 30 * (done + 1)


def _certifications(courses: list[Course], calendar: Calendar) -> Rows:
    """Due again after 60 days (R6): the patient in two groups in five days, the others later."""
    rows: Rows = []
    for number, course in enumerate(courses):
        if course.active:
            day = max(course.admitted, calendar.today - DAY * (number % 40))
            if course.story == "two_groups":
                day = calendar.today - DAY * 55
            rows.append(
                {"record_number": course.person.record, "certified_on": day}
                | {"due_again_on": day + DAY * 60, "certified_by": "Dr. Placebo"}
            )
    return rows


# --- when -----------------------------------------------------------------------------------------


def _groups() -> Rows:
    return [
        {
            "name": c.name,
            "program": c.program,
            "level": "IOP",
            "age_bracket": "adolescent" if c.adolescent else "adult",
            "capacity": c.capacity,
            "min_size": c.min_size,
        }
        for c in COHORTS
    ]


def _group_blocks(calendar: Calendar) -> Rows:
    return [
        {
            "group": cohort.name,
            "record_number": "",
            "weekday": WEEKDAYS[weekday],
            "starts": starts,
            "ends": ends,
            "breaks": "",
            "session_type": "Education" if starts == clock("11:20") else "Group therapy",
            "facilitator": cohort.leader,
            "co_facilitator": cohort.second,
            "room": cohort.room,
            "valid_from": calendar.start,
            "valid_until": None,
        }
        for cohort in COHORTS
        for weekday in cohort.days
        for starts, ends in cohort.times
    ]


def _own_blocks(course: Course, calendar: Calendar) -> Rows:
    rows: Rows = []
    for hour in course.hours:
        first = max(hour.first, calendar.start)
        if hour.last is not None and hour.last < first:
            continue
        slot = hour.slot
        rows.append(
            {
                "record_number": course.person.record,
                "weekday": WEEKDAYS[slot.weekday],
                "starts": slot.starts,
                "ends": slot.ends,
                "session_type": slot.kind,
                "facilitator": slot.therapist,
                "room": slot.room,
                "valid_from": first,
                "valid_until": hour.last,
            }
        )
    if course.php_until is not None:
        rows.append(
            {
                "record_number": course.person.record,
                "weekday": WEEKDAYS[FRI],
                "starts": PHP_HOURS[0],
                "ends": PHP_HOURS[1],
                "breaks": "110-120",
                "session_type": "Education",
                "facilitator": SECOND,
                "room": PHP_ROOM,
                "valid_from": course.admitted,
                "valid_until": course.admitted,
            }
        )
    return rows


def membership_rows(courses: list[Course]) -> Rows:
    return [
        {
            "group": seat.cohort.name,
            "record_number": course.person.record,
            "starts_on": seat.first,
            "ends_on": seat.last,
        }
        for course in courses
        for seat in course.seats
    ]


def _time_off(calendar: Calendar) -> Rows:
    """The family therapist is away on the next Wednesday after today."""
    day = calendar.day(0, WED)
    if day <= calendar.today:
        day += WEEK
    return [
        {
            "therapist": FAMILY,
            "starts": datetime.datetime.combine(day, clock("08:00")),
            "ends": datetime.datetime.combine(day, clock("19:00")),
            "reason": "Leave",
        }
    ]


# --- what happened --------------------------------------------------------------------------------


def fact_row(fact: Fact) -> dict[str, Any]:
    return {
        "record_number": fact.meeting.course.person.record,
        "date": fact.meeting.day,
        "start": fact.meeting.starts,
        "attended": fact.kind in ("present", "late", "left"),
        "arrived": fact.arrived,
        "left": fact.left,
        "notified": fact.notified,
        "reason": fact.reason,
    }


def _made_up(courses: list[Course]) -> Course:
    return next(course for course in courses if course.story == "make_up")


def _make_ups(courses: list[Course], calendar: Calendar) -> Rows:
    """The Thursday evening that one patient of group B missed, made up in group A on Friday."""
    return [
        {
            "record_number": _made_up(courses).person.record,
            "date": calendar.day(-1, FRI),
            "start": start,
            "missed_date": calendar.day(-1, THU),
            "missed_start": missed,
            "group": BY_KEY["A"].name,
        }
        for (start, _), (missed, _) in zip(BY_KEY["A"].times, BY_KEY["B"].times, strict=True)
    ]


def _make_up_facts(courses: list[Course], calendar: Calendar) -> Rows:
    return [
        {
            "record_number": _made_up(courses).person.record,
            "date": calendar.day(-1, FRI),
            "start": start,
            "attended": True,
        }
        for start, _ in BY_KEY["A"].times
    ]
