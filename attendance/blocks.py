"""Weekly blocks entered, changed and ended, with what that changes about weeks and cases.

The floor below writes them. Here the sessions of the next weeks are planned in the same step, and
whoever is booked into a session that moved or was cancelled is judged again.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.utils import timezone

from attendance.models import AttendanceRecord
from attendance.sessions import judge_sessions
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import local_date, long_date
from scheduling import services as calendar
from scheduling.models import Session, WeeklyBlock

Moment = datetime.datetime | None


@service
def add_block(*, block: WeeklyBlock, by: User | Job, now: Moment = None) -> calendar.Expansion:
    """Enter a weekly block (see `scheduling.services.add_block`) and plan its sessions."""
    calendar.add_block(block=block, by=by)
    return _plan(block, by, now)


@service
def change_block(
    *, block: WeeklyBlock, by: User | Job, now: Moment = None, **changes: Any
) -> calendar.Refitted:
    """Change what is to come of a block (see `scheduling.services.change_block`).

    Raises what that raises, or Refused `attendance_recorded` with `dates` where somebody is
    recorded already for a session that would move or be cancelled.
    """
    found = calendar.change_block(block=block, by=by, **changes)
    _plan(block, by, now)
    _judge(block, found, by=by, now=now)
    return found


@service
def end_block(
    *,
    block: WeeklyBlock,
    last: datetime.date | None,
    by: User | Job,
    now: Moment = None,
    version: int | None = None,
) -> calendar.Refitted:
    """Say on which date a block meets last (see `scheduling.services.end_block`)."""
    found = calendar.end_block(block=block, last=last, version=version, by=by)
    _plan(block, by, now)
    _judge(block, found, by=by, now=now)
    return found


def _plan(block: WeeklyBlock, by: User | Job, now: Moment) -> calendar.Expansion:
    today = local_date(now or timezone.now(), block.clinic.tz)
    return calendar.expand(clinic=block.clinic, today=today, by=by)


def _judge(block: WeeklyBlock, found: calendar.Refitted, *, by: User | Job, now: Moment) -> None:
    other = [one for one in found.changed if found.was[one.pk][0] != one.starts_at]
    other += [one for one in found.changed if found.was[one.pk][1] != one.ends_at]
    other += found.cancelled
    _refuse_recorded({one.pk for one in other})
    zone = block.clinic.tz
    before = min((local_date(found.was[one.pk][0], zone) for one in other), default=None)
    sessions = Session.objects.filter(pk__in=[one.pk for one in (*found.changed, *found.cancelled)])
    judge_sessions(block.clinic, sessions, by=by, now=now, before=before)


def _refuse_recorded(sessions: set[int]) -> None:
    recorded = AttendanceRecord.objects.filter(booking__session__in=sessions)
    dates = sorted(set(recorded.values_list("booking__session__local_date", flat=True)))
    if dates:
        days = ", ".join(long_date(day) for day in dates)
        message = f"Attendance is recorded already on {days}. Begin after that."
        raise Refused("attendance_recorded", message, field="first", dates=dates)
