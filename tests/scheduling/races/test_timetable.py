"""Fifty clients for one room, one therapist or one block; and every kind of write at once."""

import datetime
import time
from functools import partial
from threading import Event
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from attendance import blocks as series
from iop_clinic.accounts.constraints import violation
from patients.models import Episode
from scheduling import services
from scheduling.models import (
    Booking,
    GroupMembership,
    Session,
    SessionStaff,
    SessionType,
    WeeklyBlock,
)
from tests import factories as f
from tests.scheduling.conftest import TODAY, World
from tests.scheduling.races.clients import assert_nobody_waits_long, codes, enrol, move, own
from tests.scheduling.racing import race, wait_for_an_open_transaction, wait_for_somebody_who_waits

pytestmark = pytest.mark.django_db(transaction=True)


def test_fifty_therapists_want_one_room(world: World) -> None:
    therapists = [f.TherapistFactory(clinic=world.clinic) for _ in range(50)]
    clients = [partial(_create, world, therapist=t, room=world.room) for t in therapists]
    outcomes = race(clients)
    assert codes(outcomes) == {"ok": 1, "room_busy": 49}
    assert Session.objects.count() == 1
    assert_nobody_waits_long(outcomes, clients)


def test_fifty_sessions_want_one_therapist(world: World) -> None:
    outcomes = race([partial(_create, world, therapist=world.therapist) for _ in range(50)])
    assert codes(outcomes) == {"ok": 1, "therapist_busy": 49}
    assert SessionStaff.objects.count() == 1


def test_every_kind_of_write_at_once(world: World) -> None:
    world.block(weekday=1)
    days = ("2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23")
    sessions = [world.group_session(day, therapist=world.therapist) for day in days]
    members = [enrol(world, episode) for episode in world.episodes(6)]
    by: dict[str, Any] = {"by": world.by}
    substitute = f.TherapistFactory(clinic=world.clinic)
    clients: list[Any] = [
        partial(services.cancel_session, session=own(sessions[1]), reason="Ill", **by),
        partial(
            services.add_closure,
            clinic=world.clinic,
            starts_on=sessions[2].local_date,
            ends_on=sessions[2].local_date,
            reason="Snow",
            **by,
        ),
        partial(
            services.add_time_off,
            therapist=world.therapist,
            starts_at=sessions[3].starts_at,
            ends_at=sessions[3].ends_at,
            **by,
        ),
        partial(services.assign_substitute, session=own(sessions[0]), therapist=substitute, **by),
        partial(services.set_capacity, group=own(world.group), capacity=12, **by),
        partial(services.expand, clinic=world.clinic, today=TODAY, **by),
        partial(_end, world, members[0]),
        partial(_end, world, members[1]),
    ]
    clients += [partial(_call_in, world, row.episode) for row in members[2:4]]
    clients += [partial(_withdraw, world, row.episode) for row in members[4:]]
    clients += [partial(move, world, session) for session in sessions]
    clients += [partial(enrol, world, episode) for episode in world.episodes(4)]
    counted = codes(race(clients))
    refusals = {"session_cancelled", "clinic_closed", "therapist_busy", "group_full"}
    assert set(counted) <= {"ok", *refusals}


def test_two_expansions_at_once_create_each_session_once(world: World) -> None:
    world.block()
    enrol(world, world.episode())
    outcomes = race(
        [
            partial(services.expand, clinic=own(world.clinic), today=TODAY, by=world.by)
            for _ in range(4)
        ]
    )
    assert sorted(outcome.value.created for outcome in outcomes) == [0, 0, 0, 4]
    assert [outcome.value.findings for outcome in outcomes] == [[], [], [], []]
    assert Booking.objects.count() == 4


def test_behind_the_look_stands_the_named_constraint(world: World) -> None:
    """A writer that takes no lock gets between the service's look and its insert."""
    taken = world.session()

    def without_a_lock() -> None:
        with transaction.atomic():
            SessionStaff.objects.create(
                clinic=world.clinic,
                session=taken,
                therapist=world.therapist,
                starts_at=taken.starts_at,
                ends_at=taken.ends_at,
                live=True,
            )
            wait_for_somebody_who_waits()

    outcomes = race([without_a_lock, partial(_late, world)])
    refusal = outcomes[1].value
    assert isinstance(refusal, IntegrityError)
    answer = violation(refusal)
    assert answer is not None
    assert (answer.name, answer.code) == ("sessionstaff_therapist_free", "therapist_busy")


def test_a_type_waits_for_the_session_that_is_just_being_planned(world: World) -> None:
    written = Event()

    def plan() -> None:
        with transaction.atomic():
            world.session("2026-03-02")
            written.set()
            time.sleep(0.5)  # nobody else sees the session yet

    def change() -> None:
        written.wait(timeout=60)
        SessionType.objects.filter(pk=world.kind.pk).update(creditable=False)

    planned, refused = (outcome.value for outcome in race([plan, change]))
    assert planned is None
    assert isinstance(refused, IntegrityError)
    told = violation(refused)
    assert told is not None
    assert (told.name, told.code) == ("sessiontype_creditable_stays", "type_in_use")
    assert SessionType.objects.get(pk=world.kind.pk).creditable


def _create(world: World, **extra: Any) -> Session:
    return services.create_session(
        clinic=world.clinic,
        session_type=world.kind,
        starts_at=world.at("2026-03-02", "09:00"),
        ends_at=world.at("2026-03-02", "10:00"),
        by=world.by,
        **extra,
    )


def _end(world: World, row: GroupMembership) -> GroupMembership:
    return services.end_membership(
        membership=own(row), ends_on=TODAY, reason="Stepped down", by=world.by
    )


def _call_in(world: World, episode: Episode) -> Any:
    return services.call_in(
        episode=episode,
        from_date=TODAY,
        to_date=TODAY.replace(day=31),
        reason="medical",
        notified_at=world.at("2026-03-02", "04:30"),
        by=world.by,
    )


def _withdraw(world: World, episode: Episode) -> None:
    for row in Booking.objects.filter(episode=episode).order_by("-session"):
        services.withdraw(booking=row, reason="New plan", by=world.by)


def _late(world: World) -> Session:
    wait_for_an_open_transaction()
    return _create(world, therapist=world.therapist)


# --- weekly blocks -------------------------------------------------------------------------------


def test_of_ten_who_change_one_block_one_does(world: World) -> None:
    block = world.block()
    services.enrol(group=world.group, episode=world.episode(), starts_on=TODAY, by=world.by)
    services.expand(clinic=world.clinic, today=TODAY, by=world.by)
    seen = [WeeklyBlock.objects.get(pk=block.pk) for _ in range(10)]
    clients = [
        partial(services.change_block, block=one, version=1, weekday=n % 6 + 1, by=world.by)
        for n, one in enumerate(seen)
    ]
    assert codes(race(clients)) == {"ok": 1, "stale_version": 9}
    assert Session.objects.count() == Booking.objects.count() == 4


def test_blocks_change_while_their_members_get_other_seats(world: World) -> None:
    """What plans the next weeks touches every group: nobody waits in a circle for it."""
    groups = [f.GroupFactory(clinic=world.clinic, program=world.program) for _ in range(5)]
    blocks = [
        f.WeeklyBlockFactory(group=one, session_type=world.kind, weekday=n)
        for n, one in enumerate(groups)
    ]
    patients = world.episodes(5)
    for group, patient in zip(groups, patients, strict=True):
        services.enrol(group=group, episode=patient, starts_on=TODAY, by=world.by)
    services.expand(clinic=world.clinic, today=TODAY, by=world.by)
    late: dict[str, Any] = {"starts_at": datetime.time(13), "ends_at": datetime.time(14)}
    changes = [partial(series.change_block, block=one, by=world.by, **late) for one in blocks]
    also = zip([*groups[1:], groups[0], *groups[2:], *groups[:2]], patients * 2, strict=True)
    seats = [
        partial(services.enrol, group=one, episode=patient, starts_on=TODAY, by=world.by)
        for one, patient in also
    ]
    assert codes(race([*changes, *seats])) == {"ok": 15}
    assert Booking.objects.filter(state="booked").count() == 5 * 4 * 3


def test_of_ten_blocks_that_want_one_hour_of_a_therapist_one_gets_it(world: World) -> None:
    blocks = [
        world.block(group=f.GroupFactory(clinic=world.clinic), room=None, weekday=n % 6 + 1,
                    starts_at=datetime.time(9 + n // 6), ends_at=datetime.time(10 + n // 6))
        for n in range(10)
    ]  # fmt: skip
    services.expand(clinic=world.clinic, today=TODAY, by=world.by)
    hour: dict[str, Any] = {
        "weekday": 0,
        "starts_at": datetime.time(9),
        "ends_at": datetime.time(10),
    }
    clients = [partial(services.change_block, block=one, by=world.by, **hour) for one in blocks]
    assert codes(race(clients)) == {"ok": 1, "block_overlaps": 9}
    assert Session.objects.filter(needs_attention="").count() == 40
