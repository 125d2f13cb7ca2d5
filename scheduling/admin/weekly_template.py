"""A weekly template in words: "Mon Wed Fri 9:00 AM – 12:20 PM"."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from iop_clinic.accounts.models import Therapist, Weekday
from scheduling.models import WeeklyBlock

PAUSE = datetime.timedelta(minutes=60)
"""Blocks of one day with less than this between them are one meeting."""
FIRST_WEEK = datetime.timedelta(days=6)
ONE_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Blocks of one weekday that follow each other, in order."""

    weekday: int
    blocks: tuple[WeeklyBlock, ...]

    @property
    def day(self) -> str:
        return Weekday(self.weekday).label[:3]

    @property
    def times(self) -> str:
        """ "9:00 AM – 12:20 PM", and how often when it is not every week."""
        said = _times(self.blocks[0].starts_at, max(one.ends_at for one in self.blocks))
        often = {one.every_weeks for one in self.blocks}
        return said if often == {1} else f"{said}, every {max(often)} weeks"

    @property
    def leaders(self) -> list[Therapist]:
        return leaders(self.blocks)


def block_times(block: WeeklyBlock) -> str:
    return _times(block.starts_at, block.ends_at)


def in_force(blocks: Iterable[WeeklyBlock], today: datetime.date) -> list[WeeklyBlock]:
    """The blocks that meet now; of a group that begins, those of its first week: each of them may
    be entered from its own weekday on."""
    rows = list(blocks)
    return _on(rows, _settled(rows, today))


def to_come(
    blocks: Sequence[WeeklyBlock], today: datetime.date
) -> Iterator[tuple[datetime.date, list[WeeklyBlock]]]:
    """The dates after those of `in_force` from which other blocks meet, with these blocks.

    Blocks that begin or end within one week are one change, as they are where a group begins.
    """
    day = _settled(blocks, today)
    turns = {one.valid_from for one in blocks}
    turns |= {one.valid_until + ONE_DAY for one in blocks if one.valid_until}
    for turn in sorted(turns):
        if turn > day:
            day = turn + FIRST_WEEK
            yield turn, _on(blocks, day)


def _settled(blocks: Sequence[WeeklyBlock], today: datetime.date) -> datetime.date:
    """Today, or the end of the first week of a group that begins later."""
    begun = (one.valid_from for one in blocks if not one.valid_until or one.valid_until >= today)
    return max(today, min(begun, default=datetime.date.min) + FIRST_WEEK)


def _on(blocks: Sequence[WeeklyBlock], day: datetime.date) -> list[WeeklyBlock]:
    return [
        one
        for one in blocks
        if one.valid_from <= day and (one.valid_until is None or one.valid_until >= day)
    ]


def meetings(blocks: Iterable[WeeklyBlock]) -> list[Meeting]:
    """By weekday and time; what follows without a long pause is one meeting."""
    found: list[list[WeeklyBlock]] = []
    for one in sorted(blocks, key=lambda block: (block.weekday, block.starts_at, block.pk)):
        if found and _follows(found[-1], one):
            found[-1].append(one)
        else:
            found.append([one])
    return [Meeting(one[0].weekday, tuple(one)) for one in found]


def template_said(blocks: Iterable[WeeklyBlock]) -> str:
    """The weekdays by their times: "Mon Wed 9:00 AM – 12:20 PM; Fri 1:00 PM – 2:00 PM"."""
    days: defaultdict[str, list[str]] = defaultdict(list)
    for one in meetings(blocks):
        days[one.times].append(one.day)
    return "; ".join(f"{' '.join(names)} {times}" for times, names in days.items())


def leaders(blocks: Iterable[WeeklyBlock]) -> list[Therapist]:
    """Who leads most of the blocks first; who leads them together with somebody too."""
    led: defaultdict[int, list[Therapist]] = defaultdict(list)
    for one in blocks:
        for therapist in (one.facilitator, one.co_facilitator):
            if therapist is not None:
                led[therapist.pk].append(therapist)
    return [parts[0] for parts in sorted(led.values(), key=len, reverse=True)]


def begins_later(blocks: Sequence[WeeklyBlock], today: datetime.date) -> datetime.date | None:
    """The day from which a template counts, when it is still to come."""
    first = min((one.valid_from for one in blocks), default=today)
    return first if first > today else None


def _follows(before: Sequence[WeeklyBlock], one: WeeklyBlock) -> bool:
    if before[0].weekday != one.weekday:
        return False
    ends = max(block.ends_at for block in before)
    day = datetime.date.min
    pause = datetime.datetime.combine(day, one.starts_at) - datetime.datetime.combine(day, ends)
    return pause < PAUSE


def _times(starts: datetime.time, ends: datetime.time) -> str:
    return f"{starts:%-I:%M %p} – {ends:%-I:%M %p}"
