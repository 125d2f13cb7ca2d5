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


@dataclass(frozen=True, slots=True)
class TreatmentDay:
    """One local date of one episode. On a no-call day nobody told the clinic anything."""

    local_date: date
    kind: DayKind
    no_call: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a rule opens a case: the days counted, and the day that reached the limit.

    `reached_on` keys the case, so that the same facts never open it twice.
    """

    reached_on: date
    days: tuple[date, ...]


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


def _treatment_day(day: date, outcomes: Iterable[SessionOutcome]) -> TreatmentDay:
    held = frozenset(o.status for o in outcomes if not o.cancelled_by_clinic)
    kind = day_kind(held)
    # A late cancellation is a call, if a poor one. An excuse may rest on proof or on a staff
    # member's word, so a no-show beside it still leaves a patient nobody heard from.
    silent = Status.NO_SHOW in held and Status.LATE_CANCEL not in held
    return TreatmentDay(day, kind, no_call=kind == DayKind.MISSED_UNEXCUSED and silent)


# Rules


def no_call_days(days: Iterable[TreatmentDay]) -> tuple[date, ...]:
    """Every day that owes the patient a call (R19), oldest first; each is its own evidence."""
    return tuple(sorted(day.local_date for day in days if day.no_call))


def consecutive_unexcused(days: Iterable[TreatmentDay], n: int) -> tuple[Evidence, ...]:
    """Every run of at least `n` unexcused days, keyed by its nth day, oldest first.

    An attended day breaks a run; excused, pending, cancelled and unrecorded days neither count
    nor break. A run that grows stays the same evidence.
    """
    _check_limit(n)
    return tuple(Evidence(run[n - 1], run) for run in _runs(days) if len(run) >= n)


def count_in_window(
    days: Iterable[TreatmentDay],
    n: int,
    window_days: int,
    kind: DayKind = DayKind.MISSED_UNEXCUSED,
) -> tuple[Evidence, ...]:
    """Every time the days of a kind reached `n` within `window_days`, oldest first.

    The window is calendar dates, the last one included: 30 days to the 30th begin on the 1st. The
    next evidence comes only after the count has been below `n` at the end of some date.
    """
    _check_limit(n)
    dates = _dates_of(days, kind)
    found: list[Evidence] = []
    for day in dates:
        counted = _in_window(dates, day, window_days)
        if len(counted) >= n and len(_in_window(dates, day - _DAY, window_days)) < n:
            found.append(Evidence(day, counted))
    return tuple(found)


def count_on(
    days: Iterable[TreatmentDay],
    on: date,
    window_days: int,
    kind: DayKind = DayKind.MISSED_UNEXCUSED,
) -> int:
    """How many days of a kind lie in the window that ends with `on`.

    Below the limit while a case is open, the window has slid past: lapsed, not worked.
    """
    return len(_in_window(_dates_of(days, kind), on, window_days))


_DAY = timedelta(days=1)


def _runs(days: Iterable[TreatmentDay]) -> Iterable[tuple[date, ...]]:
    run: list[date] = []
    for day in sorted(days, key=lambda d: d.local_date):
        if day.kind == DayKind.MISSED_UNEXCUSED:
            run.append(day.local_date)
        elif day.kind == DayKind.ATTENDED:
            yield tuple(run)
            run = []
    yield tuple(run)


def _dates_of(days: Iterable[TreatmentDay], kind: DayKind) -> tuple[date, ...]:
    return tuple(sorted(day.local_date for day in days if day.kind == kind))


def _in_window(dates: Sequence[date], last: date, window_days: int) -> tuple[date, ...]:
    return tuple(day for day in dates if last - window_days * _DAY < day <= last)


def _check_limit(n: int) -> None:
    if n < 1:
        raise ValueError(f"a rule needs a limit of at least 1 day, not {n}")
