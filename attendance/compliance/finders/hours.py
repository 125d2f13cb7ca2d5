"""Weeks short of their minutes, as far as they are known (R1-R4, R25)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from attendance.compliance.absences import NOTHING, Attendance
from attendance.compliance.courses import Course
from attendance.compliance.finders.transfers import (
    cause_evidence,
    cause_sentence,
    transferred_short,
)
from attendance.compliance.findings import (
    CaseKey,
    Finding,
    Findings,
    Night,
    episode_key,
    of_course,
)
from attendance.compliance.rules.absences import DayKind
from attendance.compliance.rules.hours import HoursStage, Rest, hours_sentence, hours_stage
from attendance.compliance.rules.severity import Shortfall, hours_severity, is_explained, is_far
from attendance.compliance.rules.windows import count_on, dates_of
from attendance.compliance.segments import Segment, template_days
from attendance.compliance.settings import Rule
from attendance.compliance.spans import dates
from attendance.compliance.status import JudgedStandard, PatientWeek
from attendance.models import AbsenceRule, Standard
from attendance.records.rules import Status
from iop_clinic.accounts.weeks import local_date

Kind = AbsenceRule.Kind
COVERED = "The week is short of more than this: see that case."
_SOURCES = {source.name.lower(): source for source in Standard.Source}


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
    for evidence_key, judged in by_source(weeks).items():
        key = episode_key(course, Kind.HOURS, evidence_key)
        rule = next(night.settings.rules_on(Kind.HOURS, judged_on(night, judged[0])), None)
        if rule is None:
            continue
        worst = _worst(judged, case_open=key in night.open_keys)
        if worst is None:
            continue
        standard, stage = worst
        if stage.is_open:
            found.by_key[key] = _hours(night, rule, course, key, standard, stage, attendance)
        else:
            found.gone[key] = _sentence(night, course, standard, stage)
    _merge_sources(found)
    return found


def _merge_sources(found: Findings) -> None:
    """One missed evening is one case: of the sources short in a week the first, the program before
    a payer and a court, stands for those that miss no more minutes than it."""
    weeks: defaultdict[str, list[Finding]] = defaultdict(list)
    for one in sorted(found.by_key.values(), key=lambda one: _SOURCES[one.evidence["source"]]):
        weeks[one.evidence["week"]].append(one)
    for first, *others in weeks.values():
        missing = first.evidence["make_up_minutes"]
        covered = [one for one in others if one.evidence["make_up_minutes"] <= missing]
        for one in covered:
            del found.by_key[one.key]
            found.gone[one.key] = COVERED
        if covered:
            found.by_key[first.key] = _standing_for(first, covered)


def _standing_for(first: Finding, covered: Sequence[Finding]) -> Finding:
    names = [one.evidence["source"] for one in covered]
    return replace(
        first,
        severity=max(one.severity for one in (first, *covered)),
        evidence={**first.evidence, "also": names},
        sentence=f"{first.sentence} Short under the {' and '.join(names)} standard too.",
    )


def by_source(weeks: Iterable[PatientWeek]) -> dict[str, list[JudgedStandard]]:
    """The judgements of each week by the evidence key of the case that they speak about."""
    grouped: defaultdict[str, list[JudgedStandard]] = defaultdict(list)
    for week in weeks:
        for judged in week.standards:
            grouped[f"{judged.week.start}:{judged.source}"].append(judged)
    return grouped


def judged_on(night: Night, judged: JudgedStandard) -> date:
    """The day whose rule applies: the judged one, inside the week."""
    return max(judged.week.start, min(night.through, judged.week.end))


def _worst(
    judged: Sequence[JudgedStandard], *, case_open: bool
) -> tuple[JudgedStandard, HoursStage] | None:
    stages = [
        (one, stage)
        for one in judged
        if (stage := hours_stage(one.judgement, ended=one.ended, case_open=case_open))
    ]
    return max(stages, key=_badness, default=None)


def _badness(pair: tuple[JudgedStandard, HoursStage]) -> tuple[bool, int, int]:
    week, stage = pair[0].judgement, pair[1]
    return stage.is_open, week.make_up_minutes, week.minutes_to_go


def _hours(
    night: Night,
    rule: Rule,
    course: Course,
    key: CaseKey,
    judged: JudgedStandard,
    stage: HoursStage,
    attendance: Attendance,
) -> Finding:
    return of_course(
        night,
        rule,
        course,
        evidence_key=key.evidence_key,
        evidence=week_evidence(course, judged, stage),
        sentence=_sentence(night, course, judged, stage),
        severity=short_severity(night, rule, course, judged, attendance),
        fresh=night.is_watched(judged.week.end),
    )


def _sentence(night: Night, course: Course, judged: JudgedStandard, stage: HoursStage) -> str:
    told = hours_sentence(judged.judgement, stage, _rest(night, course, judged))
    cause = cause_sentence(transferred_short(course, judged)) if stage.is_open else ""
    return f"{week_prefix(judged)}{told}{cause}."


def week_prefix(judged: JudgedStandard) -> str:
    own = judged.standard.source == Standard.Source.PROGRAM
    whose = "" if own else f", {judged.source} standard"
    return f"Week of {judged.week.label}{whose}: "


def week_evidence(course: Course, judged: JudgedStandard, stage: HoursStage) -> dict[str, Any]:
    week = judged.judgement
    return {
        "week": judged.week.start.isoformat(),
        "source": judged.source,
        "standard": judged.name,
        "stage": stage.value,
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
        **cause_evidence(transferred_short(course, judged)),
    }


# What is left of the week


def _rest(night: Night, course: Course, judged: JudgedStandard) -> Rest:
    if judged.ended:
        return Rest()
    first = _first_ahead(night)
    minutes: defaultdict[str, defaultdict[date, int]] = defaultdict(lambda: defaultdict(int))
    for line in judged.lines:
        if not judged.terms.counts(line):
            continue
        kind = "booked" if line.upcoming else "unrecorded"
        minutes[kind][line.local_date] += line.credited_open
        if line.local_date >= first and not line.upcoming:
            minutes["unbooked"][line.local_date] += line.scheduled
    left = _days_left(night, judged)
    return Rest(
        unrecorded=_dated(minutes["unrecorded"]),
        booked=_dated(minutes["booked"]),
        unbooked=_dated(minutes["unbooked"], also=_not_booked(night, course, judged, first)),
        repair_by=left[-1] if _is_repairable(night, judged) else None,
    )


def _dated(minutes: dict[date, int], also: Iterable[date] = ()) -> tuple[tuple[date, int], ...]:
    named = {day: n for day, n in minutes.items() if n} | dict.fromkeys(also, 0)
    return tuple(sorted(named.items()))


def _not_booked(
    night: Night, course: Course, judged: JudgedStandard, first: date
) -> Iterator[date]:
    """Dates ahead on which the patient's groups meet and the patient has no session at all."""
    plan = course.plan_on(judged.last)
    if plan is None:
        return
    part = Segment(judged.first, judged.last, plan.level, plan.age_bracket)
    booked = {line.local_date for line in judged.lines}
    for day in sorted(template_days(night.settings, course, judged.week, part) - booked):
        inside = max(first, judged.first) <= day <= judged.last
        if inside and not course.on_hold_on(day) and night.settings.hours.opens_on(day):
            yield day


def _first_ahead(night: Night) -> date:
    """The first date of which everything is still to come: today, until the clinic opens."""
    zone = night.settings.zone
    today = max(night.today, local_date(night.now, zone))
    begun = night.now.astimezone(zone).time() >= night.settings.hours.opens_at
    return today + timedelta(days=begun)


# How loud


def short_severity(
    night: Night, rule: Rule, course: Course, judged: JudgedStandard, attendance: Attendance
) -> int:
    """The tier of a week short of minutes or of days; see `hours_severity`."""
    week, excused = judged.judgement, excused_minutes(judged, attendance)
    short = Shortfall(
        explained=is_explained(
            week,
            excused_minutes=sum(excused.values()),
            excused_days=_days_lost(judged, excused),
        ),
        scheduled_short=transferred_short(course, judged) is not None,
        repairable=_is_repairable(night, judged),
        far=is_far(week),
        often=_misses_often(night, judged, attendance),
        new=_is_new(night, judged, attendance),
        priority=course.is_priority_on(night.today),
    )
    return hours_severity(rule.severity, short)


def excused_minutes(judged: JudgedStandard, attendance: Attendance) -> dict[date, int]:
    """What excused absences inside the judged dates would have credited, by date."""
    excused: defaultdict[date, int] = defaultdict(int)
    for one in attendance.missed:
        if one.status == Status.ABSENT_EXCUSED and judged.first <= one.local_date <= judged.last:
            excused[one.local_date] += one.minutes
    return excused


def _days_lost(judged: JudgedStandard, excused: dict[date, int]) -> int:
    """Days with an excuse that would qualify had the excused minutes been attended."""
    threshold = judged.terms.qualifying_minutes
    return sum(
        not day.can_qualify and day.at_most + excused[day.local_date] >= threshold
        for day in judged.judgement.days
        if day.local_date in excused
    )


def _is_repairable(night: Night, judged: JudgedStandard) -> bool:
    """Whether enough business days of the segment are left to make up what is missing."""
    week = judged.judgement
    wanted = max(week.prorated_days - week.days_at_most, 1)
    return not judged.ended and len(_days_left(night, judged)) >= wanted


def _days_left(night: Night, judged: JudgedStandard) -> list[date]:
    first = max(night.today, local_date(night.now, night.settings.zone), judged.first)
    return [day for day in dates(first, judged.last) if night.settings.hours.opens_on(day)]


def _misses_often(night: Night, judged: JudgedStandard, attendance: Attendance) -> bool:
    """Whether the unexcused days up to the week's end have reached the clinic's own limit."""
    missed = dates_of(attendance.days, DayKind.MISSED_UNEXCUSED)
    on = min(night.through, judged.last)
    limits = night.settings.rules_on(Kind.COUNT_IN_DAYS, on)
    return any(count_on(missed, on, rule.window_days) >= rule.times for rule in limits)


def _is_new(night: Night, judged: JudgedStandard, attendance: Attendance) -> bool:
    """Whether the week began within the clinic's first days after the first attended one (R21)."""
    attended = dates_of(attendance.days, DayKind.ATTENDED)
    first = min(attended, default=judged.first)
    limits = night.settings.rules_on(Kind.FIRST_DAYS, judged_on(night, judged))
    return any((judged.first - first).days < rule.window_days for rule in limits)
