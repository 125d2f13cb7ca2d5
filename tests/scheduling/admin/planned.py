"""Whom and what the tests of the admin site's scheduling pages are about."""

from __future__ import annotations

import datetime

from patients.models import Episode
from scheduling.models import Booking, Session
from tests.admin import Desk
from tests.scheduling.conftest import World

TODAY = datetime.date(2026, 3, 2)  # a Monday
NEXT = datetime.date(2026, 3, 9)


def enrolled(world: World, at: Desk, **extra: object) -> Episode:
    episode = world.episode()
    answer = at.fill(episode, "enrol", group=world.group, starts_on=TODAY, **extra)
    assert answer.status == 302, answer.errors
    return episode


def last_booking(world: World, at: Desk) -> Booking:
    return enrolled(world, at).bookings.latest("starts_at")


def planned(world: World, day: datetime.date = NEXT) -> Session:
    return Session.objects.get(group=world.group, local_date=day)
