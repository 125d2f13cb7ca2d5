"""One search box: what begins with the term, of what this person sees, and no name in a URL."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from iop_clinic.accounts.models import AuditEvent, Clinic
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from tests import factories as f
from tests.admin import Desk, desk, url

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return f.ClinicFactory()


def patient(clinic: Clinic, last: str, **extra: Any) -> Patient:
    return f.admitted(
        clinic, patient=f.PatientFactory(clinic=clinic, last_name=last, **extra)
    ).patient


def find(at: Desk, term: str) -> Any:
    return at.client.post(reverse("find"), {"term": term})


def found(page: Any) -> dict[str, int]:
    return {one.title: len(one.rows) for one in page.context["panels"]}


@pytest.mark.parametrize("term", ["Quill", "quill, a", "R-77", "  QUILLER  "])
def test_the_only_one_found_is_opened_at_once(clinic: Clinic, term: str) -> None:
    one = patient(clinic, "Quiller", first_name="Ada", record_number="R-77")
    patient(clinic, "Other", first_name="Bea", record_number="R-78")
    answer = find(desk(clinic), term)
    assert (answer.status_code, answer.url) == (302, url(one.episodes.get(), "change"))


def test_a_patient_who_was_never_referred_is_opened_as_a_record(clinic: Clinic) -> None:
    one = f.PatientFactory(clinic=clinic, last_name="Quiller")
    assert find(desk(clinic), "Quiller").url == url(one, "change")


def test_namesakes_are_told_apart_by_number_and_state(clinic: Clinic) -> None:
    here = patient(clinic, "Quiller", first_name="Ada", record_number="R-1")
    f.PatientFactory(clinic=clinic, last_name="Quiller", first_name="Ada", record_number="R-2")
    (panel,) = find(desk(clinic), "Quiller").context["panels"]
    assert [row[1:] for row in panel.rows] == [("R-1", "Admitted"), ("R-2", "Never referred")]
    assert url(here.episodes.get(), "change") in panel.rows[0][0]


def test_several_are_listed_by_what_they_are(clinic: Clinic) -> None:
    for last in ("Groupman", "Grove"):
        patient(clinic, last)
    f.GroupFactory(clinic=clinic, name="Group Z")
    page = find(desk(clinic), "gro")
    assert found(page) == {"Patients": 2, "Groups": 1, "Pages": 1}
    assert reverse("admin:scheduling_group_changelist") in page.content.decode()


def test_the_zone_named_under_the_list_is_the_clinics() -> None:
    at = desk(f.ClinicFactory(zone="Pacific/Honolulu"))
    assert "Times in Pacific/Honolulu." in find(at, "gro").content.decode()


def test_so_is_the_zone_under_the_form_for_a_new_password() -> None:
    at = desk(f.ClinicFactory(zone="Pacific/Honolulu"))
    page = at.client.get(reverse("admin:password_change"))
    assert "Times in Pacific/Honolulu." in page.content.decode()


def test_more_than_fit_are_said_to_be_more(clinic: Clinic) -> None:
    for n in range(21):
        patient(clinic, f"Manyfold{n:02}")
    (one,) = find(desk(clinic), "Manyfold").context["panels"]
    assert (len(one.rows), one.note) == (20, "More than 20: add a letter.")


@pytest.mark.parametrize("term", ["", "q", " ", "zz-nobody", "\0qu", "%", "q" * 500])
def test_nothing_found_says_what_to_try(clinic: Clinic, term: str) -> None:
    patient(clinic, "Quiller")
    page = find(desk(clinic), term)
    assert (page.status_code, page.context["panels"]) == (200, [])
    assert "Nothing found" in page.content.decode()


def test_nobody_of_another_clinic_or_caseload_is_found(clinic: Clinic) -> None:
    patient(f.ClinicFactory(), "Quiller")
    colleagues = f.TherapistFactory(clinic=clinic)
    one = patient(clinic, "Quillon")
    one.episodes.update(primary_therapist=colleagues)
    assert find(desk(clinic), "Quil").status_code == 302
    assert find(desk(clinic, Role.THERAPIST), "Quil").context["panels"] == []


def test_the_term_is_posted_and_stands_in_no_address(clinic: Clinic) -> None:
    at = desk(clinic)
    patient(clinic, "Quiller")
    asked = at.client.get(reverse("find"), {"term": "Quiller"})
    assert (asked.status_code, asked.context["panels"]) == (200, [])
    page = at.client.get(reverse("admin:index")).content.decode()
    assert f'action="{reverse("find")}" method="post" role="search"' in page


def test_the_patients_who_are_listed_are_noted(clinic: Clinic) -> None:
    both = {patient(clinic, "Quiller").pk, patient(clinic, "Quillon").pk}
    at = desk(clinic)
    find(at, "quil")
    reads = AuditEvent.objects.filter(operation=AuditEvent.Operation.READ, actor=at.user.actor)
    assert set(reads.values_list("row_id", flat=True)) == both


def test_who_is_not_signed_in_finds_nothing(clinic: Clinic, client: Any) -> None:
    patient(clinic, "Quiller")
    answer = client.post(reverse("find"), {"term": "Quiller"})
    assert (answer.status_code, answer.url.partition("?")[0]) == (302, reverse("admin:login"))


def test_a_search_costs_the_same_however_many_there_are(clinic: Clinic) -> None:
    at = desk(clinic)

    def spent() -> int:
        with CaptureQueriesContext(connection) as queries:
            find(at, "Many")
        return len(queries)

    for n in range(2):
        patient(clinic, f"Many{n}")
    two = spent()
    for n in range(2, 15):
        patient(clinic, f"Many{n}")
    assert spent() == two <= 12
