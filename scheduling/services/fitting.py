"""Who of a session would fit into another one, before anything is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from iop_clinic.accounts.acting import Refused
from scheduling.eligibility import refusals_in_turn
from scheduling.models import Booking, Session
from scheduling.querysets import BookingQuerySet, SessionQuerySet, overlapping
from scheduling.rules import MOST_SEATS, Span, lowest_free
from scheduling.services.busy import Busy
from scheduling.services.seating import Expected, busy_times, known_rows, most_seats

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


def combinable_with(session: Session) -> list[Fit]:
    """The sessions with which it could be combined, best first: those that take the most of its
    people, then the nearest in time. The statements do not grow with sessions or people."""
    rows = others_of(session).select_related("group", "session_type", "room", "clinic")
    found = fits(expected_in(session), list(rows.order_by("starts_at", "pk")), crowding=True)
    return _best_first(session, found)


def combinable_with_each(
    sessions: Collection[Session], *, but: Collection[Session]
) -> dict[int, list[Fit]]:
    """By session, as `combinable_with`, sessions on its date `but` for some of the same clinic.

    The statements do not grow with sessions or people.
    """
    own = [one for one in sessions if one.group_id and one.ends_at > timezone.now()]
    rows = Session.objects.live().not_over(timezone.now()).filter(
        clinic__in={one.clinic_id for one in own}, group__isnull=False, signed_at__isnull=True,
        local_date__in={one.local_date for one in own},
    )  # fmt: skip
    others = rows.exclude(pk__in=[one.pk for one in but])
    there = list(
        others.select_related("group", "session_type", "room", "clinic").order_by("starts_at", "pk")
    )
    parties: dict[int, list[Booking]] = {one.pk: [] for one in own}
    booked = Booking.objects.exclude(state=WITHDRAWN).filter(session__in=own)
    for row in with_episodes(booked):
        parties[row.session_id].append(row)
    places = {one.pk: [other for other in there if _may_meet(one, other)] for one in own}
    found = _fits_of(parties, places, crowding=True)
    return {one.pk: _best_first(one, found[one.pk]) for one in own}


def _may_meet(session: Session, other: Session) -> bool:
    return session.local_date == other.local_date and session.group_id != other.group_id


def _best_first(session: Session, found: Iterable[Fit]) -> list[Fit]:
    return sorted(
        (one for one in found if one.coming),
        key=lambda one: (-len(one.coming), abs(one.session.starts_at - session.starts_at)),
    )


def others_of(session: Session) -> SessionQuerySet:
    """Sessions of other groups on its date, or while it lasts, that are neither over nor signed."""
    rows: SessionQuerySet = Session.objects.live().not_over(timezone.now())
    then = Q(local_date=session.local_date) | overlapping(session.starts_at, session.ends_at)
    found = rows.filter(then, clinic=session.clinic_id, signed_at__isnull=True)
    if session.group_id is None:
        return found.none()
    return found.filter(group__isnull=False).exclude(group=session.group_id)


def expected_in(session: Session) -> list[Booking]:
    """Whoever is booked there, or gave notice."""
    return with_episodes(Booking.objects.exclude(state=WITHDRAWN).filter(session=session))


def with_episodes(rows: BookingQuerySet) -> list[Booking]:
    """By seat: whoever sat first is seated first."""
    return list(rows.select_related("episode", "membership").order_by("seat", "pk"))


def fit_into(rows: Sequence[Booking], session: Session, *, crowding: bool) -> Fit:
    """Who fits into one session (see `fits`); Refused `nobody_fits` where nobody does."""
    for found in fits(rows, [session], crowding=crowding):
        if found.coming:
            return found
    message = (
        "Nobody who is expected would fit there. Choose another session, or leave it as it is."
    )
    raise Refused("nobody_fits", message, field="into")


def fits(rows: Sequence[Booking], sessions: Sequence[Session], *, crowding: bool) -> list[Fit]:
    """Who fits where; `crowding`: above the capacity too, otherwise only who sat so before."""
    return _fits_of({0: rows}, {0: sessions}, crowding=crowding)[0]


def _fits_of(
    parties: Mapping[int, Sequence[Booking]],
    places: Mapping[int, Sequence[Session]],
    *,
    crowding: bool,
) -> dict[int, list[Fit]]:
    """`fits` of several parties, each with places of its own; in the statements of one."""
    rows = [row for party in parties.values() for row in party]
    sessions = list({one.pk: one for some in places.values() for one in some}.values())
    if not sessions or not rows:
        return {key: [] for key in parties}
    people = {key: [row.episode for row in party] for key, party in parties.items()}
    known = _Known(
        refusals_in_turn(parties=people, sessions=sessions),
        known_rows(sessions),
        busy_times(sessions, [Expected(row.episode, row.membership) for row in rows]),
        visits_of(rows),
        crowding,
    )
    return {
        key: [known.fit(key, party, session) for session in places[key] if party]
        for key, party in parties.items()
    }


@dataclass(frozen=True, slots=True)
class _Known:
    """What is read of the people and the sessions between which a fit is looked for."""

    unfit: Mapping[tuple[int, int], Mapping[int, Refused]]
    booked: Mapping[int, Mapping[int, Booking]]
    busy: Mapping[int, Iterable[Busy]]
    visits: Mapping[int, list[Booking]]
    crowding: bool

    def fit(self, party: int, rows: Sequence[Booking], session: Session) -> Fit:
        own, unfit = self.booked[session.pk], self.unfit[party, session.pk]
        taken = {row.seat for row in own.values() if row.state == BOOKED}
        free = session.capacity - len({seat for seat in taken if seat <= session.capacity})
        seats = _Seats(session, own, taken, crowding=self.crowding)
        coming, left = [], []
        for row in rows:
            refused = unfit.get(row.episode_id) or _elsewhere(
                row, session, self.busy[row.patient_id], self.visits[row.pk]
            )
            seat = refused or seats.take(row)
            if isinstance(seat, Refused):
                left.append((row, seat))
            else:
                coming.append((row, seat))
        return Fit(session, tuple(coming), tuple(left), free)


def visits_of(rows: Iterable[Booking]) -> Mapping[int, list[Booking]]:
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
    out = any(span.overlaps(_span(visit)) for visit in visits if not is_inside(visit, session))
    if row.state == BOOKED and (elsewhere or out):
        return Refused("patient_busy", "The patient is booked elsewhere at this time.")
    return None


def _span(row: Booking | Session) -> Span:
    return Span(row.starts_at, row.ends_at)


def is_inside(visit: Booking, session: Session) -> bool:
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
