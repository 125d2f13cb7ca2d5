"""What weekly blocks become, reckoned from the rules alone, with nothing of the product.

A wall time is found in UTC by trying the zone's offsets; a block meets on a date when as many weeks
as it says have gone by since its first meeting. Slow and plain, to hold the real expansion against.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY = datetime.timedelta(days=1)
Clock = tuple[datetime.time, datetime.time]
Breaks = list[list[int]]


@dataclass(frozen=True)
class Plan:
    """A weekly block: its first and last possible date, both inclusive, and how it meets.

    From the meeting on the date `changed_on` on it meets at the wall times `then`, without breaks.
    """

    weekday: int
    clock: Clock
    breaks: Breaks
    every: int
    first: datetime.date
    last: datetime.date | None = None
    changed_on: datetime.date | None = None
    then: Clock | None = None


@dataclass(frozen=True)
class Shut:
    """The clinic is closed on inclusive dates, or between two wall times on each of them."""

    first: datetime.date
    last: datetime.date
    reason: str
    between: tuple[datetime.time | None, datetime.time | None] = (None, None)


class Meeting(NamedTuple):
    """A session as it has to be; instants in UTC. `reason`: why the clinic has cancelled it."""

    local_date: datetime.date
    starts_at: datetime.datetime
    ends_at: datetime.datetime
    breaks: Breaks
    reason: str


def meetings(
    plan: Plan, shut: list[Shut], first: datetime.date, last: datetime.date, zone: str
) -> Iterator[Meeting]:
    """Of one block, on the dates from `first` to `last`."""
    day = plan.first
    while day.weekday() != plan.weekday:
        day += DAY
    weeks = 0
    while day <= min(last, plan.last or last):
        if weeks % plan.every == 0 and day >= first:
            yield _meeting(plan, shut, day, ZoneInfo(zone))
        weeks += 1
        day += 7 * DAY


def _meeting(plan: Plan, shut: list[Shut], day: datetime.date, zone: ZoneInfo) -> Meeting:
    changed = plan.changed_on is not None and day >= plan.changed_on
    starts, ends = plan.then if changed and plan.then else plan.clock
    begin = datetime.datetime.combine(day, starts)
    length = datetime.datetime.combine(day, ends) - begin
    starts_at = in_utc(begin, zone)
    ends_at = starts_at + length
    reasons = [one.reason for one in shut if _closes(one, starts_at, ends_at, zone)]
    return Meeting(day, starts_at, ends_at, [] if changed else plan.breaks, "".join(reasons[:1]))


def _closes(
    shut: Shut, starts_at: datetime.datetime, ends_at: datetime.datetime, zone: ZoneInfo
) -> bool:
    day = shut.first
    while day <= shut.last:
        opens, closes = shut.between
        begin = datetime.datetime.combine(day, opens or datetime.time())
        end = (
            datetime.datetime.combine(day, closes)
            if closes
            else begin.replace(hour=0, minute=0) + DAY
        )
        if starts_at < in_utc(end, zone) and in_utc(begin, zone) < ends_at:
            return True
        day += DAY
    return False


def in_utc(wall: datetime.datetime, zone: ZoneInfo) -> datetime.datetime:
    """The first instant at which the wall shows a time; what is skipped comes so much later."""
    around = [(wall + n * DAY).replace(tzinfo=datetime.UTC) for n in (-1, 1)]
    offsets = [at.astimezone(zone).utcoffset() or datetime.timedelta() for at in around]
    instants = [(wall - offset).replace(tzinfo=datetime.UTC) for offset in offsets]
    shown = [at for at in instants if at.astimezone(zone).replace(tzinfo=None) == wall]
    return min(shown) if shown else instants[0]


# --- timetables ----------------------------------------------------------------------------------


def a_plan(dice: random.Random, first: datetime.date) -> Plan:
    """Any weekly block that the product takes: 15 minutes to 6 hours, at any hour of the day."""
    clock = a_clock(dice)
    length = (clock[1].hour - clock[0].hour) * 60 + clock[1].minute - clock[0].minute
    begin = first + dice.randrange(60) * DAY
    last = begin + dice.randrange(7, 300) * DAY if dice.random() < 0.3 else None
    every = dice.choice((1, 1, 2))
    plan = Plan(
        weekday=dice.randrange(7),
        clock=clock,
        breaks=[[length // 3, length // 3 + 5]] if length > 30 and dice.random() < 0.5 else [],
        every=every,
        first=begin,
        last=last,
    )
    return _split(dice, plan) if last is None and dice.random() < 0.5 else plan


def a_clock(dice: random.Random) -> Clock:
    starts = dice.choice((dice.randrange(0, 23 * 60, 5), 30, 90, 150, 180, 22 * 60 + 30))
    ends = min(starts + dice.randrange(15, 360, 5), 24 * 60 - 1)
    return datetime.time(*divmod(starts, 60)), datetime.time(*divmod(max(ends, starts + 15), 60))


def _split(dice: random.Random, plan: Plan) -> Plan:
    ahead = (plan.weekday - plan.first.weekday()) % 7
    met = plan.first + (ahead + 7 * plan.every * dice.randrange(1, 20)) * DAY
    return Plan(
        plan.weekday, plan.clock, plan.breaks, plan.every, plan.first,
        changed_on=met, then=a_clock(dice),
    )  # fmt: skip


def a_closure(dice: random.Random, first: datetime.date, number: int) -> Shut:
    day = first + dice.randrange(360) * DAY
    hours = dice.choice(((None, None), (datetime.time(1, 30), datetime.time(13)),
                         (datetime.time(12), None), (None, datetime.time(2, 30))))  # fmt: skip
    return Shut(day, day + dice.randrange(4) * DAY, f"Closure {number}", hours)
