"""Two groups' sessions held as one, and parted again.

Whoever fits sits in the one session from then on: the booking in the other is withdrawn, so that it
counts nowhere and no week is asked for less because of it (2b). The other session is cancelled, and
whoever does not fit keeps the booking there, which counts against nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from scheduling.eligibility import refusals_in_turn
from scheduling.locks import lock, lock_session
from scheduling.models import Booking, Session, SessionStaff
from scheduling.querysets import BookingQuerySet, SessionQuerySet, overlapping
from scheduling.rules import MOST_SEATS, Span, lowest_free
from scheduling.services.bookings import check_takes_place, combined_bookings, withdraw_all
from scheduling.services.seating import (
    Busy,
    Expected,
    busy_times,
    known_rows,
    most_seats,
    new_booking,
    overflow_author,
    revive_row,
)
from scheduling.services.sessions import (
    COMBINED_WITH,
    bring_back,
    cancel_session,
    check_not_signed,
    lock_for_move,
)
from scheduling.services.visits import tie, visits_inside

BOOKED, RELEASED, WITHDRAWN = Booking.State.BOOKED, Booking.State.RELEASED, Booking.State.WITHDRAWN


@dataclass(frozen=True, slots=True)
class Fit:
    """Who of one session could sit in another, and who could not; nothing is written."""

    session: Session
    """The one that would take them."""
    coming: tuple[tuple[Booking, int], ...]
    """With the seat that each would have; of a notice the one that it had."""
    left: tuple[tuple[Booking, Refused], ...]
    free_seats: int
    """Within the capacity, before anybody comes."""


@dataclass(frozen=True, slots=True)
class Combined:
    """What came of it: the bookings in the other session, and who stays where they were, why."""

    moved: tuple[Booking, ...]
    left: tuple[tuple[Booking, Refused], ...]


@service
def combine_sessions(*, session: Session, into: Session, by: User | Job) -> Combined:
    """Hold `session` together with `into`, a session of another group on the same local date.

    Whoever is expected and may sit there gets a seat, above the capacity with the reason and `by`
    as its author; who gave notice stays expected. `session` is cancelled by the clinic, with those
    who do not fit: they are to be called. Raises Refused `session_cancelled`, `session_over`,
    `not_combinable`, `nobody_fits` where nobody could come along, or `roster_signed`.
    """
    lock(
        groups=[session.group_id, into.group_id],
        rooms=[into.room_id],
        moving=[session.pk],
        sessions=[into.pk],
    )
    lock_session(session)
    lock_session(into)
    check_takes_place(session)
    _check_not_over(session)
    check_not_signed(session)
    if not _others(session).filter(pk=into.pk).exists():
        message = "Choose a session of another group on the same day that is not over or signed."
        raise Refused("not_combinable", message, field="into")
    rows = _expected_in(session)
    lock(episodes=[row.episode_id for row in rows])
    fit = _fit(rows, into, crowding=True)
    said = f"{COMBINED_WITH} {into.title}"
    moved = _Move(fit, said, f"{COMBINED_WITH} {session.title}", by).run()
    cancel_session(session=session, reason=said, by=by)
    return Combined(moved, fit.left)


@service
def part_sessions(*, session: Session, by: User | Job, staying: Collection[int] = ()) -> Combined:
    """What was combined meets by itself again, with everybody of it who still fits.

    `staying` are bookings, by key, that stay in the other session. Raises Refused `session_live`,
    `session_over`, `not_combined`, or what `revive_session` raises of the time.
    """
    lock_parting(session)
    if session.live:
        raise Refused("session_live", "The session takes place already.")
    _check_not_over(session)
    came = combined_bookings(session).filter(session__signed_at__isnull=True)
    rows = _with_episodes(came.exclude(pk__in=staying))
    if not rows:
        message = "Nobody came from it, or everybody is recorded there: nothing can be parted."
        raise Refused("not_combined", message)
    bring_back(session, lock_for_move(session, _span(session)))
    fit = _fit(rows, session, crowding=False)
    moved = _Move(fit, f"{session.title} meets by itself again", "", by).run()
    Booking.objects.filter(combined_from__in=moved).update(combined_from=None)
    return Combined(moved, fit.left)


def lock_parting(session: Session) -> None:
    """Lock all that `part_sessions` touches but the patients, and read the session as it is."""
    parts = SessionStaff.objects.filter(session=session, active=True)
    lock(
        clinics=[session.clinic_id],
        groups=[session.group_id],
        therapists=parts.values_list("therapist", flat=True),
        rooms=[session.room_id],
        moving=[session.pk],
        sessions=combined_bookings(session).values_list("session", flat=True),
    )
    lock_session(session)


def combinable_with(session: Session) -> list[Fit]:
    """The sessions with which it could be combined, best first: those that take the most of its
    people, then the nearest in time. The statements do not grow with sessions or people."""
    rows = _others(session).select_related("group", "session_type", "room", "clinic")
    found = _fits(_expected_in(session), list(rows.order_by("starts_at", "pk")), crowding=True)
    return sorted(
        (one for one in found if one.coming),
        key=lambda one: (-len(one.coming), abs(one.session.starts_at - session.starts_at)),
    )


def _others(session: Session) -> SessionQuerySet:
    """Sessions of other groups on its date, or while it lasts, that are neither over nor signed."""
    rows: SessionQuerySet = Session.objects.live().not_over(timezone.now())
    then = Q(local_date=session.local_date) | overlapping(session.starts_at, session.ends_at)
    found = rows.filter(then, clinic=session.clinic_id, signed_at__isnull=True)
    if session.group_id is None:
        return found.none()
    return found.filter(group__isnull=False).exclude(group=session.group_id)


def _check_not_over(session: Session) -> None:
    if session.ends_at <= timezone.now():
        raise Refused("session_over", "The session is over: it stays as it was.")


def _expected_in(session: Session) -> list[Booking]:
    return _with_episodes(Booking.objects.exclude(state=WITHDRAWN).filter(session=session))


def _with_episodes(rows: BookingQuerySet) -> list[Booking]:
    """By seat: whoever sat first is seated first."""
    return list(rows.select_related("episode", "membership").order_by("seat", "pk"))


# --- who fits ------------------------------------------------------------------------------------


def _fit(rows: Sequence[Booking], session: Session, *, crowding: bool) -> Fit:
    for found in _fits(rows, [session], crowding=crowding):
        if found.coming:
            return found
    message = (
        "Nobody who is expected would fit there. Choose another session, or leave it as it is."
    )
    raise Refused("nobody_fits", message, field="into")


def _fits(rows: Sequence[Booking], sessions: Sequence[Session], *, crowding: bool) -> list[Fit]:
    """Who fits where; `crowding`: above the capacity too, otherwise only who sat so before."""
    if not sessions or not rows:
        return []
    unfit = refusals_in_turn(episodes=[row.episode for row in rows], sessions=sessions)
    known = known_rows(sessions)
    busy = busy_times(sessions, [Expected(row.episode, row.membership) for row in rows])
    visits = _visits(rows)
    found = []
    for session in sessions:
        own = known[session.pk]
        taken = {row.seat for row in own.values() if row.state == BOOKED}
        free = session.capacity - len({seat for seat in taken if seat <= session.capacity})
        seats = _Seats(session, own, taken, crowding=crowding)
        coming, left = [], []
        for row in rows:
            refused = unfit[session.pk].get(row.episode_id) or _elsewhere(
                row, session, busy[row.patient_id], visits[row.pk]
            )
            seat = refused or seats.take(row)
            if isinstance(seat, Refused):
                left.append((row, seat))
            else:
                coming.append((row, seat))
        found.append(Fit(session, tuple(coming), tuple(left), free))
    return found


def _visits(rows: Iterable[Booking]) -> Mapping[int, list[Booking]]:
    """By booking: the short visits that lie inside it."""
    visits: defaultdict[int | None, list[Booking]] = defaultdict(list)
    keys = [row.pk for row in rows]
    for visit in Booking.objects.seated().filter(nested_in__in=keys).order_by("pk"):
        visits[visit.nested_in_id].append(visit)
    return visits  # type: ignore[return-value]  # none of them has no outer booking


def _elsewhere(
    row: Booking, session: Session, busy: Iterable[Busy], visits: Iterable[Booking]
) -> Refused | None:
    """Why the patient cannot be there then; whoever gave notice need not be anywhere."""
    span = _span(session)
    elsewhere = any(one.keeps_from(session) for one in busy if one.session != row.session_id)
    out = any(span.overlaps(_span(visit)) for visit in visits if not _inside(visit, session))
    if row.state == BOOKED and (elsewhere or out):
        return Refused("patient_busy", "The patient is booked elsewhere at this time.")
    return None


def _span(row: Booking | Session) -> Span:
    return Span(row.starts_at, row.ends_at)


def _inside(visit: Booking, session: Session) -> bool:
    return session.starts_at <= visit.starts_at and visit.ends_at <= session.ends_at


@dataclass(slots=True)
class _Seats:
    """The seats of a session, given out one by one."""

    session: Session
    own: Mapping[int, Booking]
    """By episode: the bookings there are, in any state."""
    taken: set[int]
    crowding: bool

    def take(self, row: Booking) -> int | Refused:
        own = self.own.get(row.episode_id)
        if own is not None and own.state != WITHDRAWN:
            return Refused("already_booked", "The patient is on that roster already.")
        if row.state == RELEASED:
            return own.seat if own else row.seat
        seat = self._free(own)
        if seat is None:
            return Refused("session_full", "No seat is left.")
        self.taken.add(seat)
        return seat

    def _free(self, own: Booking | None) -> int | None:
        if own is not None and own.seat <= self.session.capacity and own.seat not in self.taken:
            return own.seat
        seat = lowest_free(self.taken, self.session.capacity)
        if seat is None and (self.crowding or (own and own.overflow_reason)):
            seat = lowest_free(self.taken, min(most_seats(self.session), MOST_SEATS))
        return seat


# --- what is written -----------------------------------------------------------------------------

TAKEN_OVER = [
    "state",
    "seat",
    "membership",
    "released_at",
    "call_in",
    "withdrawn_reason",
    "makes_up",
    "combined_from",
    "overflow_reason",
    "overflow_by",
    "version",
]


@dataclass(slots=True)
class _Move:
    """Those who fit go over to the other session: as they were, with their visits."""

    fit: Fit
    reason: str
    """Why the bookings that they leave are withdrawn."""
    overflow: str
    """Why somebody sits above the capacity; empty: as when they sat there before."""
    by: User | Job

    def run(self) -> tuple[Booking, ...]:
        rows = [row for row, _ in self.fit.coming]
        known, visits = known_rows([self.fit.session])[self.fit.session.pk], _visits(rows)
        booked = [row.patient_id for row in rows if row.state == BOOKED]
        alone = visits_inside(self.fit.session, booked)
        # A visit is for a moment in no session: what overlaps is looked at again at the end.
        with connection.cursor() as cursor:
            cursor.execute(
                "SET CONSTRAINTS booking_patient_free, booking_patient_free_nested DEFERRED"
            )
        there = [self._there(row, seat, known.get(row.episode_id)) for row, seat in self.fit.coming]
        withdraw_all([row.pk for row in rows], reason=self.reason)
        Booking.objects.bulk_update([row for row in there if row.pk], TAKEN_OVER)
        Booking.objects.bulk_create([row for row in there if not row.pk])
        for row, now in zip(rows, there, strict=True):
            self._tie(visits[row.pk], now)
        outer = {row.patient_id: row for row in there}
        tie((visit, outer[visit.patient_id]) for visit in alone)
        return tuple(there)

    def _there(self, row: Booking, seat: int, own: Booking | None) -> Booking:
        session = self.fit.session
        there = own or new_booking(session, row.episode, seat=seat)
        if own is not None:
            revive_row(own, seat=seat)
        there.state, there.membership, there.makes_up = row.state, row.membership, row.makes_up
        there.released_at, there.call_in = row.released_at, row.call_in
        if there.pk is None or there.pk != row.combined_from_id:
            there.combined_from = row
        crowds = row.state == BOOKED and seat > session.capacity
        if not crowds:
            there.overflow_reason, there.overflow_by = "", None
        elif self.overflow:
            there.overflow_reason = self.overflow
            there.overflow_by = overflow_author(self.overflow, self.by)
        return there

    def _tie(self, visits: Sequence[Booking], outer: Booking) -> None:
        """Visits inside the new time interrupt that session now; others stand alone."""
        inside = [one.pk for one in visits if _inside(one, self.fit.session)]
        if inside and outer.state == BOOKED:
            Booking.objects.filter(pk__in=inside).update(
                nested_in=outer, outer_starts_at=outer.starts_at, outer_ends_at=outer.ends_at
            )
