"""Judging again after a change to what a night judges, in the transaction of the change.

The night looks a few weeks back; a plan, a hold or an authorization may be entered for any day. So
whoever writes one says from which day on something is different, and the stored results follow.
The cases of papers and places need no such day: they are about today.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from attendance.compliance.evaluation import reevaluate
from attendance.compliance.findings import Night
from attendance.compliance.papers_and_places import correct_papers_and_places
from attendance.compliance.settings import clinic_settings
from attendance.models import Flag, NightlyRun, WeekResult
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.prepared import prepared
from iop_clinic.accounts.weeks import local_date

_SAME_WEEK = timedelta(days=6)
_DAY = timedelta(days=1)


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
    if ids and _first_judged(clinic.pk, tuple(ids), since - _SAME_WEEK):
        reevaluate(clinic=clinic, episode_ids=ids, by=by, now=now, since=since)


@prepared
def _first_judged(clinic: int, ids: tuple[int, ...], since: date) -> QuerySet[Any, Any]:
    """A night from a local date on, or a week's result of one of these episodes."""
    runs = _nights_of(clinic).filter(local_date__gte=since)
    weeks = WeekResult.objects.filter(clinic=clinic, episode__in=ids, segment_ends_on__gte=since)
    return runs.order_by().values("pk").union(weeks.order_by().values("pk"), all=True)[:1]


def _nights_of(clinic: Clinic | int) -> QuerySet[NightlyRun]:
    judged = [NightlyRun.State.EVALUATED, NightlyRun.State.FINISHED]
    return NightlyRun.objects.filter(clinic=clinic, state__in=judged)


def judge_papers(*, clinic: Clinic, now: datetime | None = None) -> None:
    """Judge the clinic's papers and places again, if a night has ever looked at them.

    All of the clinic's: a seat taken or a paper entered may settle somebody else's case as well.
    Whoever was admitted today is left to the night, which opens the first cases. A clinic costs
    some twenty statements; a correction of attendance changes no paper and does without.
    """
    cases = Flag.objects.filter(clinic=clinic)
    if not (_nights_of(clinic).exists() or cases.exists()):
        return
    settings = clinic_settings(clinic)
    now = now or timezone.now()
    correct_papers_and_places(Night(settings, local_date(now, settings.zone) - _DAY, now))
