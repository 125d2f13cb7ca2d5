"""When the clinic, a room or a therapist is away, and what that does to the sessions planned."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.weeks import local_date, long_moment
from patients.validators import validate_clinical_date
from scheduling.locks import lock
from scheduling.models import Closure, Room, Session, SessionStaff, TimeOff
from scheduling.querysets import SessionStaffQuerySet
from scheduling.rules import Span
from scheduling.services.bookings import check_reason
from scheduling.services.deciding import Decided, carry_out, settle
from scheduling.services.diary import closed_spans

LONGEST = datetime.timedelta(days=364)
"""Of a closure or time off: what is longer is a year mistyped, which adds 365 days or one more."""

LEAVE_OUT = "Enter only what lies before or after it, or take that back first."


@service
def add_closure(
    *,
    clinic: Clinic,
    starts_on: datetime.date,
    ends_on: datetime.date,
    reason: str,
    by: User | Job,
    from_time: datetime.time | None = None,
    to_time: datetime.time | None = None,
    room: Room | None = None,
    decided: Sequence[Decided] | None = None,
) -> Closure:
    """Close the clinic on inclusive local dates, or between two wall times on each of them.

    What happens to its sessions is done in the same step: what was `decided` for each of them, or
    else they are cancelled, also past ones (a snow day is entered the next morning) unless their
    roster is signed. A closed `room` cancels nothing: sessions to come lose the room and need
    attention. Raises Refused `dates_in_order`, `days_off_date`, `days_off_length`,
    `times_in_order`, `reason_required`, `closed_already`, what `settle` raises, and for the
    sessions that refuse it what moving or covering one raises.
    """
    if ends_on < starts_on:
        raise Refused("dates_in_order", "The closure ends before it starts.", field="ends_on")
    _check_days(starts_on, ends_on, ("starts_on", "ends_on"))
    if from_time and to_time and to_time <= from_time:
        raise Refused("times_in_order", "The closure's times are in the wrong order.")
    check_reason(reason)
    lock(clinics=[clinic.pk])
    closure = Closure(
        clinic=clinic,
        starts_on=starts_on,
        ends_on=ends_on,
        from_time=from_time,
        to_time=to_time,
        room=room,
        reason=reason,
    )
    _check_not_closed_already(closure)
    settled = settle(closure, lambda: affected_sessions(closure), decided)
    closure.save()
    carry_out(closure, settled, by=by)
    return closure


def _check_days(first: datetime.date, last: datetime.date, fields: tuple[str, str]) -> None:
    """Refuse (`days_off_date`, `days_off_length`) what is likely to be a year mistyped."""
    for day, field in zip((first, last), fields, strict=True):
        try:
            validate_clinical_date(day)
        except ValidationError as error:
            raise Refused("days_off_date", error.messages[0], field=field) from error
    if last - first > LONGEST:
        message = "This is a year or longer. Look at the year, or enter it in parts."
        raise Refused("days_off_length", message, field=fields[1])


def _check_not_closed_already(closure: Closure) -> None:
    """Refuse (`closed_already`) what would be entered twice. The clinic's calendar is locked."""
    same = ("clinic", "room", "starts_on", "ends_on", "from_time", "to_time")
    rows = Closure.objects.in_force().filter(**{one: getattr(closure, one) for one in same})
    if other := rows.first():
        message = f"It is closed then already: {other}. Take that back first, or change the days."
        raise Refused("closed_already", message, field="starts_on")


def affected_sessions(closure: Closure) -> list[Session]:
    """The sessions that this closure touches and may still change, in order of their keys."""
    # Local dates may differ by one from the closure's where a session runs past midnight.
    day = datetime.timedelta(days=1)
    rows = (
        Session.objects.live()
        .on(closure.starts_on - day, closure.ends_on)
        .filter(clinic=closure.clinic_id, signed_at__isnull=True)
        .select_related("group", "session_type")
        .order_by("pk")
    )
    if closure.room_id:
        rows = rows.filter(room=closure.room_id).not_over(timezone.now())
    zone = closure.clinic.tz
    return [session for session in rows if _touches(closure, zone, session)]


def _touches(closure: Closure, zone: datetime.tzinfo, session: Session) -> bool:
    span = Span(session.starts_at, session.ends_at)
    return any(span.overlaps(closed) for closed in closed_spans(closure, zone, span))


def losing_leader(
    therapist: Therapist, starts_at: datetime.datetime, ends_at: datetime.datetime
) -> SessionStaffQuerySet:
    """The therapist's parts between two instants, in sessions that are not over."""
    parts = SessionStaff.objects.taking_place().overlapping(starts_at, ends_at)
    return parts.filter(clinic=therapist.clinic_id, therapist=therapist, ends_at__gt=timezone.now())


def uncovered_sessions(time_off: TimeOff) -> list[Session]:
    """The sessions that this time off leaves without its therapist, in order of their keys."""
    parts = losing_leader(time_off.therapist, time_off.starts_at, time_off.ends_at)
    rows = Session.objects.filter(clinic=time_off.clinic_id, pk__in=parts.values("session"))
    return list(rows.select_related("group", "session_type").order_by("pk"))


@service
def add_time_off(
    *,
    therapist: Therapist,
    starts_at: datetime.datetime,
    ends_at: datetime.datetime,
    by: User | Job,
    reason: str = "",
    decided: Sequence[Decided] | None = None,
) -> TimeOff:
    """A therapist does not work between two instants: their sessions then need another leader.

    What was `decided` for each of them is done in the same step, or else they stay, without this
    therapist and marked. Raises Refused `times_in_order`, `days_off_date`, `days_off_length`,
    `off_already`, what `settle` raises, and for the sessions that refuse it what moving or covering
    one raises.
    """
    if ends_at <= starts_at:
        raise Refused("times_in_order", "The time off ends before it starts.", field="ends_at")
    zone = therapist.clinic.tz
    first, last = local_date(starts_at, zone), local_date(ends_at, zone)
    _check_days(first, last, ("starts_at", "ends_at"))
    lock(clinics=[therapist.clinic_id])
    time_off = TimeOff(
        clinic_id=therapist.clinic_id,
        therapist=therapist,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason,
    )
    _check_not_off_already(time_off)
    settled = settle(time_off, lambda: uncovered_sessions(time_off), decided)
    time_off.save()
    carry_out(time_off, settled, by=by)
    return time_off


def _check_not_off_already(time_off: TimeOff) -> None:
    """Refuse (`off_already`) what overlaps with other time off of the therapist. The clinic's
    calendar is locked."""
    therapist = time_off.therapist
    rows = therapist.time_off.in_force().filter(
        starts_at__lt=time_off.ends_at, ends_at__gt=time_off.starts_at
    )
    if other := rows.order_by("starts_at").first():
        zone = therapist.clinic.tz
        starts, ends = (long_moment(at.astimezone(zone)) for at in (other.starts_at, other.ends_at))
        message = f"{therapist.name} has time off already: {starts} – {ends}. {LEAVE_OUT}"
        raise Refused("off_already", message, field="starts_at")
