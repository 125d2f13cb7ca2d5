"""Attendance as another program kept it: people, and a sign-in list of eight weeks, by seed.

Nothing of the product is imported. The weeks are added up by hand from the text of the list.
"""

from __future__ import annotations

import csv
import datetime
import io
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

ZONE = "America/Chicago"
DAY = datetime.timedelta(days=1)
MONDAY = datetime.date(2026, 9, 21)
WEEKS = 8
"""The seventh ends with the night on which the clocks go back."""
HEADER = "End,ATTENDED,Record_Number,Date,Start"
DAYS = ([0, 2, 4], [0, 1, 3], [1, 2, 3], [0, 1, 2, 3])
MEETINGS = (("9:00 AM", "9:50 AM"), ("10:00 AM", "11:00 AM"), ("11:10 AM", "12:20 PM"))


@dataclass(frozen=True)
class Person:
    record: str
    young: bool
    admitted: datetime.date
    discharged: datetime.date | None
    days: list[int]
    shows: float
    clocks_in: bool

    def there(self, day: datetime.date) -> bool:
        return self.admitted <= day and (self.discharged is None or day <= self.discharged)


def people(rng: random.Random, count: int) -> list[Person]:
    found = []
    for number in range(count):
        admitted = MONDAY + rng.choice([-20, 0, 0, 2, 9, 16, 24]) * DAY
        leaves = admitted + rng.randint(20, 30) * DAY if rng.random() < 0.2 else None
        young, clocks_in = rng.random() < 0.25, rng.random() < 0.08
        record = f"old/{number:04}"
        shows = rng.choice([0.5, 0.8, 0.9, 1.0])
        found.append(Person(record, young, admitted, leaves, rng.choice(DAYS), shows, clocks_in))
    return found


def sign_ins(rng: random.Random, cast: list[Person]) -> list[str]:
    """The lines of the list. Some patients are listed by group, some by their own clock times."""
    lines = []
    for one in cast:
        for n in range(7 * WEEKS):
            day = MONDAY + n * DAY
            if not one.there(day):
                continue
            if day.weekday() in one.days:
                came = "yes" if rng.random() < one.shows else "no"
                lines += [line(one, day, *hours, came) for hours in meetings(rng, one)]
            elif day == datetime.date(2026, 11, 1) and rng.random() < 0.3:
                lines.append(line(one, day, "12:30 AM", "2:30 AM", "yes"))
    rng.shuffle(lines)
    return lines


def meetings(rng: random.Random, one: Person) -> Iterator[tuple[str, str]]:
    if not one.clocks_in:
        yield from MEETINGS[: 2 if one.young else 3]
        return
    starts = rng.randint(0, 59)
    yield f"1:{starts:02} PM", f"{rng.choice([3, 4])}:{rng.randint(0, 59):02} PM"


def line(one: Person, day: datetime.date, start: str, end: str, came: str) -> str:
    return f'"{end}",{came.upper()},{one.record},{day.month}/{day.day}/{day.year},{start}'


def as_saved(lines: list[str]) -> bytes:
    """As a spreadsheet of the United States saves it."""
    return b"\xef\xbb\xbf" + "\r\n".join([HEADER, *lines, ""]).encode()


# --- the weeks, from the text alone --------------------------------------------------------------


@dataclass
class Sum:
    scheduled: int = 0
    credited: int = 0
    days: int = 0


def weeks(lines: list[str], young: set[str]) -> dict[tuple[str, datetime.date], Sum]:
    """By record number and Monday: minutes listed, minutes come, days of 3 h (2 h if young)."""
    by_day: dict[tuple[str, datetime.date], Sum] = defaultdict(Sum)
    for row in csv.DictReader(io.StringIO("\n".join([HEADER, *lines]))):
        month, date, year = (int(part) for part in row["Date"].split("/"))
        day = datetime.date(year, month, date)
        minutes = between(day, row["Start"], row["End"])
        one = by_day[row["Record_Number"], day]
        one.scheduled += minutes
        one.credited += minutes if row["ATTENDED"] == "YES" else 0
    found: dict[tuple[str, datetime.date], Sum] = defaultdict(Sum)
    for (record, day), one in by_day.items():
        week = found[record, day - day.weekday() * DAY]
        week.scheduled += one.scheduled
        week.credited += one.credited
        week.days += one.credited >= (120 if record in young else 180)
    return found


def between(day: datetime.date, start: str, end: str) -> int:
    """Minutes that went by between two clock times: on UTC, for the clocks may change."""
    begins, ends = (
        datetime.datetime.combine(day, clock(text), tzinfo=ZoneInfo(ZONE)).timestamp()
        for text in (start, end)
    )
    return round(ends - begins) // 60


def clock(text: str) -> datetime.time:
    hours, minutes = text[:-3].split(":")
    return datetime.time(int(hours) % 12 + 12 * text.endswith("PM"), int(minutes))
