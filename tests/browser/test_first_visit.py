"""A first visit fits into 500 KB, whatever is not cached yet."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from iop_clinic.accounts.roles import Role
from tests import factories
from tests.browser.first_visit import MOST, PAGES, first_visits
from tests.browser.site import BROWSER
from tests.project.world import clinic_rows, therapist_rows

pytestmark = BROWSER


def test_the_sign_in_and_the_page_behind_it_are_small() -> None:
    clinic = factories.ClinicFactory()
    therapist_rows(factories.staff(clinic, Role.THERAPIST), clinic_rows(clinic))
    person = factories.staff(clinic)
    person.password = PBKDF2PasswordHasher().encode("first-visit", "salt")  # not the tests' own
    person.save()
    sizes = first_visits(person.email, "first-visit")
    assert sorted(sizes) == sorted(PAGES)
    assert [name for name, size in sizes.items() if size > MOST] == [], sizes
