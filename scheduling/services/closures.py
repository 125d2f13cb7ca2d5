"""When the clinic, a room or a therapist is away, and what that does to the sessions planned."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, Therapist, User
from scheduling.locks import lock
from scheduling.models import Closure, Room, Session, SessionStaff, TimeOff
from scheduling.querysets import SessionStaffQuerySet
from scheduling.rules import Span
from scheduling.services.bookings import check_reason
from scheduling.services.deciding import Decided, carry_out, settle
from scheduling.services.diary import closed_spans


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
    attention. Raises Refused `dates_in_order`, `times_in_order`, `reason_required`, what `settle`
    raises, and for the sessions that refuse it what moving or covering one raises.
    """
    if ends_on < starts_on:
        raise Refused("dates_in_order", "The closure ends before it starts.", field="ends_on")
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
    settled = settle(closure, lambda: affected_sessions(closure), decided)
    closure.save()
    carry_out(closure, settled, by=by)
    return closure


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
    therapist and marked. Raises Refused `times_in_order`, what `settle` raises, and for the
    sessions that refuse it what moving or covering one raises.
    """
    if ends_at <= starts_at:
        raise Refused("times_in_order", "The time off ends before it starts.", field="ends_at")
    lock(clinics=[therapist.clinic_id])
    time_off = TimeOff(
        clinic_id=therapist.clinic_id,
        therapist=therapist,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason,
    )
    settled = settle(time_off, lambda: uncovered_sessions(time_off), decided)
    time_off.save()
    carry_out(time_off, settled, by=by)
    return time_off
