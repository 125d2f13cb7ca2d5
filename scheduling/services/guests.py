"""A new member's seat in sessions that are planned already, where guests may hold the last ones.

A guest has a seat in one session, a member in each of the group's. Nobody gives way in silence:
whoever enrols has seen who the guests are, and says what becomes of those dates.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import full_date, long_date
from scheduling.models import Booking, GroupMembership, Session
from scheduling.rules import lowest_free
from scheduling.services.bookings import withdraw_all
from scheduling.services.busy import Busy
from scheduling.services.seating import (
    BOOKED,
    Expected,
    Seating,
    most_seats,
    overflow_author,
    plan_seating,
)

_DAY = datetime.timedelta(days=1)


class Then(TextChoices):
    """What becomes of the dates on which guests hold the last seats; to begin later is the third
    answer, and needs no more than another first day."""

    MOVE_ON = "move_on", "The guests move on: these bookings are withdrawn"
    ABOVE = "above", "The patient gets a seat above the capacity on these dates"


@dataclass(frozen=True, slots=True)
class GuestChoice:
    """The answer for all such dates, why, and the `bookings` of the guests who were shown: only
    they move on."""

    then: Then
    reason: str
    bookings: frozenset[int] = frozenset()


def guests_of(clinic: int, choice: GuestChoice | None) -> list[int]:
    """The episodes of the guests who may move on by an answer: locked and judged with the new
    member's."""
    if choice is None or choice.then != Then.MOVE_ON:
        return []
    rows = Booking.objects.filter(clinic=clinic, pk__in=choice.bookings)
    return list(rows.order_by().values_list("episode", flat=True))


def rooms_above(
    sessions: Iterable[Session], choice: GuestChoice | None, overflow_reason: str
) -> list[int | None]:
    """The rooms that are locked before these sessions: whoever is given a seat above the capacity
    has the room asked for its seats. None of them where nobody is."""
    above = bool(overflow_reason) or (choice is not None and choice.then == Then.ABOVE)
    return [one.room_id for one in sessions] if above else []


def book_planned(
    membership: GroupMembership,
    sessions: Sequence[Session],
    choice: GuestChoice | None,
    by: User | Job,
) -> None:
    """Book a member into locked sessions. Raises Refused `patient_busy` or `group_full`, each with
    `dates` and the `bookings` that stand in the way, or `reason_required`."""
    person = Expected(membership.episode, membership)
    seating = plan_seating(sessions, [person], revive=True)
    if seating.busy:
        raise _busy(seating.busy, seating.around[person.episode.patient_id])
    if seating.full:
        _seat_beside_guests(seating, person, choice, by)
    seating.write()


def _busy(sessions: Sequence[Session], around: Iterable[Busy]) -> Refused:
    keys = {one.booking for one in around if any(map(one.keeps_from, sessions))}
    rows = list(Booking.objects.filter(pk__in=keys).order_by("starts_at", "pk"))
    why = f"The patient is booked elsewhere at the group's time on {_days(sessions)}."
    return _refused("patient_busy", f"{why} Begin later, or withdraw that first.", sessions, rows)


def _seat_beside_guests(
    seating: Seating, person: Expected, choice: GuestChoice | None, by: User | Job
) -> None:
    full, there = seating.full, _by_session(seating.full)
    if choice is None:
        raise _guests_hold(full, _who_gives_way(full, there))
    if not choice.reason.strip():
        raise Refused("reason_required", "Say why.", field="guests_reason")
    above = choice.then == Then.ABOVE
    seats = _above(full, there) if above else _move_on(full, there, choice)
    author = overflow_author(choice.reason, by) if above else None
    for session in full:
        own = next((r for r in there[session.pk] if r.episode_id == person.episode.pk), None)
        why = choice.reason if author else ""
        seating.sit(session, person, own, seats[session.pk], why, author.pk if author else None)


def _by_session(sessions: Iterable[Session]) -> Mapping[int, list[Booking]]:
    there: defaultdict[int, list[Booking]] = defaultdict(list)
    for row in Booking.objects.filter(session__in=sessions).order_by("pk"):
        there[row.session_id].append(row)
    return there


def _who_gives_way(
    full: Iterable[Session], there: Mapping[int, Sequence[Booking]]
) -> dict[int, Booking]:
    """By session that has not begun: the guest who was booked last; one who makes up a missed
    session only where there is no other."""
    now, found = timezone.now(), {}
    for session in full:
        guests = [one for one in there[session.pk] if _is_guest(one, session)]
        if guests and session.starts_at > now:
            found[session.pk] = min(guests, key=lambda one: (one.makes_up_id is not None, -one.pk))
    return found


def _is_guest(row: Booking, session: Session) -> bool:
    return row.state == BOOKED and row.membership_id is None and row.seat <= session.capacity


def _move_on(
    full: Sequence[Session], there: Mapping[int, Sequence[Booking]], choice: GuestChoice
) -> dict[int, int]:
    """Withdraw one guest of each session; by session, the seat that is free then."""
    leave = _who_gives_way(full, there)
    stuck = [one for one in full if one.pk not in leave]
    if stuck:
        message = f"No guest can move on on {_days(stuck)}. Begin later, or choose a seat above."
        raise _refused("group_full", message, full, leave.values())
    if not choice.bookings.issuperset(one.pk for one in leave.values()):
        raise _guests_hold(full, leave)
    withdraw_all([one.pk for one in leave.values()], reason=choice.reason)
    return {key: one.seat for key, one in leave.items()}


def _above(full: Sequence[Session], there: Mapping[int, Sequence[Booking]]) -> dict[int, int]:
    """By session, the lowest seat that is free up to its ceiling."""
    seats, stuck = {}, []
    for session in full:
        taken = {one.seat for one in there[session.pk] if one.state == BOOKED}
        seat = lowest_free(taken, most_seats(session))
        if seat is None:
            stuck.append(session)
        else:
            seats[session.pk] = seat
    if stuck:
        message = f"No seat above the capacity is left either on {_days(stuck)}. Begin later."
        raise _refused("group_full", message, full, _who_gives_way(full, there).values())
    return seats


def _guests_hold(full: Sequence[Session], guests: Mapping[int, Booking]) -> Refused:
    later = full_date(max(one.local_date for one in full) + _DAY)
    message = (
        f"Guests hold the last seats on {_days(full)}. Begin on {later} or later, or say what "
        "becomes of these dates."
    )
    return _refused("group_full", message, full, guests.values())


def _refused(
    code: str, message: str, sessions: Iterable[Session], rows: Iterable[Booking]
) -> Refused:
    dates = sorted({session.local_date for session in sessions})
    keys = [row.pk for row in rows]
    return Refused(code, message, field="starts_on", dates=dates, bookings=keys)


def _days(sessions: Iterable[Session]) -> str:
    return ", ".join(long_date(day) for day in sorted({one.local_date for one in sessions}))
