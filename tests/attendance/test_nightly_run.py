"""One night, step by step, in this process: what a fault leaves behind."""

import logging
from collections import Counter

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError
from django.utils import timezone

from attendance.models import ComplianceReport, NightlyRun, ReportDelivery, Standard
from attendance.reports import due_nights, nightly
from attendance.standards import end_standard
from iop_clinic.accounts.acting import Busy, Job
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.weeks import long_date, week_of
from patients.models import Episode, EpisodeHold
from tests import factories
from tests.attendance.nights import (
    clinic_with_timetable,
    judged_clinic,
    night,
    staffed_clinic,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def queued(monkeypatch):
    """The nights that this process would ring for."""
    calls: list[due_nights.Night] = []
    monkeypatch.setattr(nightly, "queue_nights", calls.extend)
    return calls


def fail(error):
    def step(**_):
        raise error

    return step


def test_a_night_ends_with_a_report_for_each_scope_and_a_delivery_for_each_person():
    clinic, people = staffed_clinic(therapists=2)
    nightly.run_nights([night(clinic)])
    assert NightlyRun.objects.get().state == "finished"
    assert ComplianceReport.objects.count() == 3
    assert {d.recipient for d in ReportDelivery.objects.all()} == set(people)
    assert {d.state for d in ReportDelivery.objects.all()} == {"pending"}


def test_a_second_call_changes_nothing():
    clinic, people = staffed_clinic()
    nightly.run_nights([night(clinic)])
    before = NightlyRun.objects.values().get()
    nightly.run_nights([night(clinic)])
    assert NightlyRun.objects.values().get() == before
    assert ReportDelivery.objects.count() == len(people)


def test_a_night_that_was_judged_goes_on_with_its_reports(monkeypatch, queued):
    clinic, _ = staffed_clinic()
    monkeypatch.setattr(nightly, "build", fail(RuntimeError()))
    nightly.run_nights([night(clinic)])
    assert NightlyRun.objects.get().state == "evaluated"
    monkeypatch.undo()
    monkeypatch.setattr(nightly, "evaluate_clinics", fail(AssertionError("judged twice")))
    nightly.run_nights([night(clinic)])
    assert NightlyRun.objects.get().state == "finished"


def test_a_fault_is_counted_and_after_the_third_the_night_has_failed(monkeypatch, queued):
    clinic, _ = staffed_clinic()
    monkeypatch.setattr(nightly, "evaluate_clinics", fail(ZeroDivisionError()))
    seen = []
    for _ in range(4):
        nightly.run_nights([night(clinic)])
        seen.append(NightlyRun.objects.values_list("state", "attempts", "error").get())
    assert seen == [
        ("claimed", 1, "ZeroDivisionError"),
        ("claimed", 2, "ZeroDivisionError"),
        ("failed", 3, "ZeroDivisionError"),
        ("failed", 3, "ZeroDivisionError"),
    ]
    assert not ReportDelivery.objects.exists()


def test_a_fault_is_logged_by_class_and_place_without_its_values(monkeypatch, queued, caplog):
    clinic, _ = staffed_clinic()
    monkeypatch.setattr(
        nightly, "evaluate_clinics", fail(IntegrityError("Key (name)=(Zebulon Quixotry)"))
    )
    with caplog.at_level(logging.DEBUG):
        nightly.run_nights([night(clinic)])
    assert "IntegrityError" in caplog.text
    assert "nightly.py" in caplog.text
    assert "Zebulon" not in caplog.text + str(NightlyRun.objects.values().get())


def test_a_worker_that_lost_its_claim_changes_nothing():
    clinic, _ = staffed_clinic()
    slow = nightly.take(night(clinic), now=timezone.now())
    assert slow is not None
    assert nightly.take(night(clinic), now=timezone.now() + 2 * nightly.LEASE) is not None
    with pytest.raises(nightly.LostClaimError):
        nightly.judge(claims=[slow], by=nightly.NIGHTLY)
    assert NightlyRun.objects.values_list("state", "attempts").get() == ("claimed", 2)


def test_a_failed_night_can_be_asked_for_again(monkeypatch, queued):
    clinic, _ = staffed_clinic()
    monkeypatch.setattr(nightly, "evaluate_clinics", fail(ZeroDivisionError()))
    for _ in range(3):
        nightly.run_nights([night(clinic)])
    monkeypatch.undo()
    assert nightly.retry_failed(night(clinic).local_date) == 1
    nightly.run_nights([night(clinic)])
    assert NightlyRun.objects.values_list("state", "error").get() == ("finished", "")


def test_a_finished_night_rings_for_the_next_one(queued):
    clinic, _ = staffed_clinic()
    nightly.run_nights([night(clinic, days_ago=2)])
    assert queued == [night(clinic, days_ago=1)]


def test_the_last_night_rings_for_none(queued):
    clinic, _ = staffed_clinic()
    nightly.run_nights([night(clinic)])
    assert queued == []


def test_nobody_to_tell_is_a_finding():
    clinic = clinic_with_timetable()
    nightly.run_nights([night(clinic)])
    assert NightlyRun.objects.get().findings == ["Nobody receives the nightly report."]
    assert ComplianceReport.objects.count() == 1


def test_patients_whom_no_standard_judges_are_a_finding_of_the_clinics_report():
    clinic, _ = judged_clinic(patients=2)
    ended = Standard.objects.get(clinic=clinic, name="Adult IOP 2.1")
    today = night(clinic).local_date + due_nights.DAY
    last = week_of(today, week_start=ended.week_starts_on).start - due_nights.DAY
    end_standard(standard=ended, ends_on=last, by=Job("test"))
    nightly.run_nights([night(clinic)])
    why = f"Adult IOP 2.1 ended on {long_date(last)}."
    assert NightlyRun.objects.get().findings == [
        f"2 patients are judged by no standard of the program: {why}"
    ]
    reports = ComplianceReport.objects.filter(clinic=clinic, kind="nightly")
    assert sorted(report.content["findings"] for report in reports) == [0, 0, 1]


def test_a_night_takes_as_many_statements_for_many_as_for_few(django_assert_max_num_queries):
    counts = []
    for size in (2, 12):
        clinic, people = judged_clinic(patients=size)
        with django_assert_max_num_queries(200) as captured:
            nightly.run_nights([night(clinic)])
        told = ReportDelivery.objects.filter(clinic=clinic).values_list("report__kind", flat=True)
        assert Counter(told) == {"nightly": len(people), "weekly": len(people)}
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_a_hold_begins_and_ends_by_its_dates():
    clinic, _ = staffed_clinic()
    today = night(clinic).local_date + due_nights.DAY
    begins, ended = (factories.admitted(clinic, on=today - 30 * due_nights.DAY) for _ in range(2))
    Episode.objects.filter(pk=ended.pk).update(state="on_hold")
    for episode, first, last in (
        (begins, today, None),
        (ended, today - 9 * due_nights.DAY, today - due_nights.DAY),
    ):
        EpisodeHold.objects.create(
            clinic=clinic, episode=episode, reason="leave", starts_on=first, ends_on=last
        )
    nightly.run_nights([night(clinic)])
    states = dict(Episode.objects.values_list("pk", "state"))
    assert states == {begins.pk: "on_hold", ended.pk: "admitted"}
    changed = AuditEvent.objects.filter(table_name="patients_episode", new__state="on_hold")
    assert changed.get(row_id=begins.pk).actor == "job:nightly"


def test_rows_that_stay_locked_are_no_attempt(monkeypatch):
    clinic, _ = staffed_clinic()
    for _ in range(nightly.MOST_ATTEMPTS + 1):
        with monkeypatch.context() as patched:
            patched.setattr(nightly, "expand", fail(Busy()))
            nightly.run_nights([night(clinic)])
    run = NightlyRun.objects.get()
    assert (run.state, run.attempts, run.error) == ("claimed", 0, "")
    nightly.run_nights([night(clinic)])
    assert NightlyRun.objects.get().state == "finished"


def test_the_tasks_time_being_over_is_no_clinics_fault(monkeypatch):
    clinic, _ = staffed_clinic()
    monkeypatch.setattr(nightly, "expand", fail(SoftTimeLimitExceeded()))
    with pytest.raises(SoftTimeLimitExceeded):
        nightly.run_nights([night(clinic)])
    run = NightlyRun.objects.get()
    assert (run.state, run.attempts, run.error) == ("claimed", 1, "")
