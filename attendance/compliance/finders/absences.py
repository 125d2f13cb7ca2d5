"""Days missed: without a call, in a run, soon after the first session (R18, R19, R21)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from attendance.compliance.absences import Attendance
from attendance.compliance.courses import Course
from attendance.compliance.findings import Finding, Night, of_course, short_dates
from attendance.compliance.rules.absences import (
    DayKind,
    Evidence,
    TreatmentDay,
    consecutive_unexcused,
    first_days_missed,
    no_call_days,
)
from attendance.compliance.rules.windows import dates_of
from attendance.compliance.settings import Rule
from attendance.models import AbsenceRule
from iop_clinic.accounts.weeks import long_date

Kind = AbsenceRule.Kind

CALLS = (Kind.FIRST_DAYS, Kind.NO_CALL_DAY)
"""Rules of which one day has one case; the evidence key of both is the date."""


def absence_findings(night: Night, course: Course, attendance: Attendance) -> Iterator[Finding]:
    """Every no-call day, run and early miss of a course.

    The welcome-back call of the first days is the day's call: it opens instead of the call that a
    no-call day owes, never beside it.
    """
    welcomes = _by_day(
        one
        for rule in _rules(night, Kind.FIRST_DAYS)
        for one in _first_days(night, rule, course, attendance)
    )
    calls = _by_day(
        one
        for rule in _rules(night, Kind.NO_CALL_DAY)
        for one in _no_call(night, rule, course, attendance)
    )
    for day in sorted({*welcomes, *calls}):
        yield from _one_call(night, [each[day] for each in (welcomes, calls) if day in each])
    for rule in _rules(night, Kind.CONSECUTIVE):
        yield from _consecutive(night, rule, course, attendance)


def _rules(night: Night, kind: int) -> Iterator[Rule]:
    return (rule for rule in night.settings.rules if rule.kind == kind)


def _by_day(found: Iterable[Finding]) -> dict[str, Finding]:
    return {one.key.evidence_key: one for one in found}


def _one_call(night: Night, found: Sequence[Finding]) -> Iterator[Finding]:
    """The one call that a day owes: the one that stands open, or else the first.

    A roster that comes later moves the first attended day, and with it which call the day owes: a
    call that a person has settled was this day's call, whatever it was named.
    """
    for one in found:
        if one.key in night.open_keys:
            yield one
            return
    day = found[0].key
    if not any(day._replace(rule=kind) in night.settled_keys for kind in CALLS):
        yield found[0]


def _first_days(
    night: Night, rule: Rule, course: Course, attendance: Attendance
) -> Iterator[Finding]:
    first = min(dates_of(attendance.days, DayKind.ATTENDED), default=date.max)
    for missed in first_days_missed(attendance.days, rule.window_days):
        day = missed.local_date
        if day in rule.span:
            yield of_course(
                night,
                rule,
                course,
                evidence_key=day.isoformat(),
                evidence=evidence_of(Evidence(day, (day,))) | {"first_day": first.isoformat()},
                sentence=f"Missed {long_date(day)} {_how(missed)}, {(day - first).days} days after "
                f"the first session on {long_date(first)}.",
                fresh=night.is_recent(day),
            )


def _how(missed: TreatmentDay) -> str:
    return "without a call" if missed.no_call else "unexcused"


def _no_call(night: Night, rule: Rule, course: Course, attendance: Attendance) -> Iterator[Finding]:
    for day in no_call_days(attendance.days):
        if day in rule.span:
            yield of_course(
                night,
                rule,
                course,
                evidence_key=day.isoformat(),
                evidence=evidence_of(Evidence(day, (day,))),
                sentence=f"Missed {long_date(day)} without a call.",
                fresh=night.is_recent(day),
            )


def _consecutive(
    night: Night, rule: Rule, course: Course, attendance: Attendance
) -> Iterator[Finding]:
    back = max(dates_of(attendance.days, DayKind.ATTENDED), default=date.min)
    for run in consecutive_unexcused(attendance.days, rule.times):
        if run.reached_on in rule.span:
            yield of_course(
                night,
                rule,
                course,
                evidence_key=f"{run.reached_on}:{rule.times}",
                evidence=evidence_of(run),
                sentence=f"{len(run.days)} consecutive treatment days missed, unexcused: "
                f"{short_dates(run.days)}.",
                fresh=night.is_recent(run.reached_on) or run.reached_on > back,
            )


def evidence_of(found: Evidence) -> dict[str, Any]:
    return {
        "reached_on": found.reached_on.isoformat(),
        "days": [day.isoformat() for day in found.days],
    }
