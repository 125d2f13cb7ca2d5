"""Who changed a row, when, and from what to what: read from the audit trail."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connection
from django.db.models import DateField, DateTimeField, Max, Model
from django.utils import timezone

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent, User
from iop_clinic.accounts.weeks import full_date

UNSAID = {"id", "clinic_id", "version", "public_id", "live", "changed_at"}
"""Keys, and columns that follow from others."""
FOLLOWS = {"local_date": "starts_at"}
"""Columns that are told with another one when both change."""

SHOWN = 200
KEPT = "Your entries are kept below: save again to put them in place."
_ALL_NEW = (AuditEvent.Operation.INSERT, AuditEvent.Operation.READ)
"""Their new values are all there is to say; a read has some only when something was exported."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event in words, or several reads that follow each other, since the first of them.

    `changes` are lines such as "Phone: 555 → 556".
    """

    at: datetime.datetime
    who: str
    operation: str
    changes: tuple[str, ...]
    times: int
    since: datetime.datetime


def history(row: Any) -> list[Step]:
    """What happened to a row, newest first, at most 200 events; two statements."""
    events = list(events_of(row)[:SHOWN])
    names = people(event.actor for event in events)
    return [_step(type(row), list(run), names) for _, run in groupby(events, key=_run)]


def _run(event: AuditEvent) -> tuple[str, object]:
    """Plain reads of one person in a row are one step: they would bury what was changed."""
    plain = event.operation == AuditEvent.Operation.READ and not event.new
    return event.actor, None if plain else event.pk


def _step(model: type[Model], run: Sequence[AuditEvent], names: Mapping[str, str]) -> Step:
    newest = run[0]
    return Step(
        at=newest.at,
        who=names.get(newest.actor, newest.actor),
        operation=newest.get_operation_display(),
        changes=tuple(_lines(model, newest)),
        times=len(run),
        since=run[-1].at,
    )


def events_of(row: Any) -> Any:
    clinic_id = getattr(row, "clinic_id", None) or row.pk
    return AuditEvent.objects.filter(
        clinic_id=clinic_id, table_name=row._meta.db_table, row_id=row.pk
    )


def people(actors: Iterable[str]) -> dict[str, str]:
    """Names by actor; jobs and the database's own users keep the names they have."""
    ids = {actor.removeprefix("user:") for actor in actors if actor.startswith("user:")}
    return {user.actor: str(user) for user in User.objects.filter(pk__in=ids)}


def last_step(model: type[Model], clinic_id: int, key: Any) -> int:
    """The newest event of a row that is no read, as its id; 0 for a table that nobody audits.

    Those of one row are numbered in the order in which they are committed: whoever changes a row
    holds its lock until then.
    """
    trail = AuditEvent.objects.filter(clinic_id=clinic_id, table_name=model._meta.db_table)
    steps = trail.filter(row_id=key).exclude(operation=AuditEvent.Operation.READ)
    return steps.aggregate(last=Max("id"))["last"] or 0


def take_turns(row: Any) -> None:
    """Two who save forms of one row do it one after the other. Taken before any lock of a service,
    so that nobody who holds one waits for it; it ends with the transaction."""
    name = f"{row._meta.db_table} {row.pk}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def changed_since(
    row: Any, seen: int | None, notes: Mapping[str, str] | None = None
) -> Refused | None:
    """What to tell whoever saves a form opened at the step `seen` of a row read at `last_step`.

    `notes` are said after the newest change of a column. None: nobody changed the row, or the form
    does not say when it was opened (no browser sent it).
    """
    if seen is None or seen == row.last_step:
        return None
    steps = events_of(row).filter(id__gt=seen)
    told = _told(row, steps, notes or {}) or "Someone changed this in the meantime."
    return Refused("stale_version", f"{told} {KEPT}")


def changes_since(row: Any, version: int, message: str, notes: Mapping[str, str]) -> str:
    """A warning to the second editor of a row: who changed what since the version they saw."""
    told = _told(row, events_of(row).filter(new__version__gt=version), notes)
    return f"{told} {KEPT}" if told else message


def _told(row: Any, steps: Any, notes: Mapping[str, str]) -> str:
    events = list(steps.filter(operation=AuditEvent.Operation.UPDATE).order_by("at", "id")[:10])
    names = people(event.actor for event in events)
    newest = {column: event.pk for event in events for column in event.new or {}}
    told = []
    for event in events:
        of_now = {key: note for key, note in notes.items() if newest.get(key) == event.pk}
        if lines := list(_lines(type(row), event, of_now, UNSAID | _moved_along(event))):
            told.append(f"{names.get(event.actor, event.actor)} changed {', '.join(lines)}.")
    return " ".join(told)


def _moved_along(event: AuditEvent) -> set[str]:
    """The end, of what takes as long as before: a warning names the start alone."""
    old, new = event.old or {}, event.new or {}
    if not {"starts_at", "ends_at"} <= old.keys() & new.keys():
        return set()
    lengths = [_moment(row["ends_at"]) - _moment(row["starts_at"]) for row in (old, new)]
    return {"ends_at"} if lengths[0] == lengths[1] else set()


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _lines(
    model: type[Model],
    event: AuditEvent,
    notes: Mapping[str, str] | None = None,
    unsaid: Collection[str] = UNSAID,
) -> Iterator[str]:
    old, new = event.old or {}, event.new or {}
    columns = [*old, *(name for name in new if name not in old)]
    changed = [name for name in columns if old.get(name) != new.get(name)]
    for column in changed:
        if column in unsaid or FOLLOWS.get(column) in changed:
            continue
        label, before, after = _words(model, column, old.get(column), new.get(column))
        if event.operation == AuditEvent.Operation.UPDATE:
            yield f"{label}: {before} → {after}{(notes or {}).get(column, '')}"
        elif event.operation in _ALL_NEW and after != "empty":
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
    if isinstance(field, DateTimeField):
        moment = timezone.localtime(_moment(value))
        return f"{moment:%a %b %-d, %Y, %-I:%M %p %Z}"
    if isinstance(field, DateField):
        return full_date(datetime.date.fromisoformat(value))
    choices = dict(field.flatchoices) if field is not None else {}
    if value in choices:
        return str(choices[value])
    if field is not None and field.is_relation:
        return f"no. {value}"
    return str(value)
