"""Two groups' sessions held as one, and parted again.

Whoever fits sits in the one session from then on: the booking in the other is withdrawn, so that it
counts nowhere and no week is asked for less because of it (2b). The other session is cancelled, and
whoever does not fit keeps the booking there, which counts against nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from scheduling.locks import lock, lock_session
from scheduling.models import Booking, Session, SessionStaff
from scheduling.rules import Span
from scheduling.services.bookings import check_takes_place, combined_bookings, withdraw_all
from scheduling.services.fitting import (
    BOOKED,
    Fit,
    expected_in,
    fit_into,
    is_inside,
    others_of,
    visits_of,
    with_episodes,
)
from scheduling.services.seating import known_rows, new_booking, overflow_author, revive_row
from scheduling.services.sessions import (
    COMBINED_WITH,
    bring_back,
    cancel_session,
    check_not_signed,
    lock_for_move,
)
from scheduling.services.visits import tie, visits_inside


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
    if not others_of(session).filter(pk=into.pk).exists():
        message = "Choose a session of another group on the same day that is not over or signed."
        raise Refused("not_combinable", message, field="into")
    rows = expected_in(session)
    lock(episodes=[row.episode_id for row in rows])
    fit = fit_into(rows, into, crowding=True)
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
    rows = with_episodes(came.exclude(pk__in=staying))
    if not rows:
        message = "Nobody came from it, or everybody is recorded there: nothing can be parted."
        raise Refused("not_combined", message)
    bring_back(session, lock_for_move(session, Span(session.starts_at, session.ends_at)))
    fit = fit_into(rows, session, crowding=False)
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


def _check_not_over(session: Session) -> None:
    if session.ends_at <= timezone.now():
        raise Refused("session_over", "The session is over: it stays as it was.")


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
        known, visits = known_rows([self.fit.session])[self.fit.session.pk], visits_of(rows)
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
        inside = [one.pk for one in visits if is_inside(one, self.fit.session)]
        if inside and outer.state == BOOKED:
            Booking.objects.filter(pk__in=inside).update(
                nested_in=outer, outer_starts_at=outer.starts_at, outer_ends_at=outer.ends_at
            )
