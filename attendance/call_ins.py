"""The sick call and its undo, with what they change about the week and its case.

Seats are freed by the floor below. Here what is recorded already is left alone, and the week is
judged again in the same transaction, so that the projection and the open case tell the truth at
once.
"""

from __future__ import annotations

import datetime

from django.utils import timezone

from attendance.compliance.again import judge_again
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import local_date
from patients.models import Episode
from scheduling import services as calendar
from scheduling.locks import lock
from scheduling.models import Booking, CallIn
from scheduling.services import TakenBack

Moment = datetime.datetime | None


@service
def call_in(
    *,
    episode: Episode,
    from_date: datetime.date,
    to_date: datetime.date,
    reason: str,
    notified_at: datetime.datetime,
    by: User | Job,
    note: str = "",
    now: Moment = None,
) -> CallIn:
    """Take a sick call (see `scheduling.services.call_in`, which says what is refused).

    Bookings with a record keep it and stay as they are: attendance is corrected, never overruled.
    """
    row = calendar.call_in(
        episode=episode,
        from_date=from_date,
        to_date=to_date,
        reason=reason,
        notified_at=notified_at,
        note=note,
        keeping=_locked_recorded(episode, from_date, to_date),
        by=by,
    )
    _judge(row, by=by, now=now)
    return row


@service
def take_back_call_in(*, call_in: CallIn, by: User | Job, now: Moment = None) -> TakenBack:
    """The patient comes after all (see `scheduling.services.take_back_call_in`)."""
    keeping = _locked_recorded(call_in.episode, call_in.from_date, call_in.to_date)
    back = calendar.take_back_call_in(call_in=call_in, keeping=keeping, by=by)
    _judge(call_in, by=by, now=now)
    return back


def _locked_recorded(episode: Episode, first: datetime.date, last: datetime.date) -> list[int]:
    """The bookings on these dates that have a record, read once nobody can write another."""
    held = Booking.objects.filter(
        clinic=episode.clinic_id, episode=episode, session__local_date__range=(first, last)
    )
    lock(sessions=held.values_list("session", flat=True), episodes=[episode.pk])
    rows = AttendanceRecord.objects.filter(clinic=episode.clinic_id, booking__in=held)
    return list(rows.values_list("booking_id", flat=True))


def _judge(row: CallIn, *, by: User | Job, now: Moment) -> None:
    clinic = row.clinic
    since = min(row.from_date, local_date(now or timezone.now(), clinic.tz))
    judge_again(clinic=clinic, episode_ids=[row.episode_id], since=since, by=by, now=now)
