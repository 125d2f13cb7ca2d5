"""Seats in single sessions: book and withdraw. Notices of absence stand in call_ins.py."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from django.db.models import F, Q, QuerySet

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.prepared import prepared
from iop_clinic.accounts.weeks import long_date
from patients.models import Episode
from scheduling.eligibility import check_may_come
from scheduling.locks import lock, lock_session
from scheduling.models import Booking, Session
from scheduling.querysets import BookingQuerySet, overlapping
from scheduling.rules import lowest_free
from scheduling.services.seating import most_seats, new_booking, overflow_author, revive_row
from scheduling.services.visits import interrupting, let_in, nest, seats_around

BOOKED, WITHDRAWN = Booking.State.BOOKED, Booking.State.WITHDRAWN
ON_HOLD = "On hold"
"""The reason by which a return finds what was withdrawn for the hold."""


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
    interrupts; that of a prescriber, a case manager or a drug screen is found (see `visits`).
    Raises Refused `session_cancelled`, `roster_signed`, `not_active`, `on_hold`, `not_suitable`,
    `patient_busy`, `session_full` or `unknown_booking`.
    """
    nested_in = nested_in or seats_around(session, [episode.patient_id]).get(episode.patient_id)
    if overflow_reason:
        lock(rooms=[session.room_id])  # before the session: the room's seats are asked for at last
    if nested_in is not None:
        lock(sessions=[session.pk, nested_in.session_id])
    lock_session(session)
    lock(episodes=[episode.pk])
    check_takes_place(session)
    around = _around(
        session.pk,
        session.clinic_id,
        episode.pk,
        episode.patient_id,
        session.starts_at,
        session.ends_at,
    )
    own = next((one for one in around if _is_own(one, session, episode)), None)
    row = own or new_booking(session, episode, seat=0)
    row.session, row.episode = session, episode
    if own is not None and own.state == BOOKED:
        return row
    check_unsigned(session)
    _tie(row, makes_up=makes_up, nested_in=nested_in)
    visits = _check_free(row, session, around)
    there = [one.episode_id for one in around if _is_expected(one, session)]
    held = check_may_come(episodes=[episode], session=session, there=there)
    row.membership_id = held.get(episode.pk)
    # Last: nobody is asked why a full session takes one more who may not come at all.
    _take_seat(row, session, around, overflow_reason, by)
    with let_in([(visit, row) for visit in visits]):
        row.save()
    return row


@prepared
def _around(
    session: int,
    clinic: int,
    episode: int,
    patient: int,
    starts_at: datetime.datetime,
    ends_at: datetime.datetime,
) -> QuerySet[Booking]:
    """Who is expected in a session, the episode's own row in it whatever its state, and where the
    patient sits while it lasts."""
    here = Q(session=session) & (~Q(state=WITHDRAWN) | Q(episode=episode))
    span = overlapping(starts_at, ends_at)
    elsewhere = Q(span, clinic=clinic, patient=patient, live=True, state=BOOKED)
    return Booking.objects.filter(here | elsewhere).order_by()


def _is_own(row: Booking, session: Session, episode: Episode) -> bool:
    return (row.session_id, row.episode_id) == (session.pk, episode.pk)


def _is_expected(row: Booking, session: Session) -> bool:
    return row.session_id == session.pk and row.state != WITHDRAWN


def _check_free(row: Booking, session: Session, around: Iterable[Booking]) -> list[Booking]:
    """Nobody is at two places at once, and a short visit only inside one (see the constraints).

    Answers the visits for which the patient is to leave this session.
    """
    nested = row.nested_in_id is not None
    others = [
        other
        for other in around
        if other.patient_id == row.patient_id
        and other.session_id != row.session_id
        and (other.nested_in_id is not None) == nested
    ]
    visits = [] if nested else interrupting(session, others)
    if len(visits) < len(others):
        raise Refused(
            "patient_busy", "The patient is booked elsewhere at this time. Choose another time."
        )
    return visits


def check_takes_place(session: Session) -> None:
    if not session.live:
        raise Refused(
            "session_cancelled", "The session is cancelled. Choose another one.", field="session"
        )


def check_unsigned(session: Session) -> None:
    if session.signed_at is not None:
        message = "The roster of this session is signed: who came is corrected in the records."
        raise Refused("roster_signed", message, field="session")


def _tie(row: Booking, *, makes_up: Booking | None, nested_in: Booking | None) -> None:
    if makes_up is not None and makes_up.episode_id != row.episode_id:
        raise Refused(
            "unknown_booking",
            "That is another patient's booking. Choose one of this patient's.",
            field="makes_up",
        )
    row.makes_up = makes_up
    nest(row, None)
    if nested_in is None:
        return
    nested_in.refresh_from_db()
    if nested_in.patient_id != row.patient_id or nested_in.state != BOOKED or not nested_in.live:
        raise Refused(
            "unknown_booking",
            "The patient is not booked into that session. Choose another one.",
            field="nested_in",
        )
    if not (nested_in.starts_at <= row.starts_at and row.ends_at <= nested_in.ends_at):
        raise Refused(
            "patient_busy",
            "A nested visit lies inside the session it interrupts.",
            field="nested_in",
        )
    nest(row, nested_in)


def _take_seat(
    row: Booking,
    session: Session,
    around: Iterable[Booking],
    overflow_reason: str,
    by: User | Job,
) -> None:
    seated = (one for one in around if one.session_id == session.pk and one.state == BOOKED)
    taken, most = {one.seat for one in seated}, most_seats(session)
    seat = lowest_free(taken, session.capacity)
    row.overflow_reason, row.overflow_by = "", None
    if seat is None and overflow_reason:
        seat = lowest_free(taken, most)
        row.overflow_reason = overflow_reason
        row.overflow_by = overflow_author(overflow_reason, by)
    if seat is None:
        more = ", or say why a seat above the capacity is given" if most > session.capacity else ""
        raise Refused(
            "session_full",
            f"All {session.capacity} seats of {session} are taken. Choose another session{more}.",
            field="session",
            capacity=session.capacity,
            ceiling=most,
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


def untie_visits(sessions: Iterable[int]) -> None:
    """Refuse to move sessions that are, or have inside, a visit, with the `dates` and `bookings` of
    the visits; one that is withdrawn or cancelled is untied."""
    keys = list(sessions)
    tied = Booking.objects.filter(
        Q(session__in=keys, nested_in__isnull=False) | Q(nested_in__session__in=keys)
    )
    gone = tied.filter(Q(state=WITHDRAWN) | Q(live=False))
    gone.update(nested_in=None, outer_starts_at=None, outer_ends_at=None)
    found = tied.order_by("starts_at", "pk").values_list("pk", "session", "session__local_date")
    visits = list(found)
    if visits:
        dates = sorted({day for *_, day in visits})
        days = ", ".join(long_date(day) for day in dates)
        if all(session in keys for _, session, _ in visits):
            message = f"The patient leaves another session for this visit on {days}. Cancel it and "
            message += "plan it anew."
        else:
            message = f"A visit lies inside this session on {days}. Withdraw it first, then move."
        raise Refused("nested_visit", message, dates=dates, bookings=[key for key, *_ in visits])


def check_reason(reason: str) -> None:
    if not reason.strip():
        raise Refused("reason_required", "Say why.", field="reason")


def combined_bookings(session: Session) -> BookingQuerySet:
    """Bookings elsewhere of whoever came from a session that was combined."""
    rows: BookingQuerySet = Booking.objects.exclude(state=WITHDRAWN).filter(
        clinic=session.clinic_id, combined_from__session=session
    )
    return rows
