"""Seating a patient again in what was taken away, where there is still a place."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F, QuerySet
from django.utils import timezone

from patients.models import Episode
from scheduling.models import Booking, Group, GroupMembership, Session
from scheduling.services.seating import Expected, Seating, plan_seating


@dataclass(frozen=True, slots=True)
class Resumption:
    """What came of a return: how many bookings there are again, and the dates without a place."""

    booked: int
    not_booked: tuple[datetime.date, ...]


def groups_of(episode: Episode) -> QuerySet[Group, int]:
    groups = Group.objects.filter(clinic=episode.clinic_id, memberships__episode=episode)
    return groups.values_list("pk", flat=True)


def sessions_again(
    episode: Episode, away: QuerySet[Booking], first: datetime.date, last: datetime.date | None
) -> list[int]:
    """The sessions that `seat_again` may write to: they are locked first."""
    planned = _planned(first, last).filter(group__in=groups_of(episode))
    return [*away.values_list("session", flat=True), *planned.values_list("pk", flat=True)]


def seat_again(
    episode: Episode, away: QuerySet[Booking], first: datetime.date, last: datetime.date | None
) -> Resumption:
    """Book again what is away, and what the patient's groups have planned since, on these dates.

    A notice given before stands again; a seat or a time that is taken is left to its new holder.
    """
    seats = GroupMembership.objects.during(first, last).filter(episode=episode)
    rows = away.select_related("session__group", "session__session_type", "membership")
    expected = [row for row in rows if _expected(episode, row)]
    booked = _expect_again([row.pk for row in expected if row.released_at is not None])
    seatings = _seatings(episode, [row for row in expected if row.released_at is None])
    seatings += [
        _seat(_planned(first, last).filter(group=seat.group_id), Expected(episode, seat))
        for seat in seats
    ]
    without = {session.local_date for one in seatings for session in [*one.full, *one.busy]}
    booked += sum(len(one.new) + len(one.revived) for one in seatings)
    return Resumption(booked, tuple(sorted(without)))


def _planned(first: datetime.date, last: datetime.date | None) -> QuerySet[Session]:
    rows = Session.objects.live().on(first, last).filter(starts_at__gt=timezone.now())
    return rows.select_related("group", "session_type").order_by("starts_at", "pk")


def _expected(episode: Episode, row: Booking) -> bool:
    """Whether the booking is due again: not after a discharge or a seat that has ended."""
    return Expected(episode, row.membership).on(row.session.local_date)


def _expect_again(noticed: Iterable[int]) -> int:
    """The patient had given notice before the hold: still expected, without a seat."""
    return Booking.objects.filter(pk__in=list(noticed)).update(
        state=Booking.State.RELEASED, withdrawn_reason="", version=F("version") + 1
    )


def _seatings(episode: Episode, rows: Iterable[Booking]) -> list[Seating]:
    """Seat the rows again, each as the member or the guest it was for."""
    sessions: dict[GroupMembership | None, list[Session]] = defaultdict(list)
    for row in rows:
        sessions[row.membership].append(row.session)
    return [
        _seat(held, Expected(episode, membership), revive=True)
        for membership, held in sessions.items()
    ]


def _seat(sessions: Iterable[Session], person: Expected, *, revive: bool = False) -> Seating:
    seating = plan_seating(list(sessions), [person], revive=revive)
    seating.write()
    return seating
