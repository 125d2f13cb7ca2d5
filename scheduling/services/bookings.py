"""Seats in single sessions: book and withdraw. Notices of absence stand in call_ins.py."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from django.db.models import F

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from patients.models import Episode
from scheduling.eligibility import check_eligible
from scheduling.locks import lock
from scheduling.models import Booking, GroupMembership, Session
from scheduling.rules import Span, lowest_free
from scheduling.services.diary import check_patients_free
from scheduling.services.seating import new_booking, overflow_author, revive_row

BOOKED, WITHDRAWN = Booking.State.BOOKED, Booking.State.WITHDRAWN


@service
def book(
    *,
    session: Session,
    episode: Episode,
    overflow_reason: str = "",
    makes_up: Booking | None = None,
    nested_in: Booking | None = None,
    by: User | Job,
) -> Booking:
    """Seat an episode on the lowest free seat of a session; booked already: that booking.

    A released or withdrawn row is revived. Above the capacity, up to the ceiling, only with
    `overflow_reason`. `makes_up` is the missed booking, `nested_in` the booking that a short visit
    interrupts. Raises Refused `session_cancelled`, `roster_signed`, `not_active`, `on_hold`,
    `not_suitable`, `patient_busy`, `session_full` or `unknown_booking`.
    """
    outer = [nested_in.session_id] if nested_in else []
    lock(sessions=[session.pk, *outer])
    reread(session)
    check_takes_place(session)
    row = Booking.objects.filter(session=session, episode=episode).first()
    if row is not None and row.state == BOOKED:
        return row
    check_unsigned(session)
    row = row or new_booking(session, episode, seat=0)
    _take_seat(row, session, overflow_reason, by)  # first, so that a full session answers at once
    lock(episodes=[episode.pk])
    episode.refresh_from_db()
    _tie(row, makes_up=makes_up, nested_in=nested_in)
    check_patients_free(
        [episode.patient_id],
        Span(session.starts_at, session.ends_at),
        ignoring=session,
        nested=row.nested_in_id is not None,
    )
    check_eligible(episode=episode, session=session, on=session.local_date)
    check_not_on_hold([episode], session.local_date)
    held = GroupMembership.objects.on(session.local_date).filter(episode=episode)
    row.membership = held.filter(group=session.group_id).first() if session.group_id else None
    row.save()
    return row


def check_not_on_hold(episodes: Iterable[Episode], day: datetime.date) -> None:
    """The program pauses: whoever comes all the same is back, and the hold ends first (2b)."""
    keys = [episode.pk for episode in episodes]
    if Episode.objects.filter(pk__in=keys).on_hold_on(day).exists():
        raise Refused("on_hold", f"The patient is on hold on {day}.", field="episode")


def reread(session: Session) -> None:
    """The session as it is now that its row is locked."""
    session.refresh_from_db(
        from_queryset=Session.objects.select_related("clinic", "group", "session_type", "room")
    )


def check_takes_place(session: Session) -> None:
    if not session.live:
        raise Refused("session_cancelled", "The session is cancelled.", field="session")


def check_unsigned(session: Session) -> None:
    if session.signed_at is not None:
        raise Refused("roster_signed", "The roster of this session is signed.", field="session")


def _tie(row: Booking, *, makes_up: Booking | None, nested_in: Booking | None) -> None:
    if makes_up is not None and makes_up.episode_id != row.episode_id:
        raise Refused("unknown_booking", "That is another patient's booking.", field="makes_up")
    row.makes_up = makes_up
    row.nested_in, row.outer_starts_at, row.outer_ends_at = None, None, None
    if nested_in is None:
        return
    nested_in.refresh_from_db()
    if nested_in.patient_id != row.patient_id or nested_in.state != BOOKED or not nested_in.live:
        raise Refused("unknown_booking", "The patient is not in that session.", field="nested_in")
    if not (nested_in.starts_at <= row.starts_at and row.ends_at <= nested_in.ends_at):
        raise Refused(
            "patient_busy",
            "A nested visit lies inside the session it interrupts.",
            field="nested_in",
        )
    row.nested_in = nested_in
    row.outer_starts_at, row.outer_ends_at = nested_in.starts_at, nested_in.ends_at


def _take_seat(row: Booking, session: Session, overflow_reason: str, by: User | Job) -> None:
    seated = Booking.objects.filter(session=session, state=BOOKED)
    taken = set(seated.values_list("seat", flat=True))
    seat = lowest_free(taken, session.capacity)
    row.overflow_reason, row.overflow_by = "", None
    if seat is None and overflow_reason:
        seat = lowest_free(taken, session.ceiling)
        row.overflow_reason = overflow_reason
        row.overflow_by = overflow_author(overflow_reason, by)
    if seat is None:
        raise Refused(
            "session_full",
            f"All {session.capacity} seats of {session} are taken.",
            field="session",
            capacity=session.capacity,
            ceiling=session.ceiling,
        )
    if row.pk is None:
        row.seat = seat
    else:
        revive_row(row, seat=seat)


@service
def withdraw(*, booking: Booking, reason: str, by: User | Job) -> Booking:
    """The clinic or the plan changed: the booking counts nowhere. Withdrawn already: no change.

    Raises Refused `reason_required`, or `roster_signed`.
    """
    check_reason(reason)
    lock(sessions=[booking.session_id], episodes=[booking.episode_id])
    booking.refresh_from_db()
    if booking.state != WITHDRAWN:
        check_unsigned(booking.session)
        booking.state, booking.withdrawn_reason = WITHDRAWN, reason
        booking.version += 1
        booking.save(update_fields=["state", "withdrawn_reason", "version"])
    return booking


def withdraw_all(bookings: Sequence[int], *, reason: str) -> int:
    """Withdraw the bookings with these keys in one statement; their sessions are locked."""
    return Booking.objects.filter(pk__in=bookings).update(
        state=WITHDRAWN, withdrawn_reason=reason, version=F("version") + 1
    )


def check_reason(reason: str) -> None:
    if not reason.strip():
        raise Refused("reason_required", "Give a reason.", field="reason")
