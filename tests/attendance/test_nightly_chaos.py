"""Accidents one at a time, each at a chosen moment of a night, and three nights of them at random.

What is asked of the rows and of the mail server afterwards is always the same: nothing is lost and
nobody is mailed twice, except that the same mail (one Message-ID) may arrive again.
"""

import random
import time

import pytest
from django.db import connection
from django.utils import timezone

from attendance.models import ComplianceReport, NightlyRun, ReportDelivery
from attendance.reports import due_nights, nightly, queue
from iop_clinic.accounts.models import Membership
from iop_clinic.accounts.roles import Role
from tests.attendance import chaos
from tests.attendance.nights import blocked, judged_clinic, night, run_row, staffed_clinic, until
from tests.attendance.test_nightly_worker import beat_process

pytestmark = pytest.mark.django_db(transaction=True)
long = pytest.mark.soak  # each takes a worker of its own; the neighbours that stay say the same


@pytest.fixture(autouse=True)
def _later_tests_ask_the_broker_anew():
    yield
    chaos.forget_connections()


def sent() -> int:
    return ReportDelivery.objects.filter(state="sent").count()


def waiting_for_a_lock() -> bool:
    """Whether somebody stands in the middle of a transaction, before a locked table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone() is not None


def assert_each_mail_once(sink) -> None:
    ids = [message["Message-ID"] for message in sink.messages]
    wanted = ReportDelivery.objects.filter(state="sent").values_list("message_id", flat=True)
    assert sorted(ids) == sorted(wanted)


# --- a worker dies -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "left"),
    [
        pytest.param("attendance_nightlyrun", None, marks=long),  # taking the night
        ("attendance_flag", "claimed"),  # judging
        pytest.param("attendance_weekresult", "claimed", marks=long),  # storing the weeks
        ("attendance_reportdelivery", "evaluated"),  # writing the reports
    ],
)
def test_a_worker_killed_at_each_step(
    no_celery_worker, start_celery_worker, smtp_sink, table, left
):
    _, people = judged_clinic(patients=6)
    worker = start_celery_worker()
    with blocked(table):
        queue.queue_tick()
        until(waiting_for_a_lock, f"a worker before {table}")
        worker.kill()
    states = NightlyRun.objects.values_list("state", flat=True)
    assert list(states) == ([left] if left else [])
    assert not ComplianceReport.objects.exists()
    chaos.over_lease()
    start_celery_worker()
    queue.queue_tick()
    until(lambda: sent() == 2 * len(people), "the reports of the night and of the week")
    assert NightlyRun.objects.values_list("state", "attempts").get() == (
        "finished",
        2 if left else 1,
    )
    assert_each_mail_once(smtp_sink)


def test_a_worker_killed_between_the_servers_yes_and_its_own_note(
    no_celery_worker, start_celery_worker, smtp_sink
):
    """The only moment after which a mail arrives again; it is the same mail then."""
    _, people = staffed_clinic(therapists=0)
    smtp_sink.hang(1)
    worker = start_celery_worker(slots=1)
    queue.queue_tick()
    until(lambda: ReportDelivery.objects.filter(state="sending").exists(), "a mail on its way")
    with blocked("attendance_reportdelivery"):
        until(lambda: smtp_sink.messages and waiting_for_a_lock(), "the server's yes")
        worker.kill()
        chaos.forget_the_dead()
    smtp_sink.hang(0)
    chaos.over_lease()
    start_celery_worker()
    queue.queue_tick()
    until(lambda: sent() == len(people), "the reports")
    first = smtp_sink.messages[0]["Message-ID"]
    ids = [message["Message-ID"] for message in smtp_sink.messages]
    assert sorted(ids.count(one) for one in set(ids)) == [1, 2]
    assert ids.count(first) == ReportDelivery.objects.get(message_id=first).attempts == 2


# --- the parts around it restart -----------------------------------------------------------------


@pytest.mark.parametrize(
    "table", ["attendance_flag", pytest.param("attendance_reportdelivery", marks=long)]
)
def test_the_database_restarts_in_the_middle_of_a_night(
    no_celery_worker, start_celery_worker, smtp_sink, table
):
    _, people = judged_clinic(patients=6)
    worker = start_celery_worker()
    with blocked(table):
        queue.queue_tick()
        until(waiting_for_a_lock, f"a worker before {table}")
        chaos.restart_database()
    worker.wait_until_idle()
    assert not ComplianceReport.objects.exists()
    chaos.over_lease()
    queue.queue_tick()
    until(lambda: sent() == 2 * len(people), "the reports")
    assert NightlyRun.objects.values_list("state", "attempts", "error").get() == (
        "finished", 2, "",
    )  # fmt: skip
    assert_each_mail_once(smtp_sink)


def test_a_broker_that_forgets_everything_costs_a_tick(
    no_celery_worker, start_celery_worker, smtp_sink
):
    clinic, people = staffed_clinic()
    nightly.run_nights([night(clinic)])  # the deliveries are queued, and nobody listens
    chaos.restart_broker()
    chaos.forget_connections()
    worker = start_celery_worker()
    worker.wait_until_idle()
    assert (sent(), smtp_sink.messages) == (0, [])
    queue.queue_tick()
    until(lambda: sent() == len(people), "the reports")
    assert_each_mail_once(smtp_sink)


@long
def test_the_broker_restarts_under_a_working_worker(
    no_celery_worker, start_celery_worker, smtp_sink
):
    """A worker with a task in hand may end by that (kombu cannot give the task back); it is never
    deaf, and whoever watches over it starts another."""
    _, people = staffed_clinic()
    workers = [start_celery_worker()]
    smtp_sink.hang(0.5)
    queue.queue_tick()
    until(lambda: ReportDelivery.objects.filter(state="sending").exists(), "a mail on its way")
    chaos.restart_broker()

    def told() -> bool:
        if workers[-1].process.poll() is not None:
            workers.append(start_celery_worker())
        chaos.over_lease()
        queue.queue_tick()
        time.sleep(1)
        return sent() == len(people)

    until(told, "the reports")
    assert len(workers) <= 2
    ids = {message["Message-ID"] for message in smtp_sink.messages}
    assert ids == set(ReportDelivery.objects.values_list("message_id", flat=True))


# --- beat ----------------------------------------------------------------------------------------


def test_two_beats_after_three_days_without_one(no_celery_worker, start_celery_worker, smtp_sink):
    clinic, people = staffed_clinic(therapists=0)
    run_row(night(clinic, days_ago=3))
    start_celery_worker()
    with beat_process(), beat_process():
        until(lambda: sent() == 3 * len(people), "three nights' reports")
        time.sleep(2)  # both go on ringing
    runs = NightlyRun.objects.order_by("local_date").values_list("local_date", "state", "attempts")
    assert list(runs)[1:] == [(night(clinic, n).local_date, "finished", 1) for n in (2, 1, 0)]
    assert_each_mail_once(smtp_sink)


# --- the mail server -----------------------------------------------------------------------------


@long
def test_a_server_that_dies_after_the_data_of_everybody(
    no_celery_worker, start_celery_worker, smtp_sink
):
    _, people = staffed_clinic()
    smtp_sink.drop()
    start_celery_worker()
    queue.queue_tick()
    failed = ReportDelivery.objects.filter(state="pending", error="SMTPServerDisconnected")
    until(lambda: failed.count() == len(people), "a first try")
    smtp_sink.drop_after_data = False
    chaos.over_lease()
    queue.queue_tick()
    until(lambda: sent() == len(people), "the reports")
    ids = [message["Message-ID"] for message in smtp_sink.messages]
    assert sorted(ids) == sorted([*set(ids), *set(ids)])
    assert len(set(ids)) == len(people)


def test_a_night_of_mail_that_nobody_may_read_any_more(
    no_celery_worker, start_celery_worker, smtp_sink
):
    """Queued, and then one leaves, one is demoted, one is locked out; the weekly is held too."""
    clinic, people = judged_clinic(patients=6)
    nightly.run_nights([night(clinic)])
    assert ReportDelivery.objects.count() == 2 * len(people)
    ended, demoted, locked, *others = people
    yesterday = timezone.localdate() - 2 * due_nights.DAY
    Membership.objects.filter(user=ended).update(ends_on=yesterday)
    Membership.objects.filter(user=demoted).update(role=Role.FRONT_DESK, therapist=None)
    locked.is_active = False
    locked.save()
    start_celery_worker()
    queue.queue_tick()
    until(lambda: sent() == 2 * len(others), "the mails of those who stay")
    mailed = {address for envelope in smtp_sink.recipients for address in envelope}
    assert mailed == {user.email for user in others}
    dropped = ReportDelivery.objects.filter(recipient__in=[ended, demoted, locked])
    assert set(dropped.values_list("state", "attempts")) == {("dropped", 0)}


# --- one clinic's trouble is its own -------------------------------------------------------------


def test_a_clinic_without_recipients_and_one_whose_reports_fail_stop_nobody(
    no_celery_worker, start_celery_worker, smtp_sink
):
    lonely, _ = staffed_clinic(therapists=0)
    Membership.objects.filter(clinic=lonely).update(receives_reports=False)
    _, people = staffed_clinic()
    start_celery_worker()
    queue.queue_tick()
    until(lambda: NightlyRun.objects.filter(state="finished").count() == 2, "both nights")
    until(lambda: sent() == len(people), "the other clinic's reports")
    run = NightlyRun.objects.get(clinic=lonely)
    assert (run.findings, run.error) == (["Nobody receives the nightly report."], "")
    assert run.reports.get().therapist is None


# --- at random -----------------------------------------------------------------------------------


def test_three_nights_survive_accidents_at_random(no_celery_worker, start_celery_worker, smtp_sink):
    """The short form of `make soak`."""
    chance, nights = random.Random(7), 3
    clinic, people = chaos.told_clinic(nights, seed=1)
    twin, _ = chaos.told_clinic(nights, seed=1, active=False)
    for accident in (True, True, False):
        worker = start_celery_worker()
        queue.queue_tick()
        time.sleep(chance.uniform(0.2, 0.8))
        if accident:
            chaos.restart_database()
            worker.kill()
            chaos.restart_broker()
        chaos.over_lease()
        chaos.forgive_attempts()

    chaos.ring_until_all_told([clinic], nights, seconds=90)
    chaos.assert_nothing_lost_nothing_twice([(clinic, people)], nights, smtp_sink)
    worker.kill()
    chaos.judge_undisturbed(twin, nights)
    assert chaos.judgement(clinic)["results"]
    assert chaos.judgement(clinic) == chaos.judgement(twin)
