"""Who leads a session again that was cancelled while they were away."""

from __future__ import annotations

from scheduling import services
from scheduling.models import Session
from tests.scheduling.conftest import World
from tests.scheduling.test_decisions import away, close, leaders, led


def reopened(world: World, *, elsewhere: bool = False) -> Session:
    """Tomorrow's session, cancelled by a closure that is taken back, as the leader's time off was
    before that."""
    row = led(world)
    time_off, closure = away(world), close(world)
    services.take_back_time_off(time_off=time_off, by=world.by)
    if elsewhere:
        led(world, "09:30", "10:30")
    assert services.take_back_closure(closure=closure, by=world.by).back == [row]
    row.refresh_from_db()
    return row


def test_whoever_is_back_leads_what_takes_place_again(world: World) -> None:
    row = reopened(world)
    assert (row.live, row.needs_attention, leaders(row)) == (True, "", {world.therapist.pk})


def test_whoever_leads_another_session_by_then_does_not(world: World) -> None:
    row = reopened(world, elsewhere=True)
    said = f"No leader: {world.therapist.name} has time off"
    assert (row.live, row.needs_attention, leaders(row)) == (True, said, set())
