"""A clinic's time zone changed, above the sessions that somebody has recorded already."""

from __future__ import annotations

from django.db import transaction

from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import long_date
from scheduling import services as calendar


@service
def change_zone(*, clinic: Clinic, zone: str, by: User | Job) -> calendar.Rezoned:
    """Put a clinic into another zone (see `scheduling.services.change_zone`).

    No local date changes, so that no week is judged again. Raises what that raises, or Refused
    `attendance_recorded` with `dates` and `bookings`: a record says what happened at the time of
    the session.
    """
    found = calendar.change_zone(clinic=clinic, zone=zone, by=by)
    records = AttendanceRecord.objects.filter(booking__session__in=found.moved)
    recorded = dict(records.values_list("booking", "booking__session__local_date"))
    if recorded:
        dates = sorted(set(recorded.values()))
        days = ", ".join(map(long_date, dates))
        message = f"Attendance is recorded for sessions to come on {days}. Clear these first."
        raise Refused("attendance_recorded", message, dates=dates, bookings=list(recorded))
    return found


@service
def preview_zone(*, clinic: Clinic, zone: str, by: User | Job) -> calendar.Rezoned:
    """What `change_zone` would do. Raises what it raises; leaves nothing."""
    with transaction.atomic():
        found = change_zone(clinic=Clinic.objects.get(pk=clinic.pk), zone=zone, by=by)
        transaction.set_rollback(True)
    return found
