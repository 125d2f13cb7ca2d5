"""Which nights are due.

The night of a local date is due from the clinic's nightly time of the following morning. Missed
nights are caught up for at most 31 days. The first night of a clinic is the last one due when it
has a timetable: a history imported from elsewhere is not judged night by night.
"""

from __future__ import annotations

import datetime
import logging
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from attendance.models import NightlyRun
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import local_date as local_date_of
from scheduling.models import Session, WeeklyBlock

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

CATCH_UP_DAYS = 31
DAY = datetime.timedelta(days=1)
UNFINISHED = (NightlyRun.State.CLAIMED, NightlyRun.State.EVALUATED)
DONE = (NightlyRun.State.FINISHED, NightlyRun.State.FAILED)

logger = logging.getLogger(__name__)


class Night(NamedTuple):
    """The judgement of one local date of one clinic."""

    clinic_id: int
    local_date: datetime.date


class Progress(TypedDict):
    """What the rows of the last weeks say about a clinic's nights."""

    newest_done: datetime.date | None
    oldest_unfinished: datetime.date | None
    was_judged: bool
    has_timetable: bool


if TYPE_CHECKING:
    ClinicProgress = WithAnnotations[Clinic, Progress]


def last_due(clinic: Clinic, now: datetime.datetime) -> datetime.date:
    """The newest local date whose nightly time, on the following morning, has passed."""
    today = local_date_of(now, clinic.tz)
    tonight = datetime.datetime.combine(today, clinic.nightly_at, tzinfo=clinic.tz)
    return today - (DAY if tonight <= now else 2 * DAY)


def next_nights(*, now: datetime.datetime) -> tuple[list[Night], list[Night]]:
    """The oldest unfinished night of each active clinic that is behind: first those nobody has
    begun, then those that somebody has. One statement for any number of clinics."""
    fresh: list[Night] = []
    begun: list[Night] = []
    for clinic in clinics_with_progress(now):
        try:
            nights = due_nights_of(clinic, now)
        except (LookupError, ValueError):  # its own night cannot be found, everybody else's goes on
            logger.exception("Clinic %s has a zone that is not known here.", clinic.pk)
            continue
        for night in nights[:1]:
            (begun if night.local_date == clinic.oldest_unfinished else fresh).append(night)
    return fresh, begun


def clinics_with_progress(now: datetime.datetime) -> QuerySet[ClinicProgress]:
    """Active clinics, each with what the rows say about its nights."""
    horizon = now.date() - (CATCH_UP_DAYS + 2) * DAY  # keeps the look to a few rows a clinic
    runs = NightlyRun.objects.filter(clinic=OuterRef("pk"), local_date__gte=horizon)
    dates = runs.values("local_date")
    return Clinic.objects.filter(active=True).annotate(
        newest_done=Subquery(dates.filter(state__in=DONE).order_by("-local_date")[:1]),
        oldest_unfinished=Subquery(dates.filter(state__in=UNFINISHED).order_by("local_date")[:1]),
        was_judged=Exists(NightlyRun.objects.filter(clinic=OuterRef("pk"))),
        has_timetable=Exists(WeeklyBlock.objects.filter(clinic=OuterRef("pk")))
        | Exists(Session.objects.filter(clinic=OuterRef("pk"))),
    )


def due_nights_of(clinic: ClinicProgress, now: datetime.datetime) -> list[Night]:
    """The unfinished nights of a row of `clinics_with_progress`, oldest first."""
    last = last_due(clinic, now)
    first = max(_first_night(clinic, last), last - (CATCH_UP_DAYS - 1) * DAY)
    dates = [first + n * DAY for n in range((last - first).days + 1)]
    if clinic.oldest_unfinished and clinic.oldest_unfinished not in dates:
        dates.insert(0, clinic.oldest_unfinished)  # an older night that somebody asked for
    return [Night(clinic.pk, day) for day in dates]


def _first_night(clinic: ClinicProgress, last: datetime.date) -> datetime.date:
    if clinic.newest_done:
        return clinic.newest_done + DAY
    if clinic.oldest_unfinished:
        return clinic.oldest_unfinished
    if clinic.was_judged:  # down for longer than is caught up
        return datetime.date.min
    return last if clinic.has_timetable else datetime.date.max
