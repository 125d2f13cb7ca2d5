"""The frame around every page of the admin site: its menus open by keyboard as well."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from iop_clinic.accounts.models import Clinic
from tests import factories
from tests.browser.hands import Keys
from tests.browser.site import BROWSER, CORA, PHONE, WIDE, visit_of

pytestmark = BROWSER


@pytest.fixture(params=[PHONE, WIDE], ids=["phone", "wide"])
def keys(request: Any, db: None, chrome: Any, live_server: Any) -> Keys:
    factories.staff(factories.ClinicFactory(), user__email=CORA, user__name="Cora Reyes")
    return Keys(visit_of(chrome, live_server.url, (request.param, "light")))


def test_the_menu_leads_to_every_page(keys):
    keys.menu("Time off")
    keys.page.wait_for_url("**/admin/scheduling/timeoff/")
    assert keys.visit.faults == []


def test_what_is_done_on_a_list_is_reached(keys):
    keys.visit.open("/admin/scheduling/timeoff/")
    keys.begin("Add time off")
    assert keys.page.url.endswith("/scheduling/timeoff/new/")


def test_somebody_signs_out(keys):
    if keys.page.viewport_size == PHONE:
        keys.press(keys.page.get_by_role("button", name="Menu", exact=True).last)
    person = keys.page.get_by_role("button", name=CORA)
    assert person.get_attribute("aria-expanded") == "false"
    keys.press(person)
    expect(person).to_have_attribute("aria-expanded", "true")
    expect(keys.page.get_by_role("button", name="Light")).to_be_focused()
    keys.go("Log out")
    assert keys.page.url == f"{keys.visit.address}/admin/logout/"
    assert keys.visit.faults == []


def test_an_icon_is_no_word(keys):
    """Drawn from a word such as "arrow_back", which nobody should hear."""
    keys.visit.open("/admin/patients/patient/add/")
    assert keys.page.get_by_role("link", name="Go back", exact=True).count() == 1
    assert keys.page.get_by_text("arrow_back", exact=True).get_attribute("aria-hidden") == "true"


def test_a_list_on_a_phone_is_cards_of_what_there_is(keys):
    """Each begins with a name; beside the others stand their columns; what is empty is no line."""
    clinic = Clinic.objects.get()
    factories.PatientFactory(clinic=clinic, last_name="Doe", best_time_to_call="mornings", phone="")
    keys.visit.open("/admin/patients/patient/")
    shown = keys.page.locator("#result_list .data-row > *").locator("visible=true")
    labels = shown.evaluate_all("cells => cells.map((cell) => cell.dataset.label)")
    phone = [] if keys.page.viewport_size == PHONE else ["May be called at"]
    others = ["Name", "Record number", "Care", "Birth date", *phone, "Best time to call"]
    assert labels == others
