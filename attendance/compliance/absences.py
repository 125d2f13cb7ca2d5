"""Treatment days of many episodes, for the rules that count absences in days (R18).

One statement, one row for each episode and local date, with the absences of that day in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.postgres.aggregates import JSONBAgg
from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.functions import JSONObject

from attendance.compliance.courses import Course
from attendance.compliance.days import credit_in_full, ended, expected
from attendance.compliance.rules.absences import (
    SessionOutcome,
    TreatmentDay,
    treatment_days,
)
from attendance.compliance.settings import ClinicSettings
from attendance.records.rules import (
    AttendanceFacts,
    CreditPolicy,
    Proof,
    SessionFacts,
    Status,
    status,
)
from scheduling.models import Booking


@dataclass(frozen=True, slots=True)
class Missed:
    """One absence: its word, and the minutes that full presence would have credited."""

    local_date: date
    status: Status
    minutes: int


@dataclass(frozen=True, slots=True)
class Attendance:
    """An episode's treatment days so far, oldest first, and the absences in them."""

    days: tuple[TreatmentDay, ...] = ()
    missed: tuple[Missed, ...] = ()


NOTHING = Attendance()


def attendances(
    *,
    settings: ClinicSettings,
    courses: Collection[Course],
    through: date,
    now: datetime,
) -> dict[int, Attendance]:
    """Each course's treatment days from its admission through a local date; 1 statement.

    The whole course is read, because a run is known by its nth day: cut off at a horizon, an old
    run would be new evidence every night. Dates inside a hold or outside the course are left out.
    """
    known = {course.episode_id: course for course in courses}
    first = min((c.treated.first for c in courses if c.treated), default=through)
    rows = expected(settings.clinic_id, first, through, known.keys())
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in _by_day(rows, settings, now):
        course = known[row["episode_id"]]
        day = row["local_date"]
        if course.active_on(day) and not course.on_hold_on(day):
            found[course.episode_id].append(row)
    return {pk: _attendance(settings, known[pk], days, now) for pk, days in found.items()}


def _by_day(
    rows: QuerySet[Booking], settings: ClinicSettings, now: datetime
) -> Iterable[Mapping[str, Any]]:
    absent = ended(now) & Q(attendance__attended=False)
    grouped = rows.order_by().values("episode_id", local_date=F("session__local_date"))
    return grouped.annotate(
        began_at=Min("starts_at", filter=Q(live=True)),
        present=Count("pk", filter=ended(now) & Q(attendance__attended=True)),
        unrecorded=Count("pk", filter=ended(now) & Q(attendance__isnull=True)),
        upcoming=Count("pk", filter=Q(live=True, ends_at__gt=now)),
        cancelled=Count("pk", filter=Q(live=False)),
        absences=JSONBAgg(_absence(settings), filter=absent, default=None),
    )


def _absence(settings: ClinicSettings) -> JSONObject:
    return JSONObject(
        starts_at="starts_at",
        ends_at="ends_at",
        creditable="session__session_type__creditable",
        notified_at="attendance__notified_at",
        absence_reason="attendance__absence_reason",
        proof="attendance__proof",
        excused_override="attendance__excused_override",
        minutes=credit_in_full(settings),
    )


def _attendance(
    settings: ClinicSettings, course: Course, rows: Iterable[Mapping[str, Any]], now: datetime
) -> Attendance:
    outcomes: list[SessionOutcome] = []
    missed: list[Missed] = []
    for row in rows:
        absences = _missed(settings, course, row, now)
        missed += absences
        outcomes += _outcomes(row, absences)
    return Attendance(treatment_days(outcomes), tuple(missed))


def _outcomes(row: Mapping[str, Any], absences: Iterable[Missed]) -> Iterable[SessionOutcome]:
    """As many outcomes as decide the day: a session still ahead leaves it unrecorded."""
    day = row["local_date"]
    if row["cancelled"]:
        yield SessionOutcome(day, Status.UNRECORDED, cancelled_by_clinic=True)
    if row["present"]:
        yield SessionOutcome(day, Status.PRESENT)
    if row["unrecorded"] or row["upcoming"]:
        yield SessionOutcome(day, Status.UNRECORDED)
    for one in absences:
        yield SessionOutcome(day, one.status)


def _missed(
    settings: ClinicSettings, course: Course, row: Mapping[str, Any], now: datetime
) -> list[Missed]:
    day: date = row["local_date"]
    policy = settings.policy_on(day)
    return [
        Missed(
            local_date=day,
            status=_status(one, policy, row["began_at"], course.in_court_on(day), now),
            minutes=one["minutes"] if one["creditable"] else 0,
        )
        for one in row["absences"] or ()
    ]


def _status(
    absence: Mapping[str, Any],
    policy: CreditPolicy,
    day_starts_at: datetime,
    court_involved: bool,
    now: datetime,
) -> Status:
    told = absence["notified_at"]
    facts = AttendanceFacts(
        attended=False,
        notified_at=datetime.fromisoformat(told) if told else None,
        absence_reason=absence["absence_reason"],
        proof=Proof(absence["proof"]),
        excused_override=absence["excused_override"],
    )
    session = SessionFacts(
        datetime.fromisoformat(absence["starts_at"]), datetime.fromisoformat(absence["ends_at"])
    )
    return status(
        session,
        facts,
        policy,
        day_starts_at=day_starts_at,
        court_involved=court_involved,
        now=now,
    )
