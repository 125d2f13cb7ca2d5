"""Weekly blocks entered, changed and ended, with what that changes about weeks and cases.

The floor below writes them. Here the sessions of the next weeks are planned in the same step, and
whoever is or was booked into a session that is new, moved or cancelled is judged again.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.utils import timezone

from attendance.compliance.again import judge_again
from attendance.models import AttendanceRecord
from attendance.sessions import AHEAD
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import local_date, long_date
from scheduling import services as calendar
from scheduling.locks import lock
from scheduling.models import Booking, Session, WeeklyBlock

Moment = datetime.datetime | None


@service
def add_blocks(
    *, new: Sequence[WeeklyBlock], by: User | Job, now: Moment = None
) -> calendar.Expansion:
    """Enter weekly blocks of one clinic and plan their sessions: all, or none is entered.

    Raises what `scheduling.services.add_block` raises.
    """
    clinic = new[0].clinic
    _lock_groups(clinic.pk)
    for block in new:
        calendar.add_block(block=block, by=by)
    done = _plan(clinic, by, now)
    _judge(clinic, {block.pk for block in new}, calendar.Refitted(), by=by, now=now)
    return done


@service
def change_block(
    *, block: WeeklyBlock, by: User | Job, now: Moment = None, **changes: Any
) -> calendar.Refitted:
    """Change what is to come of a block (see `scheduling.services.change_block`).

    Raises what that raises, or Refused `attendance_recorded` with `dates` where somebody is
    recorded already for a session that would move or be cancelled.
    """
    _lock_groups(block.clinic_id)
    found = calendar.change_block(block=block, by=by, **changes)
    return _follow(block, found, by=by, now=now)


@service
def end_block(
    *,
    block: WeeklyBlock,
    last: datetime.date | None,
    by: User | Job,
    now: Moment = None,
    version: int | None = None,
) -> calendar.Refitted:
    """Say on which date a block meets last (see `scheduling.services.end_block`).

    Raises what that raises, or Refused `attendance_recorded` as `change_block` does.
    """
    _lock_groups(block.clinic_id)
    found = calendar.end_block(block=block, last=last, version=version, by=by)
    return _follow(block, found, by=by, now=now)


def _lock_groups(clinic: int) -> None:
    """All that planning takes later, before the block's sessions and patients: or else whoever
    gives one of them a seat in another group waits for those, and is waited for."""
    groups = WeeklyBlock.objects.filter(clinic=clinic, group__isnull=False)
    lock(clinics=[clinic], groups=groups.values_list("group", flat=True).distinct())


def _follow(
    block: WeeklyBlock, found: calendar.Refitted, *, by: User | Job, now: Moment
) -> calendar.Refitted:
    _refuse_recorded(found)
    blocks = {block.pk, *(one.block_id for one in (*found.changed, *found.kept) if one.block_id)}
    found.findings += _plan(block.clinic, by, now).findings_of(blocks)
    _judge(block.clinic, {block.pk}, found, by=by, now=now)
    return found


def _plan(clinic: Clinic, by: User | Job, now: Moment) -> calendar.Expansion:
    today = local_date(now or timezone.now(), clinic.tz)
    return calendar.expand(clinic=clinic, today=today, by=by)


def _refuse_recorded(found: calendar.Refitted) -> None:
    """A record says what happened at the time that the session had."""
    moved = [one for one in found.changed if found.was[one.pk] != (one.starts_at, one.ends_at)]
    moved += found.cancelled
    records = AttendanceRecord.objects.filter(booking__session__in=moved)
    recorded = set(records.values_list("booking__session", flat=True))
    dates = sorted({_day_before(found, one) for one in moved if one.pk in recorded})
    if dates:
        days = ", ".join(long_date(day) for day in dates)
        message = f"Attendance is recorded already on {days}. Begin after that."
        raise Refused("attendance_recorded", message, field="first", dates=dates)


def _day_before(found: calendar.Refitted, session: Session) -> datetime.date:
    return local_date(found.was[session.pk].starts_at, session.tz)


def _judge(
    clinic: Clinic, blocks: set[int], found: calendar.Refitted, *, by: User | Job, now: Moment
) -> None:
    """Withdrawn bookings too: the week has lost them."""
    at = now or timezone.now()
    today = local_date(at, clinic.tz)
    touched = [*found.changed, *found.cancelled]
    every = blocks | {one.block_id for one in touched}
    booked = Booking.objects.filter(
        Q(session__in=touched) | Q(session__block__in=every, starts_at__gte=at)
    )
    rows = list(booked.values_list("episode", "session__local_date").distinct())
    days = [day for _, day in rows] + [_day_before(found, one) for one in touched]
    if rows and min(days) <= today + AHEAD:
        ids = sorted({episode for episode, _ in rows})
        judge_again(clinic=clinic, episode_ids=ids, since=min(*days, today), by=by, now=now)
