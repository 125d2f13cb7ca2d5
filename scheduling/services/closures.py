"""When the clinic, a room or a therapist is away, and what that does to the sessions planned."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, Therapist, User
from scheduling.locks import lock
from scheduling.models import Closure, Room, Session, SessionStaff, TimeOff
from scheduling.querysets import SessionStaffQuerySet
from scheduling.rules import Span
from scheduling.services.bookings import check_reason
from scheduling.services.diary import WITHOUT_LEADER, WITHOUT_ROOM, closed_spans, with_also, without

FACILITATOR = SessionStaff.Role.FACILITATOR


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
) -> Closure:
    """Close the clinic on inclusive local dates, or between two wall times on each of them.

    Its sessions there are cancelled in the same step, also past ones (a snow day is entered the
    next morning) unless their roster is signed. A closed `room` cancels nothing: sessions to come
    lose the room and need attention. Raises Refused `dates_in_order`, `times_in_order`,
    `reason_required`.
    """
    if ends_on < starts_on:
        raise Refused("dates_in_order", "The closure ends before it starts.", field="ends_on")
    if from_time and to_time and to_time <= from_time:
        raise Refused("times_in_order", "The closure's times are in the wrong order.")
    check_reason(reason)
    lock(clinics=[clinic.pk], rooms=[room.pk if room else None])
    closure = Closure.objects.create(
        clinic=clinic,
        starts_on=starts_on,
        ends_on=ends_on,
        from_time=from_time,
        to_time=to_time,
        room=room,
        reason=reason,
    )
    if room is None:
        _cancel(closure)
    else:
        _empty_room(closure)
    return closure


def affected_sessions(closure: Closure) -> list[Session]:
    """The sessions that this closure touches and may still change, in order of their keys."""
    # Local dates may differ by one from the closure's where a session runs past midnight.
    day = datetime.timedelta(days=1)
    rows = (
        Session.objects.live()
        .on(closure.starts_on - day, closure.ends_on)
        .filter(clinic=closure.clinic_id, signed_at__isnull=True)
        .order_by("pk")
    )
    if closure.room_id:
        rows = rows.filter(room=closure.room_id).not_over(timezone.now())
    zone = closure.clinic.tz
    return [session for session in rows if _touches(closure, zone, session)]


def _touches(closure: Closure, zone: datetime.tzinfo, session: Session) -> bool:
    span = Span(session.starts_at, session.ends_at)
    return any(span.overlaps(closed) for closed in closed_spans(closure, zone, span))


def _cancel(closure: Closure) -> None:
    keys = [session.pk for session in affected_sessions(closure)]
    lock(moving=keys)
    Session.objects.live().filter(pk__in=keys, signed_at__isnull=True).update(
        state=Session.State.CANCELLED,
        cancelled_reason=closure.reason,
        cancelled_at=timezone.now(),
        closure=closure,
        version=F("version") + 1,
    )


def _empty_room(closure: Closure) -> None:
    lock(sessions=[session.pk for session in affected_sessions(closure)])
    sessions = affected_sessions(closure)
    for session in sessions:
        session.room = None
        session.needs_attention = with_also(
            session.needs_attention, f"{WITHOUT_ROOM}{closure.room} is closed ({closure.reason})"
        )
        session.version += 1
    Session.objects.bulk_update(sessions, ["room", "needs_attention", "version"])


@service
def take_back_closure(*, closure: Closure, by: User | Job) -> list[Session]:
    """The clinic is open after all. Answers the sessions that were cancelled for it, in order.

    They stay cancelled until each is revived: meanwhile somebody may have taken their time, room or
    leader. A closed room is free again; its sessions have found another one, or still look for it.
    """
    lock(clinics=[closure.clinic_id], rooms=[closure.room_id])
    rows = Session.objects.filter(clinic=closure.clinic_id, closure=closure)
    lock(moving=rows.values_list("pk", flat=True))
    named = rows.select_related("group", "session_type").order_by("starts_at", "pk")
    sessions = [one for one in named if not one.live]
    rows.update(closure=None, version=F("version") + 1)
    Closure.objects.filter(pk=closure.pk).delete()
    return sessions


def losing_leader(
    therapist: Therapist, starts_at: datetime.datetime, ends_at: datetime.datetime
) -> SessionStaffQuerySet:
    """The therapist's parts between two instants, in sessions that are not over."""
    parts = SessionStaff.objects.taking_place().overlapping(starts_at, ends_at)
    return parts.filter(clinic=therapist.clinic_id, therapist=therapist, ends_at__gt=timezone.now())


@service
def add_time_off(
    *,
    therapist: Therapist,
    starts_at: datetime.datetime,
    ends_at: datetime.datetime,
    by: User | Job,
    reason: str = "",
) -> TimeOff:
    """A therapist does not work between two instants: their sessions then need another leader.

    The sessions stay, without this therapist and marked. Raises Refused `times_in_order`.
    """
    if ends_at <= starts_at:
        raise Refused("times_in_order", "The time off ends before it starts.", field="ends_at")
    lock(therapists=[therapist.pk])
    parts = losing_leader(therapist, starts_at, ends_at)
    lock(sessions=parts.values_list("session", flat=True))
    sessions = list(Session.objects.filter(pk__in=parts.values("session")).order_by("pk"))
    row = TimeOff.objects.create(
        clinic_id=therapist.clinic_id,
        therapist=therapist,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason,
    )
    parts.update(active=False)
    for session in sessions:
        session.needs_attention = with_also(session.needs_attention, _time_off_of(therapist))
        session.version += 1
    Session.objects.bulk_update(sessions, ["needs_attention", "version"])
    return row


def _time_off_of(therapist: Therapist) -> str:
    return f"{WITHOUT_LEADER}{therapist.name} has time off"


@service
def take_back_time_off(*, time_off: TimeOff, by: User | Job) -> tuple[list[Session], list[Session]]:
    """The therapist works after all: their sessions that nobody leads yet are theirs again.

    Answers these, and those that still need somebody: planned meanwhile, or the therapist leads
    another one then. What is over stays as it was. Raises Refused `time_off_over`.
    """
    therapist, now = time_off.therapist, timezone.now()
    if time_off.ends_at <= now:
        raise Refused("time_off_over", "This time off is over: it stays as it was.")
    lock(therapists=[therapist.pk])
    said = _time_off_of(therapist)
    waiting = Session.objects.live().overlapping(time_off.starts_at, time_off.ends_at)
    waiting = waiting.not_over(now).filter(
        clinic=time_off.clinic_id, needs_attention__contains=said
    )
    lock(sessions=waiting.values_list("pk", flat=True))
    TimeOff.objects.filter(pk=time_off.pk).delete()
    rows = waiting.select_related("group", "session_type")  # asked again: they may have somebody
    sessions = list(rows.order_by("starts_at", "pk"))
    back = _leading_again(therapist, sessions, said)
    return back, [one for one in sessions if one not in back]


def _leading_again(therapist: Therapist, sessions: Sequence[Session], said: str) -> list[Session]:
    """Those of the sessions whose leader the therapist is again, in order."""
    own = SessionStaff.objects.filter(clinic=therapist.clinic_id, therapist=therapist)
    then = {"starts_at__lt": OuterRef("ends_at"), "ends_at__gt": OuterRef("starts_at")}
    busy = Exists(own.taking_place().filter(**then)) | Exists(therapist.time_off.filter(**then))
    led = SessionStaff.objects.filter(session=OuterRef("session"), role=FACILITATOR, active=True)
    parts = own.filter(~busy, active=False, session__in=[one.pk for one in sessions])
    parts = parts.exclude(Exists(led), role=FACILITATOR)
    theirs = set(parts.values_list("session", flat=True))
    own.filter(session__in=theirs).update(active=True)
    back = [one for one in sessions if one.pk in theirs]
    for session in back:
        session.needs_attention = without(session.needs_attention, said)
        session.version += 1
    Session.objects.bulk_update(back, ["needs_attention", "version"])
    return back
