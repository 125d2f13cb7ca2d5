"""Short visits for which a patient leaves another session: to a prescriber, a case manager, a test.

Such a session may be planned inside one into which the patient is booked. Its booking is nested in
that one: nobody is in two places, and the minutes of the visit leave the session around it (2b).
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

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
    if any(not is_inside(span, _span(row)) for row in found.values()):
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


def interrupting(
    session: Session, others: Iterable[Booking], span: Span | None = None
) -> list[Booking]:
    """Which bookings of its patients elsewhere are visits that lie inside a session that is none,
    or would at the time of `span`.

    Nothing is asked of the database unless one lies inside.
    """
    span = span or Span(session.starts_at, session.ends_at)
    inside = [one.pk for one in others if is_inside(one, span)]
    if not inside or session.session_type.kind in VISITS:
        return []
    visits = Booking.objects.filter(pk__in=inside, session__session_type__kind__in=VISITS)
    return list(visits.order_by("pk"))


def is_inside(row: Booking | Span, span: Span) -> bool:
    """Whether it lies wholly inside a time."""
    return span.starts_at <= row.starts_at and row.ends_at <= span.ends_at


def tie_again(session: Session) -> None:
    """Before a session takes place after all: tie the visits that lie inside it, or where it is a
    visit, its bookings to what they interrupt. Raises Refused `patient_busy` as `seats_around`."""
    seated = session.bookings.filter(state=Booking.State.BOOKED, nested_in=None)
    rows = {row.patient_id: row for row in seated}
    around = seats_around(session, rows)
    ties = [(rows[patient], outer) for patient, outer in around.items()]
    visits = visits_inside(session, rows)
    tie([*ties, *((visit, rows[visit.patient_id]) for visit in visits)])


def tied_with(session: Session, patients: Collection[int]) -> list[int]:
    """The sessions that these patients would leave for this one, or for which they would leave it:
    by key, to be locked."""
    rows = [*seats_around(session, patients).values(), *visits_inside(session, patients)]
    return [row.session_id for row in rows]


def visits_on(days: Collection[datetime.date], sessions: Collection[Session]) -> QuerySet[Any, int]:
    """The sessions, by key, of the visits that patients of these sessions have on these dates: to
    be locked before one of the sessions is moved there, or takes place again."""
    patients = Booking.objects.filter(session__in=sessions).values("patient")
    visits = Session.objects.live().filter(
        clinic__in={one.clinic_id for one in sessions},
        local_date__in=days,
        session_type__kind__in=VISITS,
        bookings__patient__in=patients,
    )
    return visits.values_list("pk", flat=True)


def visits_inside(
    session: Session, patients: Collection[int] | QuerySet[Any, int], span: Span | None = None
) -> list[Booking]:
    """The visits of these patients that interrupt nothing yet and lie inside a session, or would at
    the time of `span`."""
    span = span or Span(session.starts_at, session.ends_at)
    elsewhere = Booking.objects.seated().overlapping(*span).filter(~Q(session=session.pk))
    others = elsewhere.filter(clinic=session.clinic_id, patient__in=patients, nested_in=None)
    return interrupting(session, others, span)


def ties_at(session: Session, span: Span) -> list[tuple[Booking, Booking]]:
    """The visits that would lie inside a session at another time, each with the booking around it
    as that will be; one statement where there are none."""
    seated = session.bookings.filter(state=Booking.State.BOOKED, nested_in=None)
    visits = visits_inside(session, seated.values_list("patient", flat=True), span)
    rows = {row.patient_id: row for row in seated} if visits else {}
    for row in rows.values():
        row.starts_at, row.ends_at = span
    return [(visit, rows[visit.patient_id]) for visit in visits]


def tie(ties: Iterable[tuple[Booking, Booking]]) -> None:
    """Nest saved bookings, each in the one beside it."""
    visits = []
    for visit, outer in ties:
        nest(visit, outer)
        visits.append(visit)
    Booking.objects.bulk_update(visits, TIE)


@contextmanager
def let_in(ties: Sequence[tuple[Booking, Booking]]) -> Iterator[None]:
    """Write bookings around visits that have been alone; these are tied once that is done.

    Until then the patient is in two places: what overlaps is looked at again at the end.
    """
    if not ties:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS booking_patient_free DEFERRED")
        yield
        tie(ties)
        cursor.execute("SET CONSTRAINTS booking_patient_free IMMEDIATE")


def stays_inside(session: Session, span: Span) -> bool:
    """Whether a session is a visit that lies inside what it interrupts at another time as well."""
    visits = session.bookings.filter(nested_in__isnull=False)
    held = visits.exclude(state=Booking.State.WITHDRAWN)
    inside = Q(outer_starts_at__lte=span.starts_at, outer_ends_at__gte=span.ends_at)
    return held.exists() and not held.exclude(inside).exists()


def _span(row: Booking) -> Span:
    return Span(row.starts_at, row.ends_at)
