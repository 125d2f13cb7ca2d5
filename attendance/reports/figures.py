"""A week's figures as plain arithmetic: hours met, show rate, retention, stay, discharges (R20).

Everything is a count that a report can store; a percentage is made when it is shown. Nothing here
knows a name, and no figure sets one clinician beside another.
"""

from __future__ import annotations

import datetime
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

DAY = datetime.timedelta(days=1)
RETAINED_AFTER = (30, 60, 90)
"""Days after admission at which retention is looked at."""
COHORT_DAYS = 90
"""Over so many days admissions and discharges are counted: a single week's are too few."""


class PatientDay(NamedTuple):
    """One patient's bookings on one local date with one group, or with none."""

    episode_id: int
    therapist_id: int | None
    program_id: int
    group_id: int | None
    local_date: datetime.date
    expected: int
    attended: int
    absent: int


class JudgedWeek(NamedTuple):
    """A patient's week under one standard; an open one is neither met nor short."""

    episode_id: int
    therapist_id: int | None
    standard_id: int
    source: int
    hours_met: bool = False
    days_met: bool = False
    prorated: bool = False
    open: bool = False


class Stay(NamedTuple):
    """A course of treatment, both dates inside."""

    episode_id: int
    therapist_id: int | None
    admitted_on: datetime.date
    discharged_on: datetime.date | None
    reason: str
    planned_weeks: int = 12

    def treated_on(self, day: datetime.date) -> bool:
        ended = self.discharged_on
        return self.admitted_on <= day and (ended is None or ended >= day)

    def treated_within(self, first: datetime.date, last: datetime.date) -> bool:
        ended = self.discharged_on
        return self.admitted_on <= last and (ended is None or ended >= first)


# --- show rate -------------------------------------------------------------------------------


def show_rate(days: Iterable[PatientDay]) -> dict[str, int]:
    """Scheduled and attended bookings; unrecorded ones are in neither part of the rate (R24)."""
    days = list(days)
    return {
        "expected": sum(day.expected for day in days),
        "attended": sum(day.attended for day in days),
        "unrecorded": sum(day.expected - day.attended - day.absent for day in days),
        "patients": len({day.episode_id for day in days}),
    }


def show_rates(
    days: Iterable[PatientDay], name: str, of: Callable[[PatientDay], Any]
) -> list[dict[str, Any]]:
    """The show rate of each part, in the order of the parts; the part without a key comes last."""
    parts: dict[Any, list[PatientDay]] = {}
    for day in days:
        parts.setdefault(of(day), []).append(day)
    ordered = sorted(parts, key=lambda key: (key is None, key or 0))
    return [{name: key, **show_rate(parts[key])} for key in ordered]


def percent(part: int, whole: int) -> int | None:
    """Whole percents, half rounded up; None of nothing."""
    return (200 * part + whole) // (2 * whole) if whole else None


def percent_shown(rate: Mapping[str, int]) -> int | None:
    """Attended of scheduled and recorded bookings, in percent (R20)."""
    return percent(rate["attended"], rate["expected"] - rate["unrecorded"])


# --- hours -----------------------------------------------------------------------------------


def hours_met(weeks: Iterable[JudgedWeek]) -> list[dict[str, int]]:
    """For each standard how many patients' weeks met it, fell short or are open."""
    weeks = list(weeks)
    standards = sorted({(week.source, week.standard_id) for week in weeks})
    return [
        {"standard": key, "source": source, **_hours([w for w in weeks if w.standard_id == key])}
        for source, key in standards
    ]


def _hours(weeks: Sequence[JudgedWeek]) -> dict[str, int]:
    final = [week for week in weeks if not week.open]
    return {
        "met": sum(week.hours_met and week.days_met for week in final),
        "short": sum(not (week.hours_met and week.days_met) for week in final),
        "short_of_hours": sum(not week.hours_met for week in final),
        "short_of_days": sum(not week.days_met for week in final),
        "open": sum(week.open for week in weeks),
        "prorated": sum(week.prorated for week in weeks),
    }


# --- staying ---------------------------------------------------------------------------------


def retention(stays: Iterable[Stay], through: datetime.date) -> list[dict[str, int]]:
    """Of the patients admitted in the 90 days that end n days ago, how many stayed n days or more.

    Whoever completed or moved on earlier counts as not in treatment any more; `planned` says how
    many were to stay so long.
    """
    stays = list(stays)
    return [_retained(stays, through, days) for days in RETAINED_AFTER]


def _retained(stays: list[Stay], through: datetime.date, days: int) -> dict[str, int]:
    last = through - days * DAY
    admitted = [stay for stay in stays if last - COHORT_DAYS * DAY < stay.admitted_on <= last]
    kept = sum(stay.treated_on(stay.admitted_on + days * DAY) for stay in admitted)
    planned = sum(7 * stay.planned_weeks >= days for stay in admitted)
    return {"days": days, "admitted": len(admitted), "kept": kept, "planned": planned}


def is_too_short_for(row: Mapping[str, int]) -> bool:
    """Whether nobody stayed so long because nobody was to: a shorter program's 0 says nothing.

    Reports of older versions do not say what was planned.
    """
    return not row["kept"] and not row.get("planned", row["admitted"])


def discharges(stays: Iterable[Stay], through: datetime.date) -> dict[str, Any]:
    """Discharges of the last 90 days: how many, the median stay in days, and the reasons.

    A stay is counted from the admission to the discharge, so that one day later is 1.
    """
    lengths: list[int] = []
    reasons: Counter[str] = Counter()
    for stay in stays:
        ended = stay.discharged_on
        if ended is not None and through - COHORT_DAYS * DAY < ended <= through:
            lengths.append((ended - stay.admitted_on).days)
            reasons[stay.reason] += 1
    return {
        "discharged": len(lengths),
        "median_days": statistics.median(lengths) if lengths else None,
        "reasons": dict(sorted(reasons.items())),
    }


def caseload(
    stays: Iterable[Stay], first: datetime.date, last: datetime.date
) -> dict[int, int | None]:
    """Everyone in treatment on one of the days, with the primary therapist."""
    return {
        stay.episode_id: stay.therapist_id for stay in stays if stay.treated_within(first, last)
    }
