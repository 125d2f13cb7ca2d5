"""Every version of one attendance record: who, when, what, why."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils import timezone

from attendance.models import AttendanceRecord
from attendance.records.entries import FACTS
from iop_clinic.accounts.models import AuditEvent, User
from scheduling.models import Booking

_MINUTES = ("attended_minutes", "credited_minutes")


@dataclass(frozen=True, slots=True)
class Change:
    """One fact before and after, as stored: JSON values, instants in ISO 8601."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Version:
    """One step of a record's life. `version` is None where the record was cleared."""

    at: datetime.datetime
    who: str
    operation: str
    version: int | None
    changes: tuple[Change, ...]
    reason: str


def history(booking: Booking, *, now: datetime.datetime | None = None) -> list[Version]:
    """What was recorded of a booking, oldest first, records that were cleared included.

    The minutes are left out until the session has ended: no credit is final before. Three
    statements, whatever the length: the records' ids, their events, the people's names.
    """
    ended = booking.ends_at <= (now or timezone.now())
    shown = (*FACTS, *_MINUTES) if ended else FACTS
    events = list(_events(booking))
    names = _names(event.actor for event in events)
    versions: list[Version] = []
    state: dict[str, Any] = {}
    for event in events:
        before = state if event.operation != AuditEvent.Operation.INSERT else {}
        state = before | (event.new or {})
        if event.operation == AuditEvent.Operation.DELETE:
            after: dict[str, Any] = {}
        else:
            after = state
        changes = _changes(before, after, shown)
        if changes:
            versions.append(_version(event, names, changes, state, cleared=not after))
    return versions


def _events(booking: Booking) -> Iterable[AuditEvent]:
    """The trail of this booking's records. A record cleared and entered again is another row."""
    trail = AuditEvent.objects.filter(
        clinic_id=booking.clinic_id, table_name=AttendanceRecord._meta.db_table
    )
    rows = trail.filter(operation=AuditEvent.Operation.INSERT, new__booking_id=booking.pk)
    ids = list(rows.values_list("row_id", flat=True))
    written = ~Q(operation=AuditEvent.Operation.READ)
    return trail.filter(written, row_id__in=ids).order_by("at", "id")


def _names(actors: Iterable[str]) -> dict[str, str]:
    ids = {actor.removeprefix("user:") for actor in actors if actor.startswith("user:")}
    return {user.actor: str(user) for user in User.objects.filter(pk__in=ids)}


def _changes(
    before: dict[str, Any], after: dict[str, Any], shown: Iterable[str]
) -> tuple[Change, ...]:
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in shown
        if before.get(name) != after.get(name)
    )


def _version(
    event: AuditEvent,
    names: dict[str, str],
    changes: tuple[Change, ...],
    state: dict[str, Any],
    *,
    cleared: bool,
) -> Version:
    return Version(
        at=event.at,
        who=names.get(event.actor, event.actor),
        operation=event.get_operation_display(),
        version=None if cleared else state["version"],
        changes=changes,
        reason=state.get("correction_reason", ""),
    )
