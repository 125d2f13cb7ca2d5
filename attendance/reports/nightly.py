"""Who judges the nights that are due, and how an interrupted one goes on.

What has happened to a night is one row, `NightlyRun`, so any worker can go on where another
stopped:

- *One at a time, oldest first.* A clinic's night is claimed only when no earlier one is unfinished.
- *A claim* is an inserted row, or one whose lease ran out. It counts an attempt, and that number is
  the claim's token: a worker that lost its claim changes nothing more. After the third attempt the
  night has failed, is shown, and no longer holds up the next.
- *Each step is one transaction that holds the row's lock.* A killed worker's step is rolled back
  and its lock is gone, so the lease only has to cover the moments between two steps.
- *Many clinics together.* Those whose night nobody has begun yet are judged in batches of one local
  date, in one transaction that holds all their rows. If that fails, each is judged alone, and a
  night begun before always is: what ends one ends no other.
"""

from __future__ import annotations

import datetime
import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from attendance.compliance.evaluation import evaluate_clinics
from attendance.models import NightlyRun
from attendance.reports.builder import build
from attendance.reports.due_nights import (
    DAY,
    UNFINISHED,
    Night,
    clinics_with_progress,
    due_nights_of,
    last_due,
)
from attendance.reports.queue import queue_deliveries, queue_nights
from attendance.reports.unjudged import unjudged
from attendance.reports.weekly import build_weekly
from iop_clinic.accounts.acting import Busy, Job, service
from iop_clinic.accounts.weeks import local_date as local_date_of
from patients.services import settle_holds
from scheduling.locks import lock
from scheduling.services import expand

NIGHTLY = Job("nightly")
MOST_ATTEMPTS = 3
LEASE = datetime.timedelta(minutes=2)

logger = logging.getLogger(__name__)


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
    run = _held(claim).first()
    if run is None:
        raise LostClaimError
    yield run
    _save(run)


def _held(claim: Claim) -> QuerySet[NightlyRun]:
    return (
        NightlyRun.objects.select_for_update(no_key=True, of=("self",))
        .select_related("clinic")
        .filter(pk=claim.run_id, attempts=claim.attempt, state__in=UNFINISHED)
    )


def _save(run: NightlyRun) -> None:
    run.lease_until = timezone.now() + LEASE
    run.save()


def retry_failed(local_date: datetime.date) -> int:
    """Give the failed nights of a date three more attempts; how many there are."""
    return NightlyRun.objects.filter(
        local_date=local_date, state=NightlyRun.State.FAILED, clinic__active=True
    ).update(state=NightlyRun.State.CLAIMED, attempts=0, lease_until=timezone.now(), error="")


# --- the work --------------------------------------------------------------------------------


def run_nights(nights: Sequence[Night]) -> None:
    """Judge the nights of one local date that are due and free: of many clinics in the statements
    of one. Each has its own row, timetable and reports, and fails by itself. Safe to call at any
    time and as often as anybody likes.

    A night that was begun before is judged alone, so that whatever ended it ends nobody else's.
    """
    taken = [claim for night in nights if (claim := take(night, now=timezone.now()))]
    first = [claim for claim in taken if claim.attempt == 1]
    ready = []
    for claim in first:
        if _attempt(claim, _prepare):
            ready.append(claim)
        _renew(first)
    if len(ready) > 1:
        _judge_together(ready)
    for claim in ready:
        _attempt(claim, _finish)
    for claim in taken:
        if claim not in first and _attempt(claim, _prepare):
            _attempt(claim, _finish)
    _queue_next(nights)


def _attempt(claim: Claim, step: Callable[[Claim], None]) -> bool:
    """Whether a step was done; if it failed, the row says so.

    Nothing is raised: the message of a database error holds the row's values, and what leaves a
    task is logged whole.
    """
    try:
        step(claim)
    except SoftTimeLimitExceeded:
        raise  # the task's time is over, and no clinic's fault
    except LostClaimError:
        logger.warning("Night %s was taken over by another worker.", claim.run_id)
    except Busy:
        _give_back(claim)
    except Exception as error:  # noqa: BLE001  whatever it is, the row must say so
        _note_failure(claim, error)
    else:
        return True
    return False


def _prepare(claim: Claim) -> None:
    if not _is_judged(claim):
        expand_timetable(claim=claim, by=NIGHTLY)


def _judge_together(claims: Sequence[Claim]) -> None:
    """What fails here counts against nobody: each is judged alone then."""
    try:
        judge(claims=claims, by=NIGHTLY)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, most clinics have no part in it
        logger.warning("%s nights are judged one by one: %s", len(claims), type(error).__name__)


def _finish(claim: Claim) -> None:
    if not _is_judged(claim):
        judge(claims=[claim], by=NIGHTLY)
    report(claim=claim, by=NIGHTLY)


def _is_judged(claim: Claim) -> bool:
    return NightlyRun.objects.get(pk=claim.run_id).state != NightlyRun.State.CLAIMED


def _renew(claims: Sequence[Claim]) -> int:
    """A new lease for the first attempts of a batch, each of which waits for the others' steps."""
    return NightlyRun.objects.filter(
        pk__in=[claim.run_id for claim in claims], attempts=1, state__in=UNFINISHED
    ).update(lease_until=timezone.now() + LEASE)


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
def judge(*, claims: Sequence[Claim], by: Job) -> None:
    """Open, update and close the clinics' cases, and store the weeks that are final.

    All nights are of one local date. Raises LostClaimError when none of them is ours any more.
    """
    runs = [run for claim in sorted(claims, key=lambda claim: claim.run_id) for run in _held(claim)]
    if not runs:
        raise LostClaimError
    # Standards and rules are replaced under this lock: a week is judged by those before or after.
    lock(clinics=[run.clinic_id for run in runs])
    day = runs[0].local_date
    judged = evaluate_clinics(since=_unseen_since(runs, day), local_date=day, by=by)
    missing = unjudged([run.clinic_id for run in runs], day + DAY)
    for run in runs:
        if run.clinic_id in missing:
            run.findings = [*run.findings, missing[run.clinic_id]]
        run.counts = {**run.counts, **asdict(judged[run.clinic_id])}
        run.state = NightlyRun.State.EVALUATED
        _save(run)


def _unseen_since(
    runs: Sequence[NightlyRun], day: datetime.date
) -> dict[int, datetime.datetime | None]:
    """When each clinic's night before began; None where it was not judged."""
    before = NightlyRun.objects.filter(
        clinic__in=[run.clinic_id for run in runs],
        local_date=day - DAY,
        state__in=[NightlyRun.State.EVALUATED, NightlyRun.State.FINISHED],
    )
    begun = dict(before.values_list("clinic", "started_at"))
    return {run.clinic_id: begun.get(run.clinic_id) for run in runs}


@service
def report(*, claim: Claim, by: Job) -> None:
    """Write the reports and one delivery for each recipient; a finished night has all of them."""
    with hold(claim) as run:
        now = timezone.now()
        deliveries = build(run=run, now=now) + build_weekly(run=run, now=now)
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


def _give_back(claim: Claim) -> None:
    """The rows are somebody else's for now, an import's perhaps: a later tick tries again, and this
    was no attempt."""
    logger.warning("Night %s waits: its clinic's rows are locked.", claim.run_id)
    NightlyRun.objects.filter(pk=claim.run_id, attempts=claim.attempt, state__in=UNFINISHED).update(
        attempts=claim.attempt - 1, lease_until=timezone.now()
    )


def _queue_next(nights: Sequence[Night]) -> None:
    """Ring for the night that follows in each clinic that is behind."""
    now, done = timezone.now(), dict(nights)
    following = [
        night
        for clinic in clinics_with_progress(now).filter(pk__in=done)
        for night in due_nights_of(clinic, now)[:1]
        if night.local_date > done[clinic.pk]
    ]
    if following:
        queue_nights(following)
