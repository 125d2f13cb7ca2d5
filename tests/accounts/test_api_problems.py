"""Whatever the code below raises becomes one problem document; only faults of ours stay 500."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, connection, transaction
from django.http import Http404
from django.test import RequestFactory

from iop_clinic.accounts.acting import Busy, Refused
from iop_clinic.accounts.api import problems
from iop_clinic.accounts.api.problems import Problem, as_problem, document
from patients.models import Patient
from scheduling.models import Session
from tests import factories
from tests.api import API, nothing_written, roster

pytestmark = pytest.mark.django_db


def told(exc: Exception) -> dict[str, Any]:
    problem = as_problem(exc)
    assert problem is not None
    return document(problem)


def broken(write: Callable[[], object]) -> dict[str, Any]:
    """The document for what the database says to a write."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        write()
    return told(caught.value)


def test_an_exclusion_is_409_with_its_own_code() -> None:
    clinic = factories.ClinicFactory()
    room = factories.RoomFactory(clinic=clinic)
    factories.session(clinic, "2026-03-02", "09:00", "10:00", room=room)
    body = broken(lambda: factories.session(clinic, "2026-03-02", "09:30", "10:30", room=room))
    assert (body["status"], body["code"], body["constraint"]) == (
        409, "room_busy", "session_room_free",
    )  # fmt: skip
    assert body["detail"] == "The room is taken at this time."


def test_a_unique_key_is_409() -> None:
    patient = factories.PatientFactory()
    body = broken(
        lambda: factories.PatientFactory(clinic=patient.clinic, record_number=patient.record_number)
    )
    assert (body["status"], body["constraint"]) == (409, "patient_record_number_unique")


def test_a_check_of_a_rows_own_values_is_400() -> None:
    body = broken(lambda: factories.GroupFactory(capacity=16))
    assert (body["status"], body["constraint"]) == (400, "group_capacity_8_to_15")
    assert body["detail"] == "A group has 8 to 15 seats."


def test_a_check_that_knows_other_rows_is_409() -> None:
    r = roster(2)
    body = broken(lambda: Session.objects.filter(pk=r.session.pk).update(capacity=1))
    assert (body["status"], body["code"]) == (409, "session_full")


def test_a_key_to_another_clinic_is_409() -> None:
    other = factories.RoomFactory()
    clinic = factories.ClinicFactory()
    body = broken(
        lambda: factories.session(clinic, "2026-03-02", "09:00", "10:00", room_id=other.pk)
    )
    assert (body["status"], body["code"]) == (409, "other_clinic")


def test_a_value_out_of_range_is_400() -> None:
    patient = factories.PatientFactory()
    rows = Patient.objects.filter(pk=patient.pk)
    assert broken(lambda: rows.update(record_number="x" * 31))["code"] == "out_of_range"


def test_a_statement_that_takes_too_long_is_503() -> None:
    def wait() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1")
            cursor.execute("SELECT pg_sleep(1)")

    body = broken(wait)
    assert (body["status"], body["code"]) == (503, "busy")


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (Refused("session_full", "No seat."), 409, "session_full"),
        (Refused("departure_before_arrival", "No."), 400, "departure_before_arrival"),
        (Refused("not_found", "Gone."), 404, "not_found"),
        (Busy("Locked."), 503, "busy"),
        (Http404("secret"), 404, "not_found"),
        (PermissionDenied(), 403, "not_allowed"),
        (ValidationError("Wrong.", code="birth_date"), 400, "birth_date"),
        (ValidationError({"name": ["Empty."]}), 400, "invalid"),
    ],
)
def test_what_services_and_django_raise(exc: Exception, status: int, code: str) -> None:
    body = told(exc)
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:iop-clinic:problem:{code}"
    assert "secret" not in str(body)


def test_a_refusal_names_its_place_and_carries_its_details() -> None:
    body = told(Refused("session_full", "No seat.", field="records.3.seat", capacity=12))
    assert body["errors"] == [
        {"loc": ["records", 3, "seat"], "message": "No seat.", "code": "session_full"}
    ]
    assert body["capacity"] == 12


def test_busy_says_when_to_come_back() -> None:
    problem = as_problem(Busy("Locked."))
    assert isinstance(problem, Problem)
    assert problem.headers == {"Retry-After": "1"}


def test_a_fault_of_ours_is_no_problem_of_the_clients() -> None:
    assert as_problem(ZeroDivisionError()) is None
    answer = problems.handler500(RequestFactory().get(f"{API}/me/"))
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    page = problems.handler500(RequestFactory().get("/admin/"))
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (500, "text/html")


def test_busy_in_a_view_is_503_and_changes_nothing(monkeypatch: Any) -> None:
    def locked(**_: object) -> None:
        raise Busy("Someone else is changing the same rows.")

    monkeypatch.setattr("attendance.records.services.sign", locked)
    r = roster(1)
    client = r.client
    with nothing_written():
        answer = client.post(f"{r.url}sign/", HTTP_IDEMPOTENCY_KEY="k")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
