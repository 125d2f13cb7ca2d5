"""What a change of level, or taking one back, would change, told before it is saved.

It is done, read and taken back: so the preview refuses what saving would refuse.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from attendance.compliance.settings import DatedStandard
from attendance.compliance.status import week_statuses
from attendance.levels import LevelChange, change_level
from attendance.levels_taken_back import LevelTakenBack, take_back_level
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import User
from patients.models import Authorization, Episode, TreatmentPlan
from scheduling.models import Booking

_WEEK = datetime.timedelta(weeks=1)
WITHDRAWN, MADE = "withdrawn", "made"
UNRECORDED = "withdrawn, not recorded yet"


@dataclass(frozen=True, slots=True)
class Bookings:
    """How many bookings of one group or kind of session are withdrawn or made, between dates."""

    title: str
    what: str
    count: int
    first: datetime.date
    last: datetime.date


@dataclass(frozen=True, slots=True)
class JudgedBy:
    """A standard, and from which local date on it judges, or that it judges no more."""

    standard: DatedStandard
    since: datetime.date | None
    before: bool


@dataclass(frozen=True, slots=True)
class LevelPreview:
    """`covers` are the authorizations in force for the new level on its first day."""

    plan_before: TreatmentPlan | None
    change: LevelChange
    bookings: tuple[Bookings, ...]
    standards: tuple[JudgedBy, ...]
    covers: tuple[Authorization, ...]


@service
def preview_level(
    *,
    episode: Episode,
    starts_on: datetime.date,
    by: User | Job,
    now: datetime.datetime | None = None,
    **given: Any,
) -> LevelPreview:
    """What `change_level` would do with the same values. Raises what it raises; leaves nothing."""
    now = now or timezone.now()
    plan_before = episode.plans.in_force(starts_on).first()
    before = _Known.of(episode, starts_on, now)
    with transaction.atomic():
        change = change_level(episode=episode, starts_on=starts_on, by=by, now=now, **given)
        after = _Known.of(episode, starts_on, now)
        covers = covering(episode, change.plan)
        transaction.set_rollback(True)
    return LevelPreview(
        plan_before=plan_before,
        change=change,
        bookings=tuple(_bookings(before, after)),
        standards=tuple(_standards(before, after)),
        covers=covers,
    )


@dataclass(frozen=True, slots=True)
class TakenBackPreview:
    """What taking a change of level back would do; `plan_before` is what it would take back."""

    plan_before: TreatmentPlan
    done: LevelTakenBack
    bookings: tuple[Bookings, ...]
    standards: tuple[JudgedBy, ...]


@service
def preview_taken_back(
    *, plan: TreatmentPlan, by: User | Job, now: datetime.datetime | None = None
) -> TakenBackPreview:
    """What `take_back_level` would do. Raises what it raises; leaves nothing."""
    now = now or timezone.now()
    before = _Known.of(plan.episode, plan.starts_on, now)
    with transaction.atomic():
        done = take_back_level(plan=plan, by=by, now=now)
        after = _Known.of(plan.episode, plan.starts_on, now)
        transaction.set_rollback(True)
    return TakenBackPreview(
        plan, done, tuple(_bookings(before, after)), tuple(_standards(before, after))
    )


class _Booked(NamedTuple):
    expected: bool
    unrecorded: bool
    title: str
    day: datetime.date


@dataclass(frozen=True, slots=True)
class _Known:
    """Bookings from a date on, and the standards of the week of the date and of the one after."""

    bookings: dict[int, _Booked]
    standards: dict[int, tuple[DatedStandard, datetime.date]]

    @classmethod
    def of(cls, episode: Episode, day: datetime.date, now: datetime.datetime) -> _Known:
        return cls(_booked(episode, day, now), _judging(episode, day, now))


def _booked(episode: Episode, day: datetime.date, now: datetime.datetime) -> dict[int, _Booked]:
    rows = Booking.objects.filter(
        clinic=episode.clinic_id, episode=episode, live=True, session__local_date__gte=day
    ).select_related("session__group", "session__session_type", "attendance")
    gone = Booking.State.WITHDRAWN
    return {
        row.pk: _Booked(
            row.state != gone,
            row.ends_at <= now and not hasattr(row, "attendance"),
            row.session.title,
            row.session.local_date,
        )
        for row in rows
    }


def _judging(
    episode: Episode, day: datetime.date, now: datetime.datetime
) -> dict[int, tuple[DatedStandard, datetime.date]]:
    """By key, the standards that judge from a date on, each with the first date it judges."""
    found = week_statuses(
        clinic=episode.clinic_id, episode_ids=[episode.pk], weeks=[day, day + _WEEK], now=now
    )
    judging: dict[int, tuple[DatedStandard, datetime.date]] = {}
    for key in sorted(found):
        for one in found[key].standards:
            if one.last >= day:
                judging.setdefault(one.standard.id, (one.standard, max(one.first, day)))
    return judging


def _bookings(before: _Known, after: _Known) -> Iterator[Bookings]:
    changed: defaultdict[tuple[str, str], list[datetime.date]] = defaultdict(list)
    for key, booked in after.bookings.items():
        was = before.bookings.get(key)
        if booked.expected != (was is not None and was.expected):
            gone = UNRECORDED if booked.unrecorded else WITHDRAWN
            changed[booked.title, MADE if booked.expected else gone].append(booked.day)
    for (title, what), days in sorted(changed.items(), key=lambda one: (one[0][1], one[0][0])):
        yield Bookings(title, what, len(days), min(days), max(days))


def _standards(before: _Known, after: _Known) -> Iterator[JudgedBy]:
    """Those that judge from then on, and then those that judge no more."""
    for key, (standard, first) in after.standards.items():
        yield JudgedBy(standard, first, key in before.standards)
    for key, (standard, _) in before.standards.items():
        if key not in after.standards:
            yield JudgedBy(standard, None, True)


def covering(episode: Episode, plan: TreatmentPlan) -> tuple[Authorization, ...]:
    """The authorizations in force for a plan's level on its first day."""
    day = plan.starts_on
    rows = episode.authorizations.filter(level=plan.level, starts_on__lte=day, ends_on__gte=day)
    return tuple(rows.select_related("payer").order_by("ends_on", "pk"))
