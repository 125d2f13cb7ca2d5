"""Which groups and standing hours together give a patient the week that is prescribed. Pure.

Options go in with their weekly wall times and with what each credits in the weeks compared; out
come the combinations that reach the target, best first. Greedy: hours are added one by one, each
time the one that brings most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time
from itertools import chain, combinations

from attendance.compliance.rules.weeks import (
    DayMinutes,
    StandardTerms,
    WeekJudgement,
    judge_week,
)

MOST_HOURS = 3
"""Standing individual hours beside a group: more of them would be another program."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A stretch of wall time on a weekday (Monday 0), half-open."""

    weekday: int
    starts: time
    ends: time

    def overlaps(self, other: Slot) -> bool:
        same = self.weekday == other.weekday
        return same and self.starts < other.ends and other.starts < self.ends


@dataclass(frozen=True, slots=True)
class Option:
    """A group, or an hour: when it meets, and the day lines of each of the weeks compared.

    `rank` says which of several hours of a day is nicer; the lower, the nicer.
    """

    key: str
    slots: tuple[Slot, ...]
    weeks: tuple[tuple[DayMinutes, ...], ...]
    first: date = date.min
    free_seats: int = 0
    rank: int = 0

    def clashes(self, slots: Iterable[Slot]) -> bool:
        return self.clash(slots) is not None

    def clash(self, slots: Iterable[Slot]) -> Slot | None:
        """The first of the own stretches that has a minute in common with one of others."""
        others = list(slots)
        return next((one for one in self.slots if any(map(one.overlaps, others))), None)


@dataclass(frozen=True, slots=True)
class Reach:
    """The poorest of the weeks compared, and whether any of them is over the maximum."""

    week: WeekJudgement
    over: bool

    @property
    def does(self) -> bool:
        return self.week.met and not self.over


@dataclass(frozen=True, slots=True)
class Found:
    """A combination that reaches the target: groups, and standing hours beside them."""

    groups: tuple[Option, ...]
    hours: tuple[Option, ...]
    reach: Reach

    @property
    def key(self) -> str:
        return "+".join(one.key for one in (*self.groups, *self.hours))


def reached(parts: Sequence[Option], terms: StandardTerms) -> Reach:
    """What the options credit together in the poorest week, were every session attended."""
    each = zip(*(one.weeks for one in parts), strict=True)
    weeks = [judge_week(chain(*lines), terms) for lines in each]
    poorest = min(weeks, key=lambda one: (one.met, one.at_least, one.days_qualifying))
    return Reach(poorest, any(one.over_maximum for one in weeks))


def combined(
    base: Option, groups: Sequence[Option], hours: Sequence[Option], terms: StandardTerms
) -> list[Found]:
    """Every way to reach the target beside what the patient has (`base`), best first.

    One group, one group with standing hours, two groups; without another group, hours alone.
    """
    groups = sorted(groups, key=lambda one: one.key)
    alone = {one.key: reached([base, one], terms) for one in groups}
    singles = [Found((one,), (), alone[one.key]) for one in groups if alone[one.key].does]
    partial = [one for one in groups if not alone[one.key].does and not alone[one.key].over]
    beside: list[tuple[Option, ...]] = [(one,) for one in partial]
    if base.slots:
        beside.append(())
    with_hours = (_with_hours(base, own, hours, terms) for own in beside)
    found = [*singles, *_pairs(base, partial, terms), *(one for one in with_hours if one)]
    return sorted(found, key=_order)


def _order(one: Found) -> tuple[object, ...]:
    """Few parts first; then those that ask for least beyond the target; then soon, with room."""
    week = one.reach.week
    return (
        len(one.groups) + len(one.hours),
        week.days_qualifying - week.prorated_days,
        week.at_least - week.prorated_minimum,
        max((part.first for part in one.groups), default=date.min),
        -min((part.free_seats for part in one.groups), default=0),
        one.key,
    )


def _pairs(base: Option, groups: Sequence[Option], terms: StandardTerms) -> Iterator[Found]:
    for one, other in combinations(groups, 2):
        if not one.clashes(other.slots):
            reach = reached([base, one, other], terms)
            if reach.does:
                yield Found((one, other), (), reach)


def _with_hours(
    base: Option, groups: tuple[Option, ...], hours: Sequence[Option], terms: StandardTerms
) -> Found | None:
    parts: list[Option] = [base, *groups]
    added: list[Option] = []
    reach = reached(parts, terms)
    while not reach.does:
        best = _best_hour([*parts, *added], hours, terms, reach)
        if best is None or len(added) == MOST_HOURS:
            return None
        added.append(best)
        reach = reached([*parts, *added], terms)
    return Found(groups, tuple(sorted(added, key=lambda one: one.slots)), reach) if added else None


def _best_hour(
    chosen: Sequence[Option], hours: Sequence[Option], terms: StandardTerms, now: Reach
) -> Option | None:
    """The hour that brings most; of a day all bring the same, so a day is judged by one of them."""
    taken = [slot for one in chosen for slot in one.slots]
    by_day: dict[int, list[Option]] = {}
    for one in hours:
        if not one.clashes(taken):
            by_day.setdefault(one.slots[0].weekday, []).append(one)
    gains = {
        day: _gain(reached([*chosen, own[0]], terms), terms) for day, own in sorted(by_day.items())
    }
    visited = {slot.weekday for slot in taken}
    best = max(gains, key=lambda day: (gains[day], day in visited, -day), default=None)
    if best is None or gains[best] <= _gain(now, terms):
        return None
    return min(by_day[best], key=lambda one: (one.rank, _away(one.slots[0], taken), one.key))


def _gain(reach: Reach, terms: StandardTerms) -> tuple[bool, int, int]:
    """Days first, then minutes, neither beyond what is asked for."""
    week = reach.week
    days, minutes = min(week.days_qualifying, terms.days), min(week.at_least, terms.minimum)
    return not reach.over, days, minutes


def _away(slot: Slot, taken: Iterable[Slot]) -> int:
    """Minutes between an hour and what the patient comes for on that day anyway; 0 without."""
    gaps = [
        max(_minutes(slot.starts) - _minutes(one.ends), _minutes(one.starts) - _minutes(slot.ends))
        for one in taken
        if one.weekday == slot.weekday
    ]
    return min(gaps, default=0)


def _minutes(wall: time) -> int:
    return wall.hour * 60 + wall.minute
