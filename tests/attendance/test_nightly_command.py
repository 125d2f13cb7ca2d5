"""`manage.py run_nightly`, against a real worker."""

import datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from attendance.models import NightlyRun, ReportDelivery
from attendance.reports import queue
from tests.attendance.nights import clinic_with_timetable, night, run_row, staffed_clinic
from tests.attendance.test_nightly_worker import broken_broker
from tests.workers import queue_length


def run_nightly(*arguments):
    output = StringIO()
    call_command("run_nightly", *arguments, stdout=output)
    return output.getvalue().splitlines()


def test_it_waits_for_every_night_and_every_report(celery_worker_process, smtp_sink):
    for therapists in (1, 3):
        staffed_clinic(therapists=therapists)
    lines = run_nightly("--wait", "--timeout", "60")
    assert lines[-1] == "nights finished: 2 of 2, reports sent: 8 of 8"
    assert len(smtp_sink.messages) == 8
    assert run_nightly("--wait") == [lines[-1]]
    assert len(smtp_sink.messages) == 8


def test_missed_nights_are_waited_for_too(celery_worker_process):
    clinic, _ = staffed_clinic(therapists=0)
    run_row(night(clinic, days_ago=2))
    assert run_nightly("--wait")[-1] == "nights finished: 2 of 2, reports sent: 4 of 4"


def test_a_chosen_date_is_judged_and_nothing_else(celery_worker_process):
    clinic, _ = staffed_clinic(therapists=0)
    run_row(night(clinic))
    chosen = night(clinic, days_ago=10).local_date
    run_nightly("--wait", "--date", chosen.isoformat())
    dates = NightlyRun.objects.order_by("local_date").values_list("local_date", flat=True)
    assert list(dates) == [chosen, night(clinic).local_date]


def test_a_failed_night_is_run_again_by_its_date(celery_worker_process):
    clinic, _ = staffed_clinic(therapists=0)
    run_row(night(clinic), "failed", attempts=3, error="ZeroDivisionError")
    run_nightly("--wait", "--date", night(clinic).local_date.isoformat())
    assert NightlyRun.objects.values_list("state", "attempts").get() == ("finished", 1)


def test_without_a_worker_it_says_so_in_time(no_celery_worker):
    staffed_clinic()
    with pytest.raises(CommandError, match=r"^Not done after 1 s: .* Is a worker running\?$"):
        run_nightly("--wait", "--timeout", "1")


def test_without_wait_it_only_rings(celery_worker_process, monkeypatch):
    staffed_clinic()
    monkeypatch.setattr(queue, "queue_tick", lambda: True)
    assert run_nightly() == []
    assert not NightlyRun.objects.exists()


def test_a_dead_broker_is_said(no_celery_worker):
    staffed_clinic()
    with broken_broker(), pytest.raises(CommandError, match=r"^The broker does not answer\."):
        run_nightly()
    assert queue_length() == 0


def test_a_failed_night_ends_the_waiting(transactional_db, monkeypatch):
    clinic, _ = staffed_clinic()
    run_row(night(clinic), "failed", error="ZeroDivisionError")
    monkeypatch.setattr(queue, "queue_tick", lambda: True)
    with pytest.raises(CommandError, match=r"^1 night\(s\) failed \(ZeroDivisionError\)\.$"):
        run_nightly("--wait")


def test_a_refused_report_ends_the_waiting(celery_worker_process, smtp_sink):
    _, people = staffed_clinic()
    smtp_sink.refuse(people[0].email)
    with pytest.raises(CommandError, match=r"^1 report\(s\) not sent \(SMTP 550\)\.$"):
        run_nightly("--wait")
    assert ReportDelivery.objects.filter(state="failed").count() == 1


@pytest.mark.django_db
def test_without_a_clinic_there_is_nothing_to_do():
    assert run_nightly("--wait") == ["No night is due."]


@pytest.mark.django_db
def test_a_night_that_is_not_over_is_refused():
    clinic = clinic_with_timetable()
    tomorrow = night(clinic).local_date + datetime.timedelta(days=1)
    with pytest.raises(CommandError, match="is not due yet in 1 clinic"):
        run_nightly("--date", tomorrow.isoformat())
    assert not NightlyRun.objects.exists()


@pytest.mark.django_db
def test_a_night_long_past_is_refused():
    clinic = clinic_with_timetable()
    long_past = night(clinic).local_date - datetime.timedelta(days=40)
    with pytest.raises(CommandError, match="31 days back at most"):
        run_nightly("--date", long_past.isoformat())
    assert not NightlyRun.objects.exists()
