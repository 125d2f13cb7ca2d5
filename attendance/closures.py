"""The clinic, a room or a therapist away, where somebody may have attended already.

The floor below carries out what was decided for each session. Here it is refused where a record
says what happened, and the weeks that it changes are judged again, in the same transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import F, Q

from attendance.models import AttendanceRecord
from attendance.sessions import judge_sessions
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.weeks import long_moment
from scheduling import services as calendar
from scheduling.models import Closure, Decision, Session, TimeOff
from scheduling.services import affected_sessions
from scheduling.services.deciding import (
    NAMED,
    Cause,
    Choice,
    Decided,
    errors_of,
    key_of,
    usual_decisions,
)

Moment = datetime.datetime | None
PRESENT = "Patients are recorded as present. Clear or correct the records, or keep it."
RECORDED = "Attendance is recorded already. Clear the records first, or keep it."
CHANGES_WEEKS = (Choice.CANCELLED, Choice.MOVED, Choice.COMBINED)


@service
def close(
    *,
    clinic: Clinic,
    by: User | Job,
    decided: Sequence[Decided] | None = None,
    now: Moment = None,
    **facts: Any,
) -> Closure:
    """Close the clinic or a room (see `scheduling.services.add_closure`).

    Hours of a session that is cancelled would vanish without a correction, and a record says when
    it happened. What is cancelled, moved or combined in weeks that have begun is judged again:
    nobody need call because of a snow day entered the morning after (R24). Raises what
    `add_closure` raises, or Refused `attendance_recorded` with the sessions in its `errors`.
    """
    draft = Closure(clinic=clinic, **facts)
    _refuse_recorded(
        usual_decisions(draft, affected_sessions(draft)) if decided is None else _elsewhere(decided)
    )
    closure = calendar.add_closure(clinic=clinic, decided=decided, by=by, **facts)
    _follow(closure, by=by, now=now)
    return closure


@service
def add_time_off(
    *,
    therapist: Therapist,
    by: User | Job,
    decided: Sequence[Decided] | None = None,
    now: Moment = None,
    **facts: Any,
) -> TimeOff:
    """A therapist is away (see `scheduling.services.add_time_off`); refused and judged as above."""
    _refuse_recorded(_elsewhere(decided or ()))
    time_off = calendar.add_time_off(therapist=therapist, decided=decided, by=by, **facts)
    _follow(time_off, by=by, now=now)
    return time_off


@service
def take_back_closure(*, closure: Closure, by: User | Job, now: Moment = None) -> calendar.Undone:
    """The clinic is open after all (see `scheduling.services.take_back_closure`).

    Whatever is recorded where a session was put stays there.
    """
    return _take_back(closure, calendar.take_back_closure, {"closure": closure}, by=by, now=now)


@service
def take_back_time_off(*, time_off: TimeOff, by: User | Job, now: Moment = None) -> calendar.Undone:
    """The therapist works after all (see `scheduling.services.take_back_time_off`)."""
    row = {"time_off": time_off}
    return _take_back(time_off, calendar.take_back_time_off, row, by=by, now=now)


def _follow(cause: Cause, *, by: User | Job, now: Moment) -> None:
    decisions = _changing(cause)
    _refuse_recorded([_as_decided(one) for one in decisions])  # locked: nobody records it now
    days = [one.was_local_date for one in decisions]
    sessions = _touched(decisions)
    judge_sessions(cause.clinic, sessions, by=by, now=now, before=min(days, default=None))


def _take_back(
    cause: Cause,
    write: Callable[..., calendar.Undone],
    row: dict[str, Any],
    *,
    by: User | Job,
    now: Moment,
) -> calendar.Undone:
    calendar.lock_decided(cause)
    decisions = _changing(cause)
    touched = _touched(decisions)
    ids = list(touched.values_list("pk", flat=True))
    records = AttendanceRecord.objects.filter(
        Q(booking__session__in=ids) | Q(booking__session__decisions__in=_all(cause))
    )
    days = [one.session.local_date for one in decisions]
    done = write(**row, recorded=set(records.values_list("booking", flat=True)), by=by)
    judged = Session.objects.filter(pk__in={*ids, *(one.pk for one in done.back)})
    judge_sessions(cause.clinic, judged, by=by, now=now, before=min(days, default=None))
    return done


def _all(cause: Cause) -> Any:
    return Decision.objects.filter(clinic=cause.clinic_id, **key_of(cause))


def _changing(cause: Cause) -> list[Decision]:
    """What was decided that changes somebody's week."""
    rows = _all(cause).filter(choice__in=CHANGES_WEEKS)
    rows = rows.exclude(to_starts_at=F("was_starts_at"), to_ends_at=F("was_ends_at"))
    return list(rows.select_related("session__group", "session__session_type").order_by("pk"))


def _touched(decisions: Sequence[Decision]) -> Any:
    """Their sessions, and those that they joined."""
    joined = {one.into_id for one in decisions if one.into_id}
    return Session.objects.filter(pk__in={*(one.session_id for one in decisions), *joined})


def _elsewhere(decided: Sequence[Decided]) -> list[Decided]:
    """Without those that change their room alone."""
    return [
        one
        for one in decided
        if (one.starts_at, one.ends_at) != (one.session.starts_at, one.session.ends_at)
    ]


def _as_decided(one: Decision) -> Decided:
    return Decided(one.session, Choice(one.choice), one.to_starts_at, one.to_ends_at)


def _refuse_recorded(decided: Sequence[Decided]) -> None:
    """Told before anything is written, for a trigger would stop it without naming the session."""
    recorded, present = records_in([one.session for one in decided if one.choice in CHANGES_WEEKS])
    refused = []
    for one in decided:
        if one.choice == Choice.CANCELLED and one.session.pk in present:
            refused.append((one.session, PRESENT))
        elif one.choice in (Choice.MOVED, Choice.COMBINED) and one.session.pk in recorded:
            refused.append((one.session, RECORDED))
    if refused:
        raise _refusal(refused)


def records_in(sessions: Sequence[Session]) -> tuple[set[int], set[int]]:
    """The sessions, by key, in which anything is recorded, and in which somebody was present."""
    records = AttendanceRecord.objects.filter(booking__session__in=sessions)
    found = list(records.values_list("booking__session", "attended"))
    return {key for key, _ in found}, {key for key, came in found if came}


def _refusal(refused: Sequence[tuple[Session, str]]) -> Refused:
    named = [
        f"{session.title} on {long_moment(session.starts_at.astimezone(session.tz))}"
        for session, _ in refused[:NAMED]
    ]
    more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
    found = [
        (session, Refused("attendance_recorded", message, field="choice"))
        for session, message in refused
    ]
    return Refused(
        "attendance_recorded",
        f"Patients are recorded as present: {'; '.join(named)}{more}. Clear or correct the records "
        "first, or close another time.",
        errors=errors_of(found),
    )
