"""The day sheet: one line a patient for all the sessions of a group's day.

What is told of the day is stored with each of its sessions as it was told; only the arithmetic
clips it. A session after the departure therefore keeps the day's arrival and departure, which is
what makes it present, left early and 0 minutes, never a miss; one before the arrival is present,
late and 0 minutes. A departure told later fills the same field in every session.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.utils import timezone

from attendance.models import AttendanceRecord
from attendance.records.entries import Conflict, RosterResult, Told
from attendance.records.sheet import Sheet, locked_sheet
from attendance.records.writing import Line, Mode, check_recordable, write_lines
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from scheduling.models import Booking, Group, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEntry(Told):
    """One patient's line of a day sheet, by the patient's public id.

    `versions` are those of the records of the day, by booking; a booking that is not among them
    is expected to be unrecorded.
    """

    patient: uuid.UUID
    versions: Mapping[uuid.UUID, int] = field(default_factory=dict)


@service
def record_day(
    *,
    group: Group,
    local_date: datetime.date,
    entries: Sequence[DayEntry] = (),
    by: User | Job,
    all_present: bool = False,
    mode: Mode = "all",
    source: str = AttendanceRecord.Source.API,
    now: datetime.datetime | None = None,
) -> RosterResult:
    """Record a group's whole day in one transaction; the rules of `record_roster` hold.

    Open from 30 minutes before the day's first session. A conflict counts for the patient: none
    of their sessions is saved. Raises Refused `session_cancelled` when nothing of the day takes
    place, and what `record_roster` raises.
    """
    sessions = list(Session.objects.live().filter(group=group, local_date=local_date))
    if not sessions:
        raise Refused("session_cancelled", "The group has no session on this day.")
    sheet = locked_sheet([session.pk for session in sessions])
    now = now or timezone.now()
    _drop_cancelled(sheet)
    check_recordable(sheet, now)
    lines, conflicts = _lines(sheet, entries)
    if all_present:
        named = {line.booking.patient_id for line in lines}
        lines += [
            Line(None, booking, Told(attended=True))
            for booking in sheet.bookings
            if booking.state == Booking.State.BOOKED
            and booking.patient_id not in named
            and sheet.record_of(booking) is None
        ]
    return write_lines(sheet, lines, conflicts, by=by, mode=mode, source=source, now=now)


def _drop_cancelled(sheet: Sheet) -> None:
    """A session cancelled between the look and the lock is no longer of the day."""
    held = {pk: s for pk, s in sheet.sessions.items() if s.state != Session.State.CANCELLED}
    if held:
        sheet.sessions = held
        sheet.bookings = [b for b in sheet.bookings if b.session_id in held]


def _lines(sheet: Sheet, entries: Sequence[DayEntry]) -> tuple[list[Line], list[Conflict]]:
    """Each patient's entry once for every session they are expected at."""
    expected: defaultdict[uuid.UUID, list[Booking]] = defaultdict(list)
    for booking in sheet.bookings:
        expected[booking.patient.public_id].append(booking)
    times = Counter(entry.patient for entry in entries)
    lines: list[Line] = []
    conflicts: list[Conflict] = []
    for index, entry in enumerate(entries):
        bookings = expected.get(entry.patient, [])
        if not bookings:
            message = "This patient is not expected on this day."
            conflicts.append(Conflict(index, None, "unknown_booking", message, "patient"))
        elif times[entry.patient] > 1:
            message = "This patient stands twice in the same request."
            conflicts.append(Conflict(index, None, "duplicate_record", message, "patient"))
        else:
            versions = entry.versions
            lines += [Line(index, b, entry, versions.get(b.public_id)) for b in bookings]
    return lines, conflicts
