"""Searches of lists: no page of the site writes what somebody searched for into an address."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib import admin

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.searching import KEPT, MOST
from iop_clinic.accounts.models import Clinic, Membership
from iop_clinic.accounts.roles import Role
from patients.models import Episode, Patient
from tests import factories as f
from tests.admin import Desk, desk, url

pytestmark = pytest.mark.django_db

SEARCHED = [
    model
    for model, page in admin.site._registry.items()
    if isinstance(page, ClinicModelAdmin) and page.search_fields
]


@pytest.fixture
def clinic() -> Clinic:
    return f.ClinicFactory()


@pytest.fixture
def at(clinic: Clinic) -> Desk:
    return desk(clinic, Role.ADMINISTRATOR)


def search(at: Desk, model: Any, term: str, **filters: str) -> Any:
    """As the form of the list does: the answer to the POST."""
    return at.client.post(url(model), {"q": term, **filters})


def names(page: Any) -> list[str]:
    return [row.last_name for row in page.context["cl"].result_list]


@pytest.mark.parametrize("model", SEARCHED, ids=lambda model: model.__name__)
def test_every_list_posts_its_search_and_goes_on_without_the_name(at: Desk, model: Any) -> None:
    assert 'method="post" role="search"' in at.client.get(url(model)).content.decode()
    answer = search(at, model, "Quiller")
    query = parse_qs(urlsplit(answer.url).query)
    assert (answer.status_code, list(query)) == (302, ["q"])
    assert re.fullmatch(r"~[0-9a-f]{8}", query["q"][0])
    page = at.client.get(answer.url)
    assert page.status_code == 200
    assert 'value="Quiller"' in page.content.decode()
    assert "q=Quiller" not in page.content.decode()


def test_rows_are_found_and_pages_filters_and_columns_keep_the_search(
    at: Desk, clinic: Clinic
) -> None:
    for n in range(51):
        f.PatientFactory(clinic=clinic, last_name=f"Quill{n:02}")
    f.PatientFactory(clinic=clinic, last_name="Other")
    sign = search(at, Patient, "quill").url
    assert names(at.client.get(f"{sign}&o=2&p=2")) == ["Quill50"]
    html = at.client.get(sign).content.decode()
    links = [link for link in re.findall(r'href="(\?[^"]+)"', html) if "p=" in link or "o=" in link]
    kept = urlsplit(sign).query
    assert links
    assert [link for link in links if kept not in link] == []


def test_a_filter_stays_while_somebody_searches(at: Desk, clinic: Clinic) -> None:
    admitted = f.admitted(clinic)
    f.EpisodeFactory(patient__clinic=clinic)
    sent = {"state__exact": "admitted"}
    answer = search(at, Episode, admitted.patient.last_name, **sent)
    assert parse_qs(urlsplit(answer.url).query)["state__exact"] == ["admitted"]
    page = at.client.get(answer.url)
    assert list(page.context["cl"].result_list) == [admitted]


def test_a_name_typed_into_the_address_is_taken_out_of_it(at: Desk, clinic: Clinic) -> None:
    f.PatientFactory(clinic=clinic, last_name="Quill")
    f.PatientFactory(clinic=clinic, last_name="Other")
    answer = at.client.get(url(Patient), {"q": "Quill"})
    assert (answer.status_code, "Quill" in answer["Location"]) == (302, False)
    assert names(at.client.get(answer["Location"])) == ["Quill"]


def test_nothing_typed_shows_the_whole_list(at: Desk, clinic: Clinic) -> None:
    f.PatientFactory(clinic=clinic, last_name="Other")
    assert search(at, Patient, " ").url == f"{url(Patient)}?"
    assert names(at.client.get(url(Patient), {"q": "~00000000"})) == ["Other"]


def test_a_session_keeps_the_last_terms_and_each_only_once(at: Desk) -> None:
    first = search(at, Patient, "first").url
    assert search(at, Patient, "first").url == first
    for n in range(MOST):
        search(at, Patient, f"term {n}")
    assert list(at.client.session[KEPT].values()) == [f"term {n}" for n in range(MOST)]


def test_a_sign_is_of_use_to_nobody_else(at: Desk, clinic: Clinic) -> None:
    sign = search(at, Patient, "Quill").url
    page = desk(clinic).client.get(sign)
    assert "Quill" not in page.content.decode()


def test_who_may_not_see_the_list_searches_nothing(clinic: Clinic) -> None:
    front = desk(clinic, Role.FRONT_DESK)
    assert search(front, Membership, "Quill").status_code == 403
    assert KEPT not in front.client.session
