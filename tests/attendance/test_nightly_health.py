"""`/healthz/jobs`: a dead-man's switch on what came of it."""

import datetime

import pytest
from django.conf import settings
from django.utils import timezone

from attendance.models import JobTick
from attendance.reports import health, queue
from iop_clinic.celery import app
from tests import factories
from tests.attendance.nights import HOUR, clinic_with_timetable, night, run_row

pytestmark = pytest.mark.django_db

MINUTE = datetime.timedelta(minutes=1)


def ask(client):
    response = client.get("/healthz/jobs")
    return response.status_code, response.json()["checks"]


def ticked(ago):
    JobTick.objects.create(name="tick", at=timezone.now() - ago)


def finished(ago, **extra):
    clinic = clinic_with_timetable(**extra)
    return run_row(night(clinic), finished_at=timezone.now() - ago)


@pytest.mark.parametrize(("ago", "status"), [(29 * MINUTE, 200), (31 * MINUTE, 503)])
def test_a_tick_may_be_30_minutes_old(client, ago, status):
    ticked(ago)
    checks = {"tick": status == 200, "nights": True, "recipients": True}
    assert ask(client) == (status, checks)


@pytest.mark.parametrize(("ago", "status"), [(25 * HOUR, 200), (27 * HOUR, 503)])
def test_a_finished_night_may_be_26_hours_old(client, ago, status):
    ticked(MINUTE)
    factories.staff(finished(ago).clinic)
    checks = {"tick": True, "nights": status == 200, "recipients": True}
    assert ask(client) == (status, checks)


def test_one_late_clinic_among_many_is_enough(client):
    ticked(MINUTE)
    finished(HOUR)
    finished(27 * HOUR)
    assert ask(client)[0] == 503


def test_an_inactive_clinic_is_never_late(client):
    ticked(MINUTE)
    finished(27 * HOUR, active=False)
    assert ask(client)[0] == 200


def test_a_first_night_that_never_ends_is_late(client):
    ticked(MINUTE)
    clinic = clinic_with_timetable()
    run_row(night(clinic), "failed", started_at=timezone.now() - 27 * HOUR)
    assert ask(client)[0] == 503


def test_without_any_tick_it_is_not_well(client):
    assert ask(client)[0] == 503


def test_a_clinic_whose_reports_nobody_receives_is_said_without_an_alarm(client):
    ticked(MINUTE)
    clinic = finished(HOUR).clinic
    factories.staff(clinic, receives_reports=False)
    assert ask(client) == (200, {"tick": True, "nights": True, "recipients": False})
    factories.staff(clinic)
    assert ask(client)[1]["recipients"] is True


def test_a_clinic_that_was_never_judged_need_not_tell_anybody(client):
    ticked(MINUTE)
    clinic_with_timetable()
    assert ask(client)[1]["recipients"] is True


def test_it_takes_three_statements(django_assert_num_queries):
    for _ in range(3):
        finished(HOUR)
    with django_assert_num_queries(3):
        health.jobs_health(now=timezone.now())


def test_beat_rings_for_a_task_that_exists():
    entry = settings.CELERY_BEAT_SCHEDULE["tick"]
    app.loader.import_default_modules()
    assert entry["task"] == queue.TICK
    assert {queue.TICK, queue.RUN_NIGHTS, queue.DELIVER} <= set(app.tasks)
    assert entry["schedule"] == settings.TICK_SECONDS <= 300
