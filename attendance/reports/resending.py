"""A mail that was given up is sent once more because a person says so."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.utils import timezone

from attendance.models import ReportDelivery
from attendance.reports.queue import queue_deliveries
from attendance.reports.recipients import still_receives
from iop_clinic.accounts.acting import Refused, service
from iop_clinic.accounts.models import AuditEvent, User

State = ReportDelivery.State

GIVEN_UP = (State.FAILED, State.DROPPED)
"""Nobody tries these again by themselves."""


@service
def send_again(*, delivery: ReportDelivery, by: User) -> ReportDelivery:
    """Put a mail that was given up back among those to send, with six attempts of its own.

    A worker sends it, under the same Message-ID, and asks once more whether the person may read
    it. Raises Refused for a mail that was sent or still is being tried, and for one whose recipient
    gets the report no longer.
    """
    rows = ReportDelivery.objects.select_for_update(no_key=True, of=("self",))
    row = rows.select_related("report", "recipient").get(pk=delivery.pk)
    if row.state not in GIVEN_UP:
        raise Refused("not_given_up", _not_given_up(row))
    if not still_receives(row):
        raise Refused("not_a_recipient", f"{row.recipient} no longer receives this report.")
    before = _facts(row)
    row.state, row.attempts, row.error = State.PENDING, 0, ""
    row.due_at, row.lease_until = timezone.now(), None
    row.save(update_fields=["state", "attempts", "error", "due_at", "lease_until"])
    _note(row, before, by=by)
    transaction.on_commit(partial(queue_deliveries, [row.pk]), robust=True)
    return row


def _not_given_up(row: ReportDelivery) -> str:
    if row.state == State.SENT:
        return "This mail was sent already."
    return "This mail is still being tried; no need to send it again."


def _facts(row: ReportDelivery) -> dict[str, object]:
    return {"state": row.state, "attempts": row.attempts, "error": row.error}


def _note(row: ReportDelivery, before: dict[str, object], *, by: User) -> None:
    """The trail of who asked for it. Deliveries have no trigger: a worker's own changes of them are
    no facts, and would fill it night for night."""
    AuditEvent.objects.create(
        clinic_id=row.clinic_id,
        table_name=row._meta.db_table,
        row_id=row.pk,
        operation=AuditEvent.Operation.UPDATE,
        old=before,
        new=_facts(row),
        actor=by.actor,
        at=timezone.now(),
    )
