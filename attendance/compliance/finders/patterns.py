"""Days that add up: so many in a window, under a share, late, excused, or nothing heard (R18)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from attendance.compliance.absences import Attendance
from attendance.compliance.courses import Course
from attendance.compliance.finders.absences import evidence_of
from attendance.compliance.findings import Finding, Night, of_course, short_dates
from attendance.compliance.rules.absences import DayKind, Evidence, silence
from attendance.compliance.rules.windows import (
    count_in_window,
    dates_of,
    late_dates,
    missed_of_last,
    share_in_window,
)
from attendance.compliance.settings import Rule
from attendance.models import AbsenceRule
from iop_clinic.accounts.weeks import local_date, long_date

Kind = AbsenceRule.Kind


def pattern_findings(night: Night, course: Course, attendance: Attendance) -> Iterator[Finding]:
    """Every window that a course reached, and its silence."""
    for rule in night.settings.rules:
        if rule.kind == Kind.SILENT_DAYS:
            yield from _silent(night, rule, course, attendance)
        elif rule.kind in _SENTENCES:
            yield from _window(night, rule, course, _reached(night, rule, attendance))


def _reached(night: Night, rule: Rule, attendance: Attendance) -> Iterable[Evidence]:
    days, n, window = attendance.days, rule.times, rule.window_days
    match rule.kind:
        case Kind.MISSED_OF_LAST:
            return missed_of_last(days, n, window)
        case Kind.PERCENT_IN_DAYS:
            return share_in_window(days, n, window, through=night.through)
        case Kind.TARDIES:
            return count_in_window(late_dates(days), n, window, through=night.through)
        case Kind.EXCUSED_DAYS:
            excused = dates_of(days, DayKind.MISSED_EXCUSED)
            return count_in_window(excused, n, window, through=night.through)
        case _:
            missed = dates_of(days, DayKind.MISSED_UNEXCUSED)
            return count_in_window(missed, n, window, through=night.through)


_SENTENCES: dict[int, str] = {
    Kind.COUNT_IN_DAYS: "{count} unexcused days in {window}: {days}.",
    Kind.MISSED_OF_LAST: "{count} of the last {expected} treatment days missed, unexcused: {days}.",
    Kind.PERCENT_IN_DAYS: "Attended {attended} of {expected} expected days in {window} "
    "({share} %), under {limit} %; missed {days}.",
    Kind.TARDIES: "Came late on {count} days in {window}: {days}.",
    Kind.EXCUSED_DAYS: "{count} excused days in {window}: {days}.",
}


def _window(
    night: Night, rule: Rule, course: Course, found: Iterable[Evidence]
) -> Iterator[Finding]:
    for reached in found:
        if reached.reached_on in rule.span:
            yield of_course(
                night,
                rule,
                course,
                evidence_key=f"{reached.reached_on}:{rule.times}/{rule.window_days}",
                evidence=evidence_of(reached) | _shared(reached),
                sentence=_sentence(rule, reached),
                fresh=reached.holds,
                current=reached.holds,
            )


def _shared(reached: Evidence) -> dict[str, int]:
    return {"expected": reached.expected} if reached.expected else {}


def _sentence(rule: Rule, reached: Evidence) -> str:
    attended = reached.expected - len(reached.days)
    return _SENTENCES[rule.kind].format(
        count=len(reached.days),
        window=rule.window_days,
        limit=rule.times,
        expected=reached.expected,
        attended=attended,
        share=attended * 100 // max(reached.expected, 1),
        days=short_dates(reached.days),
    )


# Silence


def _silent(night: Night, rule: Rule, course: Course, attendance: Attendance) -> Iterator[Finding]:
    """One case for each silence, however long it grows: keyed by the day it began with.

    The rule's window holds the limit for a priority patient, where there is another. Before the
    first attended session "admitted, but no session yet" is the case.
    """
    heard_on = _heard_on(night, course, attendance)
    if heard_on is None:
        return
    sooner = course.is_priority_on(night.today) and rule.window_days
    found = silence(attendance.days, heard_on, sooner or rule.times, through=night.through)
    if found and found.reached_on in rule.span:
        yield of_course(
            night,
            rule,
            course,
            evidence_key=heard_on.isoformat(),
            evidence=evidence_of(found) | {"heard_on": heard_on.isoformat()},
            sentence=f"Neither seen nor heard from since {long_date(heard_on)}; "
            f"missed {short_dates(found.days)}.",
        )


def _heard_on(night: Night, course: Course, attendance: Attendance) -> date | None:
    """The last date on which somebody knew where the patient was, a hold included."""
    seen = max(dates_of(attendance.days, DayKind.ATTENDED), default=None)
    if seen is None:
        return None
    called = local_date(course.heard_at, night.settings.zone) if course.heard_at else seen
    held = (
        min(hold.last or night.through, night.through)
        for hold in course.holds
        if hold.first <= night.through
    )
    return max(seen, called, attendance.told_on or seen, *held)
