"""A night over many clinics, against one bare aggregate over the same rows in the same run."""

from __future__ import annotations

import datetime
import resource
import statistics
import time
from collections.abc import Callable

from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.compliance.evaluation import evaluate
from iop_clinic.accounts.acting import acting
from iop_clinic.accounts.models import Clinic
from tests.bench.clinics import BENCH, build

BARE = """
SELECT b.clinic_id, b.episode_id, s.local_date, s.session_type_id,
       sum(a.attended_minutes), sum(a.credited_minutes)
FROM scheduling_booking b
JOIN scheduling_session s ON s.id = b.session_id
LEFT JOIN attendance_attendancerecord a ON a.booking_id = b.id
WHERE b.live AND b.state <> 'withdrawn'
GROUP BY b.clinic_id, b.episode_id, s.local_date, s.session_type_id
"""

# One patient-day in twenty loses its last half hour.
CHANGE = """
UPDATE attendance_attendancerecord SET credited_minutes = 30, attended_minutes = 30
WHERE attended AND booking_id % 20 = 0
"""


def run(clinics: int = 20, weeks: int = 5) -> list[str]:
    """The lines of the report: sizes, seconds, ratio, patients a second, statements, memory."""
    today = datetime.date(2026, 3, 13)
    made = [build(number, today=today, weeks=weeks) for number in range(clinics)]
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    yesterday = today - datetime.timedelta(days=1)
    now = datetime.datetime(2026, 3, 13, 9, tzinfo=datetime.UTC)
    night = _every(made, yesterday, now)
    first = _seconds(night)
    quiet = _seconds(night)
    with acting(BENCH), connection.cursor() as cursor:
        cursor.execute(CHANGE)
        changed = cursor.rowcount
    after_change = _seconds(night)
    bare = statistics.median(_seconds(_bare) for _ in range(5))
    with CaptureQueriesContext(connection) as captured:
        evaluate(clinic=made[0], local_date=yesterday, by=BENCH, now=now)
    patients = clinics * 40
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    def line(what: str, seconds: float) -> str:
        times = seconds / bare
        return (
            f"{what:<26} {seconds:7.3f} s {times:6.1f} x bare {patients / seconds:8.0f} patients/s"
        )

    return [
        f"{clinics} clinics, {patients} active patients, {_rows()} bookings",
        f"{'one bare aggregate':<26} {bare:7.3f} s",
        line("first night", first),
        line("night, nothing changed", quiet),
        line(f"night, {changed} rows changed", after_change),
        f"{'statements for one clinic':<26} {len(captured):7}",
        f"{'peak memory':<26} {memory:7} MB",
    ]


def _every(clinics: list[Clinic], day: datetime.date, now: datetime.datetime) -> Callable[[], None]:
    def night() -> None:
        for clinic in clinics:
            evaluate(clinic=clinic, local_date=day, by=BENCH, now=now)

    return night


def _bare() -> None:
    with connection.cursor() as cursor:
        cursor.execute(BARE)
        cursor.fetchall()


def _rows() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM scheduling_booking")
        return int(cursor.fetchone()[0])


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
