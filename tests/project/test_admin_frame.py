"""The frame around the pages: past the navigation by the first key, one main, a title in each."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from iop_clinic.accounts.roles import Role
from patients.models import Patient
from scheduling.models import Group
from tests import factories as f
from tests.admin import desk, url

pytestmark = pytest.mark.django_db

FOCUSABLE = re.compile(r"<(?:a|button|input|select|textarea)\b[^>]*>")
PAGES = [
    "index",
    "patients_patient_changelist",
    "patients_patient_add",
    "scheduling_session_week",
    "scheduling_session_plan",
    "attendance_flag_changelist",
    "accounts_clinic_switch",
]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_main_and_the_first_key_leads_there(page: str) -> None:
    html = desk(f.ClinicFactory()).client.get(reverse(f"admin:{page}")).content.decode()
    assert html.count("<main") == html.count("</main>") == 1
    assert html.count("<header>") == 1
    assert 'class="clinic-skip" href="#work"' in FOCUSABLE.findall(html)[0]
    assert '<main id="work" tabindex="-1"' in html
    assert "<h1" in html
    assert "{#" not in html  # a comment of two lines is printed


def test_what_is_sent_stands_in_the_main_with_the_form() -> None:
    html = desk(f.ClinicFactory()).open(Group, "add").content.decode()
    assert html.index("<main") < html.index('name="_save"') < html.index("</main>")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_the_clinics_zone_where_its_content_stands(page: str) -> None:
    at = desk(f.ClinicFactory(zone="Pacific/Honolulu"))
    html = at.client.get(reverse(f"admin:{page}")).content.decode()
    main = html[html.index("<main") : html.index("</main>")]
    assert main.lower().count("times in pacific/honolulu") == 1


@pytest.mark.parametrize(
    ("role", "query", "said", "way"),
    [
        (Role.COORDINATOR, "", "No patients here", "Add patient"),
        (Role.AUDITOR, "", "No patients here", "They are listed as soon as there are some."),
        (Role.COORDINATOR, "?q=Nobody", "Nothing found", "Show the whole list"),
    ],
)
def test_an_empty_list_says_what_to_do_next(role: Role, query: str, said: str, way: str) -> None:
    html = (
        desk(f.ClinicFactory(), role).client.get(url(Patient) + query, follow=True).content.decode()
    )
    assert (said in html, way in html) == (True, True)


@pytest.mark.parametrize("page", ["admin:login", "account-reset"])
def test_a_page_before_the_login_has_one_main(page: str) -> None:
    assert Client().get(reverse(page)).content.decode().count("<main") == 1


def test_the_way_to_a_new_password_speaks_of_no_user_name() -> None:
    html = Client().get(reverse("admin:login")).content.decode()
    assert "Forgotten your password?" in html
    assert f'href="{reverse("account-reset")}"' in html
    assert "username?" not in html


@pytest.mark.parametrize("key", ["9" * 5000, "9" * 19, "0"])
def test_a_number_that_no_row_has_is_not_found(key: str) -> None:
    at = desk(f.ClinicFactory())
    page = reverse("admin:patients_patient_change", args=[key])
    chosen = reverse("admin:patients_episode_add") + f"?patient={key}"
    assert [at.client.get(one).status_code for one in (page, chosen)] == [404, 200]


@pytest.mark.parametrize("page", ["/account/reset/", "/admin/nowhere/"])
def test_a_page_outside_the_frame_names_its_icon_as_well(page: str) -> None:
    html = desk(f.ClinicFactory()).client.get(page).content.decode()
    assert html.count('<link rel="icon"') == 1  # else the browser asks for one that is not there


@pytest.mark.parametrize(
    ("page", "title"),
    [("attendance_flag", "Cases"), ("patients_patient", "Patients"), ("scheduling_room", "Rooms")],
)
def test_a_list_is_titled_by_what_it_lists(page: str, title: str) -> None:
    address = reverse(f"admin:{page}_changelist")
    html = desk(f.ClinicFactory()).client.get(address).content.decode()
    (shown,) = re.findall(r"<title>(.*?)</title>", html, re.DOTALL)
    assert shown.strip() == f"{title} | IOP Clinic"
