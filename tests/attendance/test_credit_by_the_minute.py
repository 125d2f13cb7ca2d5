"""Credit counted on the fingers: minute after minute, second after second, across clock changes.

The counting here knows no intervals and no arithmetic of time zones; it asks of every minute of a
session whether the patient was there. Facts go in as wall times of New York.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from attendance.records.rules import (
    AttendanceFacts,
    CreditKind,
    CreditPolicy,
    Interval,
    SessionFacts,
    attended_minutes,
    credited_minutes,
    time_inside,
)
from tests.attendance.facts import NEW_YORK

# The clocks change two hours after the first and the second.
ORIGINS = [datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 11, 1, 4, tzinfo=UTC)]
ORIGINS.append(datetime(2026, 3, 4, 14, tzinfo=UTC))


@dataclass(frozen=True)
class Told:
    """Presence in steps (minutes or seconds) from the origin; None is not told."""

    attended: bool
    arrived: int | None
    left: int | None
    away: tuple[tuple[int, int], ...]

    def there(self, step: int) -> bool:
        return (
            self.attended
            and (self.arrived is None or self.arrived <= step)
            and (self.left is None or step < self.left)
            and not any(a <= step < b for a, b in self.away)
        )


def presences(last: int) -> st.SearchStrategy[Told]:
    """Told freely around a session that ends before `last`, backwards too."""
    step = st.integers(-90, last)
    pairs = st.lists(st.tuples(step, step), max_size=3).map(tuple)
    return st.builds(Told, st.integers(0, 9).map(bool), st.none() | step, st.none() | step, pairs)


@dataclass(frozen=True)
class Scene:
    """A session of `length` steps from `starts`, its breaks in minutes, and visits in it."""

    origin: datetime
    step: timedelta
    starts: int
    length: int
    breaks: tuple[tuple[int, int], ...]
    told: Told
    visits: tuple[tuple[int, int, Told], ...]

    def instant(self, step: int) -> datetime:
        return (self.origin + step * self.step).astimezone(NEW_YORK)

    def session(self, starts: int, length: int, *breaks: tuple[int, int]) -> SessionFacts:
        return SessionFacts(self.instant(starts), self.instant(starts + length), breaks)

    def facts(self, told: Told) -> AttendanceFacts:
        away = tuple(Interval(self.instant(a), self.instant(b)) for a, b in told.away)
        if not told.attended:
            return AttendanceFacts(False)
        arrived, left = (
            None if step is None else self.instant(step) for step in (told.arrived, told.left)
        )
        return AttendanceFacts(True, arrived, left, away)

    def nested(self) -> tuple[Interval, ...]:
        return tuple(
            span
            for starts, length, told in self.visits
            for span in time_inside(self.session(starts, length), self.facts(told))
        )

    def in_session(self, step: int) -> bool:
        """Neither a break nor a visit: a step that the session could credit."""
        minute = (step - self.starts) * self.step // timedelta(minutes=1)
        return not any(a <= minute < b for a, b in self.breaks) and not any(
            starts <= step < starts + length and told.there(step)
            for starts, length, told in self.visits
        )

    def counted(self) -> tuple[int, int]:
        """Whole minutes attended, and whole minutes there were to attend."""
        steps = [n for n in range(self.starts, self.starts + self.length) if self.in_session(n)]
        there = sum(self.told.there(step) for step in steps)
        return there * self.step // timedelta(minutes=1), len(steps) * self.step // timedelta(
            minutes=1
        )


def credit(minutes: int, of: int, policy: CreditPolicy) -> int:
    if policy.kind == CreditKind.ROUND_DOWN:
        return max(n for n in range(minutes + 1) if n % policy.round_to == 0)
    if policy.kind == CreditKind.ALL_OR_NOTHING and minutes * 100 < policy.min_percent * of:
        return 0
    return minutes


@st.composite
def scenes(draw, step: timedelta, shortest: int, longest: int) -> Scene:
    starts = draw(st.integers(0, 150))
    length = draw(st.integers(shortest, longest)) * (timedelta(minutes=1) // step)
    minute = st.integers(0, 400)
    breaks = draw(st.lists(st.tuples(minute, minute), max_size=3).map(tuple))
    visits = []
    for _ in range(draw(st.integers(0, 2))):
        first = draw(st.integers(starts, starts + length - 1))
        last = draw(st.integers(first + 1, starts + length))
        visits.append((first, last - first, draw(presences(starts + length + 90))))
    told = draw(presences(starts + length + 90))
    origin = draw(st.sampled_from(ORIGINS))
    return Scene(origin, step, starts, length, breaks, told, tuple(visits))


policies = st.builds(
    CreditPolicy,
    kind=st.sampled_from(CreditKind),
    round_to=st.integers(1, 60),
    min_percent=st.integers(0, 100),
)


@settings(max_examples=300)
@given(scenes(timedelta(minutes=1), 15, 360), policies)
def test_credit_is_what_the_minutes_add_up_to(scene, policy):
    minutes, of = scene.counted()
    session = scene.session(scene.starts, scene.length, *scene.breaks)
    facts = scene.facts(scene.told)
    assert attended_minutes(session, facts, scene.nested()) == minutes
    assert credited_minutes(session, facts, policy, scene.nested()) == credit(minutes, of, policy)


@settings(max_examples=60)
@given(scenes(timedelta(seconds=1), 15, 25), policies)
def test_credit_is_the_whole_minutes_that_the_seconds_add_up_to(scene, policy):
    minutes, of = scene.counted()
    session = scene.session(scene.starts, scene.length, *scene.breaks)
    facts = scene.facts(scene.told)
    assert attended_minutes(session, facts, scene.nested()) == minutes
    assert credited_minutes(session, facts, policy, scene.nested()) == credit(minutes, of, policy)
