"""Ending a seat, moving to another group, and how many seats there are."""

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.acting import Refused
from scheduling import services
from scheduling.models import Booking, Group, GroupMembership
from tests import factories as f
from tests.scheduling.conftest import TODAY, World
from tests.scheduling.test_enrol import DAY, enrol, fill

NEXT = TODAY + 7 * DAY


def end(world: World, row: GroupMembership, **extra: Any) -> GroupMembership:
    asked = {"ends_on": TODAY, "reason": "Stepped down", "by": world.by, **extra}
    return services.end_membership(membership=row, **asked)


def states(row: GroupMembership) -> list[tuple[datetime.date, str]]:
    bookings = Booking.objects.filter(episode=row.episode)
    return list(bookings.order_by("starts_at").values_list("session__local_date", "state"))


def test_what_is_to_come_is_withdrawn_and_what_was_stays(world: World) -> None:
    over = world.group_session("2026-02-23")
    for day in ("2026-03-02", "2026-03-09", "2026-03-16"):
        world.group_session(day)
    row = enrol(world, starts_on=TODAY - 14 * DAY)
    f.booking(over, row.episode, membership=row)
    end(world, row)
    assert (row.ends_on, states(row)) == (
        TODAY,
        [
            (TODAY - 7 * DAY, "booked"),
            (TODAY, "booked"),
            (NEXT, "withdrawn"),
            (NEXT + 7 * DAY, "withdrawn"),
        ],
    )
    assert set(Booking.objects.filter(state="withdrawn").values_list("withdrawn_reason")) == {
        ("Stepped down",)
    }


def test_a_cancelled_session_is_withdrawn_from_too_so_that_it_does_not_come_back(
    world: World,
) -> None:
    session = world.group_session("2026-03-09")
    row = enrol(world)
    services.cancel_session(session=session, reason="Snow", by=world.by)
    end(world, row)
    services.revive_session(session=session, by=world.by)
    assert states(row) == [(NEXT, "withdrawn")]


def test_the_seat_is_free_the_day_after(world: World) -> None:
    members = fill(world)
    end(world, members[3])
    assert enrol(world, starts_on=TODAY + DAY).seat == 4


@pytest.mark.parametrize("ends_on", [TODAY - DAY, TODAY + 9 * DAY])
def test_an_end_before_the_start_or_after_an_earlier_end(
    world: World, ends_on: datetime.date
) -> None:
    row = enrol(world, ends_on=TODAY + 8 * DAY)
    with pytest.raises(Refused) as caught:
        end(world, row, ends_on=ends_on)
    row.refresh_from_db()
    assert (caught.value.code, row.ends_on) == ("dates_in_order", TODAY + 8 * DAY)


def test_an_end_needs_a_reason(world: World) -> None:
    with pytest.raises(Refused) as caught:
        end(world, enrol(world), reason=" ")
    assert (caught.value.code, caught.value.field) == ("reason_required", "reason")


def test_a_membership_that_has_not_begun_is_taken_back(world: World) -> None:
    world.group_session("2026-03-09")
    row = enrol(world, starts_on=NEXT)
    services.cancel_membership(membership=row, reason="Changed her mind", by=world.by)
    assert not GroupMembership.objects.exists()
    left = Booking.objects.get()
    assert (left.state, left.membership) == ("withdrawn", None)


def test_one_that_has_begun_is_not(world: World) -> None:
    row = enrol(world)
    with pytest.raises(Refused) as caught:
        services.cancel_membership(membership=row, reason="Too late", by=world.by)
    assert caught.value.code == "membership_begun"
    assert GroupMembership.objects.count() == 1


# --- transfer ------------------------------------------------------------------------------------


def transfer(world: World, row: GroupMembership, **extra: Any) -> GroupMembership:
    asked = {"on": NEXT, "by": world.by, "to_group": second_group(world), **extra}
    return services.transfer(membership=row, **asked)


def second_group(world: World) -> Group:
    found = Group.objects.filter(name="Second").first()
    return found or f.GroupFactory(clinic=world.clinic, program=world.program, name="Second")


def test_a_transfer_leaves_no_gap_and_no_overlap(world: World) -> None:
    row = enrol(world, ends_on=NEXT + 30 * DAY)
    new = transfer(world, row)
    row.refresh_from_db()
    assert (row.ends_on, new.starts_on, new.ends_on) == (NEXT - DAY, NEXT, NEXT + 30 * DAY)
    assert (new.transferred_from, new.group) == (row, second_group(world))


def test_an_end_that_exists_is_not_questioned_when_the_seat_moves(world: World) -> None:
    row, far = enrol(world), NEXT.replace(year=2062)
    GroupMembership.objects.update(ends_on=far)
    assert transfer(world, row).ends_on == far


def test_a_last_day_in_a_mistyped_year_is_refused(world: World) -> None:
    row = enrol(world)
    with pytest.raises(Refused) as caught:
        services.end_membership(
            membership=row, ends_on=NEXT.replace(year=2062), reason="Done", by=world.by
        )
    row.refresh_from_db()
    assert (caught.value.code, caught.value.field, row.ends_on) == ("last_day", "ends_on", None)


def test_bookings_move_along_even_at_the_same_time_of_day(world: World) -> None:
    old, new = world.group_session("2026-03-09"), world.session("2026-03-09", group=None)
    new.group = second_group(world)
    new.save()
    row = enrol(world)
    transfer(world, row)
    bookings = Booking.objects.values_list("session", "state").order_by("session")
    assert list(bookings) == [(old.pk, "withdrawn"), (new.pk, "booked")]


def test_a_full_group_leaves_the_old_seat_as_it_was(world: World) -> None:
    world.group_session("2026-03-09")
    target = second_group(world)
    target.capacity = 8
    target.save()
    fill(world, 8, group=target)
    row = enrol(world)
    with pytest.raises(Refused) as caught:
        transfer(world, row)
    row.refresh_from_db()
    assert (caught.value.code, row.ends_on) == ("group_full", None)
    assert states(row) == [(NEXT, "booked")]


def test_only_a_member_can_be_transferred(world: World) -> None:
    row = enrol(world, starts_on=NEXT)
    with pytest.raises(Refused) as caught:
        transfer(world, row)
    assert caught.value.code == "dates_in_order"
    assert GroupMembership.objects.count() == 1


# --- capacity ------------------------------------------------------------------------------------


def capacity(world: World, seats: int) -> Group:
    return services.set_capacity(group=world.group, capacity=seats, by=world.by)


def test_planned_sessions_follow_the_group(world: World) -> None:
    over, planned = world.group_session("2026-02-23"), world.group_session("2026-03-09")
    group = capacity(world, 10)
    over.refresh_from_db()
    planned.refresh_from_db()
    assert (group.capacity, over.capacity, planned.capacity) == (10, 8, 10)
    assert group.version == 2


def test_members_and_bookings_move_down(world: World) -> None:
    capacity(world, 12)
    session = world.group_session("2026-03-09")
    members = fill(world, 12)
    for row in members[2:6]:
        row.bookings.all().delete()
        row.delete()
    capacity(world, 8)
    for row in members[6:]:
        row.refresh_from_db()
    assert [row.seat for row in members[6:]] == [7, 8, 3, 4, 5, 6]
    assert sorted(session.bookings.values_list("seat", flat=True)) == list(range(1, 9))


def test_members_who_left_make_way_for_those_who_are_there(world: World) -> None:
    capacity(world, 9)
    long_ago = datetime.date(2026, 1, 10)
    left = enrol(world, starts_on=long_ago, ends_on=long_ago + DAY)
    members = fill(world, 8, starts_on=long_ago)
    assert [row.seat for row in (left, members[-1])] == [1, 9]
    capacity(world, 8)
    left.refresh_from_db()
    members[-1].refresh_from_db()
    assert (left.seat, members[-1].seat) == (9, 1)


def test_too_many_members(world: World) -> None:
    capacity(world, 10)
    fill(world, 8)
    fill(world, 1, starts_on=NEXT)
    with pytest.raises(Refused) as caught:
        capacity(world, 8)
    assert caught.value.code == "group_full"
    assert caught.value.details == {"date": NEXT, "members": 9}
    assert Group.objects.get(pk=world.group.pk).capacity == 10


def test_too_many_guests(world: World) -> None:
    capacity(world, 10)
    session = world.group_session("2026-03-09")
    fill(world, 8)
    f.booking(session, world.episode(), seat=9)
    with pytest.raises(Refused) as caught:
        capacity(world, 8)
    assert (caught.value.code, caught.value.details) == ("session_full", {"dates": [NEXT]})
    assert Group.objects.get(pk=world.group.pk).capacity == 10


def test_an_overflow_member_is_no_reason_to_refuse(world: World) -> None:
    capacity(world, 9)
    fill(world, 8)
    enrol(world)
    GroupMembership.objects.filter(seat=9).update(
        overflow_reason="Court order", overflow_by=world.by
    )
    assert capacity(world, 8).capacity == 8


@pytest.mark.parametrize("seats", [7, 16])
def test_a_group_has_8_to_15_seats(world: World, seats: int) -> None:
    with pytest.raises(Refused) as caught:
        capacity(world, seats)
    assert (caught.value.code, caught.value.field) == ("capacity_range", "capacity")


def test_a_lower_capacity_seats_guests_above_it_last(world: World) -> None:
    """The ninth sat down above eight seats; with twelve seats it is the tenth that has to move."""
    session = world.group_session()
    people = world.episodes(10)
    for episode in people[:8]:
        services.book(session=session, episode=episode, by=world.by)
    services.book(session=session, episode=people[8], overflow_reason="Court", by=world.by)
    services.set_capacity(group=world.group, capacity=12, by=world.by)
    services.book(session=session, episode=people[9], by=world.by)
    services.set_capacity(group=world.group, capacity=9, by=world.by)
    seats = dict(Booking.objects.values_list("episode", "seat"))
    assert [seats[episode.pk] for episode in people] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 9]
