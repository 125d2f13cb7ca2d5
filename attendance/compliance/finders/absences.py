"""Days missed: without a call, in a run, so many in a window (R18, R19)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from attendance.compliance.absences import Attendance
from attendance.compliance.courses import Course
from attendance.compliance.findings import Finding, Night, long_date, of_course, short_dates
from attendance.compliance.rules.absences import (
    DayKind,
    Evidence,
    consecutive_unexcused,
    count_in_window,
    count_on,
    no_call_days,
)
from attendance.compliance.settings import Rule
from attendance.models import AbsenceRule


def absence_findings(night: Night, course: Course, attendance: Attendance) -> Iterator[Finding]:
    """Every no-call day, run and window of a course (R18, R19)."""
    for rule in night.settings.rules:
        match rule.kind:
            case AbsenceRule.Kind.NO_CALL_DAY:
                yield from _no_call(night, rule, course, attendance)
            case AbsenceRule.Kind.CONSECUTIVE:
                yield from _consecutive(night, rule, course, attendance)
            case AbsenceRule.Kind.COUNT_IN_DAYS:
                yield from _counted(night, rule, course, attendance)


def _no_call(night: Night, rule: Rule, course: Course, attendance: Attendance) -> Iterator[Finding]:
    for day in no_call_days(attendance.days):
        if day in rule.span:
            yield of_course(
                night,
                rule,
                course,
                evidence_key=day.isoformat(),
                evidence=_evidence(Evidence(day, (day,))),
                sentence=f"Missed {long_date(day)} without a call.",
                fresh=night.is_recent(day),
            )


def _consecutive(
    night: Night, rule: Rule, course: Course, attendance: Attendance
) -> Iterator[Finding]:
    attended = [d.local_date for d in attendance.days if d.kind == DayKind.ATTENDED]
    back = max(attended, default=date.min)
    for run in consecutive_unexcused(attendance.days, rule.times):
        if run.reached_on in rule.span:
            yield of_course(
                night,
                rule,
                course,
                evidence_key=f"{run.reached_on}:{rule.times}",
                evidence=_evidence(run),
                sentence=f"{len(run.days)} consecutive treatment days missed, unexcused: "
                f"{short_dates(run.days)}.",
                fresh=night.is_recent(run.reached_on) or run.reached_on > back,
            )


def _counted(night: Night, rule: Rule, course: Course, attendance: Attendance) -> Iterator[Finding]:
    count = count_on(attendance.days, night.through, rule.window_days)
    for reached in count_in_window(attendance.days, rule.times, rule.window_days):
        if reached.reached_on in rule.span:
            holds = count >= rule.times and _in_window(reached.reached_on, night, rule)
            yield of_course(
                night,
                rule,
                course,
                evidence_key=f"{reached.reached_on}:{rule.times}/{rule.window_days}",
                evidence=_evidence(reached),
                sentence=f"{len(reached.days)} unexcused days in {rule.window_days}: "
                f"{short_dates(reached.days)}.",
                fresh=holds,
                current=holds,
            )


def _in_window(day: date, night: Night, rule: Rule) -> bool:
    return day > night.through - timedelta(days=rule.window_days)


def _evidence(found: Evidence) -> dict[str, Any]:
    return {
        "reached_on": found.reached_on.isoformat(),
        "days": [day.isoformat() for day in found.days],
    }
