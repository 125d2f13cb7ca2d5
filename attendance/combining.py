"""Two groups' sessions held as one, with what that changes about weeks; and told beforehand.

Whoever moves along is judged by the session they sit in: the one that is cancelled takes nothing
off what is asked of their week. Whoever stays behind is judged as after any cancellation (2b).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from attendance.cancel_impact import Loss, loss_on
from attendance.compliance.settings import clinic_settings
from attendance.models import AttendanceRecord
from attendance.move_impact import weeks_around
from attendance.sessions import Moment, judge_sessions, refuse_recorded
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import User
from patients.models import Patient
from scheduling import services as calendar
from scheduling.models import Booking, Session
from scheduling.querysets import BookingQuerySet
from scheduling.services.bookings import combined_bookings
from scheduling.services.combining import Combined, lock_parting

RECORDED = "Is recorded there, and stays."


@service
def combine_sessions(
    *, session: Session, into: Session, by: User | Job, now: Moment = None
) -> Combined:
    """Hold a session together with another (see `scheduling.services.combine_sessions`).

    Raises what that raises, or Refused `attendance_recorded` once somebody is recorded in it.
    """
    done = calendar.combine_sessions(session=session, into=into, by=by)
    refuse_recorded(session)
    _judge(session, done, by=by, now=now)
    return done


@service
def part_sessions(*, session: Session, by: User | Job, now: Moment = None) -> Combined:
    """What was combined meets by itself again (see `scheduling.services.part_sessions`).

    Whoever is recorded in the other session was there, and stays.
    """
    lock_parting(session)
    done = calendar.part_sessions(session=session, staying=recorded_there(session), by=by)
    _judge(session, done, by=by, now=now)
    return done


def recorded_there(session: Session) -> list[int]:
    """Bookings of whoever came from a session and is recorded where they went."""
    there = combined_bookings(session)
    records = AttendanceRecord.objects.filter(booking__in=there)
    return list(records.values_list("booking", flat=True))


def _judge(session: Session, done: Combined, *, by: User | Job, now: Moment) -> None:
    """Where they are now holds everybody who was moved, and those who were left behind."""
    places = {session.pk, *(row.session_id for row in done.moved)}
    rows = Session.objects.filter(pk__in=places)
    judge_sessions(session.clinic, rows, by=by, now=now)


# --- told beforehand -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """One patient's side of it: the booking they would have, or `why` they stay where they are."""

    patient: Patient
    there: Booking | None
    why: str
    week: Loss


@service
def combine_impact(*, session: Session, into: Session, by: User) -> list[Side]:
    """What `combine_sessions` would do, by seat; it is done, read and taken back.

    Raises what it raises. The number of statements does not depend on that of patients.
    """

    def write(one: Session) -> Combined:
        other = Session.objects.select_related("clinic", "group").get(pk=into.pk)
        done = calendar.combine_sessions(session=one, into=other, by=by)
        refuse_recorded(one)
        return done

    return _tried(session, session.bookings.exclude(state=Booking.State.WITHDRAWN), write)


@service
def part_impact(*, session: Session, by: User) -> list[Side]:
    """The same of `part_sessions`, for those who came from the session."""

    def write(one: Session) -> Combined:
        return calendar.part_sessions(session=one, staying=recorded_there(one), by=by)

    return _tried(session, combined_bookings(session), write)


def _tried(
    session: Session, bookings: BookingQuerySet, write: Callable[[Session], Combined]
) -> list[Side]:
    rows = list(bookings.select_related("patient", "episode").order_by("seat", "pk"))
    day, now, settings = session.local_date, timezone.now(), clinic_settings(session.clinic_id)
    before = weeks_around(rows, settings, day, now)
    with transaction.atomic():
        done = write(Session.objects.select_related("clinic", "group").get(pk=session.pk))
        after = weeks_around(rows, settings, day, now)
        transaction.set_rollback(True)
    there = {row.episode_id: row for row in done.moved}
    why = {row.episode_id: refused.message for row, refused in done.left}
    return [
        Side(
            row.patient,
            there.get(row.episode_id),
            why.get(row.episode_id, "" if row.episode_id in there else RECORDED),
            loss_on(row.patient, before[row.episode_id], after[row.episode_id], day),
        )
        for row in rows
    ]
