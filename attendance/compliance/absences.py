"""Treatment days of many episodes, for the rules that count absences in days (R18).

One statement, one row for each episode: the dates attended as planned, and everything else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg, JSONBAgg
from django.db.models import Case, DurationField, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import JSONObject

from attendance.compliance.courses import Course
from attendance.compliance.days import (
    applies,
    credit_in_full,
    cuts_of,
    ended,
    expected,
    minutes,
    policies_of,
)
from attendance.compliance.rules.absences import (
    DayKind,
    SessionOutcome,
    TreatmentDay,
    treatment_days,
)
from attendance.compliance.settings import ClinicSettings
from attendance.records.facts import DEFAULT_POLICY
from attendance.records.rules import (
    AttendanceFacts,
    CreditPolicy,
    Proof,
    SessionFacts,
    Status,
    status,
)
from iop_clinic.accounts.weeks import local_date
from scheduling.models import Booking


@dataclass(frozen=True, slots=True)
class Missed:
    """One absence: its word, and the minutes that full presence would have credited."""

    local_date: date
    status: Status
    minutes: int


@dataclass(frozen=True, slots=True)
class Attendance:
    """An episode's treatment days so far, oldest first, and the absences in them.

    `lost` holds, for each date attended in part, the minutes that staying throughout would have
    credited beside those that were. `told_on` is the last local date on which the patient gave
    notice about a session.
    """

    days: tuple[TreatmentDay, ...] = ()
    missed: tuple[Missed, ...] = ()
    lost: Mapping[date, int] = field(default_factory=dict)
    told_on: date | None = None


NOTHING = Attendance()


def attendances(
    *,
    settings: Mapping[int, ClinicSettings],
    courses: Collection[Course],
    through: date,
    now: datetime,
) -> dict[int, Attendance]:
    """Each course's treatment days from its admission through a local date; 1 statement for any
    number of clinics.

    The whole course is read, because a run is known by its nth day: cut off at a horizon, an old
    run would be new evidence every night. Dates inside a hold or outside the course are left out.
    """
    known = {course.episode_id: course for course in courses}
    first = min((c.treated.first for c in courses if c.treated), default=through)
    rows = expected(settings, first, through, known.keys())
    return {
        pk: _attendance(settings[known[pk].clinic_id], known[pk], attended, told or (), now)
        for pk, attended, told in _by_episode(rows, settings, now)
    }


def _by_episode(
    rows: QuerySet[Booking], settings: Mapping[int, ClinicSettings], now: datetime
) -> QuerySet[Any, tuple[int, list[date], list[Mapping[str, Any]] | None]]:
    """(episode, dates of sessions attended as planned, all other sessions): most are the first,
    and a date is all that anybody asks of them."""
    late = _late(settings)
    as_planned = (
        ended(now)
        & Q(attendance__attended=True, attendance__notified_at=None, released_at=None)
        & Q(attendance__attended_minutes__gte=minutes())
        & ~late
    )
    sums = rows.alias(
        date=F("session__local_date"), planned=Case(When(as_planned, then=True), default=False)
    )
    return (
        sums.order_by()
        .values("episode_id")
        .annotate(
            attended=ArrayAgg("date", filter=Q(planned=True), default=[]),
            others=JSONBAgg(_told(settings, late, now), filter=Q(planned=False), default=None),
        )
        .values_list("episode_id", "attended", "others")
    )


def _late(settings: Mapping[int, ClinicSettings]) -> Q:
    """More than the grace minutes after the start; a nested visit has no arrival of its own."""
    graces = [
        When(applies(dated.span, clinics), then=_grace(dated.policy))
        for dated, clinics in policies_of(settings)
    ]
    grace = Case(*graces, default=_grace(DEFAULT_POLICY), output_field=DurationField())
    arrived = Q(attendance__arrived_at__isnull=False)  # or the comparison would be unknown
    late = Q(nested_in__isnull=True, attendance__arrived_at__gt=F("starts_at") + grace)
    return arrived & late


def _grace(policy: CreditPolicy) -> Value:
    return Value(timedelta(minutes=policy.grace_minutes), output_field=DurationField())


def _told(settings: Mapping[int, ClinicSettings], late: Q, now: datetime) -> JSONObject:
    """What is known of one session."""
    # When the day began is asked of an absence with a notice only (R17).
    excusable = Q(attendance__attended=False, attendance__notified_at__isnull=False)
    return JSONObject(
        date="session__local_date",
        starts_at="starts_at",
        ends_at="ends_at",
        live="live",
        over=Case(When(ends_at__lte=now, then=True), default=False),
        attended="attendance__attended",
        late=Case(When(late, then=True), default=False),
        creditable="session__session_type__creditable",
        credited="attendance__credited_minutes",
        minutes=credit_in_full(cuts_of(settings)),
        notified_at="attendance__notified_at",
        released_at="released_at",
        absence_reason="attendance__absence_reason",
        proof="attendance__proof",
        excused_override="attendance__excused_override",
        day_starts_at=Case(When(excusable, then=Subquery(_first_of_day()))),
    )


def _first_of_day() -> QuerySet[Booking, Any]:
    same = Booking.objects.filter(
        clinic=OuterRef("clinic"),
        episode=OuterRef("episode"),
        starts_at__gte=OuterRef("starts_at") - timedelta(days=1),
        starts_at__lte=OuterRef("starts_at"),
        session__local_date=OuterRef("session__local_date"),
        live=True,
    ).exclude(state=Booking.State.WITHDRAWN)
    return same.order_by("starts_at").values("starts_at")[:1]


def _attendance(
    settings: ClinicSettings,
    course: Course,
    attended: Iterable[date],
    others: Iterable[Mapping[str, Any]],
    now: datetime,
) -> Attendance:
    days = {
        day: TreatmentDay(day, DayKind.ATTENDED) for day in set(attended) if _counts(course, day)
    }
    missed: list[Missed] = []
    told: list[str] = []
    lost: dict[date, int] = {}
    for day, sessions in _by_date(others).items():
        if not _counts(course, day):
            continue
        absences = _missed(settings, course, day, sessions, now)
        missed += absences
        days[day] = _day(day, sessions, absences, attended=day in days)
        told += (at for one in sessions for at in (one["notified_at"], one["released_at"]) if at)
        if days[day].kind == DayKind.ATTENDED:
            lost[day] = sum(_lost(one) for one in sessions)
    last = max(map(datetime.fromisoformat, told), default=None)
    return Attendance(
        tuple(days[day] for day in sorted(days)),
        tuple(missed),
        lost,
        local_date(last, settings.zone) if last else None,
    )


def _counts(course: Course, day: date) -> bool:
    return course.active_on(day) and not course.on_hold_on(day)


def _by_date(sessions: Iterable[Mapping[str, Any]]) -> dict[date, list[Mapping[str, Any]]]:
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in sessions:
        found[one["date"]].append(one)
    return {date.fromisoformat(day): found[day] for day in found}


def _lost(session: Mapping[str, Any]) -> int:
    counts = session["live"] and session["creditable"]
    return session["minutes"] - (session["credited"] or 0) if counts else 0


def _day(
    day: date,
    sessions: Iterable[Mapping[str, Any]],
    absences: Iterable[Missed],
    *,
    attended: bool,
) -> TreatmentDay:
    outcomes = [SessionOutcome(day, one.status) for one in absences]
    outcomes += (one for session in sessions if (one := _outcome(day, session)))
    if attended:
        outcomes.append(SessionOutcome(day, Status.PRESENT))
    (found,) = treatment_days(outcomes)
    return found


def _outcome(day: date, session: Mapping[str, Any]) -> SessionOutcome | None:
    """What decides the day beside its absences: a session still ahead leaves it unrecorded."""
    if not session["live"]:
        return SessionOutcome(day, Status.UNRECORDED, cancelled_by_clinic=True)
    if not session["over"] or session["attended"] is None:
        return SessionOutcome(day, Status.UNRECORDED)
    return (
        SessionOutcome(day, Status.PRESENT, late=session["late"]) if session["attended"] else None
    )


def _missed(
    settings: ClinicSettings,
    course: Course,
    day: date,
    sessions: Iterable[Mapping[str, Any]],
    now: datetime,
) -> list[Missed]:
    policy, in_court = settings.policy_on(day), course.in_court_on(day)
    return [
        Missed(
            local_date=day,
            status=_status(one, policy, in_court, now),
            minutes=one["minutes"] if one["creditable"] else 0,
        )
        for one in sessions
        if one["live"] and one["over"] and one["attended"] is False
    ]


def _status(
    absence: Mapping[str, Any],
    policy: CreditPolicy,
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
        day_starts_at=datetime.fromisoformat(absence["day_starts_at"] or absence["starts_at"]),
        court_involved=court_involved,
        now=now,
    )
