"""Every list of the admin site, and the start page, take as many statements at 50 rows as at 1."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.admin import Desk, desk, url
from tests.project.world import Rows, clinic_rows, therapist_rows

MOST = 16
"""Statements of the longest list, from the session to the last row."""
MOST_OF_TODAY = 25
"""Of the start page while nobody's week is short and no session is held."""


def counts(at: Desk) -> dict[str, int]:
    """The statements of each list that this person may open, and of the start page."""
    pages = {m.__name__: url(m) for m in admin.site._registry}
    pages["Today"] = reverse("admin:index")
    asked = {name: _statements(at, address) for name, address in pages.items()}
    return {name: number for name, number in asked.items() if number is not None}


def _statements(at: Desk, address: str) -> int | None:
    with CaptureQueriesContext(connection) as captured:
        answer = at.client.get(address)
    return len(captured) if answer.status_code == 200 else None


def grow(clinic: Clinic, shared: Rows, rows: int) -> None:
    """So many therapists more, each with a row of their own in every table."""
    for _ in range(rows):
        therapist_rows(factories.staff(clinic, Role.THERAPIST), shared)


@pytest.mark.parametrize(
    ("role", "more"), [(Role.ADMINISTRATOR, 49), (Role.COORDINATOR, 3), (Role.THERAPIST, 3)]
)
def test_lists_take_the_same_statements_however_long_they_are(db, role, more):
    clinic = factories.ClinicFactory()
    shared = clinic_rows(clinic)
    leader = factories.staff(clinic, Role.THERAPIST)
    therapist_rows(leader, shared)
    person = Desk(leader) if role == Role.THERAPIST else desk(clinic, role)
    before = counts(person)
    grow(clinic, shared, more)
    assert counts(person) == before
    assert before.pop("Today") <= MOST_OF_TODAY
    assert max(before.values()) <= MOST, before
