"""Seating a patient again in what was taken away, where there is still a place."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import F, QuerySet
from django.utils import timezone

from attendance.trail import before
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent
from patients.models import Episode
from scheduling.eligibility import check_apart, refusals
from scheduling.models import Booking, Group, GroupMembership, Session
from scheduling.rules import lowest_free
from scheduling.services.offers import settle_offers
from scheduling.services.seating import Expected, Seating, plan_seating

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Resumption:
    """What came of a return: how many bookings there are again, and the dates without a place."""

    booked: int
    not_booked: tuple[datetime.date, ...]


# --- seats in groups -----------------------------------------------------------------------------


def seats_run_on(
    rows: QuerySet[GroupMembership], event: AuditEvent, day: datetime.date
) -> Iterator[str]:
    """Let seats that ended on a local date after an event run on as before it, where they are free;
    of the others, what to do."""
    for row, old in before(rows.select_related("group", "episode"), event, ends_on=str(day)):
        last = old["ends_on"] and datetime.date.fromisoformat(old["ends_on"])
        others = GroupMembership.objects.during(day + _DAY, last).filter(group=row.group)
        taken = set(others.exclude(pk=row.pk).values_list("seat", flat=True))
        within = row.seat <= row.group.capacity or row.overflow_reason
        if refused := _kept_apart(row, day + _DAY, last):
            yield f"No seat in {row.group}: {refused}"
        elif row.group.active and within and row.seat not in taken:
            row.ends_on = last
            row.save(update_fields=["ends_on"])
            settle_offers(row.group)
        elif seat := lowest_free(taken, row.group.capacity) if row.group.active else None:
            yield f"Enrol the patient again in {row.group}: seat {seat} is free."
        else:
            yield f"No seat is free in {row.group}: choose another group, or the waitlist."


def _kept_apart(row: GroupMembership, on: datetime.date, until: datetime.date | None) -> str:
    """Why the patient may not sit with whom the group has taken since; empty where they may."""
    try:
        check_apart(episode=row.episode, group=row.group, on=on, until=until)
    except Refused as refused:
        return refused.message
    return ""


# --- seats in sessions ---------------------------------------------------------------------------


def groups_of(episode: Episode) -> QuerySet[Group, int]:
    groups = Group.objects.filter(clinic=episode.clinic_id, memberships__episode=episode)
    return groups.values_list("pk", flat=True)


def all_it_takes(
    episode: Episode, away: QuerySet[Booking], first: datetime.date, last: datetime.date | None
) -> dict[str, list[int | None]]:
    """What `seat_again` may write to, as `lock` takes it; of whoever has a seat above the capacity
    the rooms too, which are asked for their seats."""
    planned = _planned(first, last).filter(group__in=groups_of(episode))
    rows = [
        *away.values_list("session", "session__room"),
        *planned.values_list("pk", "room"),
    ]
    above = episode.memberships.exclude(overflow_reason="").exists()
    return {
        "sessions": [session for session, _ in rows],
        "rooms": [room for _, room in rows] if above else [],
    }


def seat_again(
    episode: Episode, away: QuerySet[Booking], first: datetime.date, last: datetime.date | None
) -> Resumption:
    """Book again what is away, and what the patient's groups have planned since, on these dates.

    A notice given before stands again; a seat or a time that is taken is left to its new holder,
    and nobody is seated with a patient from whom they are kept apart, who has come meanwhile.
    """
    rows = away.select_related(
        "session__group", "session__session_type", "session__room", "membership"
    )
    expected = [row for row in rows if _expected(episode, row)]
    booked = _expect_again([row.pk for row in expected if row.released_at is not None])
    held = _by_seat([row for row in expected if row.released_at is None])
    seats = GroupMembership.objects.during(first, last).filter(episode=episode)
    planned = [(seat, _planned_for(Expected(episode, seat), first, last)) for seat in seats]
    every = [one for _, sessions in (*held, *planned) for one in sessions]
    unfit = refusals(episodes=[episode], sessions=every)[episode.pk] if every else {}
    seatings = [
        _seat(
            [one for one in sessions if one.pk not in unfit], Expected(episode, seat), revive=back
        )
        for some, back in ((held, True), (planned, False))
        for seat, sessions in some
    ]
    without = {session.local_date for one in seatings for session in [*one.full, *one.busy]}
    without |= {session.local_date for session in every if session.pk in unfit}
    booked += sum(len(one.new) + len(one.revived) for one in seatings)
    return Resumption(booked, tuple(sorted(without)))


def _planned_for(
    member: Expected, first: datetime.date, last: datetime.date | None
) -> list[Session]:
    assert member.membership is not None
    sessions = _planned(first, last).filter(group=member.membership.group_id)
    return [one for one in sessions if member.on(one.local_date)]


def _planned(first: datetime.date, last: datetime.date | None) -> QuerySet[Session]:
    rows = Session.objects.live().on(first, last).filter(starts_at__gt=timezone.now())
    return rows.select_related("group", "session_type", "room").order_by("starts_at", "pk")


def _expected(episode: Episode, row: Booking) -> bool:
    """Whether the booking is due again: not after a discharge or a seat that has ended."""
    return Expected(episode, row.membership).on(row.session.local_date)


def _expect_again(noticed: Iterable[int]) -> int:
    """The patient had given notice before the hold: still expected, without a seat."""
    return Booking.objects.filter(pk__in=list(noticed)).update(
        state=Booking.State.RELEASED, withdrawn_reason="", version=F("version") + 1
    )


def _by_seat(rows: Iterable[Booking]) -> list[tuple[GroupMembership | None, list[Session]]]:
    """Each row is seated again as the member's or the guest's that it was."""
    sessions: dict[GroupMembership | None, list[Session]] = defaultdict(list)
    for row in rows:
        sessions[row.membership].append(row.session)
    return list(sessions.items())


def _seat(sessions: Iterable[Session], person: Expected, *, revive: bool = False) -> Seating:
    seating = plan_seating(list(sessions), [person], revive=revive)
    seating.write()
    return seating
