"""What several tests of this floor begin with."""

import datetime
from typing import Any

import pytest

from tests.admin import Desk, desk
from tests.attendance.house import House
from tests.attendance.short_weeks import ShortWeek

WEDNESDAY = datetime.datetime(2026, 3, 4, 13, tzinfo=datetime.UTC)
"""Eight in the morning in New York."""


@pytest.fixture
def week(db: None, time_machine: Any) -> ShortWeek:
    """A short week on its Thursday morning, which it stays."""
    found = ShortWeek()
    time_machine.move_to(found.now, tick=False)
    return found


@pytest.fixture
def house(db: None, time_machine: Any) -> House:
    """A clinic and its group on a Wednesday morning, which it stays."""
    time_machine.move_to(WEDNESDAY, tick=False)
    return House()


@pytest.fixture
def coordinator(house: House) -> Desk:
    return desk(house.clinic)
