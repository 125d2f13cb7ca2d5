"""The admin site in a real browser: no script error, nothing from elsewhere, no page too wide."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.models import Clinic, Therapist
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import long_date
from patients.models import Episode, Patient
from scheduling.models import Group, Room, Session
from tests import factories
from tests.admin import url
from tests.browser.site import BROWSER, CORA, LOOKS, PHONE, WIDE, Visit, hindrances, visit_of
from tests.project.world import DAY, Rows, clinic_rows, therapist_rows

pytestmark = BROWSER

FOREIGN = {"the API's documentation"}
"""Pages whose markup is a library's own."""
SHOWN = {
    *("scheduling_session", "scheduling_group", "scheduling_room", "accounts_therapist"),
    *("attendance_flag", "attendance_standard", "attendance_absencerule"),
}
"""Of whose rows one is opened."""


@pytest.fixture
def rows(db: None) -> Rows:
    clinic = factories.ClinicFactory(name="Riverside")
    shared = clinic_rows(clinic)
    leader = factories.staff(clinic, Role.THERAPIST)
    factories.staff(clinic, user__email=CORA)
    return {Clinic: clinic, **shared, **therapist_rows(leader, shared)}


@pytest.fixture(params=LOOKS)
def visit(request: Any, rows: Rows, chrome: Any, live_server: Any) -> Visit:
    return visit_of(chrome, live_server.url, request.param)


def pages(rows: Rows) -> dict[str, str]:
    episode = rows[Episode]
    lists = [url(model) for model in (Patient, Episode, Group, Room, Therapist, AbsenceRule)]
    return {
        "today": reverse("admin:index"),
        **{name: reverse(f"admin:attendance_{name}_changelist") for name in ("flag", "standard")},
        "outreach": url(rows[Flag], "outreach"),
        "the API's documentation": reverse("api:docs"),
        **{path: path for path in lists},
        "episode": url(episode, "change"),
        "patient": url(rows[Patient], "change"),
        "enrol": url(episode, "enrol"),
        "call-in": url(episode, "call-in"),
        "level": url(episode, "level"),
        "transfer": url(episode, "transfer"),
        "week": f"{reverse('admin:scheduling_session_week')}?day={DAY}",
        "cancel": url(rows[Session], "cancel"),
        **{
            name: reverse(f"admin:{name}_change", args=[row.pk])
            for model, row in rows.items()
            for name in [f"{model._meta.app_label}_{model._meta.model_name}"]
            if name in SHOWN
        },
    }


def test_pages_are_quiet_and_no_wider_than_the_screen(visit, rows):
    for name, path in pages(rows).items():
        visit.open(path)
        assert visit.too_wide == 0, name
        if name not in FOREIGN:
            assert hindrances(visit.page) == [], name
    assert visit.faults == []


@pytest.mark.parametrize("visit", [(PHONE, "light")], indirect=True, ids=["phone"])
def test_a_patient_is_put_on_hold_with_a_thumb(visit, rows):
    episode = rows[Episode]
    visit.open(url(episode, "change"))
    visit.page.get_by_text("More", exact=True).click()
    visit.page.get_by_role("link", name="Put on hold").click()
    day = timezone.now().date() + datetime.timedelta(days=1)
    visit.page.get_by_label("Starts on").fill(day.isoformat())
    visit.page.get_by_label("Reason").select_option("leave")
    visit.page.get_by_role("button", name="Put on hold").click()
    visit.page.get_by_text(f"On hold from {long_date(day)}").wait_for()
    assert visit.faults == []


@pytest.mark.parametrize("visit", [(PHONE, "dark")], indirect=True, ids=["phone"])
def test_a_level_is_changed_after_a_look_at_what_changes(visit, rows):
    episode, page = rows[Episode], visit.page
    visit.open(url(episode, "change"))
    page.get_by_role("heading", name="Weeks").wait_for()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Change the level of care").click()
    day = timezone.now().date() + datetime.timedelta(days=7)
    page.get_by_label("First day on the new level").fill(day.isoformat())
    page.get_by_label("Level of care").select_option(label="OP 1")
    page.get_by_label("Minutes a week").fill("120")
    page.get_by_role("button", name="See what changes").click()
    page.get_by_text("Nothing is saved yet.").wait_for()
    page.get_by_role("button", name="Save").first.click()
    page.get_by_text(f"{episode.patient} is on OP 1 from {long_date(day)}.").wait_for()
    assert visit.faults == []


@pytest.mark.parametrize("visit", [(WIDE, "light")], indirect=True, ids=["wide"])
def test_a_patient_is_found_by_typing(visit, rows):
    patient = rows[Patient]
    visit.open("/admin/patients/episode/add/")
    visit.page.locator(".select2-selection").first.click()
    visit.page.locator(".select2-search__field").fill(patient.last_name)
    visit.page.get_by_role("option", name=str(patient)).click()
    assert visit.page.locator("[name=patient]").input_value() == str(patient.pk)
    assert visit.faults == []
