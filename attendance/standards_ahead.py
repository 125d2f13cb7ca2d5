"""What a new standard would change, told before it is saved.

It is entered, the open weeks are judged by it, and it is taken back: so the preview refuses what
saving would refuse, and judges as the night will. Seven statements for any number of patients.
"""

from __future__ import annotations

import copy
import datetime
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from attendance.compliance.courses import Course, courses
from attendance.compliance.days import by_episode, day_lines
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.status import JudgedStandard, PatientWeek, judge_weeks, reach
from attendance.models import Standard
from attendance.standards import add_standard, replace_standard
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import Week, local_date, weeks_touching
from patients.models import Episode

WEEKS_BACK = datetime.timedelta(weeks=5)
"""How far the night looks back; older weeks without a result stay without."""


@dataclass(frozen=True, slots=True)
class Change:
    """A patient's week that would be judged otherwise."""

    episode_id: int
    week: Week
    before: tuple[JudgedStandard, ...]
    after: tuple[JudgedStandard, ...]


@dataclass(slots=True)
class Tally:
    """How many judgements of patient-weeks are met, short or open, in minutes and in days."""

    minutes: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)

    def add(self, standards: Iterable[JudgedStandard]) -> None:
        for one in standards:
            self.minutes[one.minutes_status.value] += 1
            self.days[one.days_status.value] += 1


@dataclass(frozen=True, slots=True)
class Preview:
    """`ends` is the version that would end, with its last day. Changes by patient and week."""

    ends: tuple[str, datetime.date] | None
    first: datetime.date
    last: datetime.date
    patients: int
    before: Tally
    after: Tally
    changes: tuple[Change, ...]


@service
def preview_standard(
    *,
    clinic: Clinic,
    starts_on: datetime.date,
    by: User | Job,
    standard: Standard | None = None,
    now: datetime.datetime | None = None,
    **facts: Any,
) -> Preview:
    """What `add_standard`, or `replace_standard` of a `standard`, would change in open weeks.

    Weeks without a result, from its first day on, through the current one or its first week to
    come. Raises what the two raise; leaves nothing behind.
    """
    now = now or timezone.now()
    settings = clinic_settings(clinic)
    changed = _settings_with(clinic, standard, starts_on, facts, by)
    weeks = _open_weeks(settings, starts_on, local_date(now, settings.zone))
    known = courses(_treated(clinic, weeks))
    before, after = _judged_twice(settings, changed, known, weeks, now)
    told = Preview(
        ends=(standard.name, starts_on - datetime.timedelta(days=1)) if standard else None,
        first=weeks[0].start,
        last=weeks[-1].end,
        patients=len(known),
        before=Tally(),
        after=Tally(),
        changes=tuple(_changes(before, after, starts_on)),
    )
    for tally, rows in ((told.before, before), (told.after, after)):
        for week in rows:
            tally.add(_judged_from(week, starts_on))
    return told


def _settings_with(
    clinic: Clinic,
    standard: Standard | None,
    starts_on: datetime.date,
    facts: dict[str, Any],
    by: User | Job,
) -> ClinicSettings:
    """The clinic's settings as they would be; what it takes to know is rolled back."""
    before = transaction.savepoint()
    try:
        if standard is None:
            add_standard(clinic=clinic, starts_on=starts_on, by=by, **facts)
        else:
            replace_standard(standard=copy.copy(standard), starts_on=starts_on, by=by, **facts)
        return clinic_settings(clinic)
    finally:
        transaction.savepoint_rollback(before)


def _open_weeks(
    settings: ClinicSettings, starts_on: datetime.date, today: datetime.date
) -> list[Week]:
    first = max(starts_on, today - WEEKS_BACK)
    return list(weeks_touching(first, max(today, first), week_start=settings.week_starts_on))


def _treated(clinic: Clinic, weeks: list[Week]) -> Any:
    rows = Episode.objects.filter(clinic=clinic, admitted_on__lte=weeks[-1].end)
    return rows.exclude(discharged_on__lt=weeks[0].start)


def _judged_twice(
    settings: ClinicSettings,
    changed: ClinicSettings,
    known: list[Course],
    weeks: list[Week],
    now: datetime.datetime,
) -> tuple[list[PatientWeek], list[PatientWeek]]:
    reached = [reach(settings, weeks), reach(changed, weeks)]
    lines = by_episode(
        day_lines(
            clinic=settings.clinic_id,
            first=min(first for first, _ in reached),
            last=max(last for _, last in reached),
            now=now,
            episode_ids=[course.episode_id for course in known],
            settings=settings,
        )
    )
    before = list(judge_weeks(settings, known, weeks, lines, now))
    return before, list(judge_weeks(changed, known, weeks, lines, now))


def _changes(
    before: list[PatientWeek], after: list[PatientWeek], starts_on: datetime.date
) -> Iterable[Change]:
    for was, will in zip(before, after, strict=True):
        old, new = _judged_from(was, starts_on), _judged_from(will, starts_on)
        if _outcomes(old) != _outcomes(new):
            yield Change(was.episode_id, was.week, old, new)


def _judged_from(week: PatientWeek, starts_on: datetime.date) -> tuple[JudgedStandard, ...]:
    """The parts of a week that the new standard could judge."""
    return tuple(one for one in week.standards if one.last >= starts_on)


def _outcomes(standards: Iterable[JudgedStandard]) -> list[tuple[Any, ...]]:
    """What people are told of a week; names and figures that change nothing are left out."""
    return sorted(
        (
            one.source,
            one.first,
            one.minutes_status,
            one.judgement.minutes_short_by,
            one.judgement.make_up_minutes,
            one.days_status,
            one.judgement.days_short_by,
            one.judgement.projected_days_short,
            one.judgement.over_maximum,
        )
        for one in standards
    )
