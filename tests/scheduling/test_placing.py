"""Where sessions and blocks meet: in a room with enough seats, by video, or off site."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.constraints import violation
from scheduling import services
from scheduling.models import Booking, Room, Session, SessionType, WeeklyBlock
from tests import factories as f
from tests.scheduling.conftest import TODAY, World, build
from tests.scheduling.racing import race

DAY = "2026-03-03"


@pytest.fixture
def small(world: World) -> Room:
    return f.RoomFactory(clinic=world.clinic, name="Closet", seats=7)


def refused(write: Callable[[], Any]) -> tuple[str, str]:
    """Code and field, of what changes nothing."""
    before = stored()
    with pytest.raises(Refused) as caught:
        write()
    assert stored() == before
    return caught.value.code, caught.value.field


def stored() -> list[Any]:
    models: tuple[Any, ...] = (Session, WeeklyBlock, Booking, Room)
    return [list(model.objects.order_by("pk").values()) for model in models]


def create(world: World, **extra: Any) -> Session:
    asked: dict[str, Any] = {
        "clinic": world.clinic, "session_type": world.kind, "therapist": world.therapist,
        "starts_at": world.at(DAY, "09:00"), "ends_at": world.at(DAY, "10:00"), "by": world.by,
    }  # fmt: skip
    return services.create_session(**{**asked, **extra})


def place(row: Session) -> tuple[Any, ...]:
    row.refresh_from_db()
    return row.room, row.by_video, row.off_site


# --- a single session ----------------------------------------------------------------------------


def test_from_the_room_to_video_off_site_and_back(world: World) -> None:
    row = world.group_session(DAY, room=world.room, needs_attention="License: x")
    services.hold_by_video(session=row, by=world.by)
    assert (place(row), row.place) == ((None, True, ""), "by video")
    services.hold_off_site(session=row, off_site="Main St clinic", by=world.by)
    assert (place(row), row.place) == ((None, False, "Main St clinic"), "Main St clinic")
    services.hold_in_room(session=row, room=world.room, by=world.by)
    assert (place(row), row.place) == ((world.room, False, ""), world.room.name)
    assert (row.needs_attention, row.version) == ("License: x", 4)


def test_by_video_no_room_is_missing(world: World) -> None:
    row = world.group_session(DAY, needs_attention="No room: Oak is taken; No leader: x")
    services.hold_by_video(session=row, by=world.by)
    assert row.needs_attention == "No leader: x"


def test_by_video_already_is_no_change(world: World) -> None:
    row = world.group_session(DAY, by_video=True)
    services.hold_by_video(session=row, by=world.by)
    row.refresh_from_db()
    assert row.version == 1


def test_the_room_is_free_for_others_meanwhile_and_then_taken(world: World) -> None:
    row = world.group_session(DAY, room=world.room)
    services.hold_by_video(session=row, by=world.by)
    world.session(DAY, room=world.room)
    assert refused(lambda: services.hold_in_room(session=row, room=world.room, by=world.by)) == (
        "room_busy", "room",
    )  # fmt: skip


def test_a_cancelled_or_signed_session_keeps_its_place(world: World) -> None:
    row = world.group_session(DAY, signed_at=world.at(DAY, "10:00"), signed_by=world.by)
    assert refused(lambda: services.hold_by_video(session=row, by=world.by))[0] == "roster_signed"
    gone = world.session(DAY)
    services.cancel_session(session=gone, reason="Snow", by=world.by)
    assert refused(lambda: services.hold_by_video(session=gone, by=world.by))[0] == (
        "session_cancelled"
    )


def test_planned_in_one_place_only(world: World) -> None:
    asked: tuple[Any, ...] = ({"by_video": True}, {"off_site": "Main St"})
    doors = [partial(create, world, room=world.room, **one) for one in asked]
    assert [refused(door) for door in doors] == [("one_place", "room"), ("one_place", "off_site")]
    assert create(world, by_video=True).place == "by video"


def test_moved_off_site_the_room_is_given_up(world: World) -> None:
    row = world.group_session(DAY, room=world.room)
    span: dict[str, Any] = {"starts_at": world.at(DAY, "11:00"), "ends_at": world.at(DAY, "12:00")}
    services.move_session(session=row, **span, off_site="Main St clinic", by=world.by)
    assert place(row) == (None, False, "Main St clinic")
    services.move_session(session=row, **span, by=world.by)
    assert place(row) == (None, False, "Main St clinic")


# --- seats ---------------------------------------------------------------------------------------


def test_no_room_with_fewer_seats_than_the_group(world: World, small: Room) -> None:
    row = world.group_session(DAY)
    times: dict[str, Any] = {"starts_at": world.at(DAY, "11:00"), "ends_at": world.at(DAY, "12:00")}
    doors: list[Callable[[], Any]] = [
        lambda: create(world, group=world.group, room=small),
        lambda: services.hold_in_room(session=row, room=small, by=world.by),
        lambda: services.move_session(session=row, room=small, by=world.by, **times),
        lambda: services.add_block(block=new_block(world, room=small), by=world.by),
    ]
    assert [refused(door) for door in doors] == [("room_too_small", "room")] * 4


def test_as_many_seats_as_the_group_are_enough(world: World) -> None:
    room = f.RoomFactory(clinic=world.clinic, seats=8)
    assert create(world, group=world.group, room=room).room == room


def test_a_patient_alone_fits_anywhere_a_family_too(world: World) -> None:
    room = f.RoomFactory(clinic=world.clinic, seats=1)
    kind = f.SessionTypeFactory(clinic=world.clinic, kind=SessionType.Kind.FAMILY)
    assert create(world, session_type=kind, episodes=[world.episode()], room=room).capacity == 1


def test_a_lecture_has_as_many_seats_as_its_room_up_to_its_types(world: World) -> None:
    kind = f.SessionTypeFactory(clinic=world.clinic, kind="education", ceiling=40)
    row = create(world, session_type=kind, room=world.room)
    assert (row.capacity, row.ceiling) == (16, 40)
    services.hold_by_video(session=row, by=world.by)
    assert row.capacity == 40
    for seat, episode in enumerate(world.episodes(8), start=1):
        f.booking(row, episode, seat)
    closet = f.RoomFactory(clinic=world.clinic, seats=7)
    assert refused(lambda: services.hold_in_room(session=row, room=closet, by=world.by)) == (
        "room_too_small", "room",
    )  # fmt: skip


def test_a_standing_hour_stays_one_patients_wherever_it_meets(world: World) -> None:
    world.block(group=None, clinic=world.clinic, episode=world.episode(), weekday=1, room=None)
    services.expand(clinic=world.clinic, today=TODAY, weeks=1, by=world.by)
    row = Session.objects.get()
    services.hold_in_room(session=row, room=world.room, by=world.by)
    assert (row.room, row.capacity) == (world.room, 1)


def test_whoever_sits_above_the_capacity_needs_a_seat_too(world: World) -> None:
    row = world.group_session(DAY)
    f.booking(row, world.episode(), 9, overflow_reason="Transfer", overflow_by=world.by)
    room = f.RoomFactory(clinic=world.clinic, seats=8)
    assert refused(lambda: services.hold_in_room(session=row, room=room, by=world.by)) == (
        "room_too_small", "room",
    )  # fmt: skip


def test_no_overflow_above_the_seats_of_the_room(world: World) -> None:
    row = world.group_session(DAY, room=f.RoomFactory(clinic=world.clinic, seats=9))
    for seat, episode in enumerate(world.episodes(8), start=1):
        f.booking(row, episode, seat)
    ninth, tenth = world.episodes(2)
    over: dict[str, Any] = {"session": row, "overflow_reason": "Transfer", "by": world.by}
    assert services.book(episode=ninth, **over).seat == 9
    assert refused(lambda: services.book(episode=tenth, **over)) == ("session_full", "session")


def test_combined_no_more_than_the_room_has_seats(world: World) -> None:
    other = f.GroupFactory(clinic=world.clinic, program=world.program, capacity=8)
    room = f.RoomFactory(clinic=world.clinic, seats=9)
    into, row = world.session(DAY, group=other, capacity=8, room=room), world.group_session(DAY)
    for session in (into, row):
        for seat, episode in enumerate(world.episodes(7), start=1):
            f.booking(session, episode, seat)
    done = services.combine_sessions(session=row, into=into, by=world.by)
    assert ([one.seat for one in done.moved], len(done.left)) == ([8, 9], 5)


def test_no_larger_group_while_it_is_planned_in_a_smaller_room(world: World) -> None:
    world.group_session(DAY, room=f.RoomFactory(clinic=world.clinic, name="Oak", seats=8))
    with pytest.raises(Refused) as caught:
        services.set_capacity(group=world.group, capacity=9, by=world.by)
    assert (caught.value.code, caught.value.field, caught.value.message) == (
        "room_too_small", "capacity",
        "Oak has 8 seats, and the group meets there on Tue Mar 3. Choose a larger room first.",
    )  # fmt: skip
    world.group.refresh_from_db()
    assert world.group.capacity == 8


# --- weekly blocks -------------------------------------------------------------------------------


def new_block(world: World, **extra: Any) -> WeeklyBlock:
    return WeeklyBlock(
        clinic=world.clinic, group=world.group, session_type=world.kind, weekday=1,
        starts_at=datetime.time(9), ends_at=datetime.time(10), facilitator=world.therapist,
        valid_from=TODAY, **extra,
    )  # fmt: skip


@pytest.mark.parametrize(
    "where", [{"by_video": True}, {"off_site": "Main St clinic"}, {"room": "its"}]
)
def test_sessions_meet_where_their_block_does(world: World, where: dict[str, Any]) -> None:
    if "room" in where:
        where = {"room": world.room}
    services.add_block(block=new_block(world, **where), by=world.by)
    services.expand(clinic=world.clinic, today=TODAY, weeks=1, by=world.by)
    row = Session.objects.get()
    assert {name: getattr(row, name) for name in where} == where


def test_a_block_meets_in_one_place(world: World) -> None:
    block = new_block(world, room=world.room, off_site="Main St")
    assert refused(lambda: services.add_block(block=block, by=world.by)) == (
        "one_place", "room",
    )  # fmt: skip


def test_sessions_follow_their_block_off_site_but_not_the_one_held_by_video(world: World) -> None:
    block = world.block(weekday=1)
    services.expand(clinic=world.clinic, today=TODAY, weeks=2, by=world.by)
    first, second = Session.objects.order_by("starts_at")
    services.hold_by_video(session=first, by=world.by)
    services.change_block(block=block, room=None, off_site="Main St clinic", by=world.by)
    assert place(first) == (None, True, "")
    assert place(second) == (None, False, "Main St clinic")


def test_a_session_with_more_than_its_seats_taken_does_not_follow_into_a_room_without(
    world: World,
) -> None:
    block = world.block(weekday=1)
    services.expand(clinic=world.clinic, today=TODAY, weeks=2, by=world.by)
    first, second = Session.objects.order_by("starts_at")
    f.booking(first, world.episode(), 9, overflow_reason="Transfer", overflow_by=world.by)
    oak = f.RoomFactory(clinic=world.clinic, name="Oak", seats=8)
    changed = services.change_block(block=block, room=oak, by=world.by)
    assert (place(first)[0], first.needs_attention) == (None, "No room: Oak has 8 seats")
    assert place(second)[0] == oak
    assert changed.changed == [first, second]


def test_a_block_in_a_room_too_small_from_before_is_changed_but_given_no_other_such(
    world: World, small: Room
) -> None:
    block = world.block(room=small)
    services.change_block(block=block, breaks=[[20, 30]], by=world.by)
    block.refresh_from_db()
    assert (block.breaks, block.room) == ([[20, 30]], small)
    other = f.RoomFactory(clinic=world.clinic, seats=7)
    with pytest.raises(Refused) as caught:
        services.change_block(block=block, room=other, by=world.by)
    assert caught.value.code == "room_too_small"


def test_expansion_leaves_a_session_without_a_room_that_is_too_small(world: World) -> None:
    world.block(room=f.RoomFactory(clinic=world.clinic, name="Oak", seats=7))
    found = services.expand(clinic=world.clinic, today=TODAY, weeks=1, by=world.by)
    row = Session.objects.get()
    assert (row.room, row.needs_attention) == (None, "No room: Oak has 7 seats")
    assert found.findings == [f"{world.group}, Mon Mar 2, 9:00 AM: No room: Oak has 7 seats"]


# --- by two at once ------------------------------------------------------------------------------


def test_a_room_waits_for_the_session_just_being_planned_in_it(transactional_db: None) -> None:
    world, written = build(), Event()

    def plan() -> None:
        with transaction.atomic():
            world.group_session(
                "2090-03-02", room=world.room
            )  # to come by the database's clock too
            written.set()
            time.sleep(0.5)  # nobody else sees the session yet

    def shrink() -> None:
        written.wait(timeout=60)
        Room.objects.filter(pk=world.room.pk).update(seats=7)

    planned, refusal = (outcome.value for outcome in race([plan, shrink]))
    assert planned is None
    assert isinstance(refusal, IntegrityError)
    told = violation(refusal)
    assert told is not None
    assert (told.name, told.code) == ("room_holds_its_sessions", "room_too_small")
    assert Room.objects.get().seats == 16
