"""Judging again after a change to what weeks are judged from, in the transaction of the change.

The night looks a few weeks back; a plan, a hold or an authorization may be entered for any day. So
whoever writes one says from which day on something is different, and the stored results follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from attendance.compliance.evaluation import reevaluate
from attendance.models import NightlyRun, WeekResult
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic, User

_SAME_WEEK = timedelta(days=6)


def judge_again(
    *,
    clinic: Clinic,
    episode_ids: Iterable[int],
    since: date,
    by: User | Job,
    now: datetime | None = None,
) -> None:
    """Judge some episodes again from the week of a local date on, if it has been judged at all.

    What no night has looked at is left to the night: it opens the first cases.
    """
    ids = list(episode_ids)
    if ids and _judged(clinic, ids, since - _SAME_WEEK):
        reevaluate(clinic=clinic, episode_ids=ids, by=by, now=now, since=since)


def _judged(clinic: Clinic, ids: list[int], since: date) -> bool:
    runs = NightlyRun.objects.filter(
        clinic=clinic,
        local_date__gte=since,
        state__in=[NightlyRun.State.EVALUATED, NightlyRun.State.FINISHED],
    )
    weeks = WeekResult.objects.filter(clinic=clinic, episode__in=ids, segment_ends_on__gte=since)
    return runs.exists() or weeks.exists()
