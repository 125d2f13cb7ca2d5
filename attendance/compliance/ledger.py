"""Every line behind a patient's minutes: session, presence, breaks, away, rule, author."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from attendance.compliance.courses import Course, courses_of
from attendance.compliance.days import expected
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.records.facts import attendance_facts, session_facts
from attendance.records.overlaps import visits_inside
from attendance.records.rules import (
    CreditKind,
    CreditPolicy,
    Interval,
    Status,
    scheduled_minutes,
    session_minutes,
    status,
)
from patients.models import Episode
from scheduling.models import Booking


@dataclass(frozen=True, slots=True)
class MinutesLine:
    """One booking and what it adds to the week, in minutes. Instants are UTC.

    `breaks` are minute offsets [from, to) from the session's start. `status` is None where the
    clinic cancelled the session.
    """

    booking: uuid.UUID
    session: uuid.UUID
    title: str
    session_type: str
    creditable: bool
    local_date: date
    starts_at: datetime
    ends_at: datetime
    zone: str
    ended: bool
    cancelled: bool
    booking_state: str
    status: Status | None
    arrived_at: datetime | None
    left_at: datetime | None
    away: tuple[Interval, ...]
    breaks: tuple[tuple[int, int], ...]
    nested_visits: tuple[Interval, ...]
    length: int
    scheduled: int
    attended: int
    credited: int
    rule: str
    recorded_by: str
    recorded_at: datetime | None
    correction_reason: str
    makes_up: bool
    absence_reason: str


def minutes_detail(*, episode: Episode, week_start: date, now: datetime) -> list[MinutesLine]:
    """The lines of the clinic week that holds `week_start`, in order of time.

    Their sums are the week's: a session that has not ended adds nothing, a cancelled one nothing.
    Three statements.
    """
    settings = clinic_settings(episode.clinic_id)
    week = settings.week(week_start)
    (course,) = courses_of(episode.clinic_id, [episode.pk])
    return lines_between(course, settings, first=week.start, last=week.end, now=now)


def minutes_between(
    *, episode: Episode, first: date, last: date, now: datetime
) -> list[MinutesLine]:
    """The same lines between two local dates, both inside; no more statements than for a week."""
    settings = clinic_settings(episode.clinic_id)
    (course,) = courses_of(episode.clinic_id, [episode.pk])
    return lines_between(course, settings, first=first, last=last, now=now)


def lines_between(
    course: Course, settings: ClinicSettings, *, first: date, last: date, now: datetime
) -> list[MinutesLine]:
    """The lines of a course on two local dates and between, in order of time; one statement."""
    rows = list(_bookings(course, first, last))
    visits = _visits(rows)
    opens = _first_starts(rows)
    return [
        _line(row, course, settings, visits.get(row.pk, ()), opens[row.session.local_date], now)
        for row in rows
    ]


def rule_label(policy: CreditPolicy) -> str:
    """The credit rule in words (R10)."""
    match policy.kind:
        case CreditKind.EXACT:
            return "exact minutes"
        case CreditKind.ROUND_DOWN:
            return f"rounded down to {policy.round_to} min"
        case CreditKind.ALL_OR_NOTHING:
            return f"nothing under {policy.min_percent} %"


def _bookings(course: Course, first: date, last: date) -> Iterable[Booking]:
    rows = expected(course.clinic_id, first, last, [course.episode_id])
    related = ("session__session_type", "session__group", "attendance__recorded_by")
    return rows.select_related(*related).order_by("starts_at", "pk")


def _visits(rows: Iterable[Booking]) -> dict[int, tuple[Interval, ...]]:
    return {
        pk: tuple(Interval(visit.starts_at, visit.ends_at) for visit in visits)
        for pk, visits in visits_inside(rows).items()
    }


def _first_starts(rows: Iterable[Booking]) -> dict[date, datetime]:
    """When each local date began for the patient: notice counts up to then (R17)."""
    first: dict[date, datetime] = {}
    for row in sorted(rows, key=lambda one: not one.live):
        day = row.session.local_date
        if day in first and not row.live:
            continue  # what the clinic cancelled began nobody's day
        first[day] = min(first.get(day, row.starts_at), row.starts_at)
    return first


def _line(
    row: Booking,
    course: Course,
    settings: ClinicSettings,
    visits: tuple[Interval, ...],
    day_starts_at: datetime,
    now: datetime,
) -> MinutesLine:
    session, record = row.session, getattr(row, "attendance", None)
    facts = session_facts(session)
    told = attendance_facts(record) if record else None
    policy = settings.policy_on(session.local_date)
    counts = row.live and row.ends_at <= now
    in_court = course.in_court_on(session.local_date)
    return MinutesLine(
        booking=row.public_id,
        session=session.public_id,
        title=session.title,
        session_type=session.session_type.name,
        creditable=facts.creditable,
        local_date=session.local_date,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        zone=session.zone,
        ended=row.ends_at <= now,
        cancelled=not row.live,
        booking_state=row.state,
        status=status(
            facts, told, policy, day_starts_at=day_starts_at, court_involved=in_court, now=now
        )
        if row.live
        else None,
        breaks=facts.breaks,
        nested_visits=visits,
        length=session_minutes(facts, visits),
        scheduled=scheduled_minutes(facts, visits) if row.live else 0,
        attended=record.attended_minutes if record and counts else 0,
        credited=record.credited_minutes if record and counts else 0,
        rule=rule_label(policy) if facts.creditable else "not creditable",
        makes_up=row.makes_up_id is not None,
        arrived_at=told.arrived_at if told else None,
        left_at=told.left_at if told else None,
        away=told.away if told else (),
        absence_reason=told.absence_reason if told else "",
        recorded_by=str(record.recorded_by or "") if record else "",
        recorded_at=record.recorded_at if record else None,
        correction_reason=record.correction_reason if record else "",
    )
