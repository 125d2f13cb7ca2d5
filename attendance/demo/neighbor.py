"""A second, small clinic, so that the demo can show what its people do not see of the first."""

from __future__ import annotations

import datetime
import random
from typing import Any

from attendance.demo.cast import Cast, patient_rows
from attendance.demo.courses import DAY, Calendar
from attendance.demo.timetable import MON, THU, TUE, Staff

NAME, ZONE = "Harbor Point Counseling", "America/Chicago"
LEADER = "leader@example.com"
STAFF = (
    Staff("outsider@example.com", "Otto Outsiderov", "coordinator"),
    Staff(LEADER, "Gwen Elsewhere", "therapist", "LCSW", "IL-20001"),
)
PROGRAM, GROUP, PATIENTS, WEEKS = "Mental health IOP", "Harbor 1", 6, 3
MEETINGS = (("13:00", "14:00"), ("14:10", "15:10"), ("15:20", "16:20"))


def neighbor_tables(seed: int, today: datetime.date) -> dict[str, list[dict[str, Any]]]:
    """Every file of the neighbor clinic: one group, six patients, three weeks."""
    calendar = Calendar(today)
    first = calendar.day(-WEEKS, MON)
    cast = Cast(random.Random(f"{seed} neighbor"), today)  # noqa: S311  a demo, not a secret
    people = [cast.adult() for _ in range(PATIENTS)]
    days = [first + DAY * n for n in range((today - first).days)]
    days = [day for day in days if day.weekday() in (MON, TUE, THU)]
    return {
        "clinic": [{"name": NAME, "zone": ZONE, "state": "IL", "phone": "312-555-0100"}],
        "staff": _staff(today),
        "rooms": [{"name": "Main room", "seats": 12}],
        "programs": [{"name": PROGRAM, "kind": "mental_health", "part2": False}],
        "patients": patient_rows(people),
        "episodes": [_episode(person.record, first) for person in people],
        "plans": [
            {"record_number": person.record, "starts_on": first, "level": "IOP"}
            | {"age_bracket": "adult", "weekly_minutes": 540, "days_per_week": 3}
            for person in people
        ],
        "groups": [{"name": GROUP, "program": PROGRAM, "capacity": 8, "min_size": 4}],
        "blocks": [_block(weekday, *m, first) for weekday in (MON, TUE, THU) for m in MEETINGS],
        "memberships": [
            {"group": GROUP, "record_number": person.record, "starts_on": first}
            for person in people
        ],
        "attendance": [
            {"record_number": person.record, "date": day, "start": start}
            | {"attended": (day.toordinal() + number) % 9 > 0}
            for day in days
            for start, _ in MEETINGS
            for number, person in enumerate(people)
        ],
    }


def _staff(today: datetime.date) -> list[dict[str, Any]]:
    license_ = {
        "credentials": "LCSW",
        "license_credential": "LCSW",
        "license_state": "IL",
        "license_number": "IL-20001",
        "license_expires_on": today + DAY * 400,
    }
    return [
        {"email": s.email, "name": s.name, "role": s.role} | (license_ if s.credential else {})
        for s in STAFF
    ]


def _episode(record: str, first: datetime.date) -> dict[str, Any]:
    return {
        "record_number": record,
        "program": PROGRAM,
        "referred_on": first - DAY * 5,
        "admitted_on": first,
        "primary_therapist": LEADER,
        "evaluated_on": first - DAY * 3,
        "diagnosis": "F41.1",
        "agreement_signed_on": first,
    }


def _block(weekday: int, starts: str, ends: str, first: datetime.date) -> dict[str, Any]:
    return {
        "group": GROUP,
        "weekday": ("monday", "tuesday", "wednesday", "thursday")[weekday],
        "starts": starts,
        "ends": ends,
        "session_type": "Group therapy",
        "facilitator": LEADER,
        "room": "Main room",
        "valid_from": first,
    }
