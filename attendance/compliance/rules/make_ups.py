"""What a make-up would repair: the week judged again with the offered sessions in it.

An offer enters the week as any booked session does, as a line of open minutes, so that nothing is
promised here that the evaluation does not find once it is booked (R4, R19). No clock is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from attendance.compliance.rules.weeks import (
    DayMinutes,
    Share,
    StandardTerms,
    WeekJudgement,
    judge_week,
)
from iop_clinic.accounts.weeks import hours_and_minutes

MOST_SESSIONS = 6
"""A combination of more sessions is no repair that a patient could keep."""


@dataclass(frozen=True)
class Need:
    """A week, or a segment of it, that is short under one standard, with all it is judged from."""

    name: str
    first: date
    last: date
    lines: tuple[DayMinutes, ...]
    terms: StandardTerms
    share: Share

    @cached_property
    def before(self) -> WeekJudgement:
        """As things stand: every offer is held against it."""
        return judge_week(self.lines, self.terms, self.share)


@dataclass(frozen=True)
class Offer:
    """A session that could be attended, in whole minutes of full presence.

    `minutes` is what the credit rule would credit, `length` the session without its breaks.
    `again` says that the patient gave it up: it is scheduled already. `called_in` says that the
    patient called in for its day, and may not come.
    """

    key: int
    local_date: date
    starts_at: datetime
    ends_at: datetime
    session_type_id: int
    minutes: int
    length: int
    again: bool = False
    called_in: bool = False

    def overlaps(self, other: Offer) -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    @cached_property
    def line(self) -> DayMinutes:
        return DayMinutes(
            local_date=self.local_date,
            session_type_id=self.session_type_id,
            scheduled=0 if self.again else self.length,
            attended_open=self.length,
            credited_open=self.minutes,
            upcoming=1,
            services_open=1,
        )


@dataclass(frozen=True, slots=True)
class Brought:
    """A date with the minutes it could reach; `qualifies` where it could not before."""

    local_date: date
    minutes: int
    threshold: int
    qualifies: bool


@dataclass(frozen=True, slots=True)
class Repair:
    """What some offers do to one need: minutes added, missing days brought nearer, what is left.

    `minutes_to_go` and `days_to_go` are what still only a further make-up could bring.
    """

    name: str
    minutes: int
    days: tuple[Brought, ...]
    minutes_to_go: int
    days_to_go: int
    helps: bool

    @property
    def repaired(self) -> bool:
        return not self.minutes_to_go and not self.days_to_go

    @property
    def new_days(self) -> int:
        return sum(day.qualifies for day in self.days)

    @property
    def sentence(self) -> str:
        """ "adds 1 h; brings Thursday to 3 h: a qualifying day; repairs the week"."""
        parts = [f"adds {hours_and_minutes(self.minutes)}"]
        parts += [_day_part(day) for day in self.days]
        parts.append("repairs the week" if self.repaired else f"{self._to_go} still to go")
        return "; ".join(parts)

    @property
    def _to_go(self) -> str:
        parts = [hours_and_minutes(self.minutes_to_go)] if self.minutes_to_go else []
        if self.days_to_go:
            parts.append(f"{self.days_to_go} qualifying day{'s' if self.days_to_go > 1 else ''}")
        return " and ".join(parts)


@dataclass(frozen=True, slots=True)
class Effect:
    """What some offers do to every need of a week they can touch."""

    repairs: tuple[Repair, ...]
    untouched: int = 0
    """Needs in whose dates none of the offers lies."""

    @property
    def repaired(self) -> bool:
        return not self.untouched and all(one.repaired for one in self.repairs)

    @property
    def helps(self) -> bool:
        return any(one.helps for one in self.repairs)

    @property
    def new_days(self) -> int:
        return max((one.new_days for one in self.repairs), default=0)

    @property
    def minutes(self) -> int:
        return max((one.minutes for one in self.repairs), default=0)

    @property
    def minutes_to_go(self) -> int:
        return max((one.minutes_to_go for one in self.repairs), default=0)

    @property
    def days_to_go(self) -> int:
        return max((one.days_to_go for one in self.repairs), default=0)

    @property
    def sentence(self) -> str:
        """One standard's repair needs no name; of several each is named."""
        named = len(self.repairs) > 1
        said = [f"{one.name}: {one.sentence}" if named else one.sentence for one in self.repairs]
        return ". ".join(said)


def is_short(week: WeekJudgement) -> bool:
    """Whether nothing booked or unrecorded could still meet the week: minutes, days or both."""
    return week.projected_short or week.projected_days_short


def judged(need: Need, offers: Iterable[Offer] = ()) -> WeekJudgement:
    added = [one.line for one in offers if need.first <= one.local_date <= need.last]
    if not added:
        return need.before
    return judge_week([*need.lines, *added], need.terms, need.share)


def effect(needs: Sequence[Need], offers: Sequence[Offer]) -> Effect:
    """What these offers together would repair, need by need."""
    touched = [n for n in needs if any(n.first <= one.local_date <= n.last for one in offers)]
    repairs = tuple(_repair(need, offers) for need in touched)
    return Effect(repairs, len(needs) - len(touched))


def _repair(need: Need, offers: Sequence[Offer]) -> Repair:
    before, after = need.before, judged(need, offers)
    days = tuple(_brought(need, before, after, {one.local_date for one in offers}))
    minutes_to_go = after.make_up_minutes
    days_to_go = max(after.prorated_days - after.days_at_most, 0)
    wants_days = before.projected_days_short
    return Repair(
        name=need.name,
        minutes=after.at_most - before.at_most,
        days=days if wants_days else (),
        minutes_to_go=minutes_to_go,
        days_to_go=days_to_go,
        helps=minutes_to_go < before.make_up_minutes or (wants_days and bool(days)),
    )


def _brought(
    need: Need, before: WeekJudgement, after: WeekJudgement, dates: set[date]
) -> Iterable[Brought]:
    """The offers' dates that could not qualify before, with what they could reach now."""
    could = {day.local_date for day in before.days if day.can_qualify}
    was = {day.local_date: day.at_most for day in before.days}
    for day in after.days:
        raised = day.at_most > was.get(day.local_date, 0)
        if day.local_date in dates and day.local_date not in could and raised:
            threshold = need.terms.day_threshold
            yield Brought(day.local_date, day.at_most, threshold, day.can_qualify)


def _day_part(day: Brought) -> str:
    minutes = hours_and_minutes(day.minutes)
    if day.qualifies:
        return f"brings {day.local_date:%A} to {minutes}: a qualifying day"
    return f"brings {day.local_date:%A} to {minutes} of {hours_and_minutes(day.threshold)}"


def standing(needs: Iterable[Need]) -> tuple[Repair, ...]:
    """What is missing under each need before anything is offered."""
    return tuple(_repair(need, ()) for need in needs)


# Which first


def rank(offer: Offer, found: Effect, visited: frozenset[date]) -> tuple[object, ...]:
    """Qualifying days first, then what repairs the week alone, what the patient has not given up,
    the fewest visits (a date they come on anyway), and the earliest."""
    return (
        -found.new_days,
        not found.repaired,
        offer.again or offer.called_in,
        offer.local_date not in visited,
        offer.starts_at,
        offer.key,
    )


# Combinations


def combination(
    needs: Sequence[Need],
    offers: Sequence[Offer],
    visited: frozenset[date] = frozenset(),
    *,
    most: int = MOST_SESSIONS,
    allowed: Callable[[Sequence[Offer]], bool] = lambda offers: True,
) -> tuple[Offer, ...]:
    """At most `most` offers that repair the needs together, or come nearest; in order of time.

    Greedy: each step takes the session, or the sessions of one date that make it a qualifying day,
    that bring most. What turns out not to be needed is left out again. `allowed` says whether
    offers may be taken together: with fewer of them it never says no where it said yes.
    """
    chosen: list[Offer] = []
    while len(chosen) < most and not (chosen and effect(needs, chosen).repaired):
        steps = _steps_to_go(needs, offers, chosen, visited, most - len(chosen))
        step = next((step for step in steps if allowed([*chosen, *step])), ())
        if not step:
            break
        chosen += step
    return tuple(sorted(_needed(needs, chosen), key=lambda one: (one.starts_at, one.key)))


def _steps_to_go(
    needs: Sequence[Need],
    offers: Sequence[Offer],
    chosen: Sequence[Offer],
    visited: frozenset[date],
    room: int,
) -> list[tuple[Offer, ...]]:
    """What could be taken next, best first."""
    free = [one for one in offers if not any(one.overlaps(other) for other in chosen)]
    come = visited | {one.local_date for one in chosen}
    before = _missing(needs, chosen)
    known: dict[tuple[DayMinutes, ...], tuple[int, int]] = {}  # groups side by side bring the same
    steps = []
    for step in _steps(free, room):
        lines = tuple(one.line for one in step)
        if lines not in known:
            known[lines] = _missing(needs, [*chosen, *step])
        if known[lines] != before:
            steps.append((step, known[lines]))
    return [step for step, _ in sorted(steps, key=lambda one: _worth(one[0], one[1], come))]


def _worth(
    step: tuple[Offer, ...], missing: tuple[int, int], come: Collection[date]
) -> tuple[object, ...]:
    """Smaller is better: days first, then what is left in all, what the patient has not given up,
    new visits, sessions, time."""
    days, minutes = missing
    return (
        days,
        minutes > 0,
        any(one.again or one.called_in for one in step),
        len({one.local_date for one in step}.difference(come)),
        minutes,
        len(step),
        min(one.starts_at for one in step),
        step[0].key,
    )


def _missing(needs: Sequence[Need], offers: Sequence[Offer]) -> tuple[int, int]:
    """Qualifying days and minutes that only further make-ups could bring, over all the needs."""
    weeks = [judged(need, offers) for need in needs]
    days = sum(max(week.prorated_days - week.days_at_most, 0) for week in weeks)
    return days, sum(week.make_up_minutes for week in weeks)


def _steps(offers: Sequence[Offer], room: int) -> Iterable[tuple[Offer, ...]]:
    """Each offer alone, and the first two, three … of each date that follow one another."""
    yield from ((one,) for one in offers)
    by_time = sorted(offers, key=lambda one: (one.local_date, one.starts_at, one.ends_at, one.key))
    run: list[Offer] = []
    for one in by_time:
        if run and run[-1].local_date != one.local_date:
            run = []
        if any(one.overlaps(other) for other in run):
            continue
        run.append(one)
        if 1 < len(run) <= room:
            yield tuple(run)


def _needed(needs: Sequence[Need], chosen: Sequence[Offer]) -> list[Offer]:
    kept = list(chosen)
    if not kept or not effect(needs, kept).repaired:
        return kept
    for one in chosen:
        rest = [other for other in kept if other is not one]
        if rest and effect(needs, rest).repaired:
            kept = rest
    return kept
