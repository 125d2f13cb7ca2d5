"""Where patients stand in their weeks: four kinds of minutes, and each standard's judgement.

Open weeks are computed here and never stored. Four statements, whatever the number of episodes and
weeks: the clinic's settings, the episodes' dated facts, and the two of the day query.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from attendance.compliance.courses import Course, Plan, courses_of
from attendance.compliance.days import DayLine, by_episode, day_lines
from attendance.compliance.ledger import MinutesLine, minutes_detail
from attendance.compliance.rules.weeks import (
    Basis,
    DayMinutes,
    Share,
    StandardTerms,
    WeekJudgement,
    WeekStatus,
    judge_week,
)
from attendance.compliance.segments import Segment, applying, segments, share
from attendance.compliance.settings import ClinicSettings, DatedStandard, clinic_settings
from attendance.models import Standard
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import Week, local_date, week_of

__all__ = [
    "JudgedStandard",
    "MinutesLine",
    "PatientWeek",
    "WeekFacts",
    "WeekStatus",
    "minutes_detail",
    "week_statuses",
]

_HALF_WEEK = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class WeekFacts:
    """What a roster shows of a patient's week, in minutes, under the program's standard.

    Of its local date, in sessions that the standard counts: `day_credited` of what has ended,
    `day_at_most` with what is recorded of the rest and full presence where nothing is, `day_to_go`,
    what a qualifying day still lacks beside all that, and whether it is one already (R4).
    """

    credited: int
    at_least: int
    at_most: int
    minimum: int
    minutes_to_go: int
    day_credited: int
    day_at_most: int
    day_to_go: int
    day_threshold: int
    day_counts: bool = False


@dataclass(frozen=True, slots=True)
class JudgedStandard:
    """A week, or the segment of it between two local dates, under one standard.

    `lines`, `terms` and `share` are everything the judgement was made from.
    """

    standard: DatedStandard
    week: Week
    first: date
    last: date
    ended: bool
    lines: tuple[DayMinutes, ...]
    share: Share
    judgement: WeekJudgement

    @property
    def name(self) -> str:
        return self.standard.name

    @property
    def version(self) -> date:
        """A standard is never changed, so the date it starts on names its version."""
        return self.standard.span.first

    @property
    def source(self) -> str:
        return Standard.Source(self.standard.source).name.lower()

    @property
    def minimum(self) -> int:
        return self.judgement.minimum

    @property
    def prorated_minimum(self) -> int:
        return self.judgement.prorated_minimum

    @property
    def minutes_status(self) -> WeekStatus:
        return self.judgement.minutes_status

    @property
    def days_status(self) -> WeekStatus:
        return self.judgement.days_status

    @property
    def final(self) -> bool:
        return self.judgement.final

    @property
    def terms(self) -> StandardTerms:
        return self.standard.terms


@dataclass(frozen=True, slots=True)
class PatientWeek:
    """One clinic week of an episode. Minutes of every session type, and each standard beside them.

    `plan_target` and `plan_days` are of the plan in force last in the week; `days` counts days
    that qualify under the program's standard.
    """

    episode_id: int
    week: Week
    plan_target: int | None
    plan_days: int | None
    scheduled: int
    attended: int
    credited: int
    at_least: int
    at_most: int
    days: int
    services: int
    unrecorded: int
    upcoming: int
    lines: tuple[DayLine, ...]
    standards: tuple[JudgedStandard, ...]

    @property
    def final(self) -> bool:
        """Nothing can change the week any more; without a standard, once nothing is open."""
        if self.standards:
            return all(one.final for one in self.standards)
        return not self.unrecorded and not self.upcoming

    def program(self, on: date | None = None) -> JudgedStandard | None:
        """The program's judgement of the segment that holds a date, or else of the last one."""
        own = [s for s in self.standards if s.standard.source == Standard.Source.PROGRAM]
        holding = (one for one in own if on is not None and one.first <= on <= one.last)
        return next(holding, own[-1] if own else None)

    def facts(self, on: date) -> WeekFacts:
        """The week as a roster of that local date shows it; 0 where nothing is asked for."""
        judged = self.program(on)
        own = [line for line in self.lines if line.local_date == on]
        if judged is not None:
            own = [line for line in own if judged.terms.counts(line)]
        day = sum(line.credited for line in own)
        reach = sum(line.told + line.untold for line in own)
        if judged is None:
            return WeekFacts(self.credited, self.at_least, self.at_most, 0, 0, day, reach, 0, 0)
        week, threshold = judged.judgement, judged.terms.day_threshold
        verdict = next((one for one in week.days if one.local_date == on), None)
        if verdict is not None and judged.terms.basis != Basis.CREDITED:
            reach = verdict.at_most
        return WeekFacts(
            credited=week.credited,
            at_least=week.at_least,
            at_most=week.at_most,
            minimum=week.prorated_minimum,
            minutes_to_go=week.minutes_to_go,
            day_credited=day,
            day_at_most=reach,
            day_to_go=max(threshold - reach, 0),
            day_threshold=threshold,
            day_counts=verdict is not None and verdict.qualifies,
        )


def week_statuses(
    *, clinic: Clinic | int, episode_ids: Collection[int], weeks: Sequence[date], now: datetime
) -> dict[tuple[int, date], PatientWeek]:
    """Every named episode in every clinic week that a date of `weeks` lies in; 4 statements.

    The keys carry the first local date of each week. Episodes of another clinic are left out.
    """
    settings = clinic_settings(clinic)
    wanted = sorted({settings.week(day) for day in weeks})
    if not wanted:
        return {}
    judged = weeks_of(settings, wanted, episode_ids, now=now)
    return {(week.episode_id, week.week.start): week for week in judged}


def weeks_of(
    settings: ClinicSettings, weeks: Sequence[Week], episode_ids: Collection[int], *, now: datetime
) -> Iterator[PatientWeek]:
    """Some episodes in some clinic weeks, at least one, read and judged; 3 statements."""
    known = courses_of(settings.clinic_id, episode_ids)
    first, last = reach(settings, weeks)
    lines = day_lines(
        clinic=settings.clinic_id,
        first=first,
        last=last,
        now=now,
        episode_ids=episode_ids,
        settings=settings,
    )
    return judge_weeks(settings, known, weeks, by_episode(lines), now)


def judge_weeks(
    settings: ClinicSettings,
    known: Iterable[Course],
    weeks: Sequence[Week],
    lines: Mapping[int, Sequence[DayLine]],
    now: datetime,
) -> Iterator[PatientWeek]:
    """Each course in each week, from rows already read; no statement."""
    today = local_date(now, settings.zone)
    for course in known:
        own = lines.get(course.episode_id, ())
        for week in weeks:
            yield patient_week(settings, course, week, own, today)


def reach(settings: ClinicSettings, weeks: Sequence[Week]) -> tuple[date, date]:
    """The local dates to read: a standard's own week may begin before or end after the clinic's."""
    judged = [*weeks, *(_week_under(s, week) for week in weeks for s in settings.standards)]
    return min(week.start for week in judged), max(week.end for week in judged)


# One week


def patient_week(
    settings: ClinicSettings,
    course: Course,
    week: Week,
    lines: Sequence[DayLine],
    today: date,
) -> PatientWeek:
    """One course in one clinic week, as of a local date; `lines` may hold other weeks too."""
    inside = tuple(line for line in lines if line.local_date in week)
    standards = tuple(_judged(settings, course, week, lines, today))
    credited = sum(line.credited for line in inside)
    plan = _last_plan(course, week)
    row = PatientWeek(
        episode_id=course.episode_id,
        week=week,
        plan_target=plan.weekly_minutes_target if plan else None,
        plan_days=plan.days_per_week if plan else None,
        scheduled=sum(line.scheduled for line in inside),
        attended=sum(line.attended for line in inside),
        credited=credited,
        at_least=credited,
        at_most=credited + sum(line.credited_open for line in inside),
        days=len({line.local_date for line in inside if line.credited}),
        services=sum(line.services for line in inside),
        unrecorded=sum(line.unrecorded for line in inside),
        upcoming=sum(line.upcoming for line in inside),
        lines=inside,
        standards=standards,
    )
    own = [s for s in standards if s.standard.source == Standard.Source.PROGRAM]
    return replace(row, days=sum(s.judgement.days_qualifying for s in own)) if own else row


def _last_plan(course: Course, week: Week) -> Plan | None:
    return next((p for day in reversed(week.days()) if (p := course.plan_on(day))), None)


def _judged(
    settings: ClinicSettings,
    course: Course,
    week: Week,
    lines: Sequence[DayLine],
    today: date,
) -> Iterator[JudgedStandard]:
    for own_week, starts_on in _weeks_of_standards(settings, week):
        for segment in segments(course, own_week, adult_at=settings.adult_at):
            for standard in applying(settings.standards, course, segment):
                if standard.week_starts_on == starts_on:
                    yield _judge(settings, course, own_week, segment, standard, lines, today)


def _weeks_of_standards(settings: ClinicSettings, week: Week) -> Iterator[tuple[Week, int]]:
    starts = sorted({s.week_starts_on for s in settings.standards})
    ordered = sorted(starts, key=lambda start: start != settings.week_starts_on)
    for start in ordered:
        yield week_of(week.start + _HALF_WEEK, week_start=start), start


def _week_under(standard: DatedStandard, week: Week) -> Week:
    """The week of a standard that shares most days with a clinic week: one each, none twice."""
    return week_of(week.start + _HALF_WEEK, week_start=standard.week_starts_on)


def _judge(
    settings: ClinicSettings,
    course: Course,
    week: Week,
    segment: Segment,
    standard: DatedStandard,
    lines: Sequence[DayLine],
    today: date,
) -> JudgedStandard:
    own = tuple(_without_held_cancellations(course, segment, lines))
    part = share(settings, course, week, segment)
    judgement = judge_week(own, standard.terms, part)
    if week.start > today:  # its sessions may not even be planned: nothing is short yet
        judgement = replace(judgement, minutes_status=WeekStatus.OPEN, days_status=WeekStatus.OPEN)
    return JudgedStandard(
        standard=standard,
        week=week,
        first=segment.first,
        last=segment.last,
        ended=week.end < today,
        lines=own,
        share=part,
        judgement=judgement,
    )


def _without_held_cancellations(
    course: Course, segment: Segment, lines: Sequence[DayLine]
) -> Iterator[DayMinutes]:
    """A hold takes its days off the minimum: a cancellation inside it takes nothing more."""
    for line in lines:
        if segment.first <= line.local_date <= segment.last:
            held = line.cancelled and course.on_hold_on(line.local_date)
            yield replace(line, cancelled=0) if held else line
