"""A POST with a key that fails on its way is done once: all of it, or nothing and again."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from rest_framework.test import APIClient

from attendance import sessions
from attendance.api import sessions as api
from iop_clinic.accounts.models import IdempotencyKey
from scheduling.models import Session
from tests import factories as f
from tests.api import AFTER, API, client_of, nothing_written

ONCE = pytest.mark.django_db
COMMITTING = pytest.mark.django_db(transaction=True)
SHOWN = api.session_shown


@dataclass(frozen=True)
class Plan:
    """A session planned with one key. Planned twice, its therapist would be busy."""

    client: APIClient
    body: dict[str, Any]

    def send(self) -> tuple[int, str]:
        answer = self.client.post(f"{API}/sessions/", self.body, HTTP_IDEMPOTENCY_KEY="once")
        return answer.status_code, answer.json().get("code", "ok")


@pytest.fixture
def plan(time_machine: Any) -> Plan:
    time_machine.move_to(AFTER, tick=False)
    clinic = f.ClinicFactory()
    therapist = f.TherapistFactory(clinic=clinic)
    f.SessionTypeFactory(clinic=clinic, name="Individual", kind="individual")
    patient = f.admitted(clinic).patient
    body = {
        "type": "Individual", "therapist": str(therapist.public_id),
        "patients": [str(patient.public_id)],
        "starts_at": "2026-03-05T14:00:00-05:00", "ends_at": "2026-03-05T15:00:00-05:00",
    }  # fmt: skip
    return Plan(client_of(f.staff(clinic)), body)


def while_answering(monkeypatch: Any, happens: Callable[[], object]) -> None:
    """It happens once, as the first answer is put together."""

    def shown(*given: Any) -> Any:
        monkeypatch.setattr(api, "session_shown", SHOWN)
        happens()
        return SHOWN(*given)

    monkeypatch.setattr(api, "session_shown", shown)


def fail() -> None:
    raise OperationalError("canceling statement due to statement timeout")


def cut() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def deadlock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")


@pytest.mark.parametrize(
    "fault", [pytest.param(fail, marks=ONCE), pytest.param(cut, marks=COMMITTING)]
)
def test_without_an_answer_nothing_is_done_and_the_key_is_free(
    plan: Plan, monkeypatch: Any, fault: Callable[[], None]
) -> None:
    while_answering(monkeypatch, fault)
    with nothing_written():
        assert plan.send() == (503, "busy")
    assert plan.send() == plan.send() == (201, "ok")
    assert Session.objects.count() == 1


@COMMITTING
def test_what_was_committed_though_nobody_was_told_is_not_done_again(
    plan: Plan, monkeypatch: Any
) -> None:
    while_answering(monkeypatch, lambda: transaction.on_commit(fail))
    assert plan.send() == (503, "busy")
    with nothing_written():
        assert plan.send() == (201, "ok")
    row = IdempotencyKey.objects.get()
    assert (row.status, row.location) == (201, str(Session.objects.get().public_id))


@ONCE
def test_who_is_done_after_the_key_was_taken_over_has_done_nothing(
    plan: Plan, monkeypatch: Any
) -> None:
    later = AFTER + datetime.timedelta(minutes=3)
    while_answering(monkeypatch, lambda: IdempotencyKey.objects.update(created_at=later))
    with nothing_written():
        assert plan.send() == (409, "in_flight")
    assert Session.objects.count() == 0


@ONCE
def test_a_deadlock_is_tried_again_within_the_same_request(plan: Plan, monkeypatch: Any) -> None:
    judge, times = sessions._judge, []

    def judged(*given: Any, **named: Any) -> None:
        times.append(1)
        if len(times) == 1:
            deadlock()
        judge(*given, **named)

    monkeypatch.setattr(sessions, "_judge", judged)
    assert plan.send() == (201, "ok")
    assert (len(times), Session.objects.count()) == (2, 1)
