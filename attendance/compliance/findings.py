"""What the clinic's rules find in facts already read: evidence, a sentence, how loud, whose.

No statement and no write. A finding is not a case yet: whether it opens one, changes one or is old
news is decided against the stored cases (casebook.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

from attendance.compliance.absences import NOTHING, Attendance
from attendance.compliance.courses import Course
from attendance.compliance.rules.absences import (
    DayKind,
    Evidence,
    consecutive_unexcused,
    count_in_window,
    count_on,
    no_call_days,
)
from attendance.compliance.rules.hours import HoursCase, hours_case
from attendance.compliance.rules.severity import absence_severity, hours_severity
from attendance.compliance.settings import ClinicSettings, Rule
from attendance.compliance.spans import dates
from attendance.compliance.status import JudgedStandard, PatientWeek
from attendance.models import AbsenceRule, Flag, Standard
from attendance.records.rules import Status
from iop_clinic.accounts.roles import Role

RECENT_DAYS = 7
"""A roster may come a week late and still owe the patient a call; older days open nothing new."""


class CaseKey(NamedTuple):
    """What makes two cases the same one (invariant 6)."""

    rule: int
    subject_type: int
    subject_id: int
    evidence_key: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's finding, in the words of a case.

    `fresh` says whether it may open a case that was never there, `current` whether it still holds
    today: a window that slid past is neither.
    """

    key: CaseKey
    evidence: dict[str, Any]
    sentence: str
    severity: int
    rule: Rule
    owner_id: int | None
    priority: bool = False
    fresh: bool = True
    current: bool = True

    @property
    def owner_role(self) -> str:
        """A therapist's case without a therapist who signs in is the coordinators'."""
        nobody = self.rule.owner_role == Role.THERAPIST and self.owner_id is None
        return Role.COORDINATOR.value if nobody else self.rule.owner_role


@dataclass(slots=True)
class Findings:
    """Everything found, and why the cases that are no longer found have gone."""

    by_key: dict[CaseKey, Finding] = field(default_factory=dict)
    gone: dict[CaseKey, str] = field(default_factory=dict)

    def add(self, found: Iterable[Finding]) -> None:
        for one in found:
            self.by_key[one.key] = one


@dataclass(frozen=True, slots=True)
class Night:
    """The local date that is judged, in a clinic, and the cases that stand open."""

    settings: ClinicSettings
    through: date
    open_keys: Container[CaseKey]

    @property
    def today(self) -> date:
        return self.through + timedelta(days=1)

    def is_recent(self, day: date) -> bool:
        return day > self.through - timedelta(days=RECENT_DAYS)


def episode_key(course: Course, rule: int, evidence: str) -> CaseKey:
    return CaseKey(rule, Flag.Subject.EPISODE, course.episode_id, evidence)


# Absences


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
            yield _absence(
                night,
                rule,
                course,
                evidence_key=day.isoformat(),
                evidence=_evidence(Evidence(day, (day,))),
                sentence=f"Missed {_day(day)} without a call.",
                fresh=night.is_recent(day),
            )


def _consecutive(
    night: Night, rule: Rule, course: Course, attendance: Attendance
) -> Iterator[Finding]:
    attended = [d.local_date for d in attendance.days if d.kind == DayKind.ATTENDED]
    back = max(attended, default=date.min)
    for run in consecutive_unexcused(attendance.days, rule.times):
        if run.reached_on in rule.span:
            yield _absence(
                night,
                rule,
                course,
                evidence_key=f"{run.reached_on}:{rule.times}",
                evidence=_evidence(run),
                sentence=f"{len(run.days)} consecutive treatment days missed, unexcused: "
                f"{_days(run.days)}.",
                fresh=night.is_recent(run.reached_on) or run.reached_on > back,
            )


def _counted(night: Night, rule: Rule, course: Course, attendance: Attendance) -> Iterator[Finding]:
    count = count_on(attendance.days, night.through, rule.window_days)
    for reached in count_in_window(attendance.days, rule.times, rule.window_days):
        if reached.reached_on in rule.span:
            holds = count >= rule.times and _in_window(reached.reached_on, night, rule)
            yield _absence(
                night,
                rule,
                course,
                evidence_key=f"{reached.reached_on}:{rule.times}/{rule.window_days}",
                evidence=_evidence(reached),
                sentence=f"{len(reached.days)} unexcused days in {rule.window_days}: "
                f"{_days(reached.days)}.",
                fresh=holds,
                current=holds,
            )


def _in_window(day: date, night: Night, rule: Rule) -> bool:
    return day > night.through - timedelta(days=rule.window_days)


def _absence(
    night: Night, rule: Rule, course: Course, *, evidence_key: str, **rest: Any
) -> Finding:
    priority = course.is_priority_on(night.today)
    return Finding(
        key=episode_key(course, rule.kind, evidence_key),
        severity=absence_severity(rule.severity, priority=priority),
        rule=rule,
        owner_id=_owner(rule, course),
        priority=priority,
        **rest,
    )


def _owner(rule: Rule, course: Course) -> int | None:
    return course.therapist_user_id if rule.owner_role == Role.THERAPIST else None


def _evidence(found: Evidence) -> dict[str, Any]:
    return {
        "reached_on": found.reached_on.isoformat(),
        "days": [day.isoformat() for day in found.days],
    }


def _day(day: date) -> str:
    return f"{day:%a, %b} {day.day}"


def _days(days: Sequence[date]) -> str:
    return ", ".join(f"{day:%b} {day.day}" for day in days[-8:])


# Hours


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
    return Finding(
        key=key,
        evidence=_hours_evidence(judged, case),
        sentence=f"{_week(judged)}{case.sentence}.",
        severity=_hours_severity(night, rule, judged, attendance),
        rule=rule,
        owner_id=_owner(rule, course),
        priority=course.is_priority_on(night.today),
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
