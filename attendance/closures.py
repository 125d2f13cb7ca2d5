"""Closing the clinic where somebody may have attended already, and judging those weeks again."""

from __future__ import annotations

import datetime
from typing import Any

from attendance.sessions import judge_sessions
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import long_moment
from scheduling.models import Closure, Room, Session
from scheduling.services import add_closure, affected_sessions

NAMED = 5
"""Sessions that a refusal names; of the others it tells how many there are."""


@service
def close(
    *,
    clinic: Clinic,
    starts_on: datetime.date,
    ends_on: datetime.date,
    reason: str,
    by: User | Job,
    from_time: datetime.time | None = None,
    to_time: datetime.time | None = None,
    room: Room | None = None,
    now: datetime.datetime | None = None,
) -> Closure:
    """Close the clinic or a room (see `add_closure`), unless somebody attended in that time.

    Hours of a session that is cancelled would vanish without a correction. What it cancels in weeks
    that have begun is judged again: nobody need call because of a snow day entered the morning
    after (R24). Raises what `add_closure` raises, or Refused `attendance_recorded` with the public
    ids of the `sessions`.
    """
    facts: dict[str, Any] = {
        "clinic": clinic,
        "starts_on": starts_on,
        "ends_on": ends_on,
        "from_time": from_time,
        "to_time": to_time,
        "room": room,
        "reason": reason,
    }
    refuse_attended(Closure(**facts))
    closure = add_closure(**facts, by=by)
    judge_sessions(clinic, Session.objects.filter(clinic=clinic, closure=closure), by=by, now=now)
    return closure


def refuse_attended(closure: Closure) -> None:
    """Refuse to close the clinic where somebody is recorded as present; a room loses no session."""
    if closure.room_id is not None:
        return
    held = Session.objects.filter(
        pk__in=[session.pk for session in affected_sessions(closure)],
        bookings__attendance__attended=True,
    )
    sessions = list(
        held.distinct().select_related("group", "session_type").order_by("starts_at", "pk")
    )
    if not sessions:
        return
    zone = closure.clinic.tz
    named = [
        f"{session.title} on {long_moment(session.starts_at.astimezone(zone))}"
        for session in sessions[:NAMED]
    ]
    more = f" and {len(sessions) - NAMED} more" if len(sessions) > NAMED else ""
    raise Refused(
        "attendance_recorded",
        f"Patients are recorded as present: {'; '.join(named)}{more}. Clear or correct the records "
        "first, or close another time.",
        sessions=[session.public_id for session in sessions],
    )
