"""Since when something has been as it is, reckoned from dated rows and not from a history.

A case about a state needs a key that stays the same while the state lasts and is another the next
time. The first date of the present spell is that, and it can be reckoned again on any night.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, timedelta

from attendance.compliance.spans import Span

_DAY = timedelta(days=1)


def spell_start(
    stays: Collection[Span], day: date, *, holds: Callable[[int], bool], since: date = date.min
) -> date | None:
    """The first date of the spell that goes on on `day`: the number of stays has been as it
    `holds` on every date from then on. None when it does not hold on `day`; never before `since`.
    """
    if not holds(_count(stays, day)):
        return None
    changes = {stay.first for stay in stays} | {s.last + _DAY for s in stays if s.last is not None}
    for change in sorted((c for c in changes if since < c <= day), reverse=True):
        if not holds(_count(stays, change - _DAY)):
            return change
    return since


def _count(stays: Collection[Span], day: date) -> int:
    return sum(day in stay for stay in stays)
