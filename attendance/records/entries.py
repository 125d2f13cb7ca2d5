"""What someone wants to record, and how it compares with what is stored. No query, no write."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from attendance.models import AttendanceRecord
from attendance.models.records import AbsenceReason
from attendance.records.facts import stored_spans
from iop_clinic.accounts.acting import Refused
from scheduling.models import Booking, Session

if TYPE_CHECKING:
    from attendance.records.roster import RosterRow

EARLY = datetime.timedelta(minutes=30)
"""How long before the start a roster may be recorded."""
LONGEST_REASON = 200
TOO_LONG = f"Use at most {LONGEST_REASON} characters."
AROUND = datetime.timedelta(hours=12)
"""How far from the session a told time may lie; further away it is a typing mistake."""
CLOCK_AHEAD = datetime.timedelta(minutes=5)
"""How far a device's clock may run ahead when it says "just now"."""


class Unset(Enum):
    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""A field that an entry does not speak of; None means empty."""

Span = tuple[datetime.datetime, datetime.datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The facts an entry speaks of, as told. Times are aware instants."""

    attended: bool | Unset
    arrived_at: datetime.datetime | Unset | None = UNSET
    left_at: datetime.datetime | Unset | None = UNSET
    away: Sequence[Span] | Unset = UNSET
    notified_at: datetime.datetime | Unset | None = UNSET
    absence_reason: str | Unset = UNSET
    proof: str | Unset = UNSET
    excused_override: bool | Unset | None = UNSET
    override_reason: str | Unset = UNSET
    correction_reason: str = ""
    recorded_at: datetime.datetime | None = None

    def said(self) -> dict[str, Any]:
        """Every field that the entry speaks of, as it was told."""
        told = [(field, getattr(self, field.name)) for field in fields(self)]
        spoken_of = [(f, value) for f, value in told if value is not UNSET and value != f.default]
        return {field.name: value for field, value in spoken_of}

    def facts(self) -> dict[str, Any]:
        """The given facts by column, with times away as they are stored."""
        given = {name: getattr(self, name) for name in FACTS}
        given = {name: value for name, value in given.items() if value is not UNSET}
        if "away" in given:
            given["away"] = stored_spans(given["away"])
        return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Told):
    """One booking's line of a roster.

    Without a version it expects the booking unrecorded, and what it leaves out is empty; with the
    record's version it changes that record, and what it leaves out stays.
    """

    booking: uuid.UUID
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why one entry was not saved. `index` counts the entries from 0; None: from all_present.

    A person needs both versions to decide: the entry as it was `sent`, and the row as it is now.
    """

    index: int | None
    booking: uuid.UUID | None
    code: str
    message: str
    field: str = ""
    sent: Told | None = None
    current: RosterRow | None = None


@dataclass(frozen=True, slots=True)
class RosterResult:
    """What one request did: records written, entries that changed nothing, entries refused.

    Conflicts are possible in mode "partial" only; in mode "all" they are raised.
    """

    saved: tuple[AttendanceRecord, ...] = ()
    unchanged: int = 0
    conflicts: tuple[Conflict, ...] = ()


class RosterRefused(Refused):
    """Entries that conflict with what is stored or with each other; nothing was saved.

    `code` is the first conflict's; each of them stands in `conflicts`.
    """

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        first = conflicts[0]
        super().__init__(first.code, first.message, field=first.field, conflicts=tuple(conflicts))
        self.conflicts = tuple(conflicts)


FACTS = (
    "attended",
    "arrived_at",
    "left_at",
    "away",
    "notified_at",
    "absence_reason",
    "proof",
    "excused_override",
    "override_reason",
)
"""The columns that hold what was told; the rest of a record follows from them or describes them."""

_PRESENCE: dict[str, Any] = {"arrived_at": None, "left_at": None, "away": []}
_ABSENCE: dict[str, Any] = {
    "notified_at": None,
    "absence_reason": "",
    "proof": AttendanceRecord.Proof.NONE,
    "excused_override": None,
    "override_reason": "",
}
_EMPTY = {**_PRESENCE, **_ABSENCE}


def stored_facts(record: AttendanceRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in FACTS}


def proposed_facts(
    told: Told, booking: Booking, stored: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The facts as they would stand after the entry.

    `stored` are the facts it builds on, None for a first recording. When the answer to "attended"
    changes, what belonged to the other answer is dropped unless the entry says it again. An
    absence that the patient called in starts from the call-in's notice and reason.
    """
    given = told.facts()
    attended = given.get("attended", stored and stored["attended"])
    if stored is None:
        facts = _EMPTY | (called_in(booking) if not attended else {})
    elif attended == stored["attended"]:
        facts = dict(stored)
    else:
        facts = dict(stored) | (_ABSENCE if attended else _PRESENCE | called_in(booking))
    facts |= given
    return _with_override_reason(facts, told, stored)


def called_in(booking: Booking) -> dict[str, Any]:
    """What is known of an absence before anybody records it: the notice, and its reason."""
    call_in = booking.call_in
    if call_in is None:
        return {"notified_at": booking.released_at} if booking.released_at else {}
    reason = call_in.reason if call_in.reason in AbsenceReason.values else AbsenceReason.OTHER
    return {"notified_at": call_in.notified_at, "absence_reason": reason}


def _with_override_reason(
    facts: dict[str, Any], told: Told, stored: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Why staff overruled the excuse rule: its own field, or else the reason of the correction."""
    if facts["excused_override"] is None:
        return facts | {"override_reason": ""}
    was = stored["excused_override"] if stored else None
    if told.override_reason is UNSET and facts["excused_override"] != was:
        return facts | {"override_reason": told.correction_reason}
    return facts


def changed_fields(facts: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    return [name for name in FACTS if facts[name] != stored[name]]


def only_fills(changed: Iterable[str], stored: Mapping[str, Any]) -> bool:
    """Whether nothing that was told before is altered, such as a departure noted later."""
    return all(name != "attended" and stored[name] == _EMPTY[name] for name in changed)


# --- what can be wrong with an entry by itself ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    code: str
    message: str
    field: str = ""


def fault_of(
    facts: Mapping[str, Any], told: Told, session: Session, now: datetime.datetime
) -> Fault | None:
    """The first thing wrong with the facts at this session, or None."""
    return (
        _wrong_words(facts, told)
        or _wrong_presence(facts)
        or _wrong_times(facts, session)
        or _wrong_notice(facts, now)
    )


def _wrong_words(facts: Mapping[str, Any], told: Told) -> Fault | None:
    if facts["absence_reason"] and facts["absence_reason"] not in AbsenceReason.values:
        return Fault("unknown_reason", "This is not a reason the clinic knows.", "absence_reason")
    if facts["proof"] not in AttendanceRecord.Proof.values:
        return Fault("unknown_proof", "Proof is none, pending, accepted or rejected.", "proof")
    if facts["excused_override"] is not None and not facts["override_reason"].strip():
        return Fault("correction_reason_required", "Say why the rule is overruled.",
                     "excused_override")  # fmt: skip
    if max(len(told.correction_reason), len(facts["override_reason"])) > LONGEST_REASON:
        return Fault("too_long", TOO_LONG, "correction_reason")
    return None


def _wrong_presence(facts: Mapping[str, Any]) -> Fault | None:
    if facts["attended"]:
        return None
    named = next((name for name in _PRESENCE if facts[name]), None)
    if named is None:
        return None
    return Fault("absent_with_times", "An absent patient has no arrival or departure.", named)


def _wrong_times(facts: Mapping[str, Any], session: Session) -> Fault | None:
    first, last = session.starts_at - AROUND, session.ends_at + AROUND
    for name in ("arrived_at", "left_at"):
        if facts[name] and not first <= facts[name] <= last:
            return Fault("time_out_of_range", "This time is not on the day of the session.", name)
    if facts["arrived_at"] and facts["left_at"] and facts["left_at"] <= facts["arrived_at"]:
        return Fault("departure_before_arrival", "The departure must be after the arrival.",
                     "left_at")  # fmt: skip
    moments = [datetime.datetime.fromisoformat(moment) for pair in facts["away"] for moment in pair]
    if moments and not (first <= moments[0] and moments[-1] <= last):
        return Fault("time_out_of_range", "This time is not on the day of the session.", "away")
    pairs = [moments[n : n + 2] for n in range(0, len(moments), 2)]
    if any(end <= start for start, end in pairs) or moments != sorted(moments):
        return Fault("away_out_of_order", "Times away are pairs in order, one after the other.",
                     "away")  # fmt: skip
    return None


def not_yet(
    facts: Mapping[str, Any],
    names: Iterable[str],
    *,
    now: datetime.datetime,
    end: datetime.datetime,
) -> Fault | None:
    """The first of the named facts that cannot be known yet, or None.

    An arrival is noted when somebody is there, so the future holds none. A departure and time away
    may be announced, up to the `end` of what is recorded; after it they would mean nothing.
    """
    latest = now + CLOCK_AHEAD
    if "arrived_at" in names and facts["arrived_at"] and facts["arrived_at"] > latest:
        return Fault("time_in_future", "The arrival lies in the future.", "arrived_at")
    latest = max(latest, end)
    if "left_at" in names and facts["left_at"] and facts["left_at"] > latest:
        message = "The departure lies in the future and after the end."
        return Fault("time_in_future", message, "left_at")
    back = max((datetime.datetime.fromisoformat(pair[1]) for pair in facts["away"]), default=None)
    if "away" in names and back and back > latest:
        return Fault(
            "time_in_future", "The time away lies in the future and after the end.", "away"
        )
    return None


def _wrong_notice(facts: Mapping[str, Any], now: datetime.datetime) -> Fault | None:
    if facts["notified_at"] and facts["notified_at"] > now:
        return Fault("notified_in_future", "The notice lies in the future.", "notified_at")
    return None
