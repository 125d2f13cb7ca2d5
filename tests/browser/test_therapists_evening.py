"""A therapist's evening with twelve patients, and the morning after: by keys, and on a phone."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import time_machine
from playwright.sync_api import Page, expect

from scheduling.models import Booking, Session
from tests.browser.evening import Evening, a_visit, beside, clock, open_sheet, unsent
from tests.browser.site import BROWSER, PHONE, WIDE, Visit, fill_in_login, hindrances

pytestmark = [*BROWSER, pytest.mark.parametrize("size", [12])]

FULL = "Failed to load resource: the server responded with a status of 409 (Conflict)"
"""What the console says of a patient for whom there is no seat, before a reason is given."""
LATE, LEFT, AWAY, ABSENT = range(4)
"""Seats, from 0, of whom more than "present" is told."""


def marked_by_keys(page: Page, evening: Evening) -> None:
    """One key a patient; a time, a tab or an arrow besides."""
    told = {
        LATE: ["l", "5", "Enter"],
        LEFT: ["g", clock(evening, 165), "Enter"],
        AWAY: ["a", clock(evening, 20), "Tab", clock(evening, 50), "Enter"],
        ABSENT: ["n"],
    }
    for seat in range(len(evening.people)):
        for part in told.get(seat, ["p"]):
            if ":" in part or part.isdigit():
                page.keyboard.type(part)
            else:
                page.keyboard.press(part)
        page.keyboard.press("ArrowDown")


def marked_by_finger(page: Page, evening: Evening) -> None:
    lines = page.locator(".line")
    lines.nth(ABSENT).get_by_role("button", name="No-show").tap()
    page.get_by_role("button", name="All present").tap()
    unsent(page, 0)
    for seat, name, *times in ((LATE, "Late", "5"), (LEFT, "Left", clock(evening, 165)),
                               (AWAY, "Away", clock(evening, 20), clock(evening, 50))):  # fmt: skip
        lines.nth(seat).get_by_role("button", name=name).tap()
        for box, time in zip(("#ask-time", "#ask-until"), times, strict=False):
            page.locator(box).fill(time)
        page.locator("#ask").get_by_role("button", name="Save").tap()


LOOKS = [
    pytest.param((marked_by_keys, WIDE, "dark"), id="keys-wide-dark"),
    pytest.param((marked_by_finger, PHONE, "light"), id="finger-phone-light"),
]


@pytest.mark.parametrize("how", LOOKS)
def test_twelve_patients_are_marked_one_is_added_and_the_roster_is_signed(
    chrome: Any, evening: Evening, live_server: Any, how: Any
) -> None:
    mark, screen, scheme = how
    visit = a_visit(chrome, live_server, screen, color_scheme=scheme, has_touch=True)
    from_the_list(visit, evening)
    mark(visit.page, evening)
    unsent(visit.page, 0)
    assert facts(evening) == expected(evening)
    add_the_guest(visit.page, evening)
    expect(visit.page.locator("#summary")).to_contain_text("Everybody is recorded. Next: sign.")
    assert (visit.too_wide, hindrances(visit.page)) == (0, [])
    visit.page.keyboard.press("s")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#summary")).to_contain_text("The roster is signed.")
    signed = beside(lambda: Session.objects.get(pk=evening.session.pk).signed_by)
    assert (signed, visit.faults) == (evening.house.user, [FULL])


def from_the_list(visit: Visit, evening: Evening) -> None:
    """What a therapist opens first: today's groups."""
    visit.open("/roster/")
    fill_in_login(visit.page, evening.leader)
    visit.page.wait_for_url("**/roster/")
    assert visit.too_wide == 0
    visit.page.get_by_role("link", name=evening.house.group.name, exact=True).click()
    expect(visit.page.locator(".line")).to_have_count(12)
    expect(visit.page.locator(".line").first).to_be_focused()


def add_the_guest(page: Page, evening: Evening) -> None:
    """Above the capacity, which somebody must answer for."""
    page.keyboard.press("+")
    page.keyboard.type(evening.guest.patient.last_name)
    add = page.get_by_role("button", name=f"Add {evening.guest.patient.short_name}")
    add.press("Enter")
    expect(page.locator("#adding-said")).to_contain_text("All 12 seats")
    page.locator("#adding-reason").fill("Moved from the other evening")
    add.press("Enter")
    expect(page.locator("#adding-said")).to_contain_text("was added.")
    page.keyboard.press("Escape")
    expect(page.locator(".line")).to_have_count(13)
    page.locator(".line").last.press("p")
    unsent(page, 0)


def facts(evening: Evening) -> list[Any]:
    return evening.records("attended", "arrived_at", "left_at", "credited_minutes")


def expected(evening: Evening) -> list[Any]:
    begins = evening.session.starts_at
    late, left = (begins + datetime.timedelta(minutes=n) for n in (5, 165))
    told: dict[int, Any] = {
        LATE: (True, late, None, 175),
        LEFT: (True, None, left, 165),
        AWAY: (True, None, None, 150),
        ABSENT: (False, None, None, 0),
    }
    return [told.get(seat, (True, None, None, 180)) for seat in range(12)]


def test_a_mistake_is_put_right_the_next_day_with_its_reason(
    chrome: Any, evening: Evening, live_server: Any
) -> None:
    visit = a_visit(chrome, live_server)
    open_sheet(visit, evening, evening.leader)
    visit.page.keyboard.press("n")
    visit.page.get_by_role("button", name="All present").click()
    unsent(visit.page, 0)
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    with time_machine.travel(tomorrow):
        open_sheet(visit, evening, evening.leader)
        visit.page.keyboard.press("p")
        visit.page.get_by_label("Why it changes").select_option("Seen on the sign-in sheet")
        visit.page.get_by_role("button", name="Save").click()
        unsent(visit.page, 0)
    first = Booking.objects.get(session=evening.session, seat=1).attendance
    assert (first.attended, first.version) == (True, 2)
    assert first.correction_reason == "Seen on the sign-in sheet"
    assert visit.faults == []
