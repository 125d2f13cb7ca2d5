"""Reads that leave a trace: a patient's page, a roster, a search, an export."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

from iop_clinic.accounts.models import AuditEvent

if TYPE_CHECKING:
    from iop_clinic.accounts.models import Clinic, ClinicModel, User


def note_read(*rows: ClinicModel, by: User) -> None:
    """Write who looked at these rows; for a single one it is a single statement."""
    now = timezone.now()
    events = [_read(row, by, now) for row in rows]
    if len(events) == 1:
        events[0].save(force_insert=True)  # bulk_create would open a transaction for it
    else:
        AuditEvent.objects.bulk_create(events)


def note_export(row: ClinicModel | Clinic, *, by: User, **what: str) -> None:
    """Write who took what of a row out of the site, by names that its history shows: a read, with
    `exported` what it was. One statement."""
    event = _read(row, by, timezone.now())
    event.new = what
    event.save(force_insert=True)


def _read(row: ClinicModel | Clinic, by: User, now: datetime) -> AuditEvent:
    return AuditEvent(
        clinic_id=getattr(row, "clinic_id", row.pk),  # of a clinic: itself
        table_name=row._meta.db_table,
        row_id=row.pk,
        operation=AuditEvent.Operation.READ,
        actor=by.actor,
        at=now,
    )
