"""From which date on a group could take one patient more: for good, and in each planned session.

The same answers as `enrol` gives, for many at once and without asking it.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q

from iop_clinic.accounts.weeks import local_date, long_date
from patients.models import Episode
from scheduling.models import Booking, Group, GroupMembership, Session
from scheduling.rules import Span, Stay, has_room

SOON = datetime.timedelta(days=14)
"""A seat that begins later than so after the date asked for is none to offer."""
SITS_THERE = "The patient has a seat in it already."
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Opening:
    """The `first` local date of a seat without end, and how many are free from then on, with what
    keeps the patient `out_before`; or None, and `why` there is none."""

    group: Group
    first: datetime.date | None
    free_seats: int = 0
    why: str = ""
    out_before: str = ""


@dataclass(frozen=True, slots=True)
class Seats:
    """The stays of a group: those that are seated anew to make room, and the others."""

    fixed: tuple[Stay, ...]
    movable: tuple[Stay, ...]
    members: Mapping[int, datetime.date | None]
    """By episode: the last date of its last stay; None: open."""

    def holds(self, episode: Episode, on: datetime.date) -> bool:
        last = self.members.get(episode.pk, datetime.date.min)
        return last is None or last >= on

    def free(self, capacity: int, on: datetime.date) -> int:
        """Seats within the capacity that nobody has on any date from `on` on."""
        stays = [*self.fixed, *self.movable]
        dates = {on, *(one.first for one in stays if one.first > on)}
        most = max(sum(_covers(one, day) for one in stays) for day in dates)
        return max(capacity - most, 0)


@dataclass(frozen=True, slots=True)
class Person:
    """When a patient is expected elsewhere, and in which sessions the episode sits already."""

    busy: tuple[tuple[int, Span], ...]
    sits_in: frozenset[int]


def openings(
    *,
    groups: Sequence[Group],
    episodes: Sequence[Episode],
    on: datetime.date,
    now: datetime.datetime,
    leaving: Group | None = None,
) -> dict[int, dict[int, Opening]]:
    """By episode and group, from the local date `on` on; 3 statements for any number of either.
    Sessions of the group that they would be `leaving` keep nobody away.

    Who may sit there at all is another question (see `eligibility.group_refusals`).
    """
    if not groups or not episodes:
        return {row.pk: {} for row in episodes}
    today = local_date(now, groups[0].clinic.tz)
    seats, planned = _seats(groups, today), _planned(groups, on, now)
    people = _people(episodes, now, leaving)
    rooms = {one.pk: _room_from(one, seats[one.pk], on) for one in groups}
    found: dict[int, dict[int, Opening]] = {row.pk: {} for row in episodes}
    for group in groups:
        for row in episodes:
            own, room = seats[group.pk], rooms[group.pk]
            if own.holds(row, on):
                opening = Opening(group, None, why=SITS_THERE)
            elif room is None:
                opening = Opening(group, None, why=f"All {group.capacity} seats are taken.")
            else:
                opening = _opening(group, own, planned[group.pk], people[row.pk], on, room)
            found[row.pk][group.pk] = opening
    return found


def _room_from(group: Group, seats: Seats, on: datetime.date) -> datetime.date | None:
    """The first date soon on which a seat is free for good; the later, the easier."""
    days = (on + number * _DAY for number in range(SOON.days + 1))
    stays = ((day, Stay(0, day, None)) for day in days)
    return next(
        (day for day, stay in stays if has_room(stay, seats.fixed, seats.movable, group.capacity)),
        None,
    )


def _seats(groups: Sequence[Group], today: datetime.date) -> dict[int, Seats]:
    rows = GroupMembership.objects.filter(group__in=groups).order_by("group", "starts_on", "pk")
    by_group: defaultdict[int, list[GroupMembership]] = defaultdict(list)
    for row in rows:
        by_group[row.group_id].append(row)
    return {one.pk: _seats_of(by_group[one.pk], today) for one in groups}


def _seats_of(rows: Sequence[GroupMembership], today: datetime.date) -> Seats:
    kept = [row for row in rows if row.ends_on is None or row.ends_on >= today]
    movable = [row for row in kept if not row.overflow_reason]
    members: dict[int, datetime.date | None] = {}
    for row in kept:
        before = members.get(row.episode_id, row.ends_on)
        members[row.episode_id] = None if None in (before, row.ends_on) else row.ends_on
    fixed = [row for row in rows if row not in movable]
    return Seats(tuple(map(_stay, fixed)), tuple(map(_stay, movable)), members)


def _stay(row: GroupMembership) -> Stay:
    return Stay(row.seat, row.starts_on, row.ends_on)


def _covers(stay: Stay, day: datetime.date) -> bool:
    return stay.first <= day and (stay.last is None or day <= stay.last)


def _planned(
    groups: Sequence[Group], on: datetime.date, now: datetime.datetime
) -> Mapping[int, list[Any]]:
    """Sessions to come, each with the seats that are `taken` within its capacity."""
    rows = Session.objects.live().on(on, None).not_over(now)
    booked = Q(bookings__state=Booking.State.BOOKED, bookings__seat__lte=F("capacity"))
    found: defaultdict[int, list[Any]] = defaultdict(list)
    rows = rows.filter(group__in=groups, signed_at__isnull=True).order_by("starts_at", "pk")
    for row in rows.annotate(taken=Count("bookings", filter=booked)):
        assert row.group_id is not None
        found[row.group_id].append(row)
    return found


def _people(
    episodes: Sequence[Episode], now: datetime.datetime, leaving: Group | None
) -> dict[int, Person]:
    rows = Booking.objects.expected().filter(
        clinic=episodes[0].clinic_id,
        patient__in={row.patient_id for row in episodes},
        ends_at__gt=now,
    )
    if leaving is not None:
        rows = rows.exclude(session__group=leaving)
    of: defaultdict[int, list[Booking]] = defaultdict(list)
    for row in rows.order_by("starts_at", "pk"):
        of[row.patient_id].append(row)
    return {row.pk: _person(row, of[row.patient_id]) for row in episodes}


def _person(episode: Episode, rows: Iterable[Booking]) -> Person:
    """A visit nested in a session takes nobody out of another one."""
    rows = list(rows)
    seated = [r for r in rows if r.state == Booking.State.BOOKED and r.nested_in_id is None]
    return Person(
        busy=tuple((row.session_id, Span(row.starts_at, row.ends_at)) for row in seated),
        sits_in=frozenset(row.session_id for row in rows if row.episode_id == episode.pk),
    )


# --- one of each --------------------------------------------------------------------------------


def _opening(
    group: Group,
    seats: Seats,
    planned: Sequence[Any],
    person: Person,
    on: datetime.date,
    room: datetime.date,
) -> Opening:
    first, why = room, ""
    for session in planned:
        if session.local_date >= room and (trouble := _trouble(session, person)):
            first, why = session.local_date + _DAY, trouble
    if first > on + SOON:
        return Opening(group, None, why=why)
    return Opening(group, first, seats.free(group.capacity, first), out_before=why)


def _trouble(session: Any, person: Person) -> str:
    """Why the patient could not sit in a planned session; empty where they could."""
    if session.pk in person.sits_in:
        return ""
    span = Span(session.starts_at, session.ends_at)
    if any(span.overlaps(other) for key, other in person.busy if key != session.pk):
        return f"The patient is booked elsewhere at its time on {long_date(session.local_date)}."
    if session.taken >= session.capacity:
        return f"Guests hold its last seats on {long_date(session.local_date)}."
    return ""
