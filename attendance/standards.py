"""Entering, replacing and ending the standards that weeks are judged by (R1-R6).

A standard is never changed. Another version begins on the first day of one of its weeks, after the
last week that was judged, and the one before ends on the eve: so no week is left without, and what
was judged keeps the version it was judged by.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from attendance.models import Standard, WeekResult
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check
from iop_clinic.accounts.models import Clinic, User, Weekday
from iop_clinic.accounts.weeks import Week, long_date, week_of
from scheduling.locks import lock

_DAY = datetime.timedelta(days=1)
SUBJECT = ("kind", "source", "program_id", "payer_id", "level", "age_bracket")
"""Whom a standard judges, and for whom: another version of it has the same."""
FIGURES = (
    *("name", "min_minutes", "max_minutes", "day_threshold", "min_days", "services_per_day"),
    *("basis", "counted_types", "week_starts_on", "prorate"),
)
"""What another version may have differently."""


@service
def add_standard(
    *,
    clinic: Clinic,
    starts_on: datetime.date,
    by: User | Job,
    ends_on: datetime.date | None = None,
    **facts: Any,
) -> Standard:
    """Judge by one more standard from a local date on; `facts` are fields of Standard.

    Raises Refused `not_week_start`, `not_week_end` or `weeks_judged` with the nearest `dates` that
    would do, `standard_overlap`, or what is wrong with a figure.
    """
    row = Standard(clinic=clinic, starts_on=starts_on, ends_on=ends_on, **facts)
    lock(clinics=[clinic.pk])
    _refuse_dates(row)
    check(row)
    row.save()
    return row


@service
def replace_standard(
    *,
    standard: Standard,
    starts_on: datetime.date,
    by: User | Job,
    ends_on: datetime.date | None = None,
    **figures: Any,
) -> Standard:
    """Another version of a standard from a local date on; the one in force ends on the eve.

    `figures` are those that change (see FIGURES). Raises what `add_standard` raises, `before_start`
    or `standard_ended` when this version is not in force on the eve, and `week_start_differs`, for
    then days would lie between the two that nobody judges.
    """
    if unknown := sorted(figures.keys() - set(FIGURES)):
        raise TypeError(f"another version of a standard cannot change {', '.join(unknown)}")
    lock(clinics=[standard.clinic_id])
    standard.refresh_from_db()
    same = {name: getattr(standard, name) for name in (*SUBJECT, *FIGURES)}
    row = Standard(
        clinic=standard.clinic, starts_on=starts_on, ends_on=ends_on, **{**same, **figures}
    )
    _refuse_succession(standard, row)
    _refuse_dates(row)
    with transaction.atomic():  # a refusal leaves the one in force as it was, in any caller
        standard.ends_on = starts_on - _DAY
        standard.save(update_fields=["ends_on"])
        check(row)
        row.save()
    return row


@service
def end_standard(*, standard: Standard, ends_on: datetime.date | None, by: User | Job) -> Standard:
    """Give a standard another last day, or None: until the next version.

    Raises Refused `not_week_end`, `weeks_judged` when a week would be judged otherwise than it
    was, or `standard_overlap`.
    """
    lock(clinics=[standard.clinic_id])
    standard.refresh_from_db()
    if ends_on == standard.ends_on:
        return standard
    first = min(day for day in (ends_on, standard.ends_on) if day is not None) + _DAY
    standard.ends_on = ends_on
    _refuse_end(standard)
    _refuse_judged(standard, first, field="ends_on")
    check(standard)
    standard.save(update_fields=["ends_on"])
    return standard


def last_day_judged(row: Standard) -> datetime.date | None:
    """The last day of the weeks judged by standards of this source, level and bracket.

    The first one of its kind begins after whatever was judged: weeks of the past stay as they are.
    """
    results = WeekResult.objects.in_clinic(row.clinic_id)
    kin = results.filter(
        standard__source=row.source,
        standard__level=row.level,
        standard__age_bracket=row.age_bracket,
    )
    last = kin.aggregate(last=Max("segment_ends_on"))["last"]
    return last or results.aggregate(last=Max("segment_ends_on"))["last"]


# --- dates that would do --------------------------------------------------------------------------


def _refuse_dates(row: Standard) -> None:
    if row.week_starts_on not in Weekday.values:
        return  # told with the other fields
    last = last_day_judged(row)
    if last is not None and row.starts_on <= last:
        earliest = _first_week_after(row, last).start
        raise Refused(
            "weeks_judged",
            f"Weeks up to {long_date(last)} have been judged. "
            f"Start on {long_date(earliest)} or later.",
            field="starts_on",
            dates=[earliest],
        )
    week = _week(row, row.starts_on)
    if week.start != row.starts_on:
        near = [day for day in (week.start, week.shifted(1).start) if last is None or day > last]
        raise Refused(
            "not_week_start",
            f"Its weeks begin on {_weekday(row)}: start on {_either(near)}.",
            field="starts_on",
            dates=near,
        )
    _refuse_end(row)


def _refuse_end(row: Standard) -> None:
    if row.ends_on is None or row.ends_on < row.starts_on:
        return  # no end, or an order that is told with the other fields
    week = _week(row, row.ends_on)
    if week.end != row.ends_on:
        near = [day for day in (week.shifted(-1).end, week.end) if day >= row.starts_on]
        raise Refused(
            "not_week_end",
            f"Nobody would judge the rest of that week: end it on {_either(near)}.",
            field="ends_on",
            dates=near,
        )


def _refuse_judged(row: Standard, first: datetime.date, *, field: str) -> None:
    """Refuse a change of what judges a day on or after `first` when it has been judged."""
    last = last_day_judged(row)
    if last is not None and first <= last:
        earliest = _week(row, last).end
        raise Refused(
            "weeks_judged",
            f"Weeks up to {long_date(last)} have been judged. "
            f"End it on {long_date(earliest)} or later.",
            field=field,
            dates=[earliest],
        )


def _refuse_succession(before: Standard, row: Standard) -> None:
    if row.week_starts_on != before.week_starts_on:
        raise Refused(
            "week_start_differs",
            f"“{before.name}” judges weeks from {_weekday(before)} on. To judge other weeks, end "
            "it first and add the new standard: the days between belong to neither.",
            field="week_starts_on",
        )
    if row.starts_on <= before.starts_on:
        earliest = _first_week_after(row, before.starts_on).start
        raise Refused(
            "before_start",
            f"“{before.name}” itself begins on {before.starts_on:%b %-d, %Y}. "
            f"Start on {long_date(earliest)} or later.",
            field="starts_on",
            dates=[earliest],
        )
    if before.ends_on is not None and before.ends_on < row.starts_on - _DAY:
        raise Refused(
            "standard_ended",
            f"“{before.name}” ends on {long_date(before.ends_on)}. "
            f"Start on {long_date(before.ends_on + _DAY)}, or add a standard of its own.",
            field="starts_on",
            dates=[before.ends_on + _DAY],
        )


def _week(row: Standard, day: datetime.date) -> Week:
    return week_of(day, week_start=row.week_starts_on)


def _first_week_after(row: Standard, day: datetime.date) -> Week:
    week = _week(row, day)
    return week.shifted(1)


def _weekday(row: Standard) -> str:
    return str(Weekday(row.week_starts_on).label)


def _either(days: list[datetime.date]) -> str:
    return " or ".join(long_date(day) for day in days)
