"""Rosters in a browser that several people use: nobody's marks are lost or become another's."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from attendance.records.entries import Entry
from attendance.records.services import record_roster
from iop_clinic.accounts.models import User
from scheduling.models import Booking
from tests.browser.evening import (
    Evening,
    a_visit,
    beside,
    expire_logins,
    open_sheet,
    unsent,
    watched,
)
from tests.browser.site import BROWSER, Visit, fill_in_login

pytestmark = BROWSER


def a_kept_mark(chrome: Any, evening: Evening, live_server: Any) -> Visit:
    """The leader's sheet without a network, with one patient marked present and not sent."""
    visit = a_visit(chrome, live_server)
    open_sheet(visit, evening, evening.leader)
    visit.page.context.set_offline(True)
    visit.page.keyboard.press("p")
    unsent(visit.page, 1)
    return visit


@pytest.mark.parametrize(
    ("choice", "stored"), [("Send mine", (True, 2)), ("Keep what is stored", (False, 1))]
)
def test_of_two_versions_a_person_chooses_one(chrome, evening, live_server, choice, stored):
    visit = a_kept_mark(chrome, evening, live_server)
    page = visit.page
    beside(lambda: say_absent(evening))
    page.context.set_offline(False)
    line = page.locator(".line").first
    expect(line).to_contain_text("was changed meanwhile by Cora Reyes.")
    expect(line).to_contain_text("Stored: No-show. Yours: Present.")
    assert evening.records() == [(False, 1)]
    page.get_by_role("button", name=choice).click()
    if choice == "Send mine":
        page.get_by_label("Why it changes").select_option("Told later")
        page.get_by_role("button", name="Save").click()
    unsent(page, 0)
    assert evening.records() == [stored]


def say_absent(evening: Evening) -> None:
    (booking, *_) = evening.session.bookings.order_by("seat")
    entry = Entry(booking=booking.public_id, attended=False)
    clerk = User.objects.get(email=evening.clerk)
    record_roster(session=evening.session, entries=[entry], by=clerk)


def test_another_person_sends_nobody_elses_marks(chrome, evening, live_server):
    visit = a_kept_mark(chrome, evening, live_server)
    page = visit.page
    expire_logins()
    page.context.set_offline(False)
    expect(page.locator("#sign-in")).to_be_visible()
    other = watched(page.context.new_page(), live_server)
    open_sheet(other, evening, evening.clerk)
    expect(other.page.locator("#strangers")).to_contain_text("1 mark of another person waits")
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#sending")).to_have_text(
        "Somebody else is signed in on this device. Your 1 mark is safe here. Change over and sign "
        "in to go on."
    )
    assert evening.records() == []
    assert other.faults == []


def test_on_a_shared_device_one_changes_over_and_the_marks_are_sent(chrome, evening, live_server):
    visit = a_kept_mark(chrome, evening, live_server)
    page = visit.page
    expire_logins()
    page.context.set_offline(False)
    page.get_by_role("link", name="Sign in again").click()
    fill_in_login(page, evening.clerk)
    expect(page.locator("#strangers")).to_contain_text("1 mark of another person waits")
    page.get_by_role("link", name="Change over to another person").click()
    expect(page.locator("main")).to_contain_text("Cora Reyes is signed in on this device.")
    page.get_by_role("button", name="Sign Cora Reyes out").click()
    fill_in_login(page, evening.leader)
    expect(page.locator("#sending")).to_have_text("Everything is sent.")
    assert evening.records() == [(True, 1)]


def sign_in_elsewhere(page, evening, live_server):
    other = watched(page.context.new_page(), live_server)
    other.page.goto(live_server.url + "/admin/login/")
    fill_in_login(other.page, evening.leader)
    other.page.wait_for_url(live_server.url + "/roster/")
    page.bring_to_front()


def test_no_name_stays_on_the_screen_once_the_login_has_ended(chrome, evening, live_server):
    visit = a_kept_mark(chrome, evening, live_server)
    page = visit.page
    named = page.get_by_text(evening.people[0].patient.short_name).locator("visible=true")
    page.keyboard.press("l")
    expect(named).to_have_count(3)  # the line, what was said last, and the question
    expire_logins()
    page.context.set_offline(False)
    expect(page.locator("#sign-in")).to_be_visible()
    expect(named).to_have_count(0)
    sign_in_elsewhere(page, evening, live_server)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator(".line").first).to_be_visible()
    expect(page.locator("#sending")).to_have_text("Everything is sent.")


@pytest.mark.soak
def test_a_sign_in_of_the_same_person_in_another_tab_is_enough(chrome, evening, live_server):
    visit = a_kept_mark(chrome, evening, live_server)
    page = visit.page
    expire_logins()
    page.context.set_offline(False)
    expect(page.locator("#sign-in")).to_be_visible()
    sign_in_elsewhere(page, evening, live_server)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#sending")).to_have_text("Everything is sent.")
    assert evening.records() == [(True, 1)]


def test_a_mark_of_somebody_who_left_the_roster_is_kept_until_it_is_dropped(
    chrome, evening, live_server
):
    visit = a_kept_mark(chrome, evening, live_server)
    page = visit.page
    rows = Booking.objects.filter(session=evening.session, seat=1)
    beside(lambda: rows.update(state="withdrawn", withdrawn_reason="Plan changed"))
    page.context.set_offline(False)
    refused = page.locator("#refused li")
    expect(refused).to_contain_text("This patient is not expected on this day.")
    expect(page.locator(".line")).to_have_count(2)
    unsent(page, 1)
    refused.get_by_role("button", name="Drop it").click()
    unsent(page, 0)
    expect(refused).to_have_count(0)
    assert evening.records() == []


def test_what_is_kept_on_the_device_names_nobody(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    page = visit.page
    open_sheet(visit, evening, evening.leader)
    page.context.set_offline(True)
    page.get_by_role("button", name="All present").click()
    unsent(page, 3)
    kept = page.evaluate("JSON.stringify({...localStorage}) + document.cookie")
    patients = [one.patient for one in evening.people]
    assert str(patients[0].public_id) in kept
    named = {name for p in patients for name in (p.first_name, p.last_name, p.record_number)}
    assert [name for name in named if name in kept] == []


# --- paper -----------------------------------------------------------------------------------


def test_a_coordinator_copies_the_paper_and_the_leader_confirms(chrome, evening, live_server):
    clerk = a_visit(chrome, live_server)
    open_sheet(clerk, evening, evening.clerk)
    expect(clerk.page.get_by_label("I copy a paper sheet")).to_be_checked()
    clerk.page.get_by_role("button", name="All present").click()
    expect(clerk.page.locator("#paper-note")).to_contain_text(
        "Entered from paper by Cora Reyes: 3 lines. Confirmed when"
    )
    expect(clerk.page.locator("#sign")).to_be_hidden()
    assert evening.records("source", "recorded_by__email") == [("paper", evening.clerk)] * 3

    leader = a_visit(chrome, live_server)
    open_sheet(leader, evening, evening.leader)
    expect(leader.page.locator(".line").first).to_contain_text("from paper, Cora Reyes")
    expect(leader.page.locator("#paper-note")).to_contain_text("your signature confirms them")
    leader.page.keyboard.press("s")
    leader.page.keyboard.press("Enter")
    expect(leader.page.locator("#summary")).to_contain_text("The roster is signed.")
    assert (clerk.faults, leader.faults) == ([], [])
