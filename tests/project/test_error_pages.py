"""Pages of refusal: what happened and where to go on, and nothing about what was asked for."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from iop_clinic.accounts.roles import Role
from patients.models import Patient
from tests import factories as f
from tests.admin import desk

pytestmark = pytest.mark.django_db


def test_what_is_not_there_and_what_is_not_visible_are_one_page() -> None:
    stranger = f.PatientFactory(last_name="Hiddenham")
    client = desk(f.ClinicFactory()).client
    unseen = client.get(f"/admin/patients/patient/{stranger.pk}/change/")
    missing = client.get("/admin/patients/patient/0/change/")
    assert (unseen.status_code, missing.status_code) == (404, 404)
    assert unseen.content == missing.content
    assert "There is nothing here" in unseen.content.decode()


def test_what_a_role_may_not_do_says_so() -> None:
    page = desk(f.ClinicFactory(), Role.FRONT_DESK).client.get("/admin/attendance/flag/")
    assert page.status_code == 403
    assert "Your role may not do this" in page.content.decode()


def test_a_form_of_another_sign_in_is_sent_again() -> None:
    person = f.staff(f.ClinicFactory())
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    answer = client.post(reverse("admin:patients_patient_add"), {"last_name": "Hiddenham"})
    assert answer.status_code == 403
    assert "This page was open for too long" in answer.content.decode()
    assert "Hiddenham" not in answer.content.decode()
    assert not Patient.objects.exists()


def test_a_fault_is_a_page_that_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    client = desk(f.ClinicFactory()).client
    client.raise_request_exception = False
    monkeypatch.setattr("iop_clinic.dashboard.jobs_health", lambda **_: 1 / 0)
    page = client.get(reverse("admin:index"))
    assert page.status_code == 500
    assert "Something went wrong here" in page.content.decode()
