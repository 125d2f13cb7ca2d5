"""Raw rows of the database, and the plainest arithmetic on their values.

A minute is a whole number counted from 1970. Nothing of the product is imported.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from django.db import connection

Row = SimpleNamespace
DAY = datetime.timedelta(days=1)


def read(statement: str, *values: Any) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description]
        return [Row(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def minute(instant: datetime.datetime) -> int:
    seconds = int(instant.timestamp())
    assert seconds % 60 == 0, "the rows to recompute are told in whole minutes"
    return seconds // 60


def inside(day: datetime.date, row: Row, first: str = "starts_on", last: str = "ends_on") -> bool:
    """Whether a local date lies in a dated row, both ends inside; no last date is without end."""
    begins, ends = getattr(row, first), getattr(row, last)
    return begins is not None and begins <= day and (ends is None or day <= ends)


def by(rows: list[Row], name: str) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[getattr(row, name)].append(row)
    return found


def told(stored: Any) -> Any:
    """A JSON column, which a raw cursor hands over as text."""
    return json.loads(stored) if isinstance(stored, str) else stored


def instant(text: str) -> int:
    return minute(datetime.datetime.fromisoformat(text))


def birthdays(born: datetime.date, day: datetime.date) -> int:
    """Completed years, counted birthday by birthday; February 29 is had on March 1."""
    years = 0
    while True:
        year = born.year + years + 1
        leap = born.month == 2 and born.day == 29 and not is_leap(year)
        birthday = datetime.date(year, 3, 1) if leap else born.replace(year=year)
        if birthday > day:
            return years
        years += 1


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def meets_on(block: Row, day: datetime.date) -> bool:
    """Whether a weekly block meets on a date: count the weeks from its first meeting."""
    if not inside(day, block, "valid_from", "valid_until") or day.weekday() != block.weekday:
        return False
    first = block.valid_from
    while first.weekday() != block.weekday:
        first += DAY
    return (day - first).days // 7 % block.every_weeks == 0
