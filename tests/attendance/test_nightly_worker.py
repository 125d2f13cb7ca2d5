"""Whole nights by a real worker over the real broker, with a real mail server; and its deaths."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from django.test import Client
from django.utils import timezone

from attendance.models import (
    AbsenceRule,
    AttendanceRecord,
    Flag,
    JobTick,
    NightlyRun,
    ReportDelivery,
)
from attendance.records.services import record_roster
from attendance.reports import nightly, queue, tasks
from iop_clinic import embedded
from iop_clinic.accounts.models import Membership
from iop_clinic.celery import app
from tests import factories
from tests.attendance.chaos import forget_connections, over_lease
from tests.attendance.nights import (
    HOUR,
    blocked,
    case,
    clinic_with_timetable,
    judged_clinic,
    night,
    run_row,
    staffed_clinic,
    until,
)

State = ReportDelivery.State


def all_sent(count: int) -> bool:
    return ReportDelivery.objects.filter(state=State.SENT).count() == count


def states() -> dict[str, int]:
    rows = ReportDelivery.objects.values_list("state", flat=True)
    return {state: list(rows).count(state) for state in set(rows)}


def message_ids(smtp_sink) -> list[str]:
    return sorted(message["Message-ID"] for message in smtp_sink.messages)


def recipients(smtp_sink) -> list[str]:
    return sorted(address for envelope in smtp_sink.recipients for address in envelope)


@contextmanager
def broken_broker():
    """This process's broker is gone: nothing listens at its address."""
    address = app.conf.broker_url
    try:
        app.conf.broker_url = app.conf.broker_write_url = "redis://127.0.0.1:1/0"
        forget_connections()
        yield
    finally:
        app.conf.broker_url, app.conf.broker_write_url = address, None
        forget_connections()


def test_a_whole_night_from_tick_to_mail(celery_worker_process, smtp_sink):
    clinic, people = staffed_clinic(therapists=3)
    other, others = staffed_clinic(therapists=1, zone="America/Los_Angeles")
    case(clinic)
    assert queue.queue_tick()
    until(lambda: all_sent(8), "eight reports")
    runs = NightlyRun.objects.order_by("clinic").values_list("clinic", "local_date", "state")
    assert list(runs) == [(*night(c), "finished") for c in (clinic, other)]
    assert recipients(smtp_sink) == sorted(person.email for person in people + others)
    assert JobTick.objects.get().at > timezone.now() - HOUR


def test_a_missed_day_is_a_case_by_morning_and_a_number_in_the_mail(
    celery_worker_process, smtp_sink
):
    clinic, people = judged_clinic(patients=6)
    queue.queue_tick()
    until(lambda: all_sent(2 * len(people)), "the nightly and the weekly reports")
    missed = Flag.objects.get(clinic=clinic, rule=AbsenceRule.Kind.NO_CALL_DAY)
    assert (missed.opened_for, missed.episode.primary_therapist.memberships.get().user) == (
        night(clinic).local_date,
        people[1],
    )
    texts = {
        envelope[0]: message.get_body(("plain",)).get_content()
        for envelope, message in zip(smtp_sink.recipients, smtp_sink.messages, strict=True)
        if message["Subject"].startswith("Nightly report, ")
    }
    assert "1 x Missed day without a call" in texts[people[0].email]
    assert "1 x Missed day without a call" in texts[people[1].email]
    assert "Missed day without a call" not in texts[people[2].email]
    assert "5 of 6 came" in texts[people[0].email]


def test_the_next_tick_finds_nothing_to_do(celery_worker_process, smtp_sink):
    _, people = staffed_clinic()
    queue.queue_tick()
    until(lambda: all_sent(len(people)), "the reports")
    before = list(NightlyRun.objects.values()), list(ReportDelivery.objects.values())
    queue.queue_tick()
    celery_worker_process.wait_until_idle()
    assert (list(NightlyRun.objects.values()), list(ReportDelivery.objects.values())) == before
    assert len(smtp_sink.messages) == len(people)


def test_many_ticks_at_once_make_one_run_and_one_mail_each(
    celery_worker_process, start_celery_worker, smtp_sink
):
    clinic, people = staffed_clinic()
    second = start_celery_worker()
    for _ in range(5):
        queue.queue_tick()
        queue.queue_nights([night(clinic)])
    until(lambda: all_sent(len(people)), "the reports")
    celery_worker_process.wait_until_idle()
    second.wait_until_idle()
    assert NightlyRun.objects.values_list("state", "attempts").get() == ("finished", 1)
    assert recipients(smtp_sink) == sorted(person.email for person in people)


def test_three_missed_nights_are_done_oldest_first(celery_worker_process, smtp_sink):
    clinic, people = staffed_clinic(therapists=0)
    run_row(night(clinic, days_ago=3))
    queue.queue_tick()
    until(lambda: all_sent(3 * len(people)), "three nights' reports")
    done = NightlyRun.objects.order_by("finished_at").values_list("local_date", flat=True)
    assert list(done) == [night(clinic, n).local_date for n in (3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("table", "left"),
    [("scheduling_session", "claimed"), ("attendance_compliancereport", "evaluated")],
)
def test_a_worker_killed_in_the_middle_of_a_night(
    no_celery_worker, start_celery_worker, smtp_sink, table, left
):
    _, people = staffed_clinic()
    worker = start_celery_worker()
    with blocked(table):
        queue.queue_tick()
        until(lambda: NightlyRun.objects.filter(state=left).exists(), f"a night that is {left}")
        worker.kill()
    assert not ReportDelivery.objects.exists()
    over_lease()
    start_celery_worker()
    queue.queue_tick()
    until(lambda: all_sent(len(people)), "the reports")
    assert NightlyRun.objects.values_list("state", "attempts").get() == ("finished", 2)
    assert recipients(smtp_sink) == sorted(person.email for person in people)


def test_a_worker_killed_while_it_mails(no_celery_worker, start_celery_worker, smtp_sink):
    _, people = staffed_clinic()
    worker = start_celery_worker()
    smtp_sink.hang(3)
    queue.queue_tick()
    until(lambda: State.SENDING in states(), "a mail on its way")
    worker.kill()
    smtp_sink.hang(0)
    over_lease()
    start_celery_worker()
    queue.queue_tick()
    until(lambda: all_sent(len(people)), "the reports")
    # The server may have taken a mail whose worker died before it heard so: the same id then.
    wanted = sorted(ReportDelivery.objects.values_list("message_id", flat=True))
    assert sorted(set(message_ids(smtp_sink))) == wanted
    assert set(recipients(smtp_sink)) == {person.email for person in people}


def test_a_server_that_refuses_one_of_five(celery_worker_process, smtp_sink):
    _, people = staffed_clinic(therapists=3)
    smtp_sink.refuse(people[1].email)
    queue.queue_tick()
    until(lambda: states() == {"sent": 4, "failed": 1}, "four mails and a refusal")
    assert people[1].email not in recipients(smtp_sink)


def test_a_server_that_refuses_everybody_for_a_while(celery_worker_process, smtp_sink):
    _, people = staffed_clinic()
    smtp_sink.reply_after_data = "421 Closed for the night"
    queue.queue_tick()
    waiting = {"state": State.PENDING, "attempts": 1}
    until(lambda: ReportDelivery.objects.filter(**waiting).count() == len(people), "a first try")
    smtp_sink.reply_after_data = "250 OK"
    over_lease()
    queue.queue_tick()
    until(lambda: all_sent(len(people)), "the reports")
    assert set(ReportDelivery.objects.values_list("attempts", flat=True)) == {2}
    assert recipients(smtp_sink) == sorted(person.email for person in people)


def test_a_person_who_leaves_between_report_and_mail(
    no_celery_worker, start_celery_worker, smtp_sink
):
    clinic, people = staffed_clinic()
    nightly.run_nights([night(clinic)])
    assert states() == {"pending": len(people)}
    Membership.objects.filter(user=people[0]).update(active=False)
    start_celery_worker()
    queue.queue_tick()
    until(lambda: states() == {"sent": len(people) - 1, "dropped": 1}, "all but one mail")
    assert people[0].email not in recipients(smtp_sink)


def test_the_broker_is_down_while_attendance_is_logged_and_a_night_runs(
    no_celery_worker, start_celery_worker, smtp_sink
):
    clinic, people = staffed_clinic()
    held = factories.session(clinic, "2026-03-02", "09:00", "10:00")
    booked = factories.booking(held, factories.admitted(clinic))
    with broken_broker():
        assert not queue.queue_tick()
        record_roster(session=held, all_present=True, by=people[2])
        nightly.run_nights([night(clinic)])
    assert AttendanceRecord.objects.get().booking == booked
    assert states() == {"pending": 2 * len(people)}  # the night's and the week's
    start_celery_worker()
    queue.queue_tick()
    until(lambda: all_sent(2 * len(people)), "the reports")


def test_a_tick_without_a_broker_does_not_count_as_one(transactional_db):
    staffed_clinic()
    with broken_broker():
        tasks.tick()
    assert not JobTick.objects.exists()


def test_an_empty_clinic_is_left_alone_and_others_are_done(celery_worker_process, smtp_sink):
    factories.ClinicFactory()
    _, people = staffed_clinic(therapists=0)
    queue.queue_tick()
    until(lambda: all_sent(len(people)), "the reports")
    assert NightlyRun.objects.count() == 1


def test_beat_rings_and_the_night_is_done(celery_worker_process, smtp_sink):
    _, people = staffed_clinic()
    with beat_process():
        until(lambda: all_sent(len(people)), "the reports")
    assert recipients(smtp_sink) == sorted(person.email for person in people)


@contextmanager
def beat_process():
    """A real beat with the settings' schedule and scheduler, only in a hurry."""
    program = (
        "from iop_clinic.celery import app\n"
        "app.conf.beat_schedule['tick']['schedule'] = 1.0\n"
        "app.start(['beat', '--loglevel', 'WARNING'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], preexec_fn=embedded.die_with_parent(signal.SIGKILL)
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_the_jobs_address_is_well_after_a_night(celery_worker_process):
    clinic_with_timetable()
    assert Client().get("/healthz/jobs").status_code == 503
    queue.queue_tick()
    until(lambda: NightlyRun.objects.filter(state="finished").exists(), "a night")
    until(lambda: JobTick.objects.exists(), "a tick")
    assert Client().get("/healthz/jobs").json() == {
        "status": "ok",
        "checks": {"tick": True, "nights": True, "recipients": False},
    }
