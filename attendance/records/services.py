"""Recording, correcting, clearing and signing attendance. One way in for API, admin and import.

Every write locks the session first, so two people with the same roster take turns and the second
one meets what the first has stored. Minutes are computed in the same transaction; a day that has
been judged already is judged again before the commit.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from attendance.models import AttendanceRecord
from attendance.records.entries import (
    LONGEST_REASON,
    TOO_LONG,
    UNSET,
    Conflict,
    Entry,
    RosterRefused,
    RosterResult,
    Told,
)
from attendance.records.paper import PAPER, may_confirm
from attendance.records.sheet import Sheet, locked_sheet, recorded_by
from attendance.records.writing import (
    REASON,
    STALE,
    Line,
    Mode,
    check_held,
    check_recordable,
    finish,
    refuse,
    unknown_booking,
    write_lines,
)
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from scheduling.locks import lock
from scheduling.models import Booking, Session


@service
def record_roster(
    *,
    session: Session,
    entries: Sequence[Entry] = (),
    by: User | Job,
    all_present: bool = False,
    mode: Mode = "all",
    source: str = AttendanceRecord.Source.API,
    now: datetime.datetime | None = None,
) -> RosterResult:
    """Record some or all of a session's roster in one transaction.

    An entry equal to what is stored changes nothing, whatever its version. An existing record
    needs its version; changing a stored value needs a correction reason, filling an empty field
    of an unsigned record (the departure) does not. No version says "I expect unrecorded". Any
    change to a signed roster needs a correction reason and reopens it.

    `all_present` adds "present" for everybody who is booked, unrecorded and not named in an
    entry. Patients who gave notice (released bookings) are never assumed present: they stay
    unrecorded until they are named, with the call-in's notice and reason filled in when absent.

    In mode "all" any conflict raises RosterRefused and nothing is saved; in mode "partial" the
    good entries are saved and the others come back as conflicts with the current state. Raises
    Refused `session_cancelled`, or `session_in_future` until 30 minutes before the start.
    """
    sheet = locked_sheet([session.pk])
    now = now or timezone.now()
    lines, conflicts = _lines(sheet, entries)
    if all_present:
        named = {entry.booking for entry in entries}
        lines += [
            Line(None, booking, Told(attended=True))
            for booking in sheet.bookings
            if booking.state == Booking.State.BOOKED
            and booking.public_id not in named
            and sheet.record_of(booking) is None
        ]
    check_recordable(sheet, now, [line.booking for line in lines])
    return write_lines(sheet, lines, conflicts, by=by, mode=mode, source=source, now=now)


@service
def correct(
    *,
    booking: Booking,
    changes: Mapping[str, Any],
    version: int,
    correction_reason: str = "",
    by: User | Job,
    source: str = AttendanceRecord.Source.API,
    now: datetime.datetime | None = None,
) -> AttendanceRecord:
    """Change facts of one record, at any time; a signed roster is reopened.

    `changes` maps fields of an Entry to values; what it leaves out stays. Raises RosterRefused
    with `stale_version`, `correction_reason_required`, `roster_signed` or what is wrong with the
    facts.
    """
    sheet = locked_sheet([booking.session_id])
    now = now or timezone.now()
    current = sheet.by_public_id.get(booking.public_id)
    check_recordable(sheet, now, [current] if current else [])
    told = Told(**{"attended": UNSET, **changes}, correction_reason=correction_reason)
    if current is None:
        raise RosterRefused([unknown_booking(0, booking.public_id, told)])
    write_lines(sheet, [Line(0, current, told, version)], [], by=by, source=source, now=now)
    record = sheet.record_of(current)
    assert record is not None, "a version never fits an unrecorded booking"
    return record


@service
def clear(
    *,
    booking: Booking,
    version: int,
    by: User | Job,
    correction_reason: str,
    now: datetime.datetime | None = None,
) -> None:
    """Take a record back to unrecorded; what it said and why it went stays in the history.

    An unrecorded booking stays as it is. Raises RosterRefused with `stale_version` or
    `correction_reason_required` (or `too_long`, over 200 characters).
    """
    sheet = locked_sheet([booking.session_id])
    now = now or timezone.now()
    current = sheet.by_public_id.get(booking.public_id)
    record = sheet.record_of(current) if current else None
    if current is None or record is None:
        return
    line = Line(0, current, Told(attended=UNSET, correction_reason=correction_reason))
    if record.version != version:
        refuse(sheet, line, "stale_version", STALE, now)
    if not correction_reason.strip():
        refuse(sheet, line, "correction_reason_required", REASON, now)
    if len(correction_reason) > LONGEST_REASON:
        refuse(sheet, line, "too_long", TOO_LONG, now)
    # The reason is written before the row goes: the trail then tells who, when and why.
    AttendanceRecord.objects.filter(pk=record.pk).update(
        correction_reason=correction_reason, recorded_by=recorded_by(by)
    )
    Booking.objects.filter(pk=current.pk).update(version=max(current.version, record.version) + 1)
    sheet.remove(current)
    finish(sheet, [current], by=by, now=now)


@service
def sign(*, session: Session, by: User, now: datetime.datetime | None = None) -> Session:
    """Sign a complete roster; signing it again changes nothing.

    Complete means that everybody expected, booked or released, is recorded. What somebody entered
    from a paper sheet is confirmed by whoever leads the session, if they can sign in. Raises
    Refused `session_cancelled`, `session_in_future` before the start, `roster_incomplete` with the
    bookings still `unrecorded`, or `leader_confirms`.
    """
    lock(sessions=[session.pk])
    now = now or timezone.now()
    row = Session.objects.get(pk=session.pk)
    if row.signed_at is not None:
        return row
    check_held(row, now, early=datetime.timedelta())
    expected = Booking.objects.exclude(state=Booking.State.WITHDRAWN).filter(session=row)
    sources = dict(expected.values_list("public_id", "attendance__source"))
    unrecorded = [booking for booking, source in sources.items() if source is None]
    if unrecorded:
        raise Refused(
            "roster_incomplete",
            f"Record everybody first: {len(unrecorded)} still unrecorded.",
            unrecorded=unrecorded,
        )
    if PAPER in sources.values() and not may_confirm(by, row, now):
        raise Refused(
            "leader_confirms",
            "This roster was entered from paper: whoever leads the session confirms it.",
        )
    row.signed_at, row.signed_by, row.version = now, by, row.version + 1
    row.save(update_fields=["signed_at", "signed_by", "version"])
    return row


def _lines(sheet: Sheet, entries: Sequence[Entry]) -> tuple[list[Line], list[Conflict]]:
    """The entries beside their bookings; every one of a duplicated booking is a conflict."""
    bookings, times = sheet.by_public_id, Counter(entry.booking for entry in entries)
    lines: list[Line] = []
    conflicts: list[Conflict] = []
    for index, entry in enumerate(entries):
        booking = bookings.get(entry.booking)
        if booking is None:
            conflicts.append(unknown_booking(index, entry.booking, entry))
        elif times[entry.booking] > 1:
            message = "This patient stands twice in the same request."
            code = "duplicate_record"
            conflicts.append(Conflict(index, entry.booking, code, message, "booking", entry))
        else:
            lines.append(Line(index, booking, entry, entry.version))
    return lines, conflicts
