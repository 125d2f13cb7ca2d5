"""Which nights are due, who judges them, and how an interrupted one goes on.

The night of a local date is due from the clinic's nightly time of the following morning. What has
happened to it is one row, `NightlyRun`, so any worker can go on where another stopped:

- *One at a time, oldest first.* A clinic's night is claimed only when no earlier one is unfinished.
- *A claim* is an inserted row, or one whose lease ran out. It counts an attempt, and that number is
  the claim's token: a worker that lost its claim changes nothing more. After the third attempt the
  night has failed, is shown, and no longer holds up the next.
- *Each step is one transaction that holds the row's lock.* A killed worker's step is rolled back
  and its lock is gone, so the lease only has to cover the moments between two steps.
- *Missed nights* are caught up for at most 31 days. The first night of a clinic is the last one due
  when it has a timetable: a history imported from elsewhere is not judged night by night.
"""

from __future__ import annotations

import datetime
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone

from attendance.compliance.evaluation import evaluate
from attendance.models import NightlyRun
from attendance.reports.builder import build
from attendance.reports.queue import queue_deliveries, queue_night
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import local_date as local_date_of
from patients.services import settle_holds
from scheduling.models import Session, WeeklyBlock
from scheduling.services import expand

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

NIGHTLY = Job("nightly")
CATCH_UP_DAYS = 31
MOST_ATTEMPTS = 3
LEASE = datetime.timedelta(minutes=2)
DAY = datetime.timedelta(days=1)
UNFINISHED = (NightlyRun.State.CLAIMED, NightlyRun.State.EVALUATED)
DONE = (NightlyRun.State.FINISHED, NightlyRun.State.FAILED)

logger = logging.getLogger(__name__)


# --- what is due -----------------------------------------------------------------------------


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


def due_nights(*, now: datetime.datetime) -> list[list[Night]]:
    """For each active clinic that is behind, its unfinished nights, oldest first.

    One statement for any number of clinics.
    """
    behind = (due_nights_of(clinic, now) for clinic in clinics_with_progress(now))
    return [nights for nights in behind if nights]


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


# --- who does it -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """One worker's right to a night; void as soon as the row counts another attempt."""

    run_id: int
    attempt: int


class LostClaimError(Exception):
    """Another worker has taken the night over."""


@transaction.atomic
def take(night: Night, *, now: datetime.datetime) -> Claim | None:
    """Take a night that is due and free; None when it is not, or when its attempts are used up."""
    clinic = clinics_with_progress(now).filter(pk=night.clinic_id).first()
    if clinic is None or night.local_date > last_due(clinic, now):
        return None
    if any(other.local_date < night.local_date for other in due_nights_of(clinic, now)):
        return None
    run, inserted = NightlyRun.objects.get_or_create(
        clinic=clinic, local_date=night.local_date, defaults={"lease_until": now + LEASE}
    )
    return Claim(run.pk, run.attempts) if inserted else _take_over(run, now)


def _take_over(run: NightlyRun, now: datetime.datetime) -> Claim | None:
    """The claim on a run whose worker is gone: its lease is over and nobody holds its lock."""
    free = NightlyRun.objects.select_for_update(skip_locked=True, no_key=True).filter(
        pk=run.pk, state__in=UNFINISHED, lease_until__lte=now
    )
    for row in free:
        if row.attempts >= MOST_ATTEMPTS:
            row.state = NightlyRun.State.FAILED
            row.error = row.error or "interrupted"
            row.save(update_fields=["state", "error"])
            logger.error("Night %s failed after %s attempts.", row.pk, row.attempts)
            return None
        row.attempts += 1
        row.lease_until = now + LEASE
        row.save(update_fields=["attempts", "lease_until"])
        return Claim(row.pk, row.attempts)
    return None


@contextmanager
def hold(claim: Claim) -> Iterator[NightlyRun]:
    """The run, locked to the end of the transaction; saved with a new lease after the step.

    The lock tells every other worker that this one lives. Raises LostClaimError when another
    worker has taken the night over.
    """
    run = (
        NightlyRun.objects.select_for_update(no_key=True, of=("self",))
        .select_related("clinic")
        .filter(pk=claim.run_id, attempts=claim.attempt, state__in=UNFINISHED)
        .first()
    )
    if run is None:
        raise LostClaimError
    yield run
    run.lease_until = timezone.now() + LEASE
    run.save()


def retry_failed(local_date: datetime.date) -> int:
    """Give the failed nights of a date three more attempts; how many there are."""
    return NightlyRun.objects.filter(
        local_date=local_date, state=NightlyRun.State.FAILED, clinic__active=True
    ).update(state=NightlyRun.State.CLAIMED, attempts=0, lease_until=timezone.now(), error="")


# --- the work --------------------------------------------------------------------------------


def run_night(night: Night) -> None:
    """Judge a night if it is due and free, then ring for the clinic's next one.

    Safe to call at any time and as often as anybody likes.
    """
    taken = take(night, now=timezone.now())
    if taken is not None:
        failure = _work(taken)
        if failure is not None:
            _note_failure(taken, failure)
    _queue_next(night)


def _work(claim: Claim) -> Exception | None:
    """Do the steps that are not done yet; the exception that ended it, if one did.

    It is returned, not raised: the message of a database error holds the row's values, and what
    leaves a task is logged whole.
    """
    try:
        if NightlyRun.objects.get(pk=claim.run_id).state == NightlyRun.State.CLAIMED:
            expand_timetable(claim=claim, by=NIGHTLY)
            judge(claim=claim, by=NIGHTLY)
        report(claim=claim, by=NIGHTLY)
    except LostClaimError:
        logger.warning("Night %s was taken over by another worker.", claim.run_id)
    except Exception as error:  # noqa: BLE001  whatever it is, the row must say so
        return error
    return None


@service
def expand_timetable(*, claim: Claim, by: Job) -> None:
    """Create the sessions that are missing up to the horizon; let holds begin and end.

    This looks ahead from today and not from the night: sessions of days gone by are not made up.
    """
    with hold(claim) as run:
        today = local_date_of(timezone.now(), run.clinic.tz)
        expansion = expand(clinic=run.clinic, today=today, by=by)
        settle_holds(clinic=run.clinic, today=today, by=by)  # locks episodes: after the sessions
        run.findings = list(expansion.findings)
        run.counts = {"sessions_created": expansion.created}


@service
def judge(*, claim: Claim, by: Job) -> None:
    """Open, update and close the clinic's cases, and store the weeks that are final."""
    with hold(claim) as run:
        counts = evaluate(clinic=run.clinic, local_date=run.local_date, by=by)
        run.counts = {**run.counts, **asdict(counts)}
        run.state = NightlyRun.State.EVALUATED


@service
def report(*, claim: Claim, by: Job) -> None:
    """Write the reports and one delivery for each recipient; a finished night has all of them."""
    with hold(claim) as run:
        deliveries = build(run=run, now=timezone.now())
        run.state = NightlyRun.State.FINISHED
        run.finished_at = timezone.now()
        run.error = ""
    transaction.on_commit(partial(queue_deliveries, deliveries), robust=True)


def _note_failure(claim: Claim, error: Exception) -> None:
    """Say in the row what went wrong, by its class only, and let a later tick try again."""
    failed = claim.attempt >= MOST_ATTEMPTS
    logger.error(
        "Night %s, attempt %s: %s\n%s",
        claim.run_id,
        claim.attempt,
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),  # places, no values
    )
    changes = {"state": NightlyRun.State.FAILED} if failed else {}
    NightlyRun.objects.filter(pk=claim.run_id, attempts=claim.attempt, state__in=UNFINISHED).update(
        error=type(error).__name__, lease_until=timezone.now(), **changes
    )


def _queue_next(night: Night) -> None:
    now = timezone.now()
    for clinic in clinics_with_progress(now).filter(pk=night.clinic_id):
        for following in due_nights_of(clinic, now)[:1]:
            if following.local_date > night.local_date:
                queue_night(*following)
