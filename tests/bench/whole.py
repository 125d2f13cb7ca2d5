"""From the tick to the mail: real workers over the real broker, mails sent to a local server."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Iterator, Sequence

from django.db import connection
from django.utils import timezone

from attendance.compliance.evaluation import evaluate_clinics
from attendance.compliance.screening import OVERLAP
from attendance.models import NightlyRun, ReportDelivery
from attendance.reports import due_nights, queue
from iop_clinic.accounts.models import Clinic
from scheduling.services import expand
from tests.bench.clinics import BENCH, DAY, PATIENTS, all_clinics, analyze, build, record
from tests.mail import SmtpSink
from tests.workers import WorkerProcess, purge

WEEKS = 5
LONGEST = 900  # seconds

logging.getLogger("mail.log").setLevel(logging.WARNING)  # the sink would tell of every line


def run(clinics: int) -> Iterator[str]:
    """Patients a second with one worker, and with two over as many clinics of the same kind."""
    today = timezone.localdate()
    monday = today - (today.weekday() + 7 * (WEEKS - 1)) * DAY
    build(2 * clinics, monday, WEEKS, lambda line: None)
    every = list(all_clinics())
    _bring_up_to_date(every, monday)
    Clinic.objects.update(active=False)
    speeds = [_night(every[n * clinics : (n + 1) * clinics], workers=n + 1) for n in range(2)]
    for n, speed in enumerate(speeds, start=1):
        yield f"{f'tick to mail, {n} worker(s)':<30} {speed:8.0f} patients/s"
    yield f"{'with two workers':<30} {speeds[1] / speeds[0]:8.2f} times as many"


def _bring_up_to_date(clinics: Sequence[Clinic], first_day: datetime.date) -> None:
    """The night before the last one due is judged, and yesterday's attendance recorded."""
    last = due_nights.last_due(clinics[0], timezone.now())
    record(first_day, last - DAY, audited=False)
    analyze()
    for clinic in clinics:
        expand(clinic=clinic, today=last, by=BENCH)
    ids = [clinic.pk for clinic in clinics]
    now = timezone.now() + OVERLAP  # as if all of this had been a day ago
    for n in range(0, len(ids), queue.CLINICS_TOGETHER):
        some = ids[n : n + queue.CLINICS_TOGETHER]
        evaluate_clinics(since=dict.fromkeys(some), local_date=last - DAY, by=BENCH)
    NightlyRun.objects.bulk_create(
        NightlyRun(
            clinic=clinic,
            local_date=last - DAY,
            state=NightlyRun.State.FINISHED,
            started_at=now,
            finished_at=now,
            lease_until=now,
        )
        for clinic in clinics
    )
    record(last, last, audited=True)
    analyze()


def _night(clinics: Sequence[Clinic], *, workers: int) -> float:
    """Patients a second from the tick until every mail is sent."""
    ids = [clinic.pk for clinic in clinics]
    sink = SmtpSink()
    started = [
        WorkerProcess(connection.settings_dict, smtp_port=sink.port, slots=1)
        for _ in range(workers)
    ]
    try:
        Clinic.objects.filter(pk__in=ids).update(active=True)
        began = time.perf_counter()
        _ring(ids)
        seconds = time.perf_counter() - began
    finally:
        Clinic.objects.update(active=False)
        for worker in started:
            worker.stop()
        sink.close()
        purge()
    return len(clinics) * PATIENTS / seconds


def _ring(ids: Sequence[int]) -> None:
    deadline = time.monotonic() + LONGEST
    queue.queue_tick()
    while not _done(ids):
        assert time.monotonic() < deadline, "The night did not end."
        time.sleep(0.2)


def _done(ids: Sequence[int]) -> bool:
    runs = NightlyRun.objects.filter(clinic__in=ids, state=NightlyRun.State.FINISHED)
    sent = ReportDelivery.State.SENT
    waiting = ReportDelivery.objects.filter(clinic__in=ids).exclude(state=sent)
    return runs.count() == 2 * len(ids) and not waiting.exists()
