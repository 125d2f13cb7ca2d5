"""The life of an upload: taken in, checked, confirmed, imported; or refused, stopped, discarded.

Each step changes the state under the row's lock, so that a second click or a second message finds
nothing left to do. A worker holds a row for a time (`lease_until`); if it dies, a person may have
the upload tried again once that time is over.
"""

from __future__ import annotations

import datetime
import logging
import traceback
from collections.abc import Sequence
from functools import partial
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone

from attendance.imports import progress
from attendance.imports.findings import account, listed, refusal
from attendance.imports.problems import ImportRefused, Problem
from attendance.imports.reading import Source
from attendance.imports.services import Outcome, import_into
from attendance.imports.uploads import (
    ALL,
    Upload,
    digest_of,
    packed,
    sources_of,
    troubles,
    unpack,
)
from attendance.models import DataImport
from attendance.reports.queue import queue_imports
from iop_clinic.accounts.acting import Busy, Job, Refused, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.roles import Can
from scheduling.locks import lock

State = DataImport.State
IMPORT = Job("import")
SECONDS = 840
"""How long a worker may take."""
LEASE = datetime.timedelta(seconds=SECONDS + 60)
KEPT = datetime.timedelta(days=1)
"""How long files wait for whoever brought them."""
MOST_KEPT = 20
"""Uploads of a clinic whose files wait; each may be of 20 MB, and lies in the database."""
NEXT = {State.WAITING: State.CHECKING, State.CONFIRMED: State.IMPORTING}
RUNNING = tuple(NEXT.values())
OVER = (State.REFUSED, State.IMPORTED, State.NOTHING_NEW, State.DISCARDED)
DONE = (State.CONFIRMED, State.IMPORTING, State.IMPORTED)

TOO_LONG = "It took longer than 14 minutes. Bring the files in several parts."
LOCKED = "Others were changing the same rows all the time. Try again."
UNEXPECTED = (
    "Something went wrong that is not in the files. Try again; if it stays so, tell whoever runs "
    "this installation."
)

logger = logging.getLogger(__name__)


class Superseded(Exception):
    """Somebody else has the upload by now: what this worker did is taken back."""


# --- what people do ------------------------------------------------------------------------------


@service
def take_in(*, clinic: Clinic, uploads: Sequence[Upload], by: User) -> DataImport:
    """Keep files until they are checked and confirmed.

    Raises Refused for what cannot be read, or `too_many` where enough files wait already.
    """
    if DataImport.objects.filter(clinic=clinic, content__isnull=False).count() >= MOST_KEPT:
        message = f"The files of {MOST_KEPT} imports wait already: import or discard some first."
        raise Refused("too_many", message, field="uploads")
    found = troubles(uploads)
    if found:
        raise Refused("unreadable_files", " ".join(f"{one}." for one in found), field="uploads")
    kept = packed(uploads)
    row = DataImport.objects.create(
        clinic=clinic,
        uploaded_by=by,
        files=[upload.name for upload in uploads],
        digest=digest_of(kept),
        content=kept,
    )
    _ring(row)
    return row


@service
def confirm(*, row: DataImport, digest: str, by: User) -> DataImport:
    """Import what was checked. A second time it changes nothing.

    Raises Refused where other files were seen, or none that are ready.
    """
    row = _locked(row)
    if digest != row.digest:
        raise Refused("other_files", "These are not the files that were checked. Look again.")
    if row.state in DONE:
        return row
    if row.state != State.CHECKED:
        raise Refused("not_ready", f"Nothing to import: {row.get_state_display().lower()}.")
    row.state, row.confirmed_by = State.CONFIRMED, by
    row.save(update_fields=["state", "confirmed_by"])
    _ring(row)
    return row


@service
def try_again(*, row: DataImport, by: User, now: datetime.datetime | None = None) -> DataImport:
    """Check an upload once more whose worker stopped. A second time it changes nothing."""
    row = _locked(row)
    if row.state == State.WAITING:
        return row
    if row.state != State.STOPPED and not row.is_stalled(now or timezone.now()):
        raise Refused("not_stopped", f"Nothing to try again: {row.get_state_display().lower()}.")
    row.state, row.lease_until, row.report, row.confirmed_by = State.WAITING, None, {}, None
    row.save(update_fields=["state", "lease_until", "report", "confirmed_by"])
    _ring(row)
    return row


@service
def discard(*, row: DataImport, by: User, now: datetime.datetime | None = None) -> DataImport:
    """Forget the files. Raises Refused once they are being imported, or nothing of them is left."""
    row, now = _locked(row), now or timezone.now()
    if row.state == State.DISCARDED:
        return row
    importing = row.state == State.IMPORTING and not row.is_stalled(now)
    if row.state in OVER or importing:
        raise Refused("not_kept", f"Nothing to discard: {row.get_state_display().lower()}.")
    _end(row, State.DISCARDED, row.report)
    return row


def _locked(row: DataImport) -> DataImport:
    """The row as it is stored, without what is large in it."""
    rows = DataImport.objects.defer("content", "listing")
    return rows.select_for_update(no_key=True).get(pk=row.pk)


def _ring(row: DataImport) -> None:
    transaction.on_commit(partial(queue_imports, [row.pk]), robust=True)


# --- what a worker does --------------------------------------------------------------------------


def run(import_id: int) -> None:
    """Check an upload or import it, whichever is due; nothing if somebody else has it."""
    row = _claim(import_id=import_id, by=IMPORT)
    if row is None:
        return
    try:
        _work(row)
    except Superseded:
        logger.warning("Import %d was taken from this worker; it wrote nothing.", row.pk)
    queue_imports(to_do(row.clinic_id))


def _work(row: DataImport) -> None:
    progress.forget(row.pk)
    try:
        _do(row)
    except Superseded:
        raise
    except Exception as error:  # noqa: BLE001  whatever it was, the person is told
        _log(row, error)
        _stop(row=row, sentence=_sentence(error), by=IMPORT)


def _do(row: DataImport) -> None:
    try:
        sources = _sources(row)  # a large workbook takes minutes: before a transaction is open
        if row.confirmed_by is None:
            _check(row, sources)
        else:
            _bring_in(row=row, sources=sources, by=row.confirmed_by)
    except ImportRefused as refused:
        _refuse(row=row, problems=refused.problems, by=IMPORT)


@service
def _claim(*, import_id: int, by: Job) -> DataImport | None:
    """One upload of a clinic at a time: the others wait for their turn."""
    found = DataImport.objects.filter(pk=import_id).values_list("clinic", flat=True).first()
    if found is None or _running(found, timezone.now()):
        return None
    lock(clinics=[found])
    rows, now = DataImport.objects.select_for_update(no_key=True), timezone.now()
    row = rows.get(pk=import_id)
    if row.state not in NEXT or _running(found, now):
        return None
    row.state, row.lease_until = NEXT[State(row.state)], now + LEASE
    row.attempts += 1
    row.save(update_fields=["state", "lease_until", "attempts"])
    return row


def _running(clinic_id: int, now: datetime.datetime) -> bool:
    rows = DataImport.objects.filter(clinic=clinic_id, state__in=RUNNING, lease_until__gt=now)
    return rows.exists()


def _sources(row: DataImport) -> list[Source]:
    by = row.confirmed_by or row.uploaded_by
    if not (by.is_active and by.may(Can.IMPORT, row.clinic)):
        raise ImportRefused([Problem(ALL, 0, "", f"{by} may no longer bring in data")])
    return sources_of(unpack(bytes(row.content or b"")))


def _check(row: DataImport, sources: Sequence[Source]) -> None:
    outcome = _read(row, sources, row.uploaded_by, dry_run=True)
    _told(row=row, outcome=outcome, by=IMPORT)


@service
def _bring_in(*, row: DataImport, sources: Sequence[Source], by: User) -> None:
    """The import and the word that it is done, in one transaction."""
    _told(row=row, outcome=_read(row, sources, by, dry_run=False), by=by)


def _read(row: DataImport, sources: Sequence[Source], by: User, *, dry_run: bool) -> Outcome:
    lines = sum(max(source.lines - 1, 0) for source in sources)
    return import_into(
        clinic=row.clinic,
        sources=sources,
        by=by,
        dry_run=dry_run,
        progress=progress.Teller(row.pk, lines),
    )


@service
def _told(*, row: DataImport, outcome: Outcome, by: User | Job) -> None:
    """Keep what was found, and the files only if there is something to import."""
    own = _own(row)
    own.listing = listed(outcome.differing) if outcome.differing else None
    if own.state == State.IMPORTING:
        _end(own, State.IMPORTED, account(outcome))
    elif outcome.total.created == 0:
        _end(own, State.NOTHING_NEW, account(outcome))
    else:
        own.state, own.lease_until, own.report = State.CHECKED, None, account(outcome)
        own.save(update_fields=["state", "lease_until", "report", "listing"])


@service
def _refuse(*, row: DataImport, problems: Sequence[Problem], by: Job) -> None:
    own = _own(row)
    own.listing = listed(problems)
    _end(own, State.REFUSED, refusal(problems))


@service
def _stop(*, row: DataImport, sentence: str, by: Job) -> None:
    own = _own(row)
    own.state, own.lease_until, own.report = State.STOPPED, None, {"stopped": sentence}
    own.save(update_fields=["state", "lease_until", "report"])


def _own(row: DataImport) -> DataImport:
    """The row as it is stored, locked. Raises Superseded if another has it by now."""
    stored = _locked(row)
    if (stored.state, stored.attempts) != (row.state, row.attempts):
        raise Superseded
    return stored


def _end(row: DataImport, state: State, report: dict[str, Any]) -> None:
    row.state, row.report, row.finished_at = state, report, timezone.now()
    row.content = row.lease_until = None
    row.save(update_fields=["state", "report", "finished_at", "content", "lease_until", "listing"])


def _sentence(error: Exception) -> str:
    if isinstance(error, SoftTimeLimitExceeded):
        return TOO_LONG
    return LOCKED if isinstance(error, Busy) else UNEXPECTED


def _log(row: DataImport, error: Exception) -> None:
    """Where it happened, without the message: it may quote a cell."""
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("Import %d stopped: %s\n%s", row.pk, type(error).__name__, where)


# --- what the tick does --------------------------------------------------------------------------


def to_do(clinic_id: int | None = None) -> list[int]:
    """Uploads that no worker has: the broker was away, or another of the clinic was running."""
    rows = DataImport.objects.filter(state__in=NEXT)
    if clinic_id is not None:
        rows = rows.filter(clinic=clinic_id)
    return list(rows.order_by("pk").values_list("pk", flat=True))


@service
def forget_old(*, by: Job, now: datetime.datetime) -> int:
    """Discard files that nobody imported within a day; how many uploads those were."""
    rows = DataImport.objects.filter(content__isnull=False, uploaded_at__lt=now - KEPT)
    idle = rows.exclude(state__in=RUNNING, lease_until__gt=now)
    return idle.update(state=State.DISCARDED, content=None, lease_until=None, finished_at=now)
