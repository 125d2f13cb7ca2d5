"""Short visits for which a patient leaves another session: to a prescriber, a case manager, a test.

Such a session may be planned inside one into which the patient is booked. Its booking is nested in
that one: nobody is in two places, and the minutes of the visit leave the session around it (2b).
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from iop_clinic.accounts.acting import Refused
from scheduling.models import Booking, Session, SessionType
from scheduling.rules import Span

Kind = SessionType.Kind
VISITS = {Kind.PRESCRIBER, Kind.CASE_MANAGEMENT, Kind.DRUG_SCREEN}
TIE = ["nested_in", "outer_starts_at", "outer_ends_at"]


def seats_around(session: Session, patients: Collection[int]) -> dict[int, Booking]:
    """By patient, the booking that a visit interrupts; none of a session that is no visit.

    Raises Refused `patient_busy` where the patient would leave or come back outside of it. Nobody
    moves what is found once its session is locked.
    """
    if session.session_type.kind not in VISITS:
        return {}
    span = Span(session.starts_at, session.ends_at)
    seated = Booking.objects.seated().overlapping(*span)
    rows = seated.filter(
        ~Q(session=session.pk) & ~Q(session__session_type__kind__in=VISITS),
        clinic=session.clinic_id,
        patient__in=patients,
        nested_in=None,
    )
    found = {row.patient_id: row for row in rows}
    if any(not _holds(row, span) for row in found.values()):
        message = (
            "The patient is in another session for a part of this time. Choose a time wholly "
            "inside that session, or outside of it."
        )
        raise Refused("patient_busy", message)
    return found


def nest(row: Booking, outer: Booking | None) -> None:
    """Tie a booking that is not saved yet to the one that it interrupts, or to none."""
    row.nested_in = outer
    row.outer_starts_at = outer.starts_at if outer else None
    row.outer_ends_at = outer.ends_at if outer else None


def stays_inside(session: Session, span: Span) -> bool:
    """Whether a session is a visit that lies inside what it interrupts at another time as well."""
    visits = session.bookings.filter(nested_in__isnull=False)
    held = visits.exclude(state=Booking.State.WITHDRAWN)
    inside = Q(outer_starts_at__lte=span.starts_at, outer_ends_at__gte=span.ends_at)
    return held.exists() and not held.exclude(inside).exists()


def _holds(outer: Booking, span: Span) -> bool:
    return outer.starts_at <= span.starts_at and span.ends_at <= outer.ends_at
