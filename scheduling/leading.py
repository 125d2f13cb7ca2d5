"""Who may lead a session: the one answer behind every door, from licenses and the session's type.

A type may list credentials, as licenses carry them. Its leader then holds a license of one of these
in the clinic's state, issued by the local date and not ended before it. A type that lists none is
led under any license that is valid there, and by staff for whom none is entered (peers, aides).

A co-facilitator needs no credential of the type: trainees co-lead under the supervision of the
facilitator, who is in the room and answers for the session. Asked of them is what a type without
credentials asks. Alone they do not cover a session whose type lists some (see `Cover`).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import License, Therapist
from iop_clinic.accounts.weeks import full_date, long_date
from scheduling.models import SessionType

LICENSE = "License: "
_DAY = datetime.timedelta(days=1)


def not_qualified(
    therapist: Therapist,
    licenses: Sequence[License],
    session_type: SessionType | None,
    state: str,
    day: datetime.date,
) -> str:
    """Why the holder of these licenses may not lead on a local date; empty when they may.

    `session_type` None asks what a type without credentials asks; `state` is the clinic's, empty
    for any.
    """
    fitting = _fitting(licenses, session_type, state)
    if any(_valid(one, day) for one in fitting):
        return ""
    if session_type is None or not session_type.credentials:
        elsewhere = any(_valid(one, day) for one in licenses)
        where = f" in {state.upper()}" if elsewhere else ""
        if not licenses:
            return ""
        return f"{LICENSE}none of {therapist.name} is valid{where} on {long_date(day)}"
    return f"{LICENSE}{_asks(session_type, state)}, and {_has(therapist, fitting, day)}"


def check_qualified(
    therapist: Therapist,
    licenses: Sequence[License],
    session_type: SessionType,
    state: str,
    day: datetime.date,
    *,
    field: str,
) -> None:
    """Refuse (`not_qualified`, at `field`) a leader who is not qualified on a local date."""
    trouble = not_qualified(therapist, licenses, session_type, state, day)
    if trouble:
        message = f"{trouble}. Choose somebody else, or enter the license first."
        raise Refused("not_qualified", message, field=field)


def licensed_until(
    licenses: Sequence[License], session_type: SessionType, state: str, day: datetime.date
) -> datetime.date | None:
    """The last date to which the licenses reach from `day` on without a gap; None: no end is known.

    The day before `day` where none is valid on it.
    """
    if not licenses and not session_type.credentials:
        return None
    last = day - _DAY
    for one in sorted(_fitting(licenses, session_type, state), key=lambda one: one.expires_on):
        if _valid(one, last + _DAY):
            last = one.expires_on
    return last


def lapse(
    therapist: Therapist,
    session_type: SessionType,
    *,
    first: datetime.date,
    last: datetime.date | None,
) -> str:
    """That a leader's license ends before what they are to lead from one local date to another
    (None: open) does; empty where it does not, or where they have none to begin with."""
    own = list(therapist.licenses.all())
    until = licensed_until(own, session_type, therapist.clinic.state, first)
    if until is None or until < first or (last is not None and last <= until):
        return ""
    since = full_date(until + _DAY)
    return f"From {since} on nobody is licensed: {therapist.name}’s license ends the day before."


def _fitting(
    licenses: Sequence[License], session_type: SessionType | None, state: str
) -> list[License]:
    """Those of the type's credentials and the clinic's state, whatever their dates."""
    asked = session_type.credentials if session_type else ()
    return [
        one
        for one in licenses
        if (not asked or one.credential.strip().upper() in asked)
        and (not state or one.state.upper() == state.upper())
    ]


def _valid(one: License, day: datetime.date) -> bool:
    return (one.issued_on or day) <= day <= one.expires_on


def _asks(session_type: SessionType, state: str) -> str:
    """ "Group therapy asks for LCSW or LPC in CT"."""
    where = f" in {state.upper()}" if state else ""
    return f"{session_type} asks for {' or '.join(session_type.credentials)}{where}"


def _has(therapist: Therapist, fitting: Sequence[License], day: datetime.date) -> str:
    """Which license has ended, or begins later; or that there is none of this kind."""
    if not fitting:
        return f"{therapist.name} has none"
    nearest = max(fitting, key=lambda one: (one.expires_on < day, one.expires_on))
    if nearest.expires_on < day:
        when = f"ended on {full_date(nearest.expires_on)}"
    else:
        when = f"is valid from {full_date(nearest.issued_on or day)}"
    return f"{therapist.name}’s {nearest.credential} {when}"
