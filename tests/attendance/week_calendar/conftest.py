"""A clinic whose week is looked at, on a Monday at eleven."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine

from tests.admin import Desk, desk
from tests.scheduling.conftest import World, build


@pytest.fixture(autouse=True)
def _monday_at_eleven() -> Iterator[None]:
    with time_machine.travel(datetime.datetime(2026, 3, 2, 16, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def world(db: None) -> World:
    return build()


@pytest.fixture
def coordinator(world: World) -> Desk:
    return desk(world.clinic)
