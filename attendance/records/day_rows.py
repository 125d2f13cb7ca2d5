"""The day sheet as people see it: one line a patient, over the rosters of a group's day."""

from __future__ import annotations

import datetime
import uuid
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from attendance.records.facts import session_facts
from attendance.records.roster import RosterRow, rows_of
from attendance.records.rules import AttendanceFacts, CreditPolicy, Interval, Status, time_inside
from scheduling.models import Session


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What is told of a patient's day in one line; `attended` is None while nothing is."""

    attended: bool | None
    arrived_at: datetime.datetime | None
    left_at: datetime.datetime | None
    away: tuple[Interval, ...]
    notified_at: datetime.datetime | None
    absence_reason: str
    proof: str
    excused_override: bool | None


@dataclass(frozen=True, slots=True)
class DayRow:
    """One patient's line. `facts` is None where no line says what every record of the day says."""

    patient: uuid.UUID
    patient_name: str
    patient_short_name: str
    episode_id: int
    bookings: tuple[RosterRow, ...]
    facts: DayFacts | None


def day_rows(
    sessions: Collection[Session],
    *,
    now: datetime.datetime | None = None,
    policy: CreditPolicy | None = None,
) -> list[DayRow]:
    """Everybody expected at these sessions of one group's day, by first session and seat.

    Sessions that were cancelled have no part in it. One statement,
    and one more without the day's credit policy; reads `session.session_type`.
    """
    held = {s.public_id: s for s in sessions if s.state != Session.State.CANCELLED}
    if not held:
        return []
    lines: defaultdict[uuid.UUID, list[RosterRow]] = defaultdict(list)
    for row in rows_of(held.values(), now=now, policy=policy):
        lines[row.patient].append(row)
    return [_day_row(rows, held) for rows in lines.values()]


def _day_row(rows: list[RosterRow], sessions: dict[uuid.UUID, Session]) -> DayRow:
    return DayRow(
        patient=rows[0].patient,
        patient_name=rows[0].patient_name,
        patient_short_name=rows[0].patient_short_name,
        episode_id=rows[0].episode_id,
        bookings=tuple(rows),
        facts=_in_one_line(rows, sessions),
    )


def _in_one_line(rows: list[RosterRow], sessions: dict[uuid.UUID, Session]) -> DayFacts | None:
    """The last session's facts, if every other says the same of the time it lasts.

    A session signed before the departure was told does not know of it, nor does it matter there.
    """
    line = _facts(rows[-1])
    for row in rows:
        own = _facts(row)
        if own == line:
            continue
        if _of_absence(own) != _of_absence(line):
            return None
        session = sessions[row.session]
        if _presence(own, session) != _presence(line, session):
            return None
    return line


def _facts(row: RosterRow) -> DayFacts:
    return DayFacts(
        attended=None if row.status == Status.UNRECORDED else row.status == Status.PRESENT,
        arrived_at=row.arrived_at,
        left_at=row.left_at,
        away=row.away,
        notified_at=row.notified_at,
        absence_reason=row.absence_reason,
        proof=row.proof,
        excused_override=row.excused_override,
    )


def _of_absence(facts: DayFacts) -> tuple[object, ...]:
    told = (facts.notified_at, facts.absence_reason, facts.proof, facts.excused_override)
    return (facts.attended, *told)


def _presence(facts: DayFacts, session: Session) -> tuple[Interval, ...]:
    told = AttendanceFacts(
        attended=bool(facts.attended),
        arrived_at=facts.arrived_at,
        left_at=facts.left_at,
        away=facts.away,
    )
    return time_inside(session_facts(session), told)
