"""Notices of absence: about one session, about whole days (the sick call), and its undo."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from django.db.models import F, QuerySet
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import date_span
from patients.models import Episode
from scheduling.eligibility import is_active, refusals
from scheduling.locks import lock
from scheduling.models import Booking, CallIn, Session
from scheduling.rules import Span, lowest_free
from scheduling.services.bookings import check_reason, check_unsigned
from scheduling.services.seating import SEATED_FIELDS, release_row, revive_row
from scheduling.services.visits import TIE, VISITS, is_inside, nest

RELEASED, WITHDRAWN = Booking.State.RELEASED, Booking.State.WITHDRAWN
LONGEST = datetime.timedelta(days=92)
"""A longer absence is a hold; one of years is a mistyped date."""


@service
def release(
    *, booking: Booking, notified_at: datetime.datetime, reason: str, by: User | Job
) -> Booking:
    """The patient gave notice: the seat is free, the patient still expected (R17).

    The reason is kept in a call-in about this session alone. Released already: the booking as it
    is. Raises Refused `unknown_booking` when it is withdrawn, `roster_signed`, or what a call-in is
    refused for.
    """
    lock(sessions=[booking.session_id], episodes=[booking.episode_id])
    booking.refresh_from_db()
    if booking.state == RELEASED:
        return booking
    if booking.state == WITHDRAWN:
        raise Refused(
            "unknown_booking",
            "The booking is withdrawn: nobody expects the patient there.",
            field="booking",
        )
    check_unsigned(booking.session)
    day = booking.session.local_date
    call_in = note_call_in(
        booking.episode, day, day, reason=reason, notified_at=notified_at, whole_days=False, by=by
    )
    release_row(booking, call_in)
    booking.version += 1
    booking.save(update_fields=["state", "released_at", "call_in", "version"])
    return booking


@service
def call_in(
    *,
    episode: Episode,
    from_date: datetime.date,
    to_date: datetime.date,
    reason: str,
    notified_at: datetime.datetime,
    by: User | Job,
    note: str = "",
    keeping: Collection[int] = (),
) -> CallIn:
    """The sick call: keep what the patient said, release their bookings on these local dates.

    Both dates are inside, and bookings that come later are released as they are made. Sessions
    that had begun when the patient called stay booked: nobody gave notice of them. So do those
    whose roster is signed, and the bookings with the keys `keeping`. Raises Refused
    `dates_in_order`, `call_in_too_long`, `notified_in_future`, `not_active`, `person_required`,
    `reason_required`, or `call_in_stands` when calls that stand cover all of these dates and no
    seat would be freed.
    """
    if to_date < from_date:
        raise Refused(
            "dates_in_order", "The last day lies before the first. Look at both.", field="to_date"
        )
    if to_date - from_date > LONGEST:
        message = f"A call-in is for at most {LONGEST.days} days. A longer absence is a hold."
        raise Refused("call_in_too_long", message, field="to_date")
    check_reason(reason)
    _check_in_treatment(episode, from_date, to_date)
    bookings = (
        Booking.objects.seated()
        .filter(
            clinic=episode.clinic_id,
            episode=episode,
            session__local_date__range=(from_date, to_date),
            session__signed_at__isnull=True,
            starts_at__gt=notified_at,
        )
        .exclude(pk__in=keeping)
    )
    lock(sessions=bookings.values_list("session", flat=True), episodes=[episode.pk])
    _check_adds_something(episode, from_date, to_date, bookings)
    row = note_call_in(
        episode, from_date, to_date, reason=reason, notified_at=notified_at, note=note, by=by
    )
    bookings.update(state=RELEASED, released_at=notified_at, call_in=row, version=F("version") + 1)
    return row


def _check_in_treatment(episode: Episode, first: datetime.date, last: datetime.date) -> None:
    if not (is_active(episode, first) or is_active(episode, last)):
        message = "The patient is not in treatment on these days. Look at the dates."
        raise Refused("not_active", message, field="from_date")


def _check_adds_something(
    episode: Episode, first: datetime.date, last: datetime.date, freed: QuerySet[Booking]
) -> None:
    """The same call noted twice would have to be taken back twice."""
    standing = list(_standing(episode, first, last))
    days = (first + datetime.timedelta(days=n) for n in range((last - first).days + 1))
    covered = all(any(one.from_date <= day <= one.to_date for one in standing) for day in days)
    if not covered or freed.exists():
        return
    dates = ", ".join(date_span(one.from_date, one.to_date) for one in standing)
    message = (
        f"A call-in for these days stands already: {dates}. Take it back first if it was wrong."
    )
    raise Refused("call_in_stands", message, field="from_date")


def _standing(episode: Episode, first: datetime.date, last: datetime.date) -> QuerySet[CallIn]:
    rows = CallIn.objects.in_force(first, last).filter(clinic=episode.clinic_id, episode=episode)
    return rows.order_by("from_date", "pk")


def note_call_in(
    episode: Episode,
    from_date: datetime.date,
    to_date: datetime.date,
    *,
    reason: str,
    notified_at: datetime.datetime,
    by: User | Job,
    note: str = "",
    whole_days: bool = True,
) -> CallIn:
    """Keep a notice. Refused: `reason_required`, `person_required`, `notified_in_future`."""
    check_reason(reason)
    if not isinstance(by, User):
        raise Refused("person_required", "A call-in is taken by a person.")
    if notified_at > timezone.now():
        raise Refused(
            "notified_in_future",
            "This lies in the future. Enter when the patient told us.",
            field="notified_at",
        )
    return CallIn.objects.create(
        clinic_id=episode.clinic_id,
        episode=episode,
        from_date=from_date,
        to_date=to_date,
        reason=reason,
        note=note,
        notified_at=notified_at,
        taken_by=by,
        whole_days=whole_days,
    )


# --- taking it back -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What came of taking a call-in back: bookings again, sessions without a place left, and
    those for which another call that stands says that the patient is absent."""

    booked: tuple[Booking, ...] = ()
    without_place: tuple[Session, ...] = ()
    still_absent: tuple[Session, ...] = ()


@service
def take_back_call_in(
    *, call_in: CallIn, by: User | Job, keeping: Collection[int] = ()
) -> TakenBack:
    """The patient comes after all: book again what was released, where there is still a place.

    What has begun stays as it is, and so do the bookings with the keys `keeping`. A seat that was
    given away, a patient who is elsewhere by now, or one who no longer fits: the booking stays
    released, and its session is told. What another standing call covers is released under that
    one. Taken back already: no change. Raises Refused `person_required`.
    """
    if not isinstance(by, User):
        raise Refused("person_required", "A call-in is taken back by a person.")
    rows = _to_book_again(call_in, keeping)
    lock(sessions=rows.values_list("session", flat=True), episodes=[call_in.episode_id])
    call_in.refresh_from_db()
    if call_in.taken_back_at is not None:
        return TakenBack()
    call_in.taken_back_at, call_in.taken_back_by = timezone.now(), by
    call_in.save(update_fields=["taken_back_at", "taken_back_by"])
    freed = list(rows)
    kept = _hand_over(freed, call_in)
    back = _book_again([row for row in freed if row not in kept], call_in.episode)
    return replace(back, still_absent=tuple(row.session for row in kept))


def _hand_over(rows: Sequence[Booking], call_in: CallIn) -> list[Booking]:
    """The bookings that another standing call covers, released under it from now on."""
    others = list(_standing(call_in.episode, call_in.from_date, call_in.to_date))
    kept = []
    for row in rows:
        other = next((one for one in others if one.covers(row.session)), None)
        if other is not None:
            release_row(row, other)
            row.version += 1
            kept.append(row)
    Booking.objects.bulk_update(kept, ["state", "released_at", "call_in", "version"])
    return kept


def _to_book_again(call_in: CallIn, keeping: Collection[int]) -> QuerySet[Booking]:
    rows = Booking.objects.filter(
        clinic=call_in.clinic_id,
        call_in=call_in,
        state=RELEASED,
        live=True,
        starts_at__gt=timezone.now(),
        session__signed_at__isnull=True,
    )
    shown = rows.select_related("session__group", "session__session_type")
    return shown.exclude(pk__in=keeping).order_by("starts_at", "-ends_at", "pk")


def _book_again(rows: list[Booking], episode: Episode) -> TakenBack:
    """In order of time, the longest of a time first; 5 statements for any number of bookings."""
    if not rows:
        return TakenBack()
    sessions = [row.session for row in rows]
    taken, busy = _taken(sessions), _busy(episode, sessions)
    unfit = refusals(episodes=[episode], sessions=sessions)[episode.pk]
    booked, without = [], []
    changed: dict[int, Booking] = {}
    for row in rows:
        there = taken.setdefault(row.session_id, set())
        seat = row.seat if _is_free(row, there) else lowest_free(there, row.session.capacity)
        ties = _ties(row, busy)
        if seat is None or ties is None or row.session_id in unfit:
            without.append(row.session)
            continue
        revive_row(row, seat=seat)
        row.overflow_reason, row.overflow_by = "", None
        busy.append(row)
        booked.append(row)
        for visit, outer in ties:
            nest(visit, outer)
            changed[visit.pk] = visit
        changed[row.pk] = row
    # In one statement: until its end a visit may be in no session.
    Booking.objects.bulk_update(changed.values(), [*SEATED_FIELDS, *TIE])
    return TakenBack(tuple(booked), tuple(without))


def _ties(row: Booking, busy: Iterable[Booking]) -> list[tuple[Booking, Booking]] | None:
    """Which visits are to be nested in which bookings if this one is booked; None: it cannot be."""
    span = Span(row.starts_at, row.ends_at)
    others = [one for one in busy if span.overlaps(Span(one.starts_at, one.ends_at))]
    if _is_visit(row):
        ties = [(row, one) for one in others if not _is_visit(one)]
    else:
        ties = [(one, row) for one in others if _is_visit(one)]
    inside = all(is_inside(visit, Span(outer.starts_at, outer.ends_at)) for visit, outer in ties)
    return ties if inside and len(ties) == len(others) else None


def _is_visit(row: Booking) -> bool:
    return row.session.session_type.kind in VISITS


def _is_free(row: Booking, taken: Collection[int]) -> bool:
    return row.seat <= row.session.capacity and row.seat not in taken


def _taken(sessions: Iterable[Session]) -> dict[int, set[int]]:
    taken: dict[int, set[int]] = {}
    rows = Booking.objects.seated().filter(session__in=[session.pk for session in sessions])
    for session, seat in rows.values_list("session", "seat"):
        taken.setdefault(session, set()).add(seat)
    return taken


def _busy(episode: Episode, sessions: Iterable[Session]) -> list[Booking]:
    first = min(session.starts_at for session in sessions)
    last = max(session.ends_at for session in sessions)
    rows = (
        Booking.objects.seated()
        .overlapping(first, last)
        .filter(clinic=episode.clinic_id, patient=episode.patient_id)
    )
    return list(rows.select_related("session__session_type"))
