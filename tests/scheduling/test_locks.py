"""One order for every writer, or two of them could wait for each other."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from patients.models import Episode
from scheduling import services
from scheduling.locks import lock
from scheduling.models import (
    Booking,
    Group,
    GroupMembership,
    Session,
    WaitlistEntry,
    WaitlistOffer,
)
from tests import factories as f
from tests.scheduling.conftest import TODAY, World
from tests.scheduling.test_decisions import TOMORROW, away, close, led, moved
from tests.scheduling.test_visits import visit

pytestmark = pytest.mark.django_db
LATER = "2026-03-05"

ORDER = [
    "accounts_clinic",
    "scheduling_group",
    "accounts_therapist",
    "scheduling_room",
    "scheduling_session",
    "patients_episode",
]


def locked(work: Any) -> list[str]:
    """The lock statements of some work, in the order they were sent."""
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        work()
    return [query["sql"] for query in queries if "FOR NO KEY UPDATE" in query["sql"]] + [
        query["sql"] for query in queries if query["sql"].endswith("FOR UPDATE")
    ]


def tables(statements: list[str]) -> list[str]:
    return [next(name for name in ORDER if f'FROM "{name}"' in sql) for sql in statements]


def test_whatever_the_order_of_the_arguments(world: World) -> None:
    session, episode = world.session(), world.episode()
    statements = locked(
        lambda: lock(
            episodes=[episode.pk],
            sessions=[session.pk],
            rooms=[world.room.pk],
            therapists=[world.therapist.pk],
            groups=[world.group.pk],
            clinics=[world.clinic.pk],
        )
    )
    assert tables(statements) == ORDER


def test_keys_are_sorted_and_none_is_passed_over(world: World) -> None:
    statements = locked(lambda: lock(groups=[7, None, 3, 7]))
    assert len(statements) == 1
    assert "IN (3, 7) ORDER BY" in statements[0]
    assert locked(lambda: lock(rooms=[None])) == []


def test_sessions_that_move_are_locked_for_update_together_with_the_others(world: World) -> None:
    statements = locked(lambda: lock(sessions=[9], moving=[4]))
    assert len(statements) == 1
    assert "IN (4, 9)" in statements[0]
    assert statements[0].endswith("FOR UPDATE")


@pytest.mark.parametrize(
    "verb", ["enrol", "transfer", "create", "move", "revive", "expand", "offer", "accept"]
)
def test_every_service_keeps_the_order(world: World, verb: str) -> None:
    firsts = in_turn(_prepared(world)[verb])
    assert firsts == sorted(firsts)


@pytest.mark.parametrize("verb", ["book", "enrol", "transfer", "combine", "expand"])
def test_a_seat_above_the_capacity_locks_its_room_before_the_session(
    world: World, verb: str
) -> None:
    """The trigger that asks how many seats the room has would lock it last."""
    firsts = in_turn(_above(world)[verb])
    assert ORDER.index("scheduling_room") in firsts
    assert firsts == sorted(firsts)


def in_turn(work: Callable[[], Any]) -> list[int]:
    """The tables that some work locks, by their place in the order, as each is locked first."""
    with CaptureQueriesContext(connection) as statements:
        work()
    seen = [
        ORDER.index(name)
        for query in statements
        for name in ORDER
        if f'FROM "{name}"' in query["sql"]
        and query["sql"].endswith(("FOR UPDATE", "FOR NO KEY UPDATE"))
    ]
    assert len(seen) >= 2
    return list(dict.fromkeys(seen))


def _above(world: World) -> dict[str, Callable[[], Any]]:
    """Each way to a ninth seat, in a group of eight that is full."""
    full = f.GroupFactory(clinic=world.clinic, program=world.program, capacity=8)
    session = world.session("2026-03-09", group=full, capacity=8, room=world.room)
    for episode in world.episodes(8):
        services.enrol(group=full, episode=episode, starts_on=TODAY, by=world.by)
    one = world.group_session("2026-03-09")
    member = services.enrol(
        group=world.group, episode=world.episode(), starts_on=TODAY, by=world.by
    )
    given: dict[str, Any] = {"overflow_reason": "Transfer", "by": world.by}
    new = world.episode()
    return {
        "book": lambda: services.book(session=session, episode=new, **given),
        "enrol": lambda: services.enrol(group=full, episode=new, starts_on=TODAY, **given),
        "transfer": lambda: services.transfer(
            membership=member, to_group=full, on=TODAY.replace(day=9), **given
        ),
        "combine": lambda: services.combine_sessions(session=one, into=session, by=world.by),
        "expand": lambda: _enrolled_since(full, new, world),
    }


def _enrolled_since(group: Group, episode: Episode, world: World) -> None:
    """With a seat above the capacity, and no booking yet."""
    GroupMembership.objects.create(
        clinic=world.clinic, group=group, episode=episode, seat=9, starts_on=TODAY,
        overflow_reason="Transfer", overflow_by=world.by,
    )  # fmt: skip
    services.expand(clinic=world.clinic, today=TODAY, by=world.by)
    assert Booking.objects.get(episode=episode).seat == 9


def test_a_changed_block_locks_the_rooms_that_somebody_chose_for_its_sessions(world: World) -> None:
    block = world.block()
    services.expand(clinic=world.clinic, today=TODAY, weeks=2, by=world.by)
    chosen = f.RoomFactory(clinic=world.clinic)
    services.hold_in_room(session=Session.objects.latest("starts_at"), room=chosen, by=world.by)
    sent = locked(lambda: services.change_block(block=block, weekday=1, by=world.by))
    (rooms,) = [sql for sql in sent if 'FROM "scheduling_room"' in sql]
    assert f"IN ({world.room.pk}, {chosen.pk})" in rooms


def test_a_session_moved_by_a_closure_is_locked_with_the_visits_of_its_new_time(
    world: World,
) -> None:
    """Moving it would lock them later, after the patients."""
    row, episode = led(world), world.episode()
    f.booking(row, episode)
    inside = visit(world, "15:15", "15:45", episode, day=LATER)
    decided = moved(world, row, "15:00", "16:00", day=LATER)
    first, *_ = sessions_of(locked(lambda: close(world, decided)))
    assert f"IN ({row.pk}, {inside.pk})" in first
    assert inside.bookings.get().nested_in == row.bookings.get()


def test_a_session_moved_back_is_locked_with_the_visits_of_its_old_time(world: World) -> None:
    row, episode = led(world), world.episode()
    f.booking(row, episode)
    time_off = away(world, moved(world, row, "15:00", "16:00", day=LATER))
    inside = visit(world, "09:15", "09:45", episode, day=TOMORROW)
    sent = locked(lambda: services.take_back_time_off(time_off=time_off, by=world.by))
    assert f"IN ({row.pk}, {inside.pk})" in sessions_of(sent)[0]
    assert inside.bookings.get().nested_in == row.bookings.get()


def sessions_of(statements: list[str]) -> list[str]:
    return [sql for sql in statements if 'FROM "scheduling_session"' in sql and " IN (" in sql]


def _offer(world: World, entry: WaitlistEntry) -> WaitlistOffer:
    until = world.at("2026-03-04", "17:00")
    told: dict[str, Any] = {"method": "call", "result": "reached", "by": world.by}
    return services.offer_seat(entry=entry, starts_on=TODAY, expires_at=until, **told)


def _prepared(world: World) -> dict[str, Any]:
    """Each service, ready to be called on rows that it can change."""
    other = f.GroupFactory(clinic=world.clinic, program=world.program)
    session = world.group_session("2026-03-09", therapist=world.therapist, room=world.room)
    cancelled = world.group_session("2026-03-16", therapist=world.therapist, room=world.room)
    member = services.enrol(
        group=world.group, episode=world.episode(), starts_on=TODAY, by=world.by
    )
    waits, offered = (
        services.put_on_waitlist(group=group, episode=world.episode(), by=world.by)
        for group in (world.group, other)
    )
    _offer(world, offered)
    services.cancel_session(session=cancelled, reason="Ill", by=world.by)
    world.session("2026-03-09", "13:00", "14:00", group=other)
    world.block(weekday=2)
    times: dict[str, Any] = {
        "starts_at": world.at("2026-03-10", "09:00"),
        "ends_at": world.at("2026-03-10", "10:00"),
        "by": world.by,
    }
    return {
        "enrol": lambda: services.enrol(
            group=world.group, episode=world.episode(), starts_on=TODAY, by=world.by
        ),
        "transfer": lambda: services.transfer(
            membership=member, to_group=other, on=TODAY.replace(day=9), by=world.by
        ),
        "create": lambda: services.create_session(
            clinic=world.clinic,
            session_type=world.kind,
            therapist=world.therapist,
            room=world.room,
            group=world.group,
            episodes=[world.episode()],
            **times,
        ),
        "offer": lambda: _offer(world, waits),
        "accept": lambda: services.accept_offer(entry=offered, by=world.by),
        "move": lambda: services.move_session(session=session, **times),
        "revive": lambda: services.revive_session(session=cancelled, by=world.by),
        "expand": lambda: services.expand(clinic=world.clinic, today=TODAY, by=world.by),
    }
