"""What clients who race do, each with rows of its own, and what became of them."""

import time
from collections import Counter
from contextlib import suppress
from typing import Any

from iop_clinic.accounts.acting import Refused
from patients.models import Episode
from scheduling import services
from scheduling.models import GroupMembership, Session
from tests.scheduling.conftest import TODAY, World
from tests.scheduling.racing import Outcome

SLOWEST = 2.0
"""Seconds; on a machine that is busy with other things, as long as the losers take in a row."""


def codes(outcomes: list[Outcome]) -> Counter[str]:
    """How many clients got which answer; anything but a row or a refusal by its class."""
    return Counter(
        answer.code
        if isinstance(answer, Refused)
        else type(answer).__name__
        if isinstance(answer, Exception)
        else "ok"
        for answer in (outcome.value for outcome in outcomes)
    )


def assert_nobody_waits_long(outcomes: list[Outcome], clients: list[Any]) -> None:
    longest = max(outcome.seconds for outcome in outcomes)
    if longest < SLOWEST:
        return
    began = time.perf_counter()
    for client in clients:
        with suppress(Refused):
            client()
    assert longest < 2 * (time.perf_counter() - began)


def own(row: Any) -> Any:
    """The client's own copy of a row, as each request reads it."""
    return type(row)._default_manager.get(pk=row.pk)


def enrol(world: World, episode: Episode, group: Any = None) -> GroupMembership:
    return services.enrol(
        group=own(group or world.group), episode=episode, starts_on=TODAY, by=world.by
    )


def move(world: World, session: Session) -> Session:
    day = str(session.local_date)
    return services.move_session(
        session=own(session),
        starts_at=world.at(day, "09:30"),
        ends_at=world.at(day, "10:30"),
        by=world.by,
    )
