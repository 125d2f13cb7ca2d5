"""Fifty nights under a worker that keeps being killed: every report arrives, as one mail."""

import random
import time
from collections import Counter

import pytest

from attendance.models import NightlyRun, ReportDelivery
from attendance.reports import nightly, queue
from tests.attendance.nights import night, run_row, staffed_clinic, until
from tests.attendance.test_nightly_worker import over_lease

pytestmark = pytest.mark.soak

CLINICS, NIGHTS, KILLS = 2, 25, 25
SEED = 20260302


def test_nights_survive_random_kills(no_celery_worker, start_celery_worker, smtp_sink):
    chance = random.Random(SEED)
    staffed = [staffed_clinic(therapists=1) for _ in range(CLINICS)]
    for clinic, _ in staffed:
        run_row(night(clinic, days_ago=NIGHTS))
    for _ in range(KILLS):
        worker = start_celery_worker()
        queue.queue_tick()
        time.sleep(chance.uniform(0, 1.5))
        worker.kill()
        over_lease()
        # Kills come thicker here than three attempts could bear; that limit has its own tests.
        NightlyRun.objects.filter(state__in=nightly.UNFINISHED).update(attempts=1)
    start_celery_worker()
    until(lambda: ring_and_look(), "the last night", seconds=240)
    assert_everybody_was_told(staffed, smtp_sink)


def ring_and_look() -> bool:
    over_lease()
    queue.queue_tick()
    time.sleep(2)
    finished = NightlyRun.objects.filter(state="finished").count() == CLINICS * (NIGHTS + 1)
    return finished and not ReportDelivery.objects.exclude(state="sent").exists()


def assert_everybody_was_told(staffed, smtp_sink) -> None:
    rows = ReportDelivery.objects.values_list("message_id", "recipient__email", "attempts")
    people = sum(len(people) for _, people in staffed)
    assert len(rows) == people * NIGHTS
    arrived = Counter(message["Message-ID"] for message in smtp_sink.messages)
    assert arrived.keys() == {message_id for message_id, _, _ in rows}
    for message_id, _, attempts in rows:
        assert 1 <= arrived[message_id] <= attempts
