"""Where a session meets: in a room with enough seats, by video, or off site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Max

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import long_date
from scheduling.locks import lock, lock_session
from scheduling.models import Booking, Room, Session, SessionType
from scheduling.models.places import ONE_PLACE
from scheduling.rules import Span
from scheduling.services.bookings import check_takes_place, check_unsigned
from scheduling.services.diary import WITHOUT_ROOM, Diary, seats_said, without

Kind = SessionType.Kind
ONE_PATIENT = {
    Kind.INDIVIDUAL,
    Kind.FAMILY,
    Kind.PRESCRIBER,
    Kind.CASE_MANAGEMENT,
    Kind.DRUG_SCREEN,
}
PLACE = ("room", "by_video", "off_site", "capacity", "needs_attention")
"""What changes with the place."""


def place(
    session: Session, *, room: Room | None = None, by_video: bool = False, off_site: str = ""
) -> None:
    """Say where a session meets: without a room there is none missing, it is by video or elsewhere.

    A lecture, open to all, has as many seats as its type may have and its room has.
    """
    session.room, session.by_video, session.off_site = room, by_video, off_site
    session.needs_attention = without(session.needs_attention, WITHOUT_ROOM)
    if is_open_to_all(session):
        seats = room.seats if room else session.ceiling
        session.capacity = min(session.ceiling, seats)


def is_open_to_all(session: Session) -> bool:
    """A lecture or another single session, which has its seats from its room."""
    single = session.group_id is None and session.block_id is None
    return single and session.session_type.kind not in ONE_PATIENT


def check_one_place(room: Room | None, by_video: bool, off_site: str) -> None:
    if (room is not None) + by_video + bool(off_site) > 1:
        raise Refused("one_place", ONE_PLACE, field="off_site" if off_site else "room")


def seats_needed(session: Session) -> int:
    """Its seats, and those above them that somebody has; without a room nobody asks for those."""
    if session.room_id is None:
        return session.capacity
    return max(session.capacity, last_seats([session]).get(session.pk, 0))


def last_seats(sessions: Iterable[Session]) -> dict[int, int]:
    """By session: the highest seat that somebody has; in one statement for any number."""
    rows = Booking.objects.filter(session__in=sessions, state=Booking.State.BOOKED).order_by()
    return dict(rows.values_list("session").annotate(Max("seat")))


def check_rooms(sessions: Sequence[Session], capacity: int) -> None:
    """Refuse (`room_too_small`) so many seats in sessions whose room has fewer."""
    for session in sorted(sessions, key=lambda one: one.starts_at):
        if session.room is not None and session.room.seats < capacity:
            raise Refused(
                "room_too_small",
                f"{seats_said(session.room)}, and the group meets there on "
                f"{long_date(session.local_date)}. Choose a larger room first.",
                field="capacity",
            )


@service
def hold_by_video(*, session: Session, by: User | Job) -> Session:
    """The session meets by video and needs no room; already so: no change.

    Raises Refused `session_cancelled` or `roster_signed`.
    """
    return _hold(session, by_video=True)


@service
def hold_off_site(*, session: Session, off_site: str, by: User | Job) -> Session:
    """The session meets elsewhere, `off_site` in neutral words. Refused as `hold_by_video` is."""
    return _hold(session, off_site=off_site)


@service
def hold_in_room(*, session: Session, room: Room, by: User | Job) -> Session:
    """The session meets in a room of the clinic, again or instead of another one.

    Raises Refused `session_cancelled`, `roster_signed`, `room_busy` or `room_too_small`.
    """
    lock(clinics=[session.clinic_id], rooms=[room.pk])
    return _hold(session, room=room)


def _hold(session: Session, **where: Any) -> Session:
    lock_session(session)
    check_takes_place(session)
    check_unsigned(session)
    before = [getattr(session, name) for name in PLACE]
    place(session, **where)
    if [getattr(session, name) for name in PLACE] == before:
        return session
    span = Span(session.starts_at, session.ends_at)
    diary = Diary.of(
        session.clinic, span, therapists=[], rooms=[session.room_id], ignoring=[session]
    )
    diary.check_room(session.room, span, seats_needed(session))
    session.version += 1
    session.save(update_fields=[*PLACE, "version"])
    return session
