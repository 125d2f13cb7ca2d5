"""An episode's attendance between two local dates, as a payer's reviewer asks for it.

Nothing is reckoned here: days and weeks come judged (`status.py`), sessions with their words from
the ledger, units from the runway of each authorization. A court's standard is left out, for it
would tell the payer of a court.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import F

from attendance.compliance.courses import Course, Plan, courses_of
from attendance.compliance.days import by_episode, day_lines
from attendance.compliance.finders.authorizations import approval_terms
from attendance.compliance.ledger import MinutesLine, lines_between, rule_label
from attendance.compliance.rules.absences import DayKind, day_kind
from attendance.compliance.rules.authorizations import Approval, Runway, Unit, runway
from attendance.compliance.rules.weeks import DayJudgement, DayMinutes
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.spans import Span
from attendance.compliance.status import JudgedStandard, PatientWeek, judge_weeks, reach
from attendance.models import Standard
from attendance.records.rules import Status
from iop_clinic.accounts.weeks import Week, local_date, weeks_touching
from patients.models import Authorization, Episode

Source = Standard.Source


@dataclass(frozen=True, slots=True)
class SummaryDay:
    """One local date. Minutes and services of every session type; `judged` is the standard's word
    on it, None where no standard judges the date."""

    local_date: date
    scheduled: int
    attended: int
    credited: int
    services: int
    kind: DayKind
    judged: DayJudgement | None
    lines: tuple[MinutesLine, ...]

    @property
    def qualifies(self) -> bool:
        return self.judged is not None and self.judged.qualifies

    @property
    def absences(self) -> tuple[MinutesLine, ...]:
        """Sessions that were held and missed."""
        return tuple(one for one in self.lines if one.status in ABSENT)


ABSENT = (Status.NO_SHOW, Status.LATE_CANCEL, Status.ABSENT_PENDING, Status.ABSENT_EXCUSED)


@dataclass(frozen=True, slots=True)
class SummaryWeek:
    """A week, or the part of it that a standard judges by itself, with the days asked for.

    The judgement is of the whole of it, also where the dates asked for cut it. None: no standard
    judges these dates.
    """

    first: date
    last: date
    judged: JudgedStandard | None
    days: tuple[SummaryDay, ...]


@dataclass(frozen=True, slots=True)
class Approved:
    """An authorization with what is used of it and left; `days_left` counts to its last date."""

    row: Authorization
    reach: Runway
    days_left: int


@dataclass(frozen=True, slots=True)
class AttendanceSummary:
    """Days from `first` to `until`: the last date asked for, or today when that comes first."""

    episode: Episode
    first: date
    last: date
    until: date
    now: datetime
    plan: Plan | None
    approved: tuple[Approved, ...]
    holds: tuple[Span, ...]
    weeks: tuple[SummaryWeek, ...]
    credit_rules: tuple[str, ...]

    @property
    def days(self) -> tuple[SummaryDay, ...]:
        return tuple(day for week in self.weeks for day in week.days)

    def count(self, *kinds: DayKind) -> int:
        return sum(day.kind in kinds for day in self.days)


def attendance_summary(
    *, episode: Episode, first: date, last: date, now: datetime
) -> AttendanceSummary:
    """What the reviewer of a payer asks about an admitted episode; 6 statements.

    `first` is no later than `last` and the clinic's today.
    Reads `episode.patient`, `.program` and `.clinic`: select them along.
    """
    settings = clinic_settings(episode.clinic_id)
    (course,) = courses_of(episode.clinic_id, [episode.pk])
    today = local_date(now, settings.zone)
    until = min(last, today)
    rows = list(authorizations(episode, first, last))
    weeks = _weeks(settings, first, until)
    lines = _lines(settings, course, weeks, rows, now)
    judged = judge_weeks(settings, [course], weeks, {episode.pk: lines}, now)
    sessions = lines_between(course, settings, first=first, last=until, now=now)
    days = _Days(lines, _by_date(sessions), Span(first, until))
    return AttendanceSummary(
        episode=episode,
        first=first,
        last=last,
        until=until,
        now=now,
        plan=_last_plan(course, first, until),
        approved=tuple(_approved(settings, row, lines, today) for row in rows),
        holds=tuple(hold for hold in course.holds if hold.meets(first, until)),
        weeks=tuple(_summary_weeks(judging(judged, first, until), days, settings)),
        credit_rules=tuple(_credit_rules(settings, first, until)),
    )


def authorizations(episode: Episode, first: date, last: date) -> Any:
    """The authorizations of an episode with a date between two, the one that began last first."""
    rows = Authorization.objects.filter(
        clinic=episode.clinic_id, episode=episode, starts_on__lte=last, ends_on__gte=first
    )
    with_patient = rows.annotate(
        birth_date=F("episode__patient__birth_date"), program=F("episode__program")
    )
    return with_patient.select_related("payer").order_by("-starts_on", "pk")


def _last_plan(course: Course, first: date, until: date) -> Plan | None:
    """The plan of the dates; of several the last."""
    return next((plan for plan in reversed(course.plans) if plan.span.meets(first, until)), None)


# --- what is read ---------------------------------------------------------------------------------


def _weeks(settings: ClinicSettings, first: date, until: date) -> list[Week]:
    """One more on either side, for a payer's week may begin on another day than the clinic's."""
    week = timedelta(weeks=1)
    start = settings.week_starts_on
    return list(weeks_touching(first - week, until + week, week_start=start))


def _lines(
    settings: ClinicSettings,
    course: Course,
    weeks: Sequence[Week],
    rows: Iterable[Authorization],
    now: datetime,
) -> Sequence[Any]:
    """The day lines of the weeks, and of all dates of the authorizations."""
    first, last = reach(settings, weeks)
    found = day_lines(
        clinic=settings.clinic_id,
        first=min([first, *(row.starts_on for row in rows)]),
        last=max([last, *(row.ends_on for row in rows)]),
        now=now,
        episode_ids=[course.episode_id],
        settings=settings,
    )
    return by_episode(found).get(course.episode_id, [])


def _approved(
    settings: ClinicSettings, row: Any, lines: Sequence[DayMinutes], today: date
) -> Approved:
    approval = Approval(Unit(row.unit), row.units, row.starts_on, row.ends_on)
    terms = approval_terms(settings, row, on=min(today, row.ends_on))
    return Approved(row, runway(approval, lines, terms), max((row.ends_on - today).days, 0))


def _credit_rules(settings: ClinicSettings, first: date, until: date) -> Iterator[str]:
    """The credit rules of the dates in words, each once."""
    later = (dated.policy for dated in settings.policies if dated.span.meets(first, until))
    yield from dict.fromkeys(rule_label(one) for one in (settings.policy_on(first), *later))


# --- days and weeks -------------------------------------------------------------------------------


def judging(weeks: Iterable[PatientWeek], first: date, until: date) -> list[JudgedStandard]:
    """What judges the dates, oldest first: a payer's own standard, or any payer's, goes before the
    program's where both judge a date."""
    every = [
        one
        for week in weeks
        for one in week.standards
        if one.standard.source != Source.COURT and _meet(one, first, until)
    ]
    kept = [one for one in every if not any(_goes_before(other, one) for other in every)]
    return sorted(kept, key=lambda one: one.first)


def _goes_before(other: JudgedStandard, one: JudgedStandard) -> bool:
    return _rank(other) > _rank(one) and _meet(other, one.first, one.last)


def _rank(one: JudgedStandard) -> tuple[bool, bool, int]:
    standard = one.standard
    return standard.source == Source.PAYER, standard.payer_id is not None, -standard.id


def _meet(one: JudgedStandard, first: date, last: date) -> bool:
    return one.first <= last and one.last >= first


@dataclass(frozen=True, slots=True)
class _Days:
    """The dates asked for, with what is known of each."""

    lines: Sequence[DayMinutes]
    sessions: Mapping[date, tuple[MinutesLine, ...]]
    span: Span

    def between(
        self, first: date, last: date, judged: Iterable[DayJudgement] = ()
    ) -> Iterator[SummaryDay]:
        verdicts = {one.local_date: one for one in judged}
        for day in sorted(self.sessions):
            if first <= day <= last and day in self.span:
                yield self._day(day, verdicts.get(day))

    def _day(self, day: date, judged: DayJudgement | None) -> SummaryDay:
        own = [line for line in self.lines if line.local_date == day]
        sessions = self.sessions[day]
        return SummaryDay(
            local_date=day,
            scheduled=sum(line.scheduled for line in own),
            attended=sum(line.attended for line in own),
            credited=sum(line.credited for line in own),
            services=sum(line.services for line in own),
            kind=day_kind(one.status for one in sessions if one.status is not None),
            judged=judged,
            lines=sessions,
        )


def _summary_weeks(
    judged: Sequence[JudgedStandard], days: _Days, settings: ClinicSettings
) -> Iterator[SummaryWeek]:
    """Judged weeks in order, and between them the days that no standard judges, by clinic week."""
    found = [
        SummaryWeek(
            one.first,
            one.last,
            one,
            tuple(days.between(one.first, one.last, one.judgement.days)),
        )
        for one in judged
    ]
    seen = {day.local_date for week in found for day in week.days}
    loose: defaultdict[Week, list[SummaryDay]] = defaultdict(list)
    for day in days.between(days.span.first, days.span.last or days.span.first):
        if day.local_date not in seen:
            loose[settings.week(day.local_date)].append(day)
    found += (
        SummaryWeek(own[0].local_date, own[-1].local_date, None, tuple(own))
        for own in loose.values()
    )
    yield from sorted(found, key=lambda week: week.first)


def _by_date(lines: Iterable[MinutesLine]) -> dict[date, tuple[MinutesLine, ...]]:
    found: defaultdict[date, list[MinutesLine]] = defaultdict(list)
    for line in lines:
        found[line.local_date].append(line)
    return {day: tuple(found[day]) for day in found}
