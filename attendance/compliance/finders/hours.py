"""Weeks short of their minutes or days, as far as they are known (R1-R4, R25)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from attendance.compliance.absences import NOTHING, Attendance
from attendance.compliance.courses import Course
from attendance.compliance.findings import (
    CaseKey,
    Finding,
    Findings,
    Night,
    episode_key,
    of_course,
)
from attendance.compliance.rules.hours import HoursCase, hours_case
from attendance.compliance.rules.severity import hours_severity
from attendance.compliance.settings import Rule
from attendance.compliance.spans import dates
from attendance.compliance.status import JudgedStandard, PatientWeek
from attendance.models import AbsenceRule, Standard
from attendance.records.rules import Status


def hours_findings(
    night: Night,
    course: Course,
    weeks: Iterable[PatientWeek],
    attendance: Attendance = NOTHING,
) -> Findings:
    """The case of each week and source of standards: the worst of its segments and payers (R1-R4).

    A case that stands open and is no longer short comes back as gone, with the sentence why.
    """
    found = Findings()
    for key, judged in _by_source(course, weeks).items():
        rule = next(night.settings.rules_on(AbsenceRule.Kind.HOURS, _dated(night, judged[0])), None)
        if rule is None:
            continue
        worst = _worst(judged, case_open=key in night.open_keys)
        if worst is None:
            continue
        standard, case = worst
        if case.is_open:
            found.by_key[key] = _hours(night, rule, course, key, standard, case, attendance)
        else:
            found.gone[key] = f"{_week(standard)}{case.sentence}."
    return found


def _by_source(course: Course, weeks: Iterable[PatientWeek]) -> dict[CaseKey, list[JudgedStandard]]:
    grouped: defaultdict[CaseKey, list[JudgedStandard]] = defaultdict(list)
    for week in weeks:
        for judged in week.standards:
            evidence = f"{judged.week.start}:{judged.source}"
            grouped[episode_key(course, AbsenceRule.Kind.HOURS, evidence)].append(judged)
    return grouped


def _dated(night: Night, judged: JudgedStandard) -> date:
    """The day whose rule applies: the judged one, inside the week."""
    return max(judged.week.start, min(night.through, judged.week.end))


def _worst(
    judged: Sequence[JudgedStandard], *, case_open: bool
) -> tuple[JudgedStandard, HoursCase] | None:
    cases = [
        (one, case)
        for one in judged
        if (case := hours_case(one.judgement, ended=one.ended, case_open=case_open))
    ]
    return max(cases, key=_badness, default=None)


def _badness(pair: tuple[JudgedStandard, HoursCase]) -> tuple[bool, int, int]:
    week, case = pair[0].judgement, pair[1]
    return case.is_open, week.make_up_minutes, week.minutes_to_go


def _hours(
    night: Night,
    rule: Rule,
    course: Course,
    key: CaseKey,
    judged: JudgedStandard,
    case: HoursCase,
    attendance: Attendance,
) -> Finding:
    return of_course(
        night,
        rule,
        course,
        evidence_key=key.evidence_key,
        evidence=_hours_evidence(judged, case),
        sentence=f"{_week(judged)}{case.sentence}.",
        severity=_hours_severity(night, rule, judged, attendance),
        fresh=night.is_recent(judged.week.end),
    )


def _week(judged: JudgedStandard) -> str:
    own = judged.standard.source == Standard.Source.PROGRAM
    whose = "" if own else f", {judged.source} standard"
    return f"Week of {judged.week.label}{whose}: "


def _hours_evidence(judged: JudgedStandard, case: HoursCase) -> dict[str, Any]:
    week = judged.judgement
    return {
        "week": judged.week.start.isoformat(),
        "source": judged.source,
        "standard": judged.name,
        "stage": case.stage.value,
        "basis": week.basis.value,
        "credited": week.credited,
        "at_least": week.at_least,
        "at_most": week.at_most,
        "minimum": week.minimum,
        "prorated_minimum": week.prorated_minimum,
        "minutes_to_go": week.minutes_to_go,
        "make_up_minutes": week.make_up_minutes,
        "qualifying_days": week.days_qualifying,
        "prorated_days": week.prorated_days,
        "unrecorded": week.unrecorded,
    }


def _hours_severity(
    night: Night, rule: Rule, judged: JudgedStandard, attendance: Attendance
) -> int:
    excused: defaultdict[date, int] = defaultdict(int)
    for one in attendance.missed:
        if one.status == Status.ABSENT_EXCUSED and judged.first <= one.local_date <= judged.last:
            excused[one.local_date] += one.minutes
    return hours_severity(
        judged.judgement,
        base=rule.severity,
        excused_minutes=sum(excused.values()),
        excused_days=_days_lost(judged, excused),
        repairable=_repairable(night, judged),
    )


def _days_lost(judged: JudgedStandard, excused: dict[date, int]) -> int:
    """Days that would qualify had the excused minutes been attended."""
    threshold = judged.terms.qualifying_minutes
    return sum(
        not day.can_qualify and day.at_most + excused.get(day.local_date, 0) >= threshold
        for day in judged.judgement.days
    )


def _repairable(night: Night, judged: JudgedStandard) -> bool:
    """Whether enough business days of the segment are left to make up what is missing."""
    week = judged.judgement
    wanted = max(week.prorated_days - week.days_at_most, 1)
    first = max(night.today, judged.first)
    left = [d for d in dates(first, judged.last) if d.weekday() in night.settings.hours.weekdays]
    return not judged.ended and len(left) >= wanted
