"""The day sheet: one line a patient for all the sessions of a group's day.

What is told of the day is stored with each of its sessions as it was told; only the arithmetic
clips it. A session after the departure therefore keeps the day's arrival and departure, which is
what makes it present, left early and 0 minutes, never a miss; one before the arrival is present,
late and 0 minutes. A departure told later fills the same field in every session, but for a signed
one that it says nothing new about.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from attendance.models import AttendanceRecord
from attendance.records.entries import (
    FACTS,
    UNSET,
    Conflict,
    RosterResult,
    Told,
    changed_fields,
    fault_of,
    proposed_facts,
    stored_facts,
)
from attendance.records.facts import attendance_facts, session_facts, spans
from attendance.records.rules import labels, time_inside
from attendance.records.sheet import Sheet, locked_sheet
from attendance.records.writing import Line, Mode, check_recordable, is_open, write_lines
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import User
from scheduling.models import Booking, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEntry(Told):
    """One patient's line of a day sheet, by the patient's public id.

    `versions` are those of the records of the day, by booking; a booking that is not among them,
    or with None, is expected to be unrecorded. What is left out stays, also for a session not
    recorded yet when those that are named agree on it. So a line whose answer was lost can be sent
    again as it was: it changes nothing.
    """

    patient: uuid.UUID
    versions: Mapping[uuid.UUID, int | None] = field(default_factory=dict)


Days = Mapping[uuid.UUID, Sequence[Booking]]
"""The bookings of the day by patient, in order of time."""


@service
def record_day(
    *,
    sessions: Collection[Session],
    entries: Sequence[DayEntry] = (),
    by: User | Job,
    all_present: bool = False,
    mode: Mode = "all",
    source: str = AttendanceRecord.Source.API,
    now: datetime.datetime | None = None,
) -> RosterResult:
    """Record sessions of one group and local date, at least one, in one transaction.

    The rules of `record_roster` hold. Whoever may write only some of the day's sessions gives only
    those: no other is touched. Open from 30 minutes before the first of them; a later one is left
    unrecorded until it is open, for who will come is not known, unless a departure before it says
    that the patient is gone. A conflict counts
    for the patient: none of their sessions is saved. Someone present is not taken to have come to
    a session they gave notice of, unless to all of them; and `all_present` assumes nobody present
    against what is recorded of the day already (absent, or gone). Raises Refused
    `session_cancelled` when none of the sessions takes place, and what `record_roster` raises.
    """
    held = [session for session in sessions if session.state != Session.State.CANCELLED]
    if not held:
        raise _nothing_held()
    sheet = locked_sheet([session.pk for session in held])
    now = now or timezone.now()
    _drop_cancelled_and_moved(sheet, held[0].local_date)
    check_recordable(sheet, now)
    days = _days(sheet)
    lines, conflicts = _lines(sheet, days, entries, now)
    if all_present:
        lines += _assumed_present(sheet, days, {entry.patient for entry in entries})
    known = [line for line in lines if _may_be_known(sheet, line, now)]
    conflicts += _too_early(entries, lines, known)
    return write_lines(sheet, known, conflicts, by=by, mode=mode, source=source, now=now)


def _may_be_known(sheet: Sheet, line: Line, now: datetime.datetime) -> bool:
    """Of a session that is open or recorded, or of one after the told departure."""
    session, gone = sheet.sessions[line.booking.session_id], line.told.left_at
    if isinstance(gone, datetime.datetime) and gone <= session.starts_at:
        return True
    recorded = sheet.record_of(line.booking) is not None or line.version is not None
    return recorded or is_open(session, now)


def _too_early(
    entries: Sequence[DayEntry], lines: Iterable[Line], known: Iterable[Line]
) -> list[Conflict]:
    """Entries of which nothing at all may be known yet."""
    left_out = {line.index for line in lines} - {line.index for line in known} - {None}
    message = "None of the patient's sessions has begun."
    return [
        Conflict(index, None, "session_in_future", message, "patient", entry)
        for index, entry in enumerate(entries)
        if index in left_out
    ]


def _nothing_held() -> Refused:
    return Refused(
        "session_cancelled", "None of the day's sessions takes place: there is nothing to record."
    )


def _drop_cancelled_and_moved(sheet: Sheet, day: datetime.date) -> None:
    """A session cancelled or moved between the look and the lock is no longer of the day."""
    sheet.sessions = {
        pk: session
        for pk, session in sheet.sessions.items()
        if session.state != Session.State.CANCELLED and session.local_date == day
    }
    sheet.bookings = [b for b in sheet.bookings if b.session_id in sheet.sessions]
    if not sheet.sessions:
        raise _nothing_held()


def _days(sheet: Sheet) -> Days:
    days: defaultdict[uuid.UUID, list[Booking]] = defaultdict(list)
    for booking in sheet.bookings:
        days[booking.patient.public_id].append(booking)
    return days


def _lines(
    sheet: Sheet, days: Days, entries: Sequence[DayEntry], now: datetime.datetime
) -> tuple[list[Line], list[Conflict]]:
    """Each patient's entry once for every session it speaks of."""
    times = Counter(entry.patient for entry in entries)
    lines: list[Line] = []
    conflicts: list[Conflict] = []
    for index, entry in enumerate(entries):
        if entry.patient not in days:
            message = "This patient is not expected on this day."
            conflicts.append(Conflict(index, None, "unknown_booking", message, "patient", entry))
        elif times[entry.patient] > 1:
            message = "This patient stands twice in the same request."
            conflicts.append(Conflict(index, None, "duplicate_record", message, "patient", entry))
        elif strange := entry.versions.keys() - {b.public_id for b in days[entry.patient]}:
            conflicts.append(_strange(index, min(strange), entry))
        else:
            lines += _lines_of(sheet, index, entry, days[entry.patient], now)
    return lines, conflicts


def _strange(index: int, booking: uuid.UUID, entry: DayEntry) -> Conflict:
    message = "A version is of a booking that the patient does not have on this day."
    return Conflict(index, booking, "unknown_booking", message, "versions", entry)


def _lines_of(
    sheet: Sheet, index: int, entry: DayEntry, day: Sequence[Booking], now: datetime.datetime
) -> list[Line]:
    named = [b for b in day if entry.versions.get(b.public_id) is not None]
    known = _known(_records(sheet, named), entry)
    lines = []
    for booking in _spoken_of(sheet, entry, day):
        told: Told = entry
        version = entry.versions.get(booking.public_id)
        if version is not None and _says_nothing_new(sheet, booking, entry, now):
            told = Told(attended=UNSET)
        elif version is None and not _stands_as_told(sheet, booking, entry):
            # Of a session unrecorded as yet, or at the first sending of this same entry.
            told = _as_known(entry, known)
        lines.append(Line(index, booking, told, version, sent=entry))
    return lines


def _records(sheet: Sheet, bookings: Iterable[Booking]) -> list[AttendanceRecord]:
    return [record for booking in bookings if (record := sheet.record_of(booking))]


def _stands_as_told(sheet: Sheet, booking: Booking, entry: DayEntry) -> bool:
    """Whether the record is what a first recording makes of the entry alone."""
    record = sheet.record_of(booking)
    return record is not None and proposed_facts(entry, booking, None) == stored_facts(record)


def _spoken_of(sheet: Sheet, entry: DayEntry, day: Sequence[Booking]) -> Sequence[Booking]:
    """Without the sessions that someone who is present gave notice of.

    They stay as they are, for their own rosters to tell. Who gave notice of the whole day and came
    nevertheless came to all of it.
    """
    if not entry.attended or all(b.state == Booking.State.RELEASED for b in day):
        return day
    return [b for b in day if b.state == Booking.State.BOOKED or _attended(sheet, b)]


def _attended(sheet: Sheet, booking: Booking) -> bool:
    record = sheet.record_of(booking)
    return record is not None and record.attended


def _known(records: Sequence[AttendanceRecord], told: Told) -> dict[str, Any] | None:
    """What records of a patient's day with this answer say of all that is left untold.

    None without any, or where they differ.
    """
    untold = [name for name in FACTS if getattr(told, name) is UNSET]
    if told.excused_override is not UNSET:
        untold = [name for name in untold if name != "override_reason"]  # the correction's own
    facts = [{name: getattr(record, name) for name in untold} for record in records]
    same = all(record.attended == told.attended for record in records)
    return facts[0] if facts and same and all(one == facts[0] for one in facts) else None


def _as_known(told: Told, known: Mapping[str, Any] | None) -> Told:
    """What is told of a session not recorded yet: the rest as the others of the day have it."""
    if known is None:
        return told
    rest = dict(known)
    if "away" in rest:
        rest["away"] = [(span.start, span.end) for span in spans(rest["away"])]
    return replace(told, **rest)


def _says_nothing_new(
    sheet: Sheet, booking: Booking, entry: DayEntry, now: datetime.datetime
) -> bool:
    """Whether a signed session stays signed: gone at noon changes nothing of what ended at ten."""
    session, record = sheet.sessions[booking.session_id], sheet.record_of(booking)
    if session.signed_at is None or record is None:
        return False
    if record.version != entry.versions.get(booking.public_id):
        return False
    stored = stored_facts(record)
    facts = proposed_facts(entry, booking, stored)
    if not set(changed_fields(facts, stored)) <= {"arrived_at", "left_at", "away"}:
        return False
    if not facts["attended"] or fault_of(facts, entry, session, now) is not None:
        return False
    inside = session_facts(booking.session)
    before, after = attendance_facts(record), attendance_facts(AttendanceRecord(**facts))
    same_time = time_inside(inside, before) == time_inside(inside, after)
    return same_time and labels(inside, before, sheet.policy) == labels(inside, after, sheet.policy)


def _assumed_present(sheet: Sheet, days: Days, named: Collection[uuid.UUID]) -> list[Line]:
    """Lines for whoever is booked, unrecorded and not named.

    Somebody recorded as absent, or as gone at different times, is for a person to tell. A
    departure that all records of the day agree on holds for the sessions after it.
    """
    lines: list[Line] = []
    for patient, day in days.items():
        records, present = _records(sheet, day), Told(attended=True)
        known = _known(records, present)
        stayed = all(record.attended and record.left_at is None for record in records)
        if patient in named or not (stayed or known):
            continue
        told = _as_known(present, known)
        lines += [
            Line(None, booking, told)
            for booking in day
            if booking.state == Booking.State.BOOKED and sheet.record_of(booking) is None
        ]
    return lines
