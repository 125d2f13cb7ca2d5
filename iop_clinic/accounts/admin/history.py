"""Who changed a row, when, and from what to what: read from the audit trail."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from iop_clinic.accounts.models import AuditEvent, User

UNSAID = {"id", "clinic_id", "version", "public_id"}
SHOWN = 200
_TOLD = (AuditEvent.Operation.INSERT, AuditEvent.Operation.READ)
"""Their new values are all there is to say; a read has some only when something was exported."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event in words. `changes` are lines such as "Phone: 555 → 556"."""

    at: datetime.datetime
    who: str
    operation: str
    changes: tuple[str, ...]


def history(row: Any) -> list[Step]:
    """What happened to a row, newest first, at most 200 steps; two statements."""
    events = list(events_of(row)[:SHOWN])
    names = people(event.actor for event in events)
    return [
        Step(
            at=event.at,
            who=names.get(event.actor, event.actor),
            operation=event.get_operation_display(),
            changes=tuple(_lines(type(row), event)),
        )
        for event in events
    ]


def events_of(row: Any) -> Any:
    clinic_id = getattr(row, "clinic_id", None) or row.pk
    return AuditEvent.objects.filter(
        clinic_id=clinic_id, table_name=row._meta.db_table, row_id=row.pk
    )


def people(actors: Iterable[str]) -> dict[str, str]:
    """Names by actor; jobs and the database's own users keep the names they have."""
    ids = {actor.removeprefix("user:") for actor in actors if actor.startswith("user:")}
    return {user.actor: str(user) for user in User.objects.filter(pk__in=ids)}


def changes_since(row: Any, version: int, message: str) -> str:
    """A warning to the second editor of a row: who changed what since the version they saw."""
    changed = events_of(row).filter(operation="U", new__version__gt=version).order_by("at", "id")
    events = list(changed[:10])
    names = people(event.actor for event in events)
    told = [
        f"{names.get(event.actor, event.actor)} changed {', '.join(_lines(type(row), event))}."
        for event in events
        if list(_lines(type(row), event))
    ]
    if not told:
        return message
    return f"{' '.join(told)} Your entries are kept below: save again to put them in place."


def _lines(model: type[Model], event: AuditEvent) -> Iterator[str]:
    old, new = event.old or {}, event.new or {}
    for column in [*old, *(name for name in new if name not in old)]:
        if column in UNSAID or old.get(column) == new.get(column):
            continue
        label, before, after = _words(model, column, old.get(column), new.get(column))
        if event.operation == AuditEvent.Operation.UPDATE:
            yield f"{label}: {before} → {after}"
        elif event.operation in _TOLD and after != "empty":
            yield f"{label}: {after}"
        elif event.operation == AuditEvent.Operation.DELETE and before != "empty":
            yield f"{label}: {before}"


def _words(model: type[Model], column: str, old: Any, new: Any) -> tuple[str, str, str]:
    name = column.removesuffix("_id")
    try:
        field: Any = model._meta.get_field(name)
    except FieldDoesNotExist:
        return column, _word(None, old), _word(None, new)
    label = str(field.verbose_name)
    return label[:1].upper() + label[1:], _word(field, old), _word(field, new)


def _word(field: Any, value: Any) -> str:
    if value in (None, "", [], {}):
        return "empty"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_word(None, one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(_word(field, one) for one in value)
    if isinstance(value, bool):  # asked by its type: 0 and 1 are numbers
        return "yes" if value else "no"
    choices = dict(field.flatchoices) if field is not None else {}
    if value in choices:
        return str(choices[value])
    if field is not None and field.is_relation:
        return f"no. {value}"
    return str(value)
