"""Many clinics of one local date judged together: each with its own row, and none for another."""

import datetime
import itertools
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from attendance.compliance.evaluation import evaluate_clinics
from attendance.models import AbsenceRule, Flag, NightlyRun, ReportDelivery
from attendance.reports import due_nights, nightly, queue, tasks
from iop_clinic.accounts.models import Clinic
from scheduling.services import expand
from tests.attendance.nights import judged_clinic, night, run_row, staffed_clinic

pytestmark = pytest.mark.django_db
State = NightlyRun.State


@pytest.fixture
def messages(monkeypatch):
    """What this process would send to the workers: (task, arguments)."""
    sent: list[tuple[str, list[Any]]] = []

    def send(task, calls):
        sent.extend((task, call) for call in calls)
        return True

    monkeypatch.setattr(queue, "_queue", send)
    return sent


@pytest.fixture
def three():
    return [judged_clinic(patients=2)[0] for _ in range(3)]


def run_together(clinics):
    nightly.run_nights([night(clinic) for clinic in clinics])


def states(clinics):
    rows = NightlyRun.objects.filter(clinic__in=clinics).order_by("clinic_id")
    return list(rows.values_list("state", "attempts", "error"))


def no_calls(clinic):
    return Flag.objects.filter(clinic=clinic, rule=AbsenceRule.Kind.NO_CALL_DAY).count()


def break_for(clinic, monkeypatch):
    """Judging fails as soon as this clinic is among those judged; the calls made are listed."""
    calls = []

    def step(*, since, **rest):
        calls.append(sorted(since))
        if clinic.pk in since:
            raise ZeroDivisionError
        return evaluate_clinics(since=since, **rest)

    monkeypatch.setattr(nightly, "evaluate_clinics", step)
    return calls


def test_clinics_judged_together_each_get_their_row_cases_and_reports(three, messages):
    run_together(three)
    assert states(three) == [("finished", 1, "")] * 3
    assert [no_calls(clinic) for clinic in three] == [1, 1, 1]
    assert ReportDelivery.objects.filter(report__kind="nightly").count() == 9
    assert [run.counts["patients"] for run in NightlyRun.objects.all()] == [2, 2, 2]


def test_one_bad_clinic_fails_alone(three, messages, monkeypatch):
    good, bad, other = three
    calls = break_for(bad, monkeypatch)
    run_together(three)
    assert calls == [[c.pk for c in three], [good.pk], [bad.pk], [other.pk]]
    assert states(three) == [
        ("finished", 1, ""), ("claimed", 1, "ZeroDivisionError"), ("finished", 1, ""),
    ]  # fmt: skip
    assert [no_calls(clinic) for clinic in three] == [1, 0, 1]


def test_a_timetable_that_cannot_be_expanded_stops_no_other(three, messages, monkeypatch):
    bad = three[0]

    def step(*, clinic, **rest):
        if clinic == bad:
            raise ZeroDivisionError
        return expand(clinic=clinic, **rest)

    monkeypatch.setattr(nightly, "expand", step)
    run_together(three)
    assert [state for state, _, _ in states(three)] == ["claimed", "finished", "finished"]


def test_a_clinic_that_another_worker_holds_is_left_to_it(three, messages):
    taken = nightly.take(night(three[0]), now=timezone.now())
    run_together(three)
    assert taken is not None
    assert [state for state, _, _ in states(three)] == ["claimed", "finished", "finished"]
    assert no_calls(three[0]) == 0


def test_of_a_claim_lost_on_the_way_nothing_is_written(three, messages, monkeypatch):
    judge_together = nightly._judge_together

    def lose_one(claims):
        NightlyRun.objects.filter(pk=claims[0].run_id).update(attempts=2)
        judge_together(claims)

    monkeypatch.setattr(nightly, "_judge_together", lose_one)
    run_together(three)
    assert [state for state, _, _ in states(three)] == ["claimed", "finished", "finished"]
    assert [no_calls(clinic) for clinic in three] == [0, 1, 1]


def test_a_night_begun_before_is_judged_alone(three, messages, monkeypatch):
    begun = three[1]
    run_row(night(begun), "claimed", lease_until=timezone.now())
    calls = break_for(Clinic(pk=0), monkeypatch)
    run_together(three)
    assert calls == [[three[0].pk, three[2].pk], [begun.pk]]
    assert states(three) == [("finished", 1, ""), ("finished", 2, ""), ("finished", 1, "")]


def test_the_tick_sends_a_night_begun_before_alone(three, messages):
    begun = three[1]
    run_row(night(begun), "claimed", lease_until=timezone.now())
    tasks.tick()
    nights = [call for task, call in messages if task == queue.RUN_NIGHTS]
    day = night(begun).local_date.isoformat()
    assert nights == [[[three[0].pk], day], [[three[2].pk], day], [[begun.pk], day]]


def test_a_message_names_a_few_clinics_of_one_date(messages):
    day = datetime.date(2026, 3, 2)
    many = [(pk, day) for pk in range(1, 1001)]
    assert queue.queue_nights([(7, day - due_nights.DAY), *many])
    parts = [clinics for _, (clinics, _) in messages]
    assert [len(part) for part in parts] == [1] + [50] * 20
    assert list(itertools.chain(*parts)) == [7, *range(1, 1001)]
    assert {date for _, (_, date) in messages} == {"2026-03-01", "2026-03-02"}


def test_a_chain_of_a_few_clinics_is_work_for_several_workers(messages):
    day = datetime.date(2026, 3, 2)
    queue.queue_nights([(pk, day) for pk in range(1, 21)])
    assert [len(clinics) for _, (clinics, _) in messages] == [3, 3, 3, 3, 3, 3, 2]


def test_the_next_nights_of_all_are_rung_for(messages):
    clinics = [staffed_clinic()[0] for _ in range(2)]
    nightly.run_nights([night(clinic, days_ago=1) for clinic in clinics])
    day = night(clinics[0]).local_date.isoformat()
    nights = [call for task, call in messages if task == queue.RUN_NIGHTS]
    assert nights == [[[clinic.pk], day] for clinic in clinics]


def test_the_night_before_tells_since_when_changes_are_unseen(three, messages, monkeypatch):
    known, failed, fresh = three
    before = run_row(night(known, days_ago=1), "finished")
    run_row(night(failed, days_ago=1), "failed")
    seen = {}

    def step(*, since, **_):
        seen.update(since)
        raise ZeroDivisionError

    monkeypatch.setattr(nightly, "evaluate_clinics", step)
    run_together(three)
    assert seen == {known.pk: before.started_at, failed.pk: None, fresh.pk: None}


def test_judging_takes_the_same_statements_for_one_clinic_and_for_four(messages):
    def judging(clinics):
        now = timezone.now()
        claims = [claim for clinic in clinics if (claim := nightly.take(night(clinic), now=now))]
        with CaptureQueriesContext(connection) as captured:
            nightly.judge(claims=claims, by=nightly.NIGHTLY)
        # Each row is locked and saved for itself.
        return len(captured) - 2 * len(claims)

    one = judging([judged_clinic(patients=2)[0]])
    assert judging([judged_clinic(patients=2)[0] for _ in range(4)]) == one
