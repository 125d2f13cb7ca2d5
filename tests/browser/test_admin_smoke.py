"""The admin site in a real browser: no script error, nothing from elsewhere, no page too wide."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone

from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.weeks import long_date
from patients.models import Episode, Patient
from tests import factories
from tests.admin import url
from tests.browser.site import BROWSER, CORA, LOOKS, PHONE, WIDE, Visit, visit_of
from tests.project.world import Rows, clinic_rows, therapist_rows

pytestmark = BROWSER


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


@pytest.mark.parametrize("visit", [(WIDE, "light")], indirect=True, ids=["wide"])
def test_a_patient_is_found_by_typing(visit, rows):
    patient = rows[Patient]
    visit.open("/admin/patients/episode/add/")
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.page.locator(".select2-selection").first.click()
    visit.page.locator(".select2-search__field").fill(patient.last_name)
    visit.page.get_by_role("option", name=str(patient)).click()
    assert visit.page.locator("[name=patient]").input_value() == str(patient.pk)
    assert any(url.endswith("/admin/autocomplete/") for url in asked)
    assert [url for url in asked if patient.last_name in url] == []
    assert visit.faults == []
