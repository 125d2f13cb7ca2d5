"""What a first visit transfers: the sign-in and the page behind it, nothing cached."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from attendance.clinics import open_clinic
from iop_clinic.accounts.acting import Job
from tests import factories
from tests.browser.first_visit import MOST, first_visits
from tests.browser.site import CHROMIUM


def run() -> Iterator[str]:
    """A line a page; of an empty clinic, for its rows are few beside scripts, styles and fonts."""
    if not CHROMIUM:
        yield "first visit: no Chromium found"
        return
    clinic = open_clinic(name="First visit", zone="America/New_York", by=Job("bench"))
    person = factories.staff(clinic)
    person.password = PBKDF2PasswordHasher().encode("first-visit", "salt")
    person.save()
    for name, size in first_visits(person.email, "first-visit").items():
        yield f"first visit, {name:<24} {size / 1000:8.1f} KB, at most {MOST / 1000:.0f}"
