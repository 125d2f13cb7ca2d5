"""Reads that leave a trace: a patient's page, a roster, a search, an export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from iop_clinic.accounts.models import AuditEvent

if TYPE_CHECKING:
    from iop_clinic.accounts.models import ClinicModel, User


def note_read(*rows: ClinicModel, by: User) -> None:
    """Write who looked at these rows; for a single one it is a single statement."""
    now = timezone.now()
    events = [
        AuditEvent(
            clinic_id=row.clinic_id,
            table_name=row._meta.db_table,
            row_id=row.pk,
            operation=AuditEvent.Operation.READ,
            actor=by.actor,
            at=now,
        )
        for row in rows
    ]
    if len(events) == 1:
        events[0].save(force_insert=True)  # bulk_create would open a transaction for it
    else:
        AuditEvent.objects.bulk_create(events)
