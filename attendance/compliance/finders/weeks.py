"""What else a week shows: too few days, below the plan, over the maximum, left short of a day.

One missed evening is one case: hours go before days, days before the plan and before a single day
left short. A week whose hours case a person settled has told of its days as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from attendance.compliance.absences import NOTHING, Attendance
from attendance.compliance.courses import Course
from attendance.compliance.finders.hours import (
    COVERED,
    by_source,
    excused_minutes,
    judged_on,
    short_severity,
    week_evidence,
    week_prefix,
)
from attendance.compliance.finders.transfers import cause_sentence, transferred_short
from attendance.compliance.findings import (
    CaseKey,
    Finding,
    Findings,
    Night,
    episode_key,
    of_course,
)
from attendance.compliance.rules.hours import (
    HoursStage,
    hours_sentence,
    minutes_are_short,
    only_days_are_short,
)
from attendance.compliance.rules.plans import (
    LeftShort,
    PlanWeek,
    left_short,
    left_short_sentence,
    over_maximum_sentence,
    plan_sentence,
    plan_week,
)
from attendance.compliance.settings import Rule
from attendance.compliance.status import JudgedStandard, PatientWeek
from attendance.models import AbsenceRule, Standard

Kind = AbsenceRule.Kind


def week_findings(
    night: Night,
    course: Course,
    weeks: Sequence[PatientWeek],
    attendance: Attendance = NOTHING,
    *,
    hours: Iterable[CaseKey] = (),
) -> Findings:
    """The week cases of a course beside those of its hours (R1, R4, R5).

    `hours` are the keys of the hours cases found. A case that gives way to one of them, or to one
    that a person settled, comes back as gone.
    """
    found = Findings()
    louder = {key.evidence_key for key in hours}
    for evidence_key, judged in by_source(weeks).items():
        key = episode_key(course, Kind.TOO_FEW_DAYS, evidence_key)
        settled = key._replace(rule=Kind.HOURS) in night.settled_keys
        days = list(_too_few_days(night, course, key, judged, attendance))
        if evidence_key in louder or (days and settled):
            found.gone[key] = COVERED
        else:
            found.add(days)
        found.add(_over_maximum(night, course, evidence_key, judged))
    short = {one[:10] for one in louder} | {key.evidence_key[:10] for key in _days(found)}
    for week in weeks:
        evidence_key = week.week.start.isoformat()
        if evidence_key in short:
            found.gone[episode_key(course, Kind.BELOW_PLAN, evidence_key)] = COVERED
        else:
            found.add(_below_plan(night, course, week))
        for one in _left_short(night, course, week, attendance):
            if evidence_key in short and len(one.evidence["days"]) == 1:
                found.gone[one.key] = COVERED
            else:
                found.add([one])
    return found


def _days(found: Findings) -> Iterator[CaseKey]:
    return (key for key in found.by_key if key.rule == Kind.TOO_FEW_DAYS)


def _rule(night: Night, kind: int, judged: JudgedStandard) -> Rule | None:
    return next(night.settings.rules_on(kind, judged_on(night, judged)), None)


# Too few days


def _too_few_days(
    night: Night,
    course: Course,
    key: CaseKey,
    judged: Sequence[JudgedStandard],
    attendance: Attendance,
) -> Iterator[Finding]:
    rule = _rule(night, Kind.TOO_FEW_DAYS, judged[0])
    short = [one for one in judged if only_days_are_short(one.judgement, ended=one.ended)]
    if rule is None or not short:
        return
    worst = max(short, key=_days_missing)
    sentence = hours_sentence(worst.judgement, HoursStage.TOO_FEW_DAYS)
    sentence += cause_sentence(transferred_short(course, worst))
    yield of_course(
        night,
        rule,
        course,
        evidence_key=key.evidence_key,
        evidence=week_evidence(course, worst, HoursStage.TOO_FEW_DAYS),
        sentence=f"{week_prefix(worst)}{sentence}.",
        severity=short_severity(night, rule, course, worst, attendance),
        fresh=night.is_watched(worst.week.end),
    )


def _days_missing(judged: JudgedStandard) -> int:
    return judged.judgement.prorated_days - judged.judgement.days_at_most


# Below the plan


def _below_plan(night: Night, course: Course, week: PatientWeek) -> Iterator[Finding]:
    """One a week, about the part of it furthest below, where the minimum is not short."""
    parts = [part for one in _of_program(week) if (part := _part(course, one))]
    if parts:
        judged, below = max(parts, key=lambda part: part[1].short_by)
        yield from _plan_finding(night, course, judged, below)


def _of_program(week: PatientWeek) -> list[JudgedStandard]:
    return [one for one in week.standards if one.standard.source == Standard.Source.PROGRAM]


def _part(course: Course, judged: JudgedStandard) -> tuple[JudgedStandard, PlanWeek] | None:
    """A week's part below its plan, once the week has ended: until then a make-up may reach it."""
    plan = course.plan_on(judged.last)
    if plan is None or not judged.ended or minutes_are_short(judged.judgement, ended=True):
        return None
    week = plan_week(judged.lines, plan.weekly_minutes_target, judged.share)
    return (judged, week) if week.below else None


def _plan_finding(
    night: Night, course: Course, judged: JudgedStandard, week: PlanWeek
) -> Iterator[Finding]:
    rule = _rule(night, Kind.BELOW_PLAN, judged)
    if rule is not None:
        yield of_course(
            night,
            rule,
            course,
            evidence_key=judged.week.start.isoformat(),
            evidence={
                "week": judged.week.start.isoformat(),
                "target": week.target,
                "prorated_target_minutes": week.prorated_target,
                "credited": week.credited,
                "at_most": week.at_most,
                "scheduled": week.scheduled,
            },
            sentence=f"Week of {judged.week.label}: {plan_sentence(week)}.",
            severity=rule.severity,  # a matter of the timetable, whoever the patient is
            fresh=night.is_recent(judged.week.end),
        )


# Over the maximum


def _over_maximum(
    night: Night, course: Course, evidence_key: str, judged: Sequence[JudgedStandard]
) -> Iterator[Finding]:
    rule = _rule(night, Kind.OVER_MAXIMUM, judged[0])
    over = [one for one in judged if one.judgement.over_maximum]
    if rule is None or not over:
        return
    worst = max(over, key=lambda one: one.judgement.at_least)
    minutes, maximum = worst.judgement.at_least, worst.terms.maximum or 0
    yield of_course(
        night,
        rule,
        course,
        evidence_key=evidence_key,
        evidence={
            "week": worst.week.start.isoformat(),
            "source": worst.source,
            "standard": worst.name,
            "at_least": minutes,
            "maximum": maximum,
        },
        sentence=f"{week_prefix(worst)}"
        f"{over_maximum_sentence(worst.judgement.basis, minutes, maximum)}.",
        severity=rule.severity,
        fresh=night.is_recent(worst.week.end),
    )


# Left short of a qualifying day


def _left_short(
    night: Night, course: Course, week: PatientWeek, attendance: Attendance
) -> Iterator[Finding]:
    """One a week, under the first standard that a day fell short of, the program's first."""
    for judged in week.standards:
        rule = _rule(night, Kind.LEFT_SHORT, judged)
        found = left_short(
            judged.judgement.days,
            threshold=judged.terms.day_threshold,
            in_full=_in_full(judged, attendance),
            excused=excused_minutes(judged, attendance),
        )
        if rule is not None and found:
            yield _left_finding(night, rule, course, judged, found)
            return


def _in_full(judged: JudgedStandard, attendance: Attendance) -> dict[date, int]:
    """What full presence would have credited on the dates attended in part, of the session types
    that the standard counts."""
    counted: dict[date, int] = {}
    credited: dict[date, int] = {}
    for line in judged.lines:
        credited[line.local_date] = credited.get(line.local_date, 0) + line.credited
        if judged.terms.counts(line):
            counted[line.local_date] = counted.get(line.local_date, 0) + line.scheduled
    return {
        day: min(credited.get(day, 0) + lost, counted.get(day, 0))
        for day, lost in attendance.lost.items()
    }


def _left_finding(
    night: Night,
    rule: Rule,
    course: Course,
    judged: JudgedStandard,
    found: Sequence[LeftShort],
) -> Finding:
    threshold = judged.terms.day_threshold
    evidence: dict[str, Any] = {
        "week": judged.week.start.isoformat(),
        "days": [one.local_date.isoformat() for one in found],
        "day_minutes": [one.minutes for one in found],
        "day_threshold": threshold,
    }
    return of_course(
        night,
        rule,
        course,
        evidence_key=judged.week.start.isoformat(),
        evidence=evidence,
        sentence=f"Week of {judged.week.label}: {left_short_sentence(found, threshold)}.",
        fresh=night.is_recent(judged.week.end),
    )
