"""A coordinator finds a place for a patient, and somebody for a free seat."""

from __future__ import annotations

from typing import Any

import pytest

from iop_clinic.accounts.roles import Role
from scheduling.models import GroupMembership
from tests import factories
from tests.attendance.house import BEFORE, House
from tests.browser.evening import beside
from tests.browser.site import BROWSER, CORA, LOOKS, Visit, hindrances, visit_of

pytestmark = BROWSER


@pytest.fixture
def house(db: None) -> House:
    found = House(zone="America/New_York")
    factories.staff(found.clinic, Role.COORDINATOR, user__email=CORA)
    return found


def press(visit: Visit, name: str) -> None:
    visit.page.get_by_role("button", name=name).first.click()
    visit.page.wait_for_load_state()


def seats(episode: Any) -> int:
    return int(beside(lambda: GroupMembership.objects.filter(episode=episode).count()))


@pytest.mark.parametrize("look", LOOKS)
def test_a_place_is_found_looked_at_and_taken(chrome, house, live_server, look):
    row = house.patient(BEFORE, seat=None)
    visit = visit_of(chrome, live_server.url, look)
    visit.open(f"/admin/patients/episode/{row.pk}/find-place/")
    visit.page.get_by_label("Wednesday").first.check()
    press(visit, "Find places")
    assert visit.page.get_by_role("heading", name="No place fits").is_visible()
    visit.page.get_by_label("Wednesday").first.uncheck()
    press(visit, "Find places")
    assert (hindrances(visit.page), visit.too_wide) == ([], 0)
    press(visit, "Choose this place")
    assert visit.page.get_by_text("Nothing is saved yet").is_visible()
    assert (hindrances(visit.page), visit.too_wide, seats(row)) == ([], 0, 0)
    press(visit, "Enrol")
    assert visit.page.get_by_text("has a place: seat 1 in").is_visible()
    assert (visit.faults, seats(row)) == ([], 1)


@pytest.mark.parametrize("look", LOOKS)
def test_a_group_is_filled_with_who_is_short(chrome, house, live_server, look):
    row = house.patient(BEFORE, seat=None)
    visit = visit_of(chrome, live_server.url, look)
    visit.open(f"/admin/scheduling/group/{house.group.pk}/change/")
    visit.page.get_by_role("link", name="Who could fill this group?").click()
    visit.page.get_by_label(str(row.patient)).check()
    assert (hindrances(visit.page), visit.too_wide) == ([], 0)
    press(visit, "Enrol this patient")
    assert visit.page.get_by_text("No session is planned then yet").is_visible()
    assert (visit.faults, seats(row)) == ([], 1)
