"""Absences, counted in treatment days and never in sessions (R18).

A program day is several sessions: counted by session, one missed evening trips every rule. Callers
leave out bookings that were withdrawn and dates inside a hold; what remains is judged here.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from attendance.records.rules import Status


class DayKind(StrEnum):
    ATTENDED = "attended"
    MISSED_UNEXCUSED = "missed_unexcused"
    MISSED_EXCUSED = "missed_excused"
    MISSED_PENDING = "missed_pending"
    CANCELLED = "cancelled"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True, slots=True)
class SessionOutcome:
    """What came of one expected session, booked or released, on a local date."""

    local_date: date
    status: Status
    cancelled_by_clinic: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class TreatmentDay:
    """One local date of one episode. On a no-call day nobody told the clinic anything; on a late
    day the patient came to some session after its grace minutes."""

    local_date: date
    kind: DayKind
    no_call: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a rule opens a case: the days counted, and the day that reached the limit.

    `reached_on` keys the case, so that the same facts never open it twice. Of a window, `expected`
    is how many treatment days it looked at, where it looks at such, and `holds` says whether the
    limit has been kept ever since: a window that slid past no longer holds.
    """

    reached_on: date
    days: tuple[date, ...]
    expected: int = 0
    holds: bool = True


# Days


def treatment_days(outcomes: Iterable[SessionOutcome]) -> tuple[TreatmentDay, ...]:
    """The treatment days behind some session outcomes, oldest first."""
    by_date: defaultdict[date, list[SessionOutcome]] = defaultdict(list)
    for outcome in outcomes:
        by_date[outcome.local_date].append(outcome)
    return tuple(_treatment_day(day, by_date[day]) for day in sorted(by_date))


def day_kind(statuses: Iterable[Status]) -> DayKind:
    """What a day was, from the statuses of its sessions that the clinic held (R24).

    Missed needs something expected, all of it recorded and nothing attended; unexcused unless
    every absence is excused. One unexcused absence decides, whatever a pending proof will bring.
    """
    seen = frozenset(statuses)
    if not seen:
        return DayKind.CANCELLED
    if Status.PRESENT in seen:
        return DayKind.ATTENDED
    if Status.UNRECORDED in seen:
        return DayKind.UNRECORDED
    if seen & {Status.NO_SHOW, Status.LATE_CANCEL}:
        return DayKind.MISSED_UNEXCUSED
    if Status.ABSENT_PENDING in seen:
        return DayKind.MISSED_PENDING
    return DayKind.MISSED_EXCUSED


def _treatment_day(day: date, outcomes: Sequence[SessionOutcome]) -> TreatmentDay:
    held = frozenset(o.status for o in outcomes if not o.cancelled_by_clinic)
    kind = day_kind(held)
    # A late cancellation is a call, if a poor one. An excuse may rest on proof or on a staff
    # member's word, so a no-show beside it still leaves a patient nobody heard from.
    silent = Status.NO_SHOW in held and Status.LATE_CANCEL not in held
    no_call = kind == DayKind.MISSED_UNEXCUSED and silent
    late = any(o.late for o in outcomes if not o.cancelled_by_clinic)
    return TreatmentDay(day, kind, no_call=no_call, late=late)


# Rules


def no_call_days(days: Iterable[TreatmentDay]) -> tuple[date, ...]:
    """Every day that owes the patient a call (R19), oldest first; each is its own evidence."""
    return tuple(sorted(day.local_date for day in days if day.no_call))


def consecutive_unexcused(days: Iterable[TreatmentDay], n: int) -> tuple[Evidence, ...]:
    """Every run of at least `n` unexcused days, keyed by its nth day, oldest first.

    An attended day breaks a run; excused, pending, cancelled and unrecorded days neither count
    nor break. A run that grows stays the same evidence.
    """
    check_limit(n)
    return tuple(Evidence(run[n - 1], run) for run in _runs(days) if len(run) >= n)


def first_days_missed(days: Iterable[TreatmentDay], window_days: int) -> tuple[TreatmentDay, ...]:
    """The unexcused days among the `window_days` dates that begin with the first attended day
    (R21), oldest first. Before that day there is nobody to welcome back.
    """
    ordered = sorted(days, key=lambda d: d.local_date)
    first = next((d.local_date for d in ordered if d.kind == DayKind.ATTENDED), None)
    if first is None:
        return ()
    end = first + timedelta(days=window_days)
    return tuple(d for d in _unexcused(ordered) if first < d.local_date < end)


def silence(
    days: Iterable[TreatmentDay], heard_on: date, n: int, *, through: date
) -> Evidence | None:
    """At least `n` dates since somebody last saw or heard from the patient, with an unexcused day
    among them; None when there is no such silence on the date `through`.

    A date on which nothing was expected is not silence by itself, or every weekend and holiday
    would be. The missed day's own morning belongs to its call: silence is reached on the day
    after, when that call has found nobody.
    """
    check_limit(n)
    missed = tuple(d.local_date for d in _unexcused(days) if heard_on < d.local_date <= through)
    if not missed:
        return None
    reached_on = max(heard_on + timedelta(days=n), missed[0] + timedelta(days=1))
    return Evidence(reached_on, missed) if reached_on <= through else None


def _runs(days: Iterable[TreatmentDay]) -> Iterable[tuple[date, ...]]:
    run: list[date] = []
    for day in sorted(days, key=lambda d: d.local_date):
        if day.kind == DayKind.MISSED_UNEXCUSED:
            run.append(day.local_date)
        elif day.kind == DayKind.ATTENDED:
            yield tuple(run)
            run = []
    yield tuple(run)


def _unexcused(days: Iterable[TreatmentDay]) -> list[TreatmentDay]:
    missed = (day for day in days if day.kind == DayKind.MISSED_UNEXCUSED)
    return sorted(missed, key=lambda d: d.local_date)


def check_limit(n: int) -> None:
    if n < 1:
        raise ValueError(f"a rule needs a limit of at least 1 day, not {n}")
