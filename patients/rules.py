"""Arithmetic of plans and ages on plain values."""

from __future__ import annotations

import calendar
import datetime
from typing import NamedTuple


class MinutesRange(NamedTuple):
    """Inclusive weekly minutes of a level of care."""

    least: int
    most: int


IOP, PHP, OP = 2, 3, 1
ADULT, ADOLESCENT = 1, 2
OF_AGE, NO_ADOLESCENT = 18, 21
"""Years: below the first everybody is an adolescent, from the second on nobody is (R2)."""

WEEKLY_MINUTES: dict[tuple[int, int], MinutesRange] = {
    (OP, ADULT): MinutesRange(0, 539),
    (OP, ADOLESCENT): MinutesRange(0, 359),
    (IOP, ADULT): MinutesRange(540, 1200),  # R1: 9-20 h
    (IOP, ADOLESCENT): MinutesRange(360, 1200),  # R2: from 6 h
    (PHP, ADULT): MinutesRange(1200, 2400),  # R1: 20 h and more
    (PHP, ADOLESCENT): MinutesRange(1200, 2400),
}
"""Where a plan's weekly target may lie, by (level, age bracket); copied into each plan's row."""


def age_on(birth_date: datetime.date, day: datetime.date) -> int:
    """Completed years; a person born on 29 February turns a year older on 1 March."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def bracket_fits(bracket: int, age: int) -> bool:
    """Whether somebody of so many years may be treated in an age bracket; in between in either."""
    return age >= OF_AGE if bracket == ADULT else age < NO_ADOLESCENT


def birthday(birth_date: datetime.date, years: int) -> datetime.date:
    """The date on which somebody is so many years old, as `age_on` counts."""
    year = birth_date.year + years
    skipped = (birth_date.month, birth_date.day) == (2, 29) and not calendar.isleap(year)
    return datetime.date(year, 3, 1) if skipped else birth_date.replace(year=year)
