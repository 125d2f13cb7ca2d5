"""How a line becomes a record: judged against what is stored, saved, and its day judged again.

Roster, day sheet and single corrections take the same steps.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from django.db.models import F

from attendance.models import AttendanceRecord
from attendance.records.entries import (
    EARLY,
    FACTS,
    UNSET,
    Conflict,
    RosterRefused,
    RosterResult,
    Told,
    changed_fields,
    fault_of,
    not_yet,
    only_fills,
    proposed_facts,
    stored_facts,
)
from attendance.records.paper import kept_source
from attendance.records.roster import rows_of
from attendance.records.sheet import Sheet, recorded_by
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import User
from scheduling.models import Booking, Session

Mode = Literal["all", "partial"]


@dataclass(frozen=True, slots=True)
class Line:
    """One entry on its way into the sheet: the booking it is about and what is told of it.

    `index` is the entry's place in the request, `sent` the entry if more or less is told of this
    booking; both are None for those that all_present adds.
    """

    index: int | None
    booking: Booking
    told: Told
    version: int | None = None
    sent: Told | None = None


STALE = "Someone recorded this in the meantime. Look at it again."
REASON = "Say why a recorded value is changed."
_SIGNED = "The roster is signed: a change needs a correction reason and reopens it."


def check_recordable(
    sheet: Sheet, now: datetime.datetime, bookings: Sequence[Booking] = ()
) -> None:
    """Raise Refused unless attendance may be recorded: from 30 minutes before the first start.

    What is recorded of these bookings already may be corrected at any time.
    """
    first = min(sheet.sessions.values(), key=lambda session: session.starts_at)
    recorded = bool(bookings) and all(sheet.record_of(booking) for booking in bookings)
    check_held(first, first.starts_at if recorded else now, early=EARLY)


def is_open(session: Session, now: datetime.datetime) -> bool:
    """Whether who comes to a session may be known: 30 minutes before it."""
    return now >= session.starts_at - EARLY


def _opened_at(sheet: Sheet) -> datetime.datetime:
    return min(session.starts_at for session in sheet.sessions.values()) - EARLY


def _end(sheet: Sheet) -> datetime.datetime:
    return max(session.ends_at for session in sheet.sessions.values())


def check_held(session: Session, now: datetime.datetime, *, early: datetime.timedelta) -> None:
    if session.state == Session.State.CANCELLED:
        raise Refused("session_cancelled", "The session is cancelled: there is nothing to record.")
    if now < session.starts_at - early:
        raise Refused("session_in_future", "The session has not begun. Record it once it has.")


def write_lines(
    sheet: Sheet,
    lines: Sequence[Line],
    conflicts: Sequence[Conflict],
    *,
    by: User | Job,
    mode: Mode = "all",
    source: str = AttendanceRecord.Source.API,
    now: datetime.datetime,
) -> RosterResult:
    """Judge each line against what is stored, then save the good ones (see `record_roster`)."""
    found = list(conflicts)
    writes: list[tuple[Line, dict[str, Any]]] = []
    unchanged: list[Line] = []
    for line in lines:
        outcome = _judge(sheet, line, now)
        if isinstance(outcome, Conflict):
            found.append(outcome)
        elif outcome is None:
            unchanged.append(line)
        else:
            writes.append((line, outcome))
    if found and mode == "all":
        raise RosterRefused(_with_current_state(sheet, found, now))
    # A day sheet's entry is several lines: one conflict holds all of them back.
    refused = {conflict.index for conflict in found if conflict.index is not None}
    writes = [(line, facts) for line, facts in writes if line.index not in refused]
    opened_at = _opened_at(sheet)
    saved = []
    for line, facts in writes:
        kept = kept_source(getattr(line.booking, "attendance", None), source, by)
        signature = _signature(line.told, opened_at, now, by=by, source=kept)
        saved.append(sheet.put(line.booking, facts | signature))
    finish(sheet, [line.booking for line, _ in writes], by=by, now=now)
    same = sum(line.index not in refused for line in unchanged)
    return RosterResult(tuple(saved), same, tuple(_with_current_state(sheet, found, now)))


def unknown_booking(index: int, booking: Any, sent: Told) -> Conflict:
    message = "This booking is not on the session's roster."
    return Conflict(index, booking, "unknown_booking", message, "booking", sent)


def _judge(sheet: Sheet, line: Line, now: datetime.datetime) -> dict[str, Any] | Conflict | None:
    """The facts to write for one line, None when they are stored already, or its conflict."""
    record = sheet.record_of(line.booking)
    if record is None and (line.version is not None or line.told.attended is UNSET):
        return _conflict(line, "stale_version", "Nothing is recorded for this patient.")
    stored = stored_facts(record) if record else None
    builds_on = stored if line.version is not None else None
    facts = proposed_facts(line.told, line.booking, builds_on)
    fault = fault_of(facts, line.told, sheet.sessions[line.booking.session_id], now)
    if fault is not None:
        return _conflict(line, fault.code, fault.message, fault.field)
    changed = changed_fields(facts, stored) if stored is not None else None
    if changed == []:
        return None
    fault = not_yet(facts, FACTS if changed is None else changed, now=now, end=_end(sheet))
    if fault is not None:
        return _conflict(line, fault.code, fault.message, fault.field)
    if record is not None and record.version != line.version:
        return _conflict(line, "stale_version", STALE)
    if line.told.correction_reason.strip():
        return facts
    if sheet.sessions[line.booking.session_id].signed_at is not None:
        return _conflict(line, "roster_signed", _SIGNED, "correction_reason")
    if stored is not None and changed and not only_fills(changed, stored):
        return _conflict(line, "correction_reason_required", REASON, "correction_reason")
    return facts


def _conflict(line: Line, code: str, message: str, field: str = "") -> Conflict:
    sent = None if line.index is None else line.sent or line.told
    return Conflict(line.index, line.booking.public_id, code, message, field, sent)


def refuse(sheet: Sheet, line: Line, code: str, message: str, now: datetime.datetime) -> None:
    raise RosterRefused(_with_current_state(sheet, [_conflict(line, code, message)], now))


def _with_current_state(
    sheet: Sheet, conflicts: Iterable[Conflict], now: datetime.datetime
) -> list[Conflict]:
    found = sorted(conflicts, key=lambda c: (c.index is None, c.index or 0))
    if not found:
        return found
    rows = {row.booking: row for row in rows_of(sheet.sessions.values(), now=now)}
    return [replace(c, current=rows.get(c.booking) if c.booking else None) for c in found]


def _signature(
    told: Told,
    opened_at: datetime.datetime,
    now: datetime.datetime,
    *,
    by: User | Job,
    source: str,
) -> dict[str, Any]:
    """Who recorded it, when, and why it was changed.

    A device's clock that runs ahead or behind is cut: nobody records before the roster opens.
    """
    return {
        "correction_reason": told.correction_reason,
        "recorded_at": min(max(told.recorded_at or now, opened_at), now),
        "recorded_by": recorded_by(by),
        "source": source,
    }


def finish(
    sheet: Sheet, bookings: Collection[Booking], *, by: User | Job, now: datetime.datetime
) -> None:
    """Save, reopen the signed rosters that changed, and judge again a day that was judged before.

    The night to come judges a day that is recorded in time. One that was judged without its roster,
    or with another, must not wait: the call it owes is a day late, and a report already sent would
    go on being believed.
    """
    if not bookings:
        return
    sheet.save()
    signed = [
        pk
        for pk in {booking.session_id for booking in bookings}
        if sheet.sessions[pk].signed_at is not None
    ]
    if signed:
        Session.objects.filter(pk__in=signed).update(
            signed_at=None, signed_by=None, version=F("version") + 1
        )
    if sheet.judged:
        judge_again(sheet, bookings, by=by, now=now)


def judge_again(
    sheet: Sheet, bookings: Collection[Booking], *, by: User | Job, now: datetime.datetime
) -> None:
    # Imported here: compliance stands on this room's rules and reads its records.
    from attendance.compliance.evaluation import reevaluate

    reevaluate(
        clinic=sheet.clinic,
        episode_ids={booking.episode_id for booking in bookings},
        by=by,
        now=now,
        since=sheet.local_date,
        rosters=sheet.sessions,
    )
