"""Which seat of which session: bookings for members in bulk, under locks that are already held.

Look, then insert: a table with deferrable exclusions cannot be the arbiter of ON CONFLICT.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import User
from patients.models import Episode, EpisodeHold
from scheduling.eligibility import is_active
from scheduling.models import Booking, CallIn, GroupMembership, Session
from scheduling.rules import Span, lowest_free
from scheduling.services.busy import Busy, busy_between
from scheduling.services.visits import VISITS, let_in

BOOKED, RELEASED, WITHDRAWN = Booking.State.BOOKED, Booking.State.RELEASED, Booking.State.WITHDRAWN


@dataclass(frozen=True, slots=True)
class Expected:
    """An episode that belongs in sessions: as a member, or by a standing block of its own."""

    episode: Episode
    membership: GroupMembership | None = None

    @property
    def seat(self) -> int:
        return self.membership.seat if self.membership else 1

    def on(self, day: datetime.date) -> bool:
        if self.membership is None:
            return is_active(self.episode, day)
        starts_on, ends_on = self.membership.starts_on, self.membership.ends_on
        inside = starts_on <= day and (ends_on is None or day <= ends_on)
        return inside and is_active(self.episode, day)


@dataclass(slots=True)
class Seating:
    """What came of seating people: rows to write, and whom there was no place for."""

    new: list[Booking] = field(default_factory=list)
    revived: list[Booking] = field(default_factory=list)
    full: list[Session] = field(default_factory=list)
    busy: list[Session] = field(default_factory=list)
    around: Mapping[int, Sequence[Busy]] = field(default_factory=dict)
    """By patient: where they are expected besides."""

    def sit(
        self,
        session: Session,
        person: Expected,
        row: Booking | None,
        seat: int,
        overflow_reason: str = "",
        overflow_by: int | None = None,
    ) -> None:
        """Give a seat of a session, in the episode's own row if it has one there."""
        if row is None:
            row = new_booking(session, person.episode, seat=seat)
            self.new.append(row)
        else:
            self.revived.append(row)
            row.session = session
            revive_row(row, seat=seat)
        row.membership = person.membership
        row.overflow_reason, row.overflow_by_id = overflow_reason, overflow_by

    def write(self) -> int:
        """Insert and update; how many bookings there are now that were not before."""
        with let_in(self._ties()):
            Booking.objects.bulk_create(self.new)
            if self.revived:
                Booking.objects.bulk_update(self.revived, SEATED_FIELDS)
        return len(self.new) + len(self.revived)

    def _ties(self) -> list[tuple[Booking, Booking]]:
        """Each visit that is written, or lies inside what is written, with the row around it."""
        rows = [row for row in (*self.new, *self.revived) if row.live and row.state == BOOKED]
        found = [
            (one, row)
            for row in rows
            for one in self.around.get(row.patient_id, ())
            if one.may_interrupt(row.session) or one.is_around(row.session)
        ]
        stored = Booking.objects.in_bulk({one.booking for one, _ in found if one.booking})
        written = {(row.patient_id, row.session_id): row for row in rows}
        ties = {}
        for one, row in found:
            other = stored.get(one.booking or 0) or written[row.patient_id, one.session]
            visit, outer = (other, row) if one.is_visit else (row, other)
            ties[visit.patient_id, visit.session_id] = (visit, outer)
        return list(ties.values())


SEATED_FIELDS = [
    "state",
    "seat",
    "membership",
    "released_at",
    "call_in",
    "withdrawn_reason",
    "overflow_reason",
    "overflow_by",
    "version",
]


@dataclass(slots=True)
class Leaving:
    """Bookings of sessions that have another date now, by what becomes of them."""

    gone: list[int] = field(default_factory=list)
    paused: list[int] = field(default_factory=list)
    noticed: list[Booking] = field(default_factory=list)

    def write(self) -> None:
        """Release the seats of those who have called in for the new date."""
        for row in self.noticed:
            row.version += 1
        Booking.objects.bulk_update(self.noticed, ["state", "released_at", "call_in", "version"])


def who_leaves(sessions: Sequence[Session]) -> Leaving:
    """Who is no member or not in treatment on a session's date, on hold, or has called in.

    In three statements for any number; nothing is written yet.
    """
    left = Leaving()
    rows = Booking.objects.filter(session__in=sessions).exclude(state=WITHDRAWN)
    booked = list(rows.select_related("episode", "membership").order_by("pk"))
    people = [Expected(row.episode, row.membership) for row in booked]
    holds, notices = _holds(sessions[0].clinic_id, people), _notices(sessions, people)
    by_key = {one.pk: one for one in sessions}
    for row, person in zip(booked, people, strict=True):
        session = by_key[row.session_id]
        if not person.on(session.local_date):
            left.gone.append(row.pk)
        elif _held(holds, person, session.local_date):
            left.paused.append(row.pk)
        elif row.state == BOOKED and (notice := _notice(notices, person, session)):
            release_row(row, notice)
            left.noticed.append(row)
    return left


def plan_seating(
    sessions: Sequence[Session],
    people: Sequence[Expected],
    *,
    revive: bool = False,
    was: Mapping[int, datetime.date] | None = None,
) -> Seating:
    """Seats for `people` in the sessions whose dates are theirs, in four queries for any number.

    Whoever has a row in a session already is passed over; `revive` brings withdrawn rows back and
    makes a guest's booking the member's. Of sessions that had another date, `was` by key, only the
    withdrawn rows of whoever was not expected on that come back. Days on hold are left out; on a
    day for which the patient has called in, the booking is released as it is made. Nothing is
    written yet.
    """
    seating = Seating()
    if not sessions or not people:
        return seating
    known = known_rows(sessions)
    busy = seating.around = busy_times(sessions, people)
    holds, notices = _holds(sessions[0].clinic_id, people), _notices(sessions, people)
    for session in sessions:
        taken = {row.seat for row in known[session.pk].values() if row.state == BOOKED}
        for person in people:
            if not _awaited(holds, person, session.local_date):
                continue
            row = known[session.pk].get(person.episode.pk)
            old = (was or {}).get(session.pk)
            back = old is not None and _comes_back(row, holds, person, old)
            if row is not None and not back and not (revive and _joins(row, person)):
                continue
            notice = _notice(notices, person, session)
            if notice is not None and (row is None or row.state == WITHDRAWN):
                _expect(seating, session, person, row, notice)
            else:
                _seat(seating, session, person, row, taken, busy[person.episode.patient_id])
    return seating


def _awaited(holds: dict[int, list[EpisodeHold]], person: Expected, day: datetime.date) -> bool:
    return person.on(day) and not _held(holds, person, day)


def _comes_back(
    row: Booking | None,
    holds: dict[int, list[EpisodeHold]],
    person: Expected,
    before: datetime.date,
) -> bool:
    """Withdrawn for the date that the session had, not by hand."""
    withdrawn = row is not None and row.state == WITHDRAWN
    return withdrawn and not _awaited(holds, person, before)


def _expect(
    seating: Seating, session: Session, person: Expected, row: Booking | None, notice: CallIn
) -> None:
    """Expected without a seat: the patient has said already that they will not come."""
    if row is None:
        row = new_booking(session, person.episode, seat=person.seat)
        seating.new.append(row)
    else:
        seating.revived.append(row)
        revive_row(row, seat=row.seat)
    row.membership = person.membership
    release_row(row, notice)


def _joins(row: Booking, person: Expected) -> bool:
    return row.state == WITHDRAWN or row.membership_id is None


def _seat(
    seating: Seating,
    session: Session,
    person: Expected,
    row: Booking | None,
    taken: set[int],
    busy: list[Busy],
) -> None:
    if row is not None and row.state != WITHDRAWN:  # a guest becomes a member, seat and all
        row.membership = person.membership
        seating.revived.append(row)
        return
    if session.live and any(one.keeps_from(session) for one in busy):
        seating.busy.append(session)
        return
    seat = _free_seat(session, person, taken)
    if seat is None:
        seating.full.append(session)
        return
    taken.add(seat)
    if session.live:
        busy.append(Busy(session.pk, _span(session), None, session.session_type.kind in VISITS))
    overflow = person.membership if seat > session.capacity else None
    why = (overflow.overflow_reason, overflow.overflow_by_id) if overflow else ("", None)
    seating.sit(session, person, row, seat, *why)


def _free_seat(session: Session, person: Expected, taken: set[int]) -> int | None:
    """The member's own seat where it is free, or else the lowest; overflow only for overflow."""
    if person.seat <= session.capacity and person.seat not in taken:
        return person.seat
    seat = lowest_free(taken, session.capacity)
    if seat is None and person.membership and person.membership.overflow_reason:
        seat = lowest_free(taken, most_seats(session))
    return seat


def most_seats(session: Session) -> int:
    """The last seat, overflow included: never more than its room has, until it is over.

    Reads `room`: select it along."""
    if session.room is None or session.ends_at <= timezone.now():
        return session.ceiling
    return min(session.ceiling, session.room.seats)


def new_booking(session: Session, episode: Episode, *, seat: int) -> Booking:
    """An unsaved booking with the copies its keys ask for."""
    return Booking(
        clinic_id=session.clinic_id,
        session=session,
        episode=episode,
        patient_id=episode.patient_id,
        seat=seat,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        live=session.live,
    )


def revive_row(row: Booking, *, seat: int) -> None:
    """Make a released or withdrawn row a booking again; its history is in the audit."""
    row.state, row.seat = BOOKED, seat
    row.released_at, row.call_in, row.withdrawn_reason = None, None, ""
    row.version += 1


def release_row(row: Booking, notice: CallIn) -> None:
    """Free the seat of a row: the patient gave notice."""
    row.state, row.released_at, row.call_in = RELEASED, notice.notified_at, notice


def overflow_author(reason: str, by: User | Job) -> User | None:
    """Who answers for a seat above capacity; None without a reason. A job cannot."""
    if not reason:
        return None
    if not isinstance(by, User):
        raise Refused(
            "overflow_needs_person",
            "Only a person can give a seat above the capacity.",
            field="overflow_reason",
        )
    return by


# --- what is known ------------------------------------------------------------------------------


def known_rows(sessions: Iterable[Session]) -> dict[int, dict[int, Booking]]:
    """By session and episode, the bookings in any state."""
    known: dict[int, dict[int, Booking]] = defaultdict(dict)
    rows = Booking.objects.filter(session__in=[session.pk for session in sessions])
    for row in rows.order_by():
        known[row.session_id][row.episode_id] = row
    return known


def busy_times(sessions: Sequence[Session], people: Iterable[Expected]) -> dict[int, list[Busy]]:
    """By patient: every live booking while sessions of their clinic last, or in between."""
    first = min(session.starts_at for session in sessions)
    last = max(session.ends_at for session in sessions)
    patients = {person.episode.patient_id for person in people}
    return busy_between(Span(first, last), sessions[0].clinic_id, patients)


def _span(session: Session) -> Span:
    return Span(session.starts_at, session.ends_at)


def _holds(clinic: int, people: Iterable[Expected]) -> dict[int, list[EpisodeHold]]:
    holds: dict[int, list[EpisodeHold]] = defaultdict(list)
    episodes = {person.episode.pk for person in people}
    for hold in EpisodeHold.objects.filter(clinic=clinic, episode__in=episodes):
        holds[hold.episode_id].append(hold)
    return holds


def _held(holds: dict[int, list[EpisodeHold]], person: Expected, day: datetime.date) -> bool:
    return any(
        hold.starts_on <= day and (hold.ends_on is None or day <= hold.ends_on)
        for hold in holds.get(person.episode.pk, ())
    )


def _notices(sessions: Sequence[Session], people: Iterable[Expected]) -> dict[int, list[CallIn]]:
    """By episode: the calls for whole days that touch these sessions."""
    first = min(session.local_date for session in sessions)
    last = max(session.local_date for session in sessions)
    notices: dict[int, list[CallIn]] = defaultdict(list)
    rows = CallIn.objects.in_force(first, last).filter(clinic=sessions[0].clinic_id)
    for row in rows.filter(episode__in={person.episode.pk for person in people}).order_by("pk"):
        notices[row.episode_id].append(row)
    return notices


def _notice(notices: dict[int, list[CallIn]], person: Expected, session: Session) -> CallIn | None:
    """The call that covers the session."""
    return next((row for row in notices.get(person.episode.pk, ()) if row.covers(session)), None)
