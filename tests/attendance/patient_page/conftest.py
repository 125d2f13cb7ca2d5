"""A patient of a clinic, on the Monday after the week that tests are about."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine

from patients.models import Episode
from tests.admin import Desk, desk
from tests.attendance.papers import Office


@pytest.fixture(autouse=True)
def _the_monday_after() -> Iterator[None]:
    """Monday, March 9, at one in the afternoon."""
    with time_machine.travel(datetime.datetime(2026, 3, 9, 17, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def house(db) -> Office:
    return Office()


@pytest.fixture
def pat(house) -> Episode:
    return house.patient()


@pytest.fixture
def coordinator(house) -> Desk:
    return desk(house.clinic)
