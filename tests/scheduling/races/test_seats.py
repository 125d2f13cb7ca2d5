"""Fifty clients for one seat: one winner, clean refusals, no deadlock, nobody waits long."""

from functools import partial
from typing import Any

import pytest
from django.db import transaction

from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.constraints import violation
from patients.models import Episode
from scheduling import services
from scheduling.models import Booking, GroupMembership, WaitlistEntry, WaitlistOffer
from tests import factories as f
from tests.scheduling.conftest import TODAY, World
from tests.scheduling.races.clients import assert_nobody_waits_long, codes, enrol, move, own
from tests.scheduling.racing import race

pytestmark = pytest.mark.django_db(transaction=True)


def test_fifty_clients_for_the_last_seat_of_a_session(world: World) -> None:
    session, episodes = world.session(capacity=1, ceiling=1), world.episodes(50)
    clients = [
        partial(services.book, session=own(session), episode=e, by=world.by) for e in episodes
    ]
    outcomes = race(clients)
    assert codes(outcomes) == {"ok": 1, "session_full": 49}
    assert Booking.objects.filter(session=session).count() == 1
    assert_nobody_waits_long(outcomes, clients)


def test_fifty_clients_for_the_last_seat_of_a_group(world: World) -> None:
    sessions = [world.group_session(day) for day in ("2026-03-02", "2026-03-09", "2026-03-16")]
    for episode in world.episodes(7):
        enrol(world, episode)
    clients = [partial(enrol, world, episode) for episode in world.episodes(50)]
    outcomes = race(clients)
    assert codes(outcomes) == {"ok": 1, "group_full": 49}
    assert GroupMembership.objects.filter(group=world.group).count() == 8
    assert Booking.objects.filter(session__in=sessions).count() == 24
    assert_nobody_waits_long(outcomes, clients)


@pytest.mark.parametrize("_again", range(4))
def test_an_offer_and_an_enrolment_by_hand_want_the_last_seat(world: World, _again: int) -> None:
    for episode in world.episodes(7):
        enrol(world, episode)
    offer = _offered(world)
    waits, other = offer.entry.episode, world.episode()
    outcomes = race(
        [
            partial(services.accept_offer, entry=own(offer.entry), by=world.by),
            partial(enrol, world, other),
        ]
    )
    seated = GroupMembership.objects.order_by("pk").last()
    assert seated is not None
    accepted = seated.episode_id == waits.pk
    refused = "group_full" if accepted else "offer_withdrawn"
    assert codes(outcomes) == {"ok": 1, refused: 1}
    assert GroupMembership.objects.filter(group=world.group).count() == 8
    offer.refresh_from_db()
    assert offer.answer == ("accepted" if accepted else "withdrawn")


def test_two_people_offer_the_last_seat_to_two_who_wait(world: World) -> None:
    for episode in world.episodes(7):
        enrol(world, episode)
    entries = [_waits(world), _waits(world)]
    outcomes = race([partial(_offer, world, one, skip_reason="Evenings") for one in entries])
    assert codes(outcomes) == {"ok": 1, "group_full": 1}
    assert WaitlistOffer.objects.count() == 1


def test_an_offer_expires_while_it_is_accepted(world: World) -> None:
    offer = _offered(world)
    outcomes = race(
        [
            partial(services.accept_offer, entry=own(offer.entry), by=world.by),
            partial(services.expire_offers, now=offer.expires_at, by=Job("tick")),
        ]
    )
    offer.refresh_from_db()
    lost = {"accepted": {"ok": 2}, "expired": {"ok": 1, "offer_expired": 1}}
    assert codes(outcomes) == lost[offer.answer]
    assert GroupMembership.objects.count() == (offer.answer == "accepted")


def test_fifty_sessions_want_one_patient(world: World) -> None:
    episode, sessions = world.episode(), [world.session() for _ in range(50)]
    clients = [
        partial(services.book, session=own(s), episode=own(episode), by=world.by) for s in sessions
    ]
    outcomes = race(clients)
    assert codes(outcomes) == {"ok": 1, "patient_busy": 49}
    assert Booking.objects.count() == 1
    assert_nobody_waits_long(outcomes, clients)


def test_the_same_patient_booked_twice_at_once_is_one_booking(world: World) -> None:
    session, episode = world.session(), world.episode()
    outcomes = race(
        [
            partial(services.book, session=own(session), episode=own(episode), by=world.by)
            for _ in range(10)
        ]
    )
    assert codes(outcomes) == {"ok": 10}
    assert len({outcome.value.pk for outcome in outcomes}) == 1


def test_members_cross_between_two_groups_without_a_deadlock(world: World) -> None:
    other = f.GroupFactory(clinic=world.clinic, program=world.program, capacity=8)
    for day in ("2026-03-02", "2026-03-09"):
        world.group_session(day)
        world.session(day, "13:00", "14:00", group=other)
    there = [enrol(world, episode) for episode in world.episodes(4)]
    here = [enrol(world, episode, group=other) for episode in world.episodes(4)]
    clients = [partial(_transfer, world, row, other) for row in there]
    clients += [partial(_transfer, world, row, world.group) for row in here]
    outcomes = race(clients)
    assert codes(outcomes) == {"ok": 8}
    assert GroupMembership.objects.filter(ends_on__isnull=True, group=other).count() == 4


def test_seats_are_given_while_sessions_move_and_groups_fill(world: World) -> None:
    sessions = [world.group_session(day) for day in ("2026-03-02", "2026-03-09", "2026-03-16")]
    clients: list[Any] = [partial(enrol, world, e) for e in world.episodes(8)]
    clients += [partial(move, world, session) for session in sessions]
    for session in sessions:
        clients += [
            partial(services.book, session=own(session), episode=e, by=world.by)
            for e in world.episodes(4)
        ]
    clients.append(partial(services.expand, clinic=world.clinic, today=TODAY, by=world.by))
    counted = codes(race(clients))
    assert set(counted) <= {"ok", "group_full", "session_full"}


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("booking", "booking_seat_taken_once"),
        ("groupmembership", "groupmembership_seat_taken_once"),
    ],
)
def test_two_raw_writers_of_one_seat(world: World, table: str, name: str) -> None:
    session = world.session()

    def insert(episode: Episode) -> None:
        with transaction.atomic():
            if table == "booking":
                f.booking(session, episode)
            else:
                GroupMembership.objects.create(
                    clinic=world.clinic,
                    group=world.group,
                    episode=episode,
                    seat=1,
                    starts_on=TODAY,
                )

    outcomes = race([partial(insert, episode) for episode in world.episodes(2)])
    refused = [o.value for o in outcomes if o.value is not None]
    answers = [violation(error) for error in refused]
    assert [answer and answer.name for answer in answers] == [name]


def _transfer(world: World, row: GroupMembership, group: Any) -> GroupMembership:
    return services.transfer(
        membership=own(row), to_group=own(group), on=TODAY.replace(day=9), by=world.by
    )


def _waits(world: World) -> WaitlistEntry:
    return services.put_on_waitlist(group=world.group, episode=world.episode(), by=world.by)


def _offer(world: World, entry: WaitlistEntry, **given: Any) -> WaitlistOffer:
    return services.offer_seat(
        entry=own(entry),
        starts_on=TODAY,
        expires_at=world.at("2026-03-04", "17:00"),
        method="call",
        result="reached",
        by=world.by,
        **given,
    )


def _offered(world: World) -> WaitlistOffer:
    return _offer(world, _waits(world))
