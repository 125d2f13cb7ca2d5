"""Nights over many clinics, against one bare aggregate over the same rows in the same run."""

from __future__ import annotations

import datetime
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from attendance.compliance.evaluation import EvaluationCounts, evaluate_clinics
from attendance.compliance.screening import OVERLAP
from attendance.models import Flag
from attendance.reports.queue import CLINICS_TOGETHER
from iop_clinic.accounts.acting import acting
from iop_clinic.accounts.models import Clinic
from tests.bench.clinics import BENCH, DAY, PATIENTS, all_clinics, analyze, build, record

WEEKS = 5
MONDAY = datetime.date(2026, 2, 9)
LAST_MONDAY = MONDAY + (WEEKS - 1) * 7 * DAY

Since = dict[int, datetime.datetime | None]

BARE = """
SELECT b.clinic_id, b.episode_id, s.local_date, s.session_type_id,
       sum(a.attended_minutes) AS attended, sum(a.credited_minutes) AS credited
FROM scheduling_booking b
JOIN scheduling_session s ON s.id = b.session_id
LEFT JOIN attendance_attendancerecord a ON a.booking_id = b.id
WHERE b.live AND b.state <> 'withdrawn'
GROUP BY b.clinic_id, b.episode_id, s.local_date, s.session_type_id
"""
"""The day sums of every booking there is: what any evaluation must at least have added up."""


def run(clinics: int, say: Callable[[str], None] = print) -> Iterator[str]:
    """The lines of the report: sizes, seconds, ratios, statements, memory."""
    build(clinics, MONDAY, WEEKS, say, guarded=False)
    record(MONDAY, LAST_MONDAY - 4 * DAY, audited=False)
    analyze()
    nights = Nights(list(all_clinics()))
    yield f"{clinics} clinics, {clinics * PATIENTS} active patients, {_bookings()} bookings"
    yield nights.judge("first night, all is new", LAST_MONDAY - 2 * DAY)
    yield nights.judge("night after the week's end", LAST_MONDAY - DAY)
    for day in (LAST_MONDAY, LAST_MONDAY + DAY):
        nights.morning(day)
        nights.judge("", day)
    wednesday = LAST_MONDAY + 2 * DAY
    written = nights.morning(wednesday)
    share = written * 100 / _bookings()
    yield nights.judge(f"next night, {share:.0f} % of rows new", wednesday)
    yield nights.judge("the same again, nothing new", wednesday)
    with _processes(2) as pool:
        shared = replace(nights, pool=pool)
        thursday = wednesday + DAY
        shared.morning(thursday)
        yield shared.judge("next night, two processes", thursday)
    one, batch = nights.statements(1), nights.statements(CLINICS_TOGETHER)
    yield f"{'statements for one clinic':<30} {one:7}, for {CLINICS_TOGETHER} together {batch}"
    yield f"{'peak memory after 200 clinics':<30} {nights.early:7} MB, after all {_memory()} MB"
    yield f"{'the bare aggregate, fetched':<30} {_seconds(_fetched):7.3f} s"


@dataclass(slots=True)
class Nights:
    """The nights of some clinics, each judged by what moved since the one before."""

    clinics: Sequence[Clinic]
    since: datetime.datetime | None = None
    early: int = 0
    pool: Executor | None = None
    """Shares the batches of a night, as workers do."""

    def morning(self, day: datetime.date) -> int:
        """Staff have worked the calls of the days before and recorded the day; the rows written."""
        with acting(BENCH):
            calls = Flag.objects.exclude(rule__in=[1, 6, 7, 8, 9]).filter(opened_for__lt=day)
            calls.open().update(state="closed", outcome="reached", closed_at=timezone.now())
        written = record(day, day, audited=True)
        analyze()
        return written

    def judge(self, what: str, day: datetime.date) -> str:
        began = timezone.now()
        before = _bare()
        started = time.perf_counter()
        counts = self._judge(day)
        seconds = time.perf_counter() - started
        self.since = began + OVERLAP  # here days are minutes apart
        bare = statistics.median([before, _bare(), _bare()])
        patients = len(self.clinics) * PATIENTS
        return (
            f"{what:<30} {seconds:8.2f} s {seconds / bare:6.1f} x bare ({bare:.2f} s)"
            f" {patients / seconds:7.0f} patients/s, {counts}"
        )

    def _judge(self, day: datetime.date) -> str:
        judged: list[EvaluationCounts] = []
        firsts = range(0, len(self.clinics), CLINICS_TOGETHER)
        tasks = [(day, self._since(n, CLINICS_TOGETHER)) for n in firsts]
        share = self.pool.map if self.pool else map
        for first, counts in zip(firsts, share(_batch, tasks), strict=True):
            judged += counts
            if first < 200:
                self.early = _memory()
        return (
            f"judged {sum(c.patients for c in judged)}, opened {sum(c.opened for c in judged)},"
            f" changed {sum(c.updated + c.closed + c.reopened + c.lapsed for c in judged)},"
            f" results {sum(c.results for c in judged)}"
        )

    def _since(self, first: int, count: int) -> Since:
        return {clinic.pk: self.since for clinic in self.clinics[first : first + count]}

    def statements(self, clinics: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            _batch((LAST_MONDAY + 2 * DAY, self._since(0, clinics)))
        return len(captured)


def _batch(task: tuple[datetime.date, Since]) -> list[EvaluationCounts]:
    day, since = task
    now = datetime.datetime.combine(day + DAY, datetime.time(9), tzinfo=datetime.UTC)
    return list(evaluate_clinics(since=since, local_date=day, by=BENCH, now=now).values())


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """Copies of this process, each with a connection of its own, which they have opened."""
    connection.close()
    with ProcessPoolExecutor(count, get_context("fork")) as pool:
        list(pool.map(_execute, ["SELECT 1"] * count))
        yield pool


def _bare() -> float:
    """Seconds of the bare aggregate on the server: no row leaves it."""
    query = f"SELECT count(*), sum(attended), sum(credited) FROM ({BARE}) AS sums"
    return _seconds(lambda: _execute(query))


def _fetched() -> None:
    with connection.cursor() as cursor:
        cursor.execute(BARE)
        cursor.fetchall()


def _execute(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])


def _bookings() -> int:
    return _execute("SELECT count(*) FROM scheduling_booking")


def _memory() -> int:
    """The most that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
