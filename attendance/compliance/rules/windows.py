"""Days counted in a window: so many in so many dates, of the last so many, under a share (R18).

Every rule here has the same memory: it is reached on a day, and the next evidence comes only after
the count has been below the limit at the end of some date. Only attended and unexcused days are
seen where days are shared out; excused, pending, cancelled and unrecorded ones count nowhere.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import accumulate

from attendance.compliance.rules.absences import DayKind, Evidence, TreatmentDay, check_limit

LEAST_EXPECTED_DAYS = 6
"""A share of fewer days says nothing yet: two weeks of the usual three days."""

_DAY = timedelta(days=1)


def dates_of(days: Iterable[TreatmentDay], kind: DayKind) -> tuple[date, ...]:
    return tuple(day.local_date for day in days if day.kind == kind)


def late_dates(days: Iterable[TreatmentDay]) -> tuple[date, ...]:
    """Dates with a late arrival: several on one date are one."""
    return tuple(day.local_date for day in days if day.late)


def count_in_window(
    dates: Iterable[date], n: int, window_days: int, *, through: date
) -> tuple[Evidence, ...]:
    """Every time some dates, up to `through`, reached `n` within `window_days`, oldest first.

    The window is calendar dates, the last one included: 30 days to the 30th begin on the 1st.
    """
    check_limit(n)
    ordered = sorted(day for day in dates if day <= through)
    found: list[Evidence] = []
    for day in ordered:
        counted = _in_window(ordered, day, window_days)
        if len(counted) >= n and len(_in_window(ordered, day - _DAY, window_days)) < n:
            found.append(Evidence(day, counted))
    return _settled(found, holds=len(_in_window(ordered, through, window_days)) >= n)


def count_on(dates: Iterable[date], on: date, window_days: int) -> int:
    """How many of some dates lie in the window that ends with `on`."""
    return len(_in_window(sorted(dates), on, window_days))


def missed_of_last(days: Iterable[TreatmentDay], n: int, last: int) -> tuple[Evidence, ...]:
    """Every time `n` of the last `last` treatment days were missed unexcused, oldest first."""
    check_limit(n)
    loud = _loud(days)
    found: list[Evidence] = []
    below = True
    for position, day in enumerate(loud, start=1):
        window = loud[max(position - last, 0) : position]
        missed = dates_of(window, DayKind.MISSED_UNEXCUSED)
        if len(missed) >= n and below:
            found.append(Evidence(day.local_date, missed, expected=len(window)))
        below = len(missed) < n
    return _settled(found, holds=not below)


def share_in_window(
    days: Iterable[TreatmentDay],
    percent: int,
    window_days: int,
    *,
    through: date,
    least: int = LEAST_EXPECTED_DAYS,
) -> tuple[Evidence, ...]:
    """Every time less than `percent` of the days in a window of dates were attended.

    Reached only on an unexcused day, with at least `least` days to share out; a share that fell
    because an attended day slid out waits for the next unexcused day. Exactly `percent` is enough.
    """
    loud = [day for day in _loud(days) if day.local_date <= through]
    dates = [day.local_date for day in loud]
    missed_to = [0, *accumulate(day.kind == DayKind.MISSED_UNEXCUSED for day in loud)]
    found: list[Evidence] = []
    armed = True
    for end in _every_date(dates, through):
        first, last = bisect_right(dates, end - window_days * _DAY), bisect_right(dates, end)
        expected, missed = last - first, missed_to[last] - missed_to[first]
        if expected < least or (expected - missed) * 100 >= percent * expected:
            armed = True
        elif armed and missed_to[last] > missed_to[bisect_right(dates, end - _DAY)]:
            counted = dates_of(loud[first:last], DayKind.MISSED_UNEXCUSED)
            found.append(Evidence(end, counted, expected))
            armed = False
    return _settled(found, holds=not armed)


def _loud(days: Iterable[TreatmentDay]) -> list[TreatmentDay]:
    kinds = (DayKind.ATTENDED, DayKind.MISSED_UNEXCUSED)
    return sorted((d for d in days if d.kind in kinds), key=lambda d: d.local_date)


def _every_date(dates: Sequence[date], through: date) -> Iterable[date]:
    if dates:
        yield from (dates[0] + n * _DAY for n in range((through - dates[0]).days + 1))


def _in_window(ordered: Sequence[date], last: date, window_days: int) -> tuple[date, ...]:
    first = bisect_right(ordered, last - window_days * _DAY)
    return tuple(ordered[first : bisect_right(ordered, last)])


def _settled(found: Sequence[Evidence], *, holds: bool) -> tuple[Evidence, ...]:
    """All but the last have been below since, or there would be no later one."""
    past = [replace(one, holds=False) for one in found[:-1]]
    return (*past, *(replace(one, holds=holds) for one in found[-1:]))
