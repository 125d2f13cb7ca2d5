"""What several tests of this floor begin with."""

from typing import Any

import pytest

from tests.attendance.short_weeks import ShortWeek


@pytest.fixture
def week(db: None, time_machine: Any) -> ShortWeek:
    """A short week on its Thursday morning, which it stays."""
    found = ShortWeek()
    time_machine.move_to(found.now, tick=False)
    return found
