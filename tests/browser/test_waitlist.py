"""A coordinator works the waitlist of a group: two people wait, the second takes the seat."""

from __future__ import annotations

from typing import Any

import pytest

from iop_clinic.accounts.roles import Role
from scheduling.models import GroupMembership, WaitlistEntry, WaitlistStep
from scheduling.services import put_on_waitlist
from tests import factories
from tests.attendance.house import BEFORE, House
from tests.browser.evening import beside
from tests.browser.hands import Hands
from tests.browser.site import BROWSER, CORA, LOOKS, hindrances, visit_of

pytestmark = BROWSER
LIST = "/admin/scheduling/waitlistentry/"


@pytest.fixture
def waiting(db: None) -> list[WaitlistEntry]:
    """In order."""
    house = House(zone="America/New_York")
    clerk = factories.staff(house.clinic, Role.COORDINATOR, user__email=CORA)
    people = [house.patient(BEFORE, seat=None) for _ in range(2)]
    return [put_on_waitlist(group=house.group, episode=one, by=clerk) for one in people]


def known(*entries: WaitlistEntry) -> tuple[Any, ...]:
    """The state of each entry; what was tried in order; who has a seat."""
    rows = WaitlistEntry.objects.in_bulk([one.pk for one in entries])
    return (
        [rows[one.pk].state for one in entries],
        list(WaitlistStep.objects.order_by("pk").values_list("entry", "result")),
        list(GroupMembership.objects.values_list("episode", "seat")),
    )


@pytest.mark.parametrize("look", LOOKS)
def test_a_seat_is_offered_declined_offered_again_and_taken(chrome, waiting, live_server, look):
    first, second = waiting
    visit = visit_of(chrome, live_server.url, look)
    hands = Hands(visit)
    visit.open(LIST)
    assert (hindrances(visit.page), visit.too_wide) == ([], 0)

    visit.open(f"{LIST}{first.pk}/offer/")
    hands.choose("How the patient was told", "In person")
    hands.choose("What came of it", "Reached")
    hands.go("Offer a seat")
    hands.sees("Next: note the answer.")
    assert hindrances(visit.page) == []
    visit.open(f"{LIST}{first.pk}/decline/")
    hands.choose("The patient", "Keeps the place on the waitlist")
    hands.go("Decline")

    visit.open(f"{LIST}{second.pk}/offer/")
    hands.sees("Waiting longer")
    hands.choose("How the patient was told", "In person")
    hands.choose("What came of it", "Reached")
    hands.write("Why not in order", "Works until 8 pm")
    hands.go("Offer a seat")
    visit.open(f"{LIST}{second.pk}/accept/")
    hands.go("Enrol the patient")
    hands.sees("has seat 1 in")
    assert visit.faults == []
    assert beside(lambda: known(first, second)) == (
        ["waiting", "enrolled"],
        [(first.pk, "reached"), (first.pk, "passed_over"), (second.pk, "reached")],
        [(second.episode_id, 1)],
    )
