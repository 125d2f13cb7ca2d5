"""Who may open which page of the admin site: every registered page, every role, both clinics.

The expectation is read from the role table and from the page's own declaration; rows that could
leak exist in every table.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from attendance.models import Flag
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.models import AuditEvent, Clinic, User
from iop_clinic.accounts.roles import PERMISSIONS, Can, Role
from patients.models import Patient
from tests import factories
from tests.project.world import Rows, clinic_rows, therapist_rows

PAGES: dict[type[Model], Any] = dict(admin.site._registry)


def url(model: type[Model], page: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def rows_of(clinic: Clinic) -> Rows:
    shared = clinic_rows(clinic)
    leader = factories.staff(clinic, Role.THERAPIST)
    return {Clinic: clinic, **shared, **therapist_rows(leader, shared)}


@pytest.fixture
def here(db) -> Rows:
    return rows_of(factories.ClinicFactory())


@pytest.fixture
def there(db) -> Rows:
    return rows_of(factories.ClinicFactory())


def may(role: Role, can: Can | None) -> bool:
    return can in PERMISSIONS[role]


def may_open(role: Role, model: type[Model], form: Any) -> bool:
    """What is done with a row takes the permission to see it as well."""
    return may(role, form.can) and (not form.wants_row or may(role, PAGES[model].view))


def test_every_page_belongs_to_a_clinic():
    assert [page for page in PAGES.values() if not isinstance(page, ClinicModelAdmin)] == []


@pytest.mark.parametrize("role", Role)
def test_lists_add_pages_and_rows_open_as_the_role_table_says(role, here):
    client = signed_in(factories.staff(here[Clinic], role))
    found, expected = {}, {}
    for model, page in PAGES.items():
        view = may(role, page.view)
        expected[model.__name__] = [
            200 if view else 403,
            200 if view and may(role, page.add) else 403,
        ]
        answers = [client.get(url(model, "changelist")), client.get(url(model, "add"))]
        found[model.__name__] = [answer.status_code for answer in answers]
    assert found == expected


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.THERAPIST}))
def test_a_row_opens_for_whoever_may_view_its_page(role, here):
    client = signed_in(factories.staff(here[Clinic], role))
    found = {m.__name__: client.get(url(m, "change", here[m].pk)).status_code for m in PAGES}
    expected = {m.__name__: 200 if may(role, p.view) else 403 for m, p in PAGES.items()}
    assert found == expected


@pytest.mark.parametrize("role", Role)
def test_another_clinics_row_does_not_exist(role, here, there):
    client = signed_in(factories.staff(here[Clinic], role))
    for model, page in PAGES.items():
        if may(role, page.view):
            answer = client.get(url(model, "change", there[model].pk))
            assert answer.status_code == 404, model


@pytest.mark.parametrize("role", Role)
def test_no_list_shows_another_clinics_row(role, here, there):
    client = signed_in(factories.staff(here[Clinic], role))
    for model, page in PAGES.items():
        if may(role, page.view):
            html = client.get(url(model, "changelist")).content.decode()
            assert url(model, "change", there[model].pk) not in html, model


def test_a_therapist_opens_their_own_rows_and_not_a_colleagues(here):
    bob = factories.staff(here[Clinic], Role.THERAPIST)
    client = signed_in(bob)
    for model, page in PAGES.items():
        if may(Role.THERAPIST, page.view):
            rows: Any = model._default_manager
            seen = rows.visible_to(bob).filter(pk=here[model].pk).exists()
            answer = client.get(url(model, "change", here[model].pk))
            assert answer.status_code == (200 if seen else 404), model


def verbs() -> list[tuple[type[Model], Any]]:
    return [(m, f) for m, p in PAGES.items() for f in (*p.verbs, *p.list_verbs)]


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.THERAPIST}))
def test_verbs_open_as_the_role_table_says_and_never_for_another_clinics_row(role, here, there):
    client = signed_in(factories.staff(here[Clinic], role))
    for model, form in verbs():
        arguments = [here[model].pk] if form.wants_row else []
        answer = client.get(url(model, form.path, *arguments))
        assert answer.status_code == (200 if may_open(role, model, form) else 403), form
        if form.wants_row:
            strange = client.get(url(model, form.path, there[model].pk))
            assert strange.status_code == 404, form


def test_a_denied_verb_changes_nothing(here):
    client = signed_in(factories.staff(here[Clinic], Role.AUDITOR))
    before = AuditEvent.objects.exclude(operation="R").count()
    for model, form in verbs():
        arguments = [here[model].pk] if form.wants_row else []
        answer = client.post(url(model, form.path, *arguments), {"reason": "x"})
        assert answer.status_code == (200 if may(Role.AUDITOR, form.can) else 403), form
    assert AuditEvent.objects.exclude(operation="R").count() == before


def test_a_superuser_without_a_membership_is_sent_to_the_login_page(here):
    root = User.objects.create_superuser("root@example.com", "x", name="Root")
    answer = signed_in(root).get(url(next(iter(PAGES)), "changelist"))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))


def test_search_boxes_offer_rows_of_the_own_clinic_only(here, there):
    client = signed_in(factories.staff(here[Clinic], Role.COORDINATOR))
    answer = client.get(
        reverse("admin:autocomplete"),
        {"app_label": "patients", "model_name": "episode", "field_name": "patient", "term": ""},
    )
    offered = {row["id"] for row in answer.json()["results"]}
    own = Patient.objects.filter(clinic=here[Clinic]).values_list("pk", flat=True)
    assert offered == {str(pk) for pk in own}


def test_a_nul_in_a_search_box_finds_nothing(here):
    client = signed_in(factories.staff(here[Clinic], Role.COORDINATOR))
    for key in ("episode", "session"):
        answer = client.get(
            reverse("admin:autocomplete"),
            {"app_label": "scheduling", "model_name": "booking", "field_name": key, "term": "\0"},
        )
        assert answer.json()["results"] == []


def test_the_history_of_every_row_opens(here):
    """Lists and mappings among the old values too, such as a credit rule's or a case's."""
    here[Flag].evidence = {"dates": ["2026-03-02"], "minutes": 0}
    here[Flag].save()
    client = signed_in(factories.staff(here[Clinic], Role.ADMINISTRATOR))
    for model in PAGES:
        assert client.get(url(model, "history", here[model].pk)).status_code == 200, model
    html = client.get(url(Flag, "history", here[Flag].pk)).content.decode()
    assert "dates: 2026-03-02; minutes: 0" in html
