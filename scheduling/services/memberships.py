"""Seats in groups: enrol, end, transfer, and how many seats there are."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.db.models import Q
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import full_date, long_date
from patients.models import Episode
from scheduling.eligibility import check_active, check_eligible, check_first_day, check_last_day
from scheduling.locks import lock
from scheduling.models import Booking, Group, GroupMembership, Session
from scheduling.rules import MOST_SEATS, Stay, crowded_on, lowest_free, reseat, seats_taken
from scheduling.services.bookings import check_reason, withdraw_all
from scheduling.services.guests import GuestChoice, book_planned, guests_of, rooms_above
from scheduling.services.offers import seats_given, settle_offers
from scheduling.services.placing import check_rooms
from scheduling.services.seating import overflow_author

FEWEST_SEATS = 8


@service
def enrol(
    *,
    group: Group,
    episode: Episode,
    starts_on: datetime.date,
    ends_on: datetime.date | None = None,
    seat: int | None = None,
    population_opt_in: bool = False,
    overflow_reason: str = "",
    guests: GuestChoice | None = None,
    transferred_from: GroupMembership | None = None,
    by: User | Job,
) -> GroupMembership:
    """Give an episode a seat in a group for inclusive local dates, and in its planned sessions.

    The lowest seat that is free all the time, or `seat`. Above the capacity, up to 15, only with
    `overflow_reason`. `guests` says what becomes of the dates on which guests hold the last seats.
    Raises Refused `dates_in_order`, `first_day` a year or more ahead, `last_day` three years or
    more (of one `transferred_from` another it stays as it is), `group_closed`, `already_member`,
    `not_active`, `not_suitable`, `group_full` (with `dates` and `bookings` where `guests` is asked
    for), `patient_busy` with the same, or `reason_required`. An offer to somebody else keeps nobody
    out.
    """
    lock(groups=[group.pk])
    group.refresh_from_db()
    membership = GroupMembership(
        clinic_id=group.clinic_id,
        group=group,
        episode=episode,
        seat=seat or 0,
        starts_on=starts_on,
        ends_on=ends_on,
        population_opt_in=population_opt_in,
        transferred_from=transferred_from,
    )
    _check_new(membership)
    try:
        _take_seat(membership, overflow_reason, by)  # first, so that a full group answers at once
    except Refused:  # nobody is asked why it takes one more whom it does not suit
        _check_fits(membership)
        raise
    planned = _planned(group, starts_on, ends_on)
    moving = guests_of(group.clinic_id, guests)
    lock(
        rooms=rooms_above(planned, guests, overflow_reason),
        sessions=[session.pk for session in planned],
        episodes=[episode.pk, *moving],
    )
    episode.refresh_from_db()
    _check_fits(membership)
    membership.save()
    book_planned(membership, _planned(group, starts_on, ends_on), guests, by)
    seats_given(group, [membership])
    return membership


OR_WAIT = "Put the patient on the waitlist, or say why a seat above the capacity is given."


def _planned(group: Group, first: datetime.date, last: datetime.date | None) -> list[Session]:
    """The group's sessions on these dates that take place and are not over."""
    rows = Session.objects.live().on(first, last).not_over(timezone.now())
    planned = rows.filter(group=group, signed_at__isnull=True)
    planned = planned.select_related("room", "session_type")
    return list(planned.order_by("pk"))


def _check_new(membership: GroupMembership) -> None:
    group, first, last = membership.group, membership.starts_on, membership.ends_on
    if last is not None and last < first:
        raise Refused("dates_in_order", "The membership ends before it starts.", field="ends_on")
    check_first_day(first, group.clinic)
    if last is not None and membership.transferred_from is None:
        check_last_day(last, group.clinic)
    if not group.active:
        message = f"{group} takes no members any more. Choose another group."
        raise Refused("group_closed", message, field="group")
    held = GroupMembership.objects.during(first, last)
    if held.filter(group=group, episode=membership.episode).exists():
        raise Refused(
            "already_member", "The patient is already in this group on these dates.", field="group"
        )


def _check_fits(membership: GroupMembership) -> None:
    if membership.ends_on is not None:
        check_active(membership.episode, membership.ends_on)
    check_eligible(
        episode=membership.episode,
        group=membership.group,
        on=membership.starts_on,
        until=membership.ends_on,
        population_opt_in=membership.population_opt_in,
    )


def _take_seat(membership: GroupMembership, overflow_reason: str, by: User | Job) -> None:
    """Choose the seat of an unsaved membership; the group is locked."""
    group = membership.group
    others = list(
        GroupMembership.objects.during(membership.starts_on, membership.ends_on).filter(group=group)
    )
    stay = _stay(membership)
    taken = seats_taken(stay, [_stay(row) for row in others])
    most = MOST_SEATS if overflow_reason else group.capacity
    if stay.seat:
        free = stay.seat if 1 <= stay.seat <= most and stay.seat not in taken else None
    else:
        free = lowest_free(taken, group.capacity) or _make_room(membership)
        free = free or lowest_free(taken, most)
    if free is None:
        raise Refused(
            "group_full",
            f"Seat {stay.seat} of {group} is taken. Leave it empty for the lowest free one."
            if stay.seat
            else f"All {group.capacity} seats of {group} are taken. {OR_WAIT}",
            field="seat" if stay.seat else "group",
            capacity=group.capacity,
        )
    membership.seat = free
    if free > group.capacity:
        membership.overflow_reason = overflow_reason
        membership.overflow_by = overflow_author(overflow_reason, by)


def _make_room(membership: GroupMembership) -> int | None:
    """Seat everybody anew when each seat is free only for a part of the dates."""
    group, today = membership.group, _today(membership.group.clinic)
    rows = [row for row in _current(group, today) if not row.overflow_reason]
    stays = [*(_stay(row) for row in rows), _stay(membership)]
    if crowded_on(stays, group.capacity) is not None:
        return None
    return _compact(group, rows, today, joining=membership)


# --- leaving -------------------------------------------------------------------------------------


@service
def end_membership(
    *, membership: GroupMembership, ends_on: datetime.date, reason: str, by: User | Job
) -> GroupMembership:
    """`ends_on` is the last local date of the seat; bookings to come after it are withdrawn.

    Past bookings stay as they are. Raises Refused `reason_required`, `dates_in_order` when the
    seat begins later (see `cancel_membership`) or ended earlier, or `last_day` as `enrol` does.
    """
    check_reason(reason)
    lock(groups=[membership.group_id])
    membership.refresh_from_db()
    if ends_on < membership.starts_on:
        raise Refused("dates_in_order", "The membership begins after this date.", field="ends_on")
    if membership.ends_on is not None and membership.ends_on < ends_on:
        raise Refused("dates_in_order", "The membership has ended before.", field="ends_on")
    check_last_day(ends_on, membership.clinic)
    _withdraw_bookings(membership, after=ends_on, reason=reason)
    membership.ends_on = ends_on
    membership.save(update_fields=["ends_on"])
    return membership


@service
def cancel_membership(*, membership: GroupMembership, reason: str, by: User | Job) -> None:
    """Take back a membership that has not begun; the audit keeps it.

    Raises Refused `reason_required`, or `membership_begun`: then it is ended instead.
    """
    check_reason(reason)
    lock(groups=[membership.group_id])
    membership.refresh_from_db()
    if membership.starts_on <= _today(membership.clinic):
        raise Refused("membership_begun", "The membership has begun. End it instead.")
    _withdraw_bookings(membership, after=None, reason=reason)
    # The reason too: what was withdrawn for a hold is not booked again when the patient is back.
    Booking.objects.filter(membership=membership).update(membership=None, withdrawn_reason=reason)
    membership.delete()


def _withdraw_bookings(
    membership: GroupMembership, *, after: datetime.date | None, reason: str
) -> None:
    """Withdraw what is to come of a membership, also in cancelled sessions, and lock it first."""
    coming = Booking.objects.filter(membership=membership, starts_at__gt=timezone.now()).exclude(
        state=Booking.State.WITHDRAWN
    )
    if after is not None:
        coming = coming.filter(session__local_date__gt=after)
    lock(sessions=coming.values_list("session", flat=True), episodes=[membership.episode_id])
    withdraw_all(list(coming.values_list("pk", flat=True)), reason=reason)


@service
def transfer(
    *,
    membership: GroupMembership,
    to_group: Group,
    on: datetime.date,
    by: User | Job,
    population_opt_in: bool = False,
    overflow_reason: str = "",
    guests: GuestChoice | None = None,
) -> GroupMembership:
    """Move a member to another group from the local date `on`, without a gap or an overlap.

    The old seat ends the day before. All or nothing: raises what `end_membership` and `enrol`
    raise, and Refused `dates_in_order` when the old seat does not cover that day, or `same_group`.
    """
    if to_group.pk == membership.group_id:
        message = f"The patient sits in {to_group} already: choose another group."
        raise Refused("same_group", message, field="to_group")
    check_first_day(on, membership.clinic, "on")
    lock(groups=[membership.group_id, to_group.pk])
    membership.refresh_from_db()
    old_last = on - datetime.timedelta(days=1)
    if membership.starts_on > old_last or (membership.ends_on and membership.ends_on < old_last):
        raise Refused(
            "dates_in_order", "The patient is not in the first group on the day before.", field="on"
        )
    ends_on = membership.ends_on if membership.ends_on and membership.ends_on >= on else None
    # Both groups' sessions in one step, or a booking made meanwhile could wait crosswise.
    left = Session.objects.filter(bookings__membership=membership, starts_at__gt=timezone.now())
    joined = Session.objects.live().on(on, ends_on).filter(group=to_group)
    lock(
        rooms=rooms_above(joined, guests, overflow_reason),
        sessions=[*left.values_list("pk", flat=True), *joined.values_list("pk", flat=True)],
        episodes=[membership.episode_id, *guests_of(to_group.clinic_id, guests)],
    )
    end_membership(
        membership=membership, ends_on=old_last, reason=f"Transferred to {to_group}", by=by
    )
    return enrol(
        group=to_group,
        episode=membership.episode,
        starts_on=on,
        ends_on=ends_on,
        population_opt_in=population_opt_in,
        overflow_reason=overflow_reason,
        guests=guests,
        transferred_from=membership,
        by=by,
    )


# --- capacity ------------------------------------------------------------------------------------


@service
def set_capacity(*, group: Group, capacity: int, by: User | Job) -> Group:
    """Set a group's seats, 8 to 15 (R11), for members and planned sessions alike.

    Members and bookings are seated anew where they must. Raises Refused `capacity_range`,
    `group_full` with `date` and `members`, `session_full` with `dates`, or `room_too_small` where
    a planned session is in a room with fewer seats.
    """
    if not FEWEST_SEATS <= capacity <= MOST_SEATS:
        raise Refused("capacity_range", "A group has 8 to 15 seats.", field="capacity")
    lock(groups=[group.pk])
    group.refresh_from_db()
    if group.min_size > capacity:
        raise Refused("capacity_range", "Lower the viable size first.", field="capacity")
    sessions = _planned(group, _today(group.clinic), None)
    rooms = [session.room_id for session in sessions]
    lock(rooms=rooms, sessions=[session.pk for session in sessions])
    lowered = capacity < group.capacity
    if not lowered:
        check_rooms(sessions, capacity)
    group.capacity = capacity
    if lowered:
        _seat_members_within(group)
        _seat_bookings_within(sessions, capacity)
        settle_offers(group, reason="The group has fewer seats now.")
    group.version += 1
    group.save(update_fields=["capacity", "version"])
    for session in sessions:
        session.capacity = capacity
        session.version += 1
    Session.objects.bulk_update(sessions, ["capacity", "version"])
    return group


def _seat_members_within(group: Group) -> None:
    today = _today(group.clinic)
    rows = [row for row in _current(group, today) if not row.overflow_reason]
    crowd = crowded_on([_stay(row) for row in rows], group.capacity)
    if crowd is not None or _compact(group, rows, today) is None:
        day, members = crowd or (today, len(rows))
        day = max(day, today)
        raise Refused(
            "group_full",
            f"{members} members sit in {group} on {full_date(day)}. End some memberships first.",
            field="capacity",
            date=day,
            members=members,
        )


def _compact(
    group: Group,
    rows: list[GroupMembership],
    today: datetime.date,
    joining: GroupMembership | None = None,
) -> int | None:
    """Seat `rows` (and whoever is `joining`) within the capacity; the seat of the last, or None.

    Seats are labels: members who left make way for those who are there, up to seat 15.
    """
    people = [*rows, *([joining] if joining else [])]
    seats = reseat([_stay(row) for row in people], group.capacity)
    if seats is None:
        return None
    sitting = [_stay(row)._replace(seat=seat) for row, seat in zip(people, seats, strict=True)]
    others = [row for row in GroupMembership.objects.filter(group=group) if row not in rows]
    around = reseat([_stay(row) for row in others], MOST_SEATS, around=sitting)
    if around is None:
        return None
    moved = []
    for row, seat in zip([*rows, *others], [*seats[: len(rows)], *around], strict=True):
        if row.seat != seat:
            row.seat = seat
            moved.append(row)
    GroupMembership.objects.bulk_update(moved, ["seat"])
    return seats[-1] if seats else 0


def _seat_bookings_within(sessions: Sequence[Session], capacity: int) -> None:
    """Move bookings of planned sessions to seats within the capacity, or refuse with the dates."""
    seated = Booking.objects.seated().filter(session__in=[session.pk for session in sessions])
    by_session: dict[int, list[Booking]] = {}
    for row in seated.order_by("seat"):
        by_session.setdefault(row.session_id, []).append(row)
    full = [s.local_date for s in sessions if _entitled(by_session.get(s.pk, ())) > capacity]
    if full:
        dates = sorted(set(full))
        raise Refused(
            "session_full",
            f"More are booked on {', '.join(long_date(day) for day in dates)}. Withdraw some.",
            field="capacity",
            dates=dates,
        )
    moved = []
    for rows in by_session.values():
        # Those who may sit above the capacity sit down last, and so make way for the others.
        rows.sort(key=lambda row: (bool(row.overflow_reason), row.seat > capacity, row.seat))
        taken: set[int] = set()
        for row in rows:
            most = MOST_SEATS if row.overflow_reason else capacity
            keeps = row.seat <= most and row.seat not in taken
            seat = row.seat if keeps else lowest_free(taken, most) or row.seat
            taken.add(seat)
            if row.seat != seat:
                row.seat = seat
                row.version += 1
                moved.append(row)
    Booking.objects.bulk_update(moved, ["seat", "version"])


def _entitled(rows: Sequence[Booking]) -> int:
    """How many of the bookings need a seat within the capacity."""
    return sum(not row.overflow_reason for row in rows)


def _current(group: Group, today: datetime.date) -> list[GroupMembership]:
    open_or_later = Q(ends_on__isnull=True) | Q(ends_on__gte=today)
    return list(GroupMembership.objects.filter(open_or_later, group=group))


def _stay(row: GroupMembership) -> Stay:
    return Stay(row.seat, row.starts_on, row.ends_on)


def _today(clinic: Clinic) -> datetime.date:
    return timezone.localdate(timezone=clinic.tz)
