"""Seats above the capacity, for which a room is asked, while somebody else has the room."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from attendance.discharges_taken_back import take_back_discharge
from attendance.episodes import discharge, hold, resume
from iop_clinic.accounts.acting import acting
from patients.models import Episode
from scheduling import services
from scheduling.locks import lock
from scheduling.models import Booking, Session
from tests.scheduling.conftest import TODAY, World
from tests.scheduling.racing import (
    race,
    wait_for_an_open_transaction,
    wait_for_somebody_who_waits,
)

pytestmark = pytest.mark.django_db(transaction=True)
TOMORROW = TODAY + datetime.timedelta(days=1)


def _resumed(world: World, episode: Episode) -> Callable[[], Any]:
    hold(episode=episode, starts_on=TOMORROW, reason="leave", by=world.by)
    return lambda: resume(episode=episode, resumes_on=TOMORROW, by=world.by)


def _taken_back(world: World, episode: Episode) -> Callable[[], Any]:
    discharge(episode=episode, discharged_on=TODAY, reason="aca", by=world.by)
    return lambda: take_back_discharge(episode=episode, reason="Mistake", by=world.by)


@pytest.mark.parametrize("arrange", [_resumed, _taken_back])
def test_who_comes_back_waits_for_the_room_before_the_session(
    world: World, arrange: Callable[[World, Episode], Callable[[], Any]]
) -> None:
    """Crosswise one of the two would end as a deadlock."""
    session = world.group_session("2026-03-09", room=world.room)
    for one in world.episodes(8):
        services.enrol(group=world.group, episode=one, starts_on=TODAY, by=world.by)
    episode, above = world.episode(), "Nowhere else"
    services.enrol(
        group=world.group, episode=episode, starts_on=TODAY, overflow_reason=above, by=world.by
    )
    come_back = arrange(world, episode)

    def comes_back() -> Any:
        wait_for_an_open_transaction()
        with acting(world.by):  # so that nothing is tried again
            return come_back()

    outcomes = race([lambda: _room_then_session(session), comes_back])
    assert [one.value for one in outcomes if isinstance(one.value, Exception)] == []
    row = Booking.objects.get(session=session, episode=episode)
    assert (row.state, row.seat) == ("booked", 9)


def _room_then_session(session: Session) -> None:
    with transaction.atomic():
        lock(rooms=[session.room_id])
        wait_for_somebody_who_waits()
        lock(sessions=[session.pk])
