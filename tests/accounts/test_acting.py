"""The frame of a service: one transaction, tried again when the database asks for it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from iop_clinic.accounts.acting import ATTEMPTS, Busy, Job, service
from iop_clinic.accounts.models import AuditEvent, Clinic
from tests import factories
from tests.breaking import execute, update

JOB = Job("test")


class Deadlock(Exception):
    sqlstate = "40P01"


def deadlock() -> OperationalError:
    error = OperationalError("deadlock detected")
    error.__cause__ = Deadlock()
    return error


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_tried_again_from_the_start():
    tries: list[int] = []

    @service
    def work(*, by: Job) -> str:
        factories.ClinicFactory(name=f"Try {len(tries)}")
        tries.append(1)
        if len(tries) < ATTEMPTS:
            raise deadlock()
        return "done"

    assert work(by=JOB) == "done"
    assert [clinic.name for clinic in Clinic.objects.all()] == [f"Try {ATTEMPTS - 1}"]


@pytest.mark.django_db(transaction=True)
def test_after_three_attempts_the_caller_hears_that_it_is_busy():
    tries: list[int] = []

    @service
    def work(*, by: Job) -> None:
        tries.append(1)
        raise deadlock()

    with pytest.raises(Busy):
        work(by=JOB)
    assert len(tries) == ATTEMPTS


@pytest.mark.django_db(transaction=True)
def test_a_service_within_a_service_does_not_try_again_by_itself():
    tries: list[str] = []

    @service
    def inner(*, by: Job) -> None:
        tries.append("inner")
        raise deadlock()

    @service
    def outer(*, by: Job) -> None:
        tries.append("outer")
        inner(by=by)

    with pytest.raises(Busy):
        outer(by=JOB)
    assert tries == ["outer", "inner"] * ATTEMPTS


@pytest.mark.django_db(transaction=True)
def test_a_service_called_after_the_commit_has_a_transaction_of_its_own():
    clinic = factories.ClinicFactory()
    inside: list[bool] = []

    @service
    def later(*, by: Job) -> None:
        inside.append(connection.in_atomic_block)
        update(clinic, phone="555-0100")

    @service
    def work(*, by: Job) -> None:
        transaction.on_commit(lambda: later(by=Job("afterwards")))

    work(by=JOB)
    assert inside == [True]
    assert AuditEvent.objects.get(operation="U").actor == "job:afterwards"


@pytest.mark.django_db(transaction=True)
def test_another_database_error_is_not_tried_again():
    tries: list[int] = []

    @service
    def work(*, by: Job) -> None:
        tries.append(1)
        execute("SELECT 1 / 0")

    with pytest.raises(Exception, match="division by zero"):
        work(by=JOB)
    assert len(tries) == 1


@pytest.mark.django_db(transaction=True)
def test_a_deferred_check_fails_inside_the_service():
    clinic = factories.ClinicFactory()
    membership = factories.MembershipFactory(clinic=clinic)
    after: list[str] = []

    @service
    def work(*, by: Job) -> None:
        update(membership, user_id=0)  # Django's own keys are checked at the commit
        after.append("reached")

    with pytest.raises(IntegrityError):
        work(by=JOB)
    assert after == ["reached"]
    assert not connection.in_atomic_block


@pytest.mark.django_db(transaction=True)
def test_a_row_that_stays_locked_is_busy_not_a_hang():
    clinic = factories.ClinicFactory()
    held, done = threading.Event(), threading.Event()

    @service
    def rename(*, by: Job, name: str, wait: Any = None) -> None:
        execute("SET LOCAL lock_timeout = '50ms'")
        update(clinic, name=name)
        if wait:
            held.set()
            wait.wait(10)

    def hold() -> None:
        rename(by=JOB, name="Held", wait=done)
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(10)
    with pytest.raises(Busy):
        rename(by=JOB, name="Refused")
    done.set()
    other.join()
    clinic.refresh_from_db()
    assert clinic.name == "Held"
