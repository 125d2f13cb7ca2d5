"""The roster of a session as people see it: one row a patient, with what follows from the facts."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.utils import timezone

from attendance.models import AttendanceRecord
from attendance.records.entries import called_in
from attendance.records.facts import attendance_facts, policy_on, session_facts, spans
from attendance.records.rules import CreditPolicy, Interval, Labels, Status, labels, status
from iop_clinic.accounts.prepared import prepared
from patients.models import CourtReferral
from scheduling.models import Booking, Session, SessionStaff


@dataclass(frozen=True, slots=True)
class Visit:
    """When, and to whom, a patient leaves a session for a short visit inside it."""

    starts_at: datetime.datetime
    ends_at: datetime.datetime
    therapist: str

    @classmethod
    def told(cls, found: dict[str, Any]) -> Visit:
        starts_at, ends_at = (
            datetime.datetime.fromisoformat(found[name]) for name in ("starts_at", "ends_at")
        )
        return cls(starts_at, ends_at, found["therapist"] or "")


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One expected patient. Unrecorded rows have no version, and 0 minutes; the notice and reason
    of one who called in stand there already, as they will be recorded.

    `credited_minutes` is 0 until the session has ended: no credit is final before.
    """

    booking: uuid.UUID
    booking_id: int
    session: uuid.UUID
    episode_id: int
    patient: uuid.UUID
    patient_name: str
    patient_short_name: str
    seat: int
    booking_state: str
    visits: tuple[Visit, ...]
    status: Status
    late: bool
    left_early: bool
    arrived_at: datetime.datetime | None
    left_at: datetime.datetime | None
    away: tuple[Interval, ...]
    notified_at: datetime.datetime | None
    absence_reason: str
    proof: str
    excused_override: bool | None
    correction_reason: str
    recorded_at: datetime.datetime | None
    recorded_by: str
    source: str
    attended_minutes: int
    credited_minutes: int
    version: int | None


# A day has at most 25 hours: the index finds a patient's bookings by their time.
LONGEST_DAY = datetime.timedelta(hours=25)


def roster_rows(
    session: Session,
    *,
    now: datetime.datetime | None = None,
    policy: CreditPolicy | None = None,
) -> list[RosterRow]:
    """Everybody booked or released, by seat, in one statement whatever the size, and one more
    when the credit policy of the day is not given."""
    return rows_of([session], now=now, policy=policy)


def rows_of(
    sessions: Collection[Session],
    *,
    now: datetime.datetime | None = None,
    policy: CreditPolicy | None = None,
) -> list[RosterRow]:
    """The rosters of sessions, at least one, of one clinic and local date."""
    now = now or timezone.now()
    one = next(iter(sessions))
    policy = policy or policy_on(one.clinic_id, one.local_date)
    bookings = _expected_at(
        tuple(session.pk for session in sessions),
        one.local_date,
        one.starts_at - LONGEST_DAY,
        one.starts_at + LONGEST_DAY,
    )
    return [_row(booking, policy, now) for booking in bookings]


@prepared
def _expected_at(
    sessions: tuple[int, ...],
    day: datetime.date,
    since: datetime.datetime,
    until: datetime.datetime,
) -> QuerySet[Booking]:
    """The bookings of rosters with patient, record, and what their status depends on, by seat."""
    same_day = Booking.objects.expected().filter(
        clinic=OuterRef("clinic"),
        episode=OuterRef("episode"),
        session__local_date=day,
        starts_at__range=(since, until),
    )
    court = CourtReferral.objects.filter(
        Q(ends_on__isnull=True) | Q(ends_on__gte=day),
        clinic=OuterRef("clinic"),
        episode=OuterRef("episode"),
        starts_on__lte=day,
    )
    first = same_day.order_by("starts_at").values("starts_at")[:1]
    return (
        Booking.objects.exclude(state=Booking.State.WITHDRAWN)
        .filter(session__in=sessions)
        .select_related("session__session_type", "patient", "attendance__recorded_by", "call_in")
        .annotate(day_starts_at=Subquery(first), court_involved=Exists(court), visits=_visits())
        .order_by("starts_at", "session", "seat", "pk")
    )


def _visits() -> ArraySubquery:
    """The visits inside an outer booking that take place."""
    parts = SessionStaff.objects.filter(session=OuterRef("session"), active=True)
    led_by = parts.exclude(role=SessionStaff.Role.CO_FACILITATOR).order_by("-role", "pk")
    inside = Booking.objects.seated().filter(clinic=OuterRef("clinic"), nested_in=OuterRef("pk"))
    told = JSONObject(
        starts_at="starts_at",
        ends_at="ends_at",
        therapist=Subquery(led_by.values("therapist__name")[:1]),
    )
    return ArraySubquery(inside.order_by("starts_at").values(told=told))


def _row(booking: Booking, policy: CreditPolicy, now: datetime.datetime) -> RosterRow:
    record = cast("AttendanceRecord | None", getattr(booking, "attendance", None))
    session = booking.session
    ended = session.ends_at <= now
    announced = {} if record else called_in(booking)
    return RosterRow(
        booking=booking.public_id,
        booking_id=booking.pk,
        session=booking.session.public_id,
        episode_id=booking.episode_id,
        patient=booking.patient.public_id,
        patient_name=str(booking.patient),
        patient_short_name=booking.patient.short_name,
        seat=booking.seat,
        booking_state=booking.state,
        visits=tuple(map(Visit.told, booking.visits)),  # type: ignore[attr-defined]
        **_judgement(booking, record, policy, now),
        arrived_at=record.arrived_at if record else None,
        left_at=record.left_at if record else None,
        away=spans(record.away) if record else (),
        notified_at=record.notified_at if record else announced.get("notified_at"),
        absence_reason=record.absence_reason if record else announced.get("absence_reason", ""),
        proof=record.proof if record else AttendanceRecord.Proof.NONE,
        excused_override=record.excused_override if record else None,
        correction_reason=record.correction_reason if record else "",
        recorded_at=record.recorded_at if record else None,
        recorded_by=str(record.recorded_by or "") if record else "",
        source=record.source if record else "",
        attended_minutes=record.attended_minutes if record and ended else 0,
        credited_minutes=record.credited_minutes if record and ended else 0,
        version=record.version if record else None,
    )


def _judgement(
    booking: Booking, record: AttendanceRecord | None, policy: CreditPolicy, now: datetime.datetime
) -> dict[str, Any]:
    facts = attendance_facts(record) if record else None
    session = session_facts(booking.session)
    word = status(
        session,
        facts,
        policy,
        day_starts_at=booking.day_starts_at or booking.starts_at,  # type: ignore[attr-defined]
        court_involved=booking.court_involved,  # type: ignore[attr-defined]
        now=now,
    )
    came = labels(session, facts, policy) if facts else Labels()
    return {"status": word, "late": came.late, "left_early": came.left_early}
