"""What a write costs does not grow with the people or the weeks it concerns."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from scheduling import services
from scheduling.calendar import entries_of
from scheduling.models import Session
from tests import factories as f
from tests.scheduling.conftest import TODAY, World, build

pytestmark = pytest.mark.django_db


def statements(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        work()
    return len(queries)


def counts(prepare: Callable[[World, int], Callable[[], Any]], *sizes: int) -> list[int]:
    """Statements of the prepared work, in a new clinic for each size."""
    return [statements(prepare(build(), size)) for size in sizes]


def weekly_sessions(world: World, count: int) -> None:
    for week in range(count):
        day = TODAY + datetime.timedelta(days=7 * week)
        world.group_session(day.isoformat(), therapist=world.therapist)


def test_enrolling_into_1_and_12_planned_sessions() -> None:
    def prepare(world: World, size: int) -> Callable[[], Any]:
        weekly_sessions(world, size)
        episode = world.episode()
        return lambda: services.enrol(
            group=world.group, episode=episode, starts_on=TODAY, by=world.by
        )

    assert counts(prepare, 1, 12) == [24, 24]


def test_accepting_an_offer_with_1_and_12_planned_sessions() -> None:
    def prepare(world: World, size: int) -> Callable[[], Any]:
        weekly_sessions(world, size)
        entry = services.put_on_waitlist(group=world.group, episode=world.episode(), by=world.by)
        services.offer_seat(
            entry=entry, starts_on=TODAY, expires_at=world.at("2026-03-04", "17:00"),
            method="call", result="reached", by=world.by,
        )  # fmt: skip
        return lambda: services.accept_offer(entry=entry, by=world.by)

    assert counts(prepare, 1, 12) == [28, 28]


def test_ending_a_membership_with_1_and_8_sessions_to_come() -> None:
    def prepare(world: World, size: int) -> Callable[[], Any]:
        weekly_sessions(world, size + 1)
        row = services.enrol(
            group=world.group, episode=world.episode(), starts_on=TODAY, by=world.by
        )
        return lambda: services.end_membership(
            membership=row, ends_on=TODAY, reason="Stepped down", by=world.by
        )

    one, eight = counts(prepare, 1, 8)
    assert one == eight


def test_a_sick_call_of_1_and_8_sessions() -> None:
    def prepare(world: World, size: int) -> Callable[[], Any]:
        weekly_sessions(world, size)
        episode = world.episode()
        services.enrol(group=world.group, episode=episode, starts_on=TODAY, by=world.by)
        return lambda: services.call_in(
            episode=episode,
            from_date=TODAY,
            to_date=TODAY + datetime.timedelta(days=90),
            reason="medical",
            notified_at=world.at("2026-03-02", "04:30"),
            by=world.by,
        )

    one, eight = counts(prepare, 1, 8)
    assert one == eight


def test_booking_beside_0_and_7_others() -> None:
    """A seat takes at most 12, the actor and the transaction included."""

    def prepare(world: World, size: int) -> Callable[[], Any]:
        session = world.group_session()
        for seat in range(size):
            f.booking(session, world.episode(), seat=seat + 1)
        episode = world.episode()
        return lambda: services.book(session=session, episode=episode, by=world.by)

    assert counts(prepare, 0, 7) == [10, 10]


def test_moving_a_session_of_1_and_8_patients() -> None:
    def prepare(world: World, size: int) -> Callable[[], Any]:
        session = world.group_session(therapist=world.therapist)
        for seat in range(size):
            f.booking(session, world.episode(), seat=seat + 1)
        return lambda: services.move_session(
            session=session,
            starts_at=world.at("2026-03-02", "13:00"),
            ends_at=world.at("2026-03-02", "14:00"),
            by=world.by,
        )

    one, eight = counts(prepare, 1, 8)
    assert one == eight


def test_a_closure_over_1_and_8_sessions() -> None:
    def prepare(world: World, size: int) -> Callable[[], Any]:
        weekly_sessions(world, size)
        return lambda: services.add_closure(
            clinic=world.clinic,
            starts_on=TODAY,
            ends_on=TODAY + datetime.timedelta(days=90),
            reason="Flood",
            by=world.by,
        )

    one, eight = counts(prepare, 1, 8)
    assert one == eight


def test_taking_back_a_closure_of_1_and_8_sessions() -> None:
    """Each takes place again with its own checks; what stands in the way is read for all."""

    def prepare(world: World, size: int) -> Callable[[], Any]:
        weekly_sessions(world, size)
        closure = services.add_closure(
            clinic=world.clinic, starts_on=TODAY, ends_on=TODAY + datetime.timedelta(days=90),
            reason="Flood", by=world.by,
        )  # fmt: skip
        return lambda: services.take_back_closure(closure=closure, by=world.by)

    one, eight = counts(prepare, 1, 8)
    assert eight - one == 7 * 10


def test_lowering_the_capacity_of_1_and_8_sessions() -> None:
    def prepare(world: World, size: int) -> Callable[[], Any]:
        services.set_capacity(group=world.group, capacity=12, by=world.by)
        weekly_sessions(world, size)
        services.enrol(
            group=world.group, episode=world.episode(), starts_on=TODAY, seat=12, by=world.by
        )
        return lambda: services.set_capacity(group=world.group, capacity=8, by=world.by)

    one, eight = counts(prepare, 1, 8)
    assert one == eight


@pytest.mark.parametrize("weeks", [1, 4])
@pytest.mark.parametrize("members", [1, 8])
def test_expanding_a_block_costs_the_same_for_any_weeks_and_members(
    world: World, weeks: int, members: int
) -> None:
    world.block()
    for episode in world.episodes(members):
        services.enrol(group=world.group, episode=episode, starts_on=TODAY, by=world.by)
    spent = statements(
        lambda: services.expand(clinic=world.clinic, today=TODAY, weeks=weeks, by=world.by)
    )
    assert spent == 29


def test_a_run_that_finds_nothing_missing_costs_the_same_for_any_number_of_blocks() -> None:
    def prepare(world: World, size: int) -> Callable[[], Any]:
        for number in range(size):
            world.block(starts_at=datetime.time(8 + number), ends_at=datetime.time(9 + number))
        services.enrol(group=world.group, episode=world.episode(), starts_on=TODAY, by=world.by)
        services.expand(clinic=world.clinic, today=TODAY, by=world.by)
        return lambda: services.expand(clinic=world.clinic, today=TODAY, by=world.by)

    one, eight = counts(prepare, 1, 8)
    assert one == eight
    assert one <= 15


def test_a_calendar_with_0_1_and_8_sessions_given_away() -> None:
    def prepare(world: World, size: int) -> Callable[[], Any]:
        weekly_sessions(world, 9)
        helper = f.TherapistFactory(clinic=world.clinic)
        for row in Session.objects.filter(clinic=world.clinic)[:size]:
            services.assign_substitute(session=row, therapist=helper, by=world.by)
        return lambda: entries_of(world.therapist, world.clinic, timezone.now())

    assert counts(prepare, 0, 1, 8) == [2, 3, 3]
