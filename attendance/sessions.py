"""Single sessions planned, moved, cancelled or revived, with what that changes about the weeks.

The floor below writes them. Here each write is followed, in the same transaction, by judging again
whoever is booked there: nobody is called about a session that the clinic cancelled (R24), and what
is stored about an ended week is amended.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from attendance.compliance.again import judge_again
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import local_date
from scheduling import services as calendar
from scheduling.models import Booking, Session

Moment = datetime.datetime | None
AHEAD = datetime.timedelta(days=9)
"""How far the running week reaches at most: the clinic's six days on, a standard's own three more.
What lies beyond is left to the nights of its own week."""


@service
def create_session(*, clinic: Clinic, by: User | Job, now: Moment = None, **plan: Any) -> Session:
    """Plan a session beside the weekly blocks (see `scheduling.services.create_session`)."""
    session = calendar.create_session(clinic=clinic, by=by, **plan)
    _judge(session, by=by, now=now)
    return session


@service
def move_session(*, session: Session, by: User | Job, now: Moment = None, **to: Any) -> Session:
    """Move a session that has not begun (see `scheduling.services.move_session`).

    Raises what that raises, or Refused `attendance_recorded` for another time while somebody is
    recorded, as is done from 30 minutes before the start: a record says what happened then.
    """
    before, times = session.local_date, (session.starts_at, session.ends_at)
    calendar.move_session(session=session, by=by, **to)
    if (session.starts_at, session.ends_at) != times:
        refuse_recorded(session)
    _judge(session, by=by, now=now, before=before)
    return session


def refuse_recorded(session: Session) -> None:
    """Asked of the session once it is locked, so that nobody records it in between."""
    if AttendanceRecord.objects.filter(booking__session=session).exists():
        message = "Attendance is recorded already. Clear the records first."
        raise Refused("attendance_recorded", message)


@service
def cancel_session(*, session: Session, reason: str, by: User | Job, now: Moment = None) -> Session:
    """The clinic cancels a session (see `scheduling.services.cancel_session`)."""
    calendar.cancel_session(session=session, reason=reason, by=by)
    _judge(session, by=by, now=now)
    return session


@service
def revive_session(*, session: Session, by: User | Job, now: Moment = None) -> Session:
    """A cancelled session takes place after all (see `scheduling.services.revive_session`)."""
    calendar.revive_session(session=session, by=by)
    _judge(session, by=by, now=now)
    return session


def _judge(
    session: Session, *, by: User | Job, now: Moment, before: datetime.date | None = None
) -> None:
    rows = Session.objects.filter(pk=session.pk)
    judge_sessions(session.clinic, rows, by=by, now=now, before=before)


def judge_sessions(
    clinic: Clinic,
    sessions: QuerySet[Session],
    *,
    by: User | Job,
    now: Moment = None,
    before: datetime.date | None = None,
) -> None:
    """Judge again whoever is booked into sessions that were changed, from the earliest on.

    `before` is the local date that they had. Sessions after the running week change nothing yet.
    """
    today = local_date(now or timezone.now(), clinic.tz)
    held = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(session__in=sessions)
    found = list(held.values_list("episode", "session__local_date").distinct())
    since = min([day for _, day in found] + ([before] if before and found else []), default=None)
    if since is not None and since <= today + AHEAD:
        ids = sorted({episode for episode, _ in found})
        judge_again(clinic=clinic, episode_ids=ids, since=min(since, today), by=by, now=now)
