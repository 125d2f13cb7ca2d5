"""A coordinator early on a Monday, and a group that is planned for the next weeks."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine

from scheduling.services import expand
from tests.admin import Desk, desk
from tests.scheduling.admin.planned import TODAY
from tests.scheduling.conftest import World, build


@pytest.fixture(autouse=True)
def _early_on_monday() -> Iterator[None]:
    with time_machine.travel(datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def world(db: None) -> World:
    """A group that meets on Mondays at nine, planned for the next weeks."""
    world = build()
    world.block()
    expand(clinic=world.clinic, today=TODAY, by=world.by)
    return world


@pytest.fixture
def coordinator(world) -> Desk:
    return desk(world.clinic)
