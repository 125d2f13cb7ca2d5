"""Every page of the site, opened once at each size: nothing in the way of whoever hears it or sees
it badly, nothing said in the console, nothing asked elsewhere, no scrolling sideways.

The pages of the admin site are collected from its addresses, so that a new one is visited too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.urls import URLPattern, URLResolver, reverse

from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Group, Session
from tests import factories
from tests.browser.site import BROWSER, CORA, PHONE, WIDE, Visit, hindrances, visit_of
from tests.project.world import DAY, Rows, clinic_rows, therapist_rows

pytestmark = BROWSER

NO_PAGES = {
    *("jsi18n", "autocomplete", "search", "view_on_site", "logout"),  # for scripts, or no page
    *("patients_episode_attendance-summary.pdf", "attendance_compliancereport_mail"),
    *("attendance_dataimport_template", "attendance_dataimport_progress"),
    "attendance_compliancereport_change",  # frames a real mail: see test_papers.py
}
"""Addresses of the admin site that answer with something else than a page of it."""
FOREIGN = "the API's documentation"
"""Its markup is a library's own."""
FEW = {
    *("index", "patients_episode_change", "patients_patient_add", "attendance_flag_changelist"),
    *("attendance_flag_outreach", "scheduling_session_week", "scheduling_session_cancel"),
    *("scheduling_group_change", "patients_episode_level", "attendance_standard_changelist"),
    *(
        "patients_patient_history",
        "attendance_dataimport_history",
        "patients_certification_add",
        "sign in",
        "roster",
        "sign-in sheet",
    ),
    *("patients_episode_enrol", "patients_episode_call-in", "patients_patient_change"),
    *("attendance_flag_change", "accounts_therapist_change", "scheduling_session_change"),
    *("nothing here", "reset", FOREIGN),
}
"""What the daily run looks at, each in one of the looks; the long one opens all in both."""
PHONE_LIGHT, WIDE_DARK = (PHONE, "light"), (WIDE, "dark")


def admin_pages(rows: Rows) -> dict[str, str]:
    """By the name of the address; one that is about a row is opened for the one of `rows`."""
    keys = {f"{m._meta.app_label}_{m._meta.model_name}": row.pk for m, row in rows.items()}
    same = {"app_label": "patients", "episode_id": rows[Episode].pk, "day": DAY, "start": DAY}
    return {
        one.name: reverse(f"admin:{one.name}", kwargs={
            part: same.get(part) or keys["_".join(one.name.split("_")[:2])]
            for part in one.pattern.regex.groupindex
        })
        for one in patterns(admin.site.urls[0])
        if one.name and one.name not in NO_PAGES
    }  # fmt: skip


def patterns(found: Any) -> Iterator[URLPattern]:
    for one in found:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        else:
            yield one


def other_pages(rows: Rows) -> dict[str, str]:
    day = [rows[Group].public_id, DAY]
    return {
        FOREIGN: reverse("api:docs"),
        "sign in": "/admin/login/?next=/admin/nothing/",
        "find": reverse("find"),
        "nothing here": "/admin/nothing-here/",
        "nothing outside": "/nothing-here/",
        "reset": reverse("account-reset"),
        "reset sent": reverse("password_reset_sent"),
        "password set": reverse("password_set"),
        "rosters": reverse("roster:list"),
        "roster": reverse("roster:day", args=day),
        "sign-in sheet": reverse("roster:day-sign-in", args=day),
        "roster of a session": reverse("roster:session", args=[rows[Session].public_id]),
    }


@pytest.fixture
def pages(db: None) -> dict[str, str]:
    clinic = factories.ClinicFactory(name="Riverside")
    shared = clinic_rows(clinic)
    leader = factories.staff(clinic, Role.THERAPIST)
    factories.staff(clinic, Role.ADMINISTRATOR, user__email=CORA)
    rows: Rows = {Clinic: clinic, **shared, **therapist_rows(leader, shared)}
    return admin_pages(rows) | other_pages(rows)


@pytest.fixture
def visit(look: Any, pages: dict[str, str], chrome: Any, live_server: Any) -> Visit:
    return visit_of(chrome, live_server.url, look)


def faults_of(visit: Visit, path: str, *, checks: bool) -> list[Any]:
    """What is wrong with a page; to be refused or not to be found is none."""
    visit.faults.clear()
    answer: Any = visit.page.goto(visit.address + path)
    wrong: list[Any] = [] if answer.status in (200, 403, 404) else [answer.status]
    said = [fault for fault in visit.faults if f"status of {answer.status}" not in fault]
    if visit.page.evaluate("document.compatMode") != "CSS1Compat":
        wrong.append("something stands before the document")
    wide = [f"{visit.too_wide} px too wide"] if visit.too_wide else []
    return [*wrong, *said, *wide, *(hindrances(visit.page) if checks else [])]


def wrong_with(visit: Visit, pages: dict[str, str]) -> str:
    """A line for each page that something is wrong with."""
    found = {name: faults_of(visit, path, checks=name != FOREIGN) for name, path in pages.items()}
    return "\n".join(f"{name}: {faults}" for name, faults in found.items() if faults)


@pytest.mark.parametrize(("look", "nth"), [(PHONE_LIGHT, 0), (WIDE_DARK, 1)])
def test_the_pages_of_every_day_are_in_nobodys_way(visit, pages, nth):
    wrong = wrong_with(visit, {name: pages[name] for name in sorted(FEW)[nth::2]})
    assert not wrong, wrong


@pytest.mark.soak
@pytest.mark.parametrize("look", [PHONE_LIGHT, WIDE_DARK])
def test_no_page_is_in_anybodys_way(visit, pages):
    wrong = wrong_with(visit, pages)
    assert not wrong, wrong
