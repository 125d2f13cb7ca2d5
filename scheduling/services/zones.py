"""The clinic's time zone changes: what is to come keeps its date and its time on the wall."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.models.clinics import validate_zone
from scheduling.locks import lock
from scheduling.models import Booking, Decision, Session, SessionStaff, TimeOff
from scheduling.rules import Span, span_on
from scheduling.services.bookings import untie_visits
from scheduling.services.sessions import SUBSTITUTE_ACCESS
from scheduling.services.visits import TIE, nest

MOVED = ["starts_at", "ends_at", "zone", "version"]
DECIDED = ["was_starts_at", "was_ends_at", "to_starts_at", "to_ends_at"]


@dataclass(slots=True)
class Rezoned:
    """The sessions that were to come, in order of time; `was`, by session, is the old time.

    `kept` would have begun already in the new zone: they stay at their instants.
    """

    moved: list[Session] = field(default_factory=list)
    kept: list[Session] = field(default_factory=list)
    was: dict[int, Span] = field(default_factory=dict)
    time_off: int = 0


@service
def change_zone(*, clinic: Clinic, zone: str, by: User | Job) -> Rezoned:
    """Put a clinic into another time zone: 9:00 stays 9:00, on the same local dates.

    Sessions that have begun or are signed are facts and keep their zone. Planned sessions and time
    off to come move by the difference of the zones, with what was decided about those sessions;
    closures and weekly blocks are wall time already. Raises Refused `zone`, `same_zone`, or
    `nested_visit` with the `dates` and `bookings` of visits inside a session that does not move
    along.
    """
    try:
        validate_zone(zone)
    except ValidationError as error:
        raise Refused("zone", error.messages[0], field="zone") from error
    lock(clinics=[clinic.pk])
    clinic.refresh_from_db()
    if clinic.zone == zone:
        raise Refused("same_zone", f"The clinic is in {zone} already.", field="zone")
    old, clinic.zone = clinic.tz, zone
    found = _move_sessions(clinic)
    found.time_off = _move_time_off(clinic, old)
    clinic.version += 1
    clinic.save(update_fields=["zone", "version"])
    return found


# --- sessions ------------------------------------------------------------------------------------


def _move_sessions(clinic: Clinic) -> Rezoned:
    found, now = Rezoned(), timezone.now()
    coming = Session.objects.filter(clinic=clinic, starts_at__gt=now, signed_at__isnull=True)
    _lock_all(list(coming.values_list("pk", "room")))
    named = coming.select_related("block", "group", "session_type").order_by("starts_at", "pk")
    decided = _decisions(coming)
    for session in named:
        found.was[session.pk] = Span(session.starts_at, session.ends_at)
        span = _span_in(session, found.was[session.pk], clinic.tz)
        if span.starts_at <= now:
            found.kept.append(session)
            continue
        for one in decided[session.pk]:
            _shift(one, session, clinic.tz)
        session.starts_at, session.ends_at = span
        session.zone = clinic.zone
        session.version += 1
        found.moved.append(session)
    _save(found.moved)
    rows = [one for session in found.moved for one in decided[session.pk]]
    Decision.objects.bulk_update(rows, DECIDED)
    return found


def _decisions(sessions: QuerySet[Session]) -> dict[int, list[Decision]]:
    """By session: what was decided about it, with the times that a call list and an undo read."""
    found: dict[int, list[Decision]] = defaultdict(list)
    for one in Decision.objects.filter(session__in=sessions).order_by("pk"):
        found[one.session_id].append(one)
    return found


def _shift(one: Decision, session: Session, zone: ZoneInfo) -> None:
    """As the session itself: an undo looks for exactly the time to which it was moved."""
    was = Span(one.was_starts_at, one.was_ends_at)
    one.was_starts_at, one.was_ends_at = _span_in(session, was, zone)
    if one.to_starts_at and one.to_ends_at:
        to = Span(one.to_starts_at, one.to_ends_at)
        one.to_starts_at, one.to_ends_at = _span_in(session, to, zone)


def _lock_all(keys: Sequence[tuple[int, int | None]]) -> None:
    sessions = [session for session, _ in keys]
    parts = SessionStaff.objects.filter(session__in=sessions)
    lock(
        therapists=parts.values_list("therapist", flat=True),
        rooms=[room for _, room in keys],
        moving=sessions,
    )
    lock(episodes=Booking.objects.filter(session__in=sessions).values_list("episode", flat=True))


def _span_in(session: Session, span: Span, zone: ZoneInfo) -> Span:
    """The wall times of a session's span in another zone; its block's own, unless it is another."""
    block, day = session.block, session.original_local_date
    if block is not None and day is not None:
        planned = span_on(day, block.starts_at, block.ends_at, session.tz)
        if planned == span:
            return span_on(day, block.starts_at, block.ends_at, zone)
    starts_at = _same_wall(span.starts_at, session.tz, zone)
    return Span(starts_at, starts_at + (span.ends_at - span.starts_at))


def _same_wall(instant: datetime.datetime, old: ZoneInfo, new: ZoneInfo) -> datetime.datetime:
    return instant.astimezone(old).replace(tzinfo=new).astimezone(datetime.UTC)


def _save(sessions: Sequence[Session]) -> None:
    """While rows change places, two may be in one: it is looked at again at the end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET CONSTRAINTS session_room_free, sessionstaff_therapist_free, "
            "booking_patient_free, booking_patient_free_nested DEFERRED"
        )
    visits = _untie(sessions)
    Session.objects.bulk_update(sessions, MOVED, batch_size=500)
    SessionStaff.objects.filter(
        session__in=[one.pk for one in sessions], role=SessionStaff.Role.SUBSTITUTE
    ).update(access_until=F("ends_at") + SUBSTITUTE_ACCESS)
    Booking.objects.bulk_update(visits, TIE, batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _untie(sessions: Iterable[Session]) -> list[Booking]:
    """Visits untied from what they interrupt, each with the tie that it has once both have moved.

    A visit that would move alone, or not as far, is refused.
    """
    spans = {one.pk: Span(one.starts_at, one.ends_at) for one in sessions}
    tied = Booking.objects.filter(session__in=spans, nested_in__session__in=spans)
    visits = []
    for row in tied.exclude(state=Booking.State.WITHDRAWN).select_related("nested_in"):
        outer, span = row.nested_in, spans[row.session_id]
        outer.starts_at, outer.ends_at = spans[outer.session_id]
        if outer.starts_at <= span.starts_at and span.ends_at <= outer.ends_at:
            nest(row, outer)
            visits.append(row)
    keys = [row.pk for row in visits]
    Booking.objects.filter(pk__in=keys).update(
        nested_in=None, outer_starts_at=None, outer_ends_at=None
    )
    untie_visits(spans)
    return visits


# --- time off ------------------------------------------------------------------------------------


def _move_time_off(clinic: Clinic, old: ZoneInfo) -> int:
    """Whatever of a time off lies ahead keeps its wall time; how many there are."""
    now = timezone.now()
    coming = TimeOff.objects.in_force().filter(clinic=clinic, ends_at__gt=now)
    rows = list(coming.order_by("starts_at", "pk"))
    last: dict[int, datetime.datetime] = {}
    for row in rows:
        moved = _ahead(row, old, clinic.tz, now)
        if moved.starts_at >= last.get(row.therapist_id, moved.starts_at):  # or that has stayed
            row.starts_at, row.ends_at = moved
        last[row.therapist_id] = row.ends_at
    TimeOff.objects.bulk_update(rows, ["starts_at", "ends_at"])
    return len(rows)


def _ahead(row: TimeOff, old: ZoneInfo, new: ZoneInfo, now: datetime.datetime) -> Span:
    """Its time in the new zone, of one that has begun its end alone. What would lie in the past by
    it stays."""
    starts_at, ends_at = (_same_wall(at, old, new) for at in (row.starts_at, row.ends_at))
    if row.starts_at <= now < ends_at:
        return Span(row.starts_at, ends_at)
    if now < starts_at:
        return Span(starts_at, ends_at)
    return Span(row.starts_at, row.ends_at)
