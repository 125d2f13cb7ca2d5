"""What entering, replacing or ending a standard would change, told before it is saved.

It is done, the open weeks are judged then, and it is taken back: so the preview refuses what
saving would refuse, and judges as the night will. Seven statements for any number of patients.
"""

from __future__ import annotations

import copy
import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from attendance.compliance.courses import Course, courses
from attendance.compliance.days import by_episode, day_lines
from attendance.compliance.rules.weeks import WeekStatus
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.status import JudgedStandard, PatientWeek, judge_weeks, reach
from attendance.models import Standard
from attendance.standards import add_standard, end_standard, replace_standard
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import Week, local_date, weeks_touching
from patients.models import Episode

_DAY = datetime.timedelta(days=1)
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
    """How many judgements of patient-weeks are met, short or open, in minutes and in days.

    Of the open ones `not_booked` could not be met by what is booked.
    """

    minutes: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)

    def add(self, standards: Iterable[JudgedStandard]) -> None:
        for one in standards:
            week = one.judgement
            self.minutes[one.minutes_status.value] += 1
            self.days[one.days_status.value] += 1
            if one.minutes_status == WeekStatus.OPEN and week.make_up_minutes:
                self.minutes["not_booked"] += 1
            if one.days_status == WeekStatus.OPEN and week.prorated_days > week.days_at_most:
                self.days["not_booked"] += 1


@dataclass(frozen=True, slots=True)
class Preview:
    """`ends` is the version that would end, with its last day. Changes by patient and week.

    `patients` counts those whom the standard judges now or would judge then, and the tallies are of
    their weeks. `left` counts those whom no standard of the program would judge any more.
    """

    ends: tuple[str, datetime.date] | None
    since: datetime.date
    first: datetime.date
    last: datetime.date
    patients: int
    left: int
    before: Tally
    after: Tally
    changes: tuple[Change, ...]

    @property
    def patients_changed(self) -> int:
        return len({one.episode_id for one in self.changes})


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

    def enter() -> Standard:
        if standard is None:
            return add_standard(clinic=clinic, starts_on=starts_on, by=by, **facts)
        return replace_standard(standard=copy.copy(standard), starts_on=starts_on, by=by, **facts)

    ends = (standard.name, starts_on - _DAY) if standard else None
    return _preview(clinic, enter, since=starts_on, ends=ends, standard=standard, now=now)


@service
def preview_end(
    *,
    standard: Standard,
    ends_on: datetime.date | None,
    by: User | Job,
    now: datetime.datetime | None = None,
) -> Preview:
    """What `end_standard` would change in open weeks, from the first day judged otherwise on.

    Raises what `end_standard` raises, and ValueError where the last day stays as it is.
    """
    days = [day for day in (ends_on, standard.ends_on) if day is not None]
    if ends_on == standard.ends_on:
        raise ValueError("the standard's last day stays as it is")

    def end() -> Standard:
        return end_standard(standard=copy.copy(standard), ends_on=ends_on, by=by)

    ends = (standard.name, ends_on) if ends_on else None
    return _preview(
        standard.clinic, end, since=min(days) + _DAY, ends=ends, standard=standard, now=now
    )


def _preview(
    clinic: Clinic,
    change: Callable[[], Standard],
    *,
    since: datetime.date,
    ends: tuple[str, datetime.date] | None,
    standard: Standard | None,
    now: datetime.datetime | None,
) -> Preview:
    now = now or timezone.now()
    settings = clinic_settings(clinic)
    row, changed = _done_and_taken_back(clinic, change)
    weeks = _open_weeks(settings, since, local_date(now, settings.zone))
    judged = _judged_twice(settings, changed, courses(_treated(clinic, weeks)), weeks, now)
    own = {row.pk, standard.pk if standard else row.pk}
    parts = [_Parts.of(was, will, since) for was, will in zip(*judged, strict=True)]
    concerned = {one.episode_id for one in parts if one.name_one_of(own)}
    told = Preview(
        ends=ends,
        since=since,
        first=weeks[0].start,
        last=weeks[-1].end,
        patients=len(concerned),
        left=len({one.episode_id for one in parts if one.lose_the_program}),
        before=Tally(),
        after=Tally(),
        changes=tuple(_changes(parts)),
    )
    for one in parts:
        if one.episode_id in concerned:
            told.before.add(part for part in one.before if part.standard.source == row.source)
            told.after.add(part for part in one.after if part.standard.source == row.source)
    return told


def _done_and_taken_back(
    clinic: Clinic, change: Callable[[], Standard]
) -> tuple[Standard, ClinicSettings]:
    """The standard and the clinic's settings as they would be; what it takes is rolled back."""
    before = transaction.savepoint()
    try:
        return change(), clinic_settings(clinic)
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


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a patient's week that the change could concern, as judged before and after."""

    episode_id: int
    week: Week
    before: tuple[JudgedStandard, ...]
    after: tuple[JudgedStandard, ...]

    @classmethod
    def of(cls, was: PatientWeek, will: PatientWeek, since: datetime.date) -> _Parts:
        before, after = (
            tuple(one for one in week.standards if one.last >= since) for week in (was, will)
        )
        return cls(was.episode_id, was.week, before, after)

    def name_one_of(self, standards: set[int]) -> bool:
        return any(one.standard.id in standards for one in (*self.before, *self.after))

    @property
    def lose_the_program(self) -> bool:
        return _by_program(self.before) and not _by_program(self.after)


def _by_program(parts: Iterable[JudgedStandard]) -> bool:
    return any(one.standard.source == Standard.Source.PROGRAM for one in parts)


def _changes(parts: Iterable[_Parts]) -> Iterator[Change]:
    for one in parts:
        if _outcomes(one.before) != _outcomes(one.after):
            yield Change(one.episode_id, one.week, one.before, one.after)


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
