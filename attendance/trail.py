"""What rows were before a step that is taken back: the audit trail knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model, QuerySet

from iop_clinic.accounts.models import AuditEvent
from patients.models import Episode

UPDATE, DELETE = AuditEvent.Operation.UPDATE, AuditEvent.Operation.DELETE


def steps(
    model: type[Model], keys: Iterable[int], after: AuditEvent
) -> QuerySet[AuditEvent, AuditEvent]:
    """What changed about rows of a table after an event, in order."""
    trail = AuditEvent.objects.filter(
        clinic_id=after.clinic_id, table_name=model._meta.db_table, operation=UPDATE
    )
    return trail.filter(row_id__in=list(keys), pk__gt=after.pk).order_by("pk")


def restore(rows: QuerySet[Any], event: AuditEvent, **written: str) -> None:
    """Give rows what they had before this was written into them after an event; three statements.

    A row that somebody has changed since in the same columns keeps what they entered.
    """
    for row, old in before(rows, event, **written):
        for field in row._meta.concrete_fields:
            if field.column in old and field.name != "version":
                setattr(row, field.attname, field.to_python(old[field.column]))
        if hasattr(row, "version"):
            row.version += 1
        row.save()


def before(
    rows: QuerySet[Any], event: AuditEvent, **written: str
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Rows into which this was written after an event, with what stood there before it."""
    found = {row.pk: row for row in rows.order_by("pk")}
    for step in steps(rows.model, found, event).filter(new__contains=written):
        row = found.pop(step.row_id, None)
        if row is not None and all(str(getattr(row, name)) == one for name, one in written.items()):
            yield row, step.old or {}


def deleted(model: type[Model], episode: Episode, after: AuditEvent) -> Iterator[dict[str, Any]]:
    """What rows of an episode were that the person of an event deleted after it, in order."""
    trail = AuditEvent.objects.filter(
        clinic_id=after.clinic_id, table_name=model._meta.db_table, operation=DELETE,
        pk__gt=after.pk, actor=after.actor, old__episode_id=episode.pk,
    )  # fmt: skip
    for step in trail.order_by("pk"):
        yield step.old or {}
