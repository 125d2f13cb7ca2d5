"""What is typed into a form survives the end of a login, for the same person in the same tab."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from scheduling.models import CallIn
from tests.browser.evening import Evening, a_visit, beside, expire_logins
from tests.browser.site import BROWSER, Visit, fill_in_login

pytestmark = BROWSER
NOTE = "Her sister rang"
KEPT = "sessionStorage.getItem('iop-kept-input')"


def at_the_form(visit: Visit, evening: Evening) -> Page:
    page = visit.page
    page.goto(f"{visit.address}/admin/patients/episode/{evening.people[0].pk}/call-in/")
    fill_in_login(page, evening.clerk)
    day = str(evening.session.local_date)
    page.fill("[name=from_date]", day)
    page.fill("[name=to_date]", day)
    page.select_option("[name=reason]", "illness")
    page.fill("[name=note]", NOTE)
    return page


def notes() -> list[str]:
    return list(beside(lambda: list(CallIn.objects.values_list("note", flat=True))))


def test_a_form_sent_after_the_login_ended_is_shown_again_filled(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    page = at_the_form(visit, evening)
    expire_logins()
    page.get_by_role("button", name="Note the absence").click()
    page.wait_for_url("**/admin/login/**")
    fill_in_login(page, evening.clerk)
    expect(page.locator(".clinic-kept")).to_contain_text("Your entries are here again")
    expect(page.locator("[name=note]")).to_have_value(NOTE)
    expect(page.locator("[name=reason]")).to_have_value("illness")
    assert (notes(), page.evaluate(KEPT)) == ([], None)
    page.get_by_role("button", name="Note the absence").click()
    page.wait_for_url("**/change/")
    assert (notes(), page.evaluate(KEPT)) == ([NOTE], None)
    assert visit.faults == []


def test_what_another_tab_made_stale_is_filled_in_again(chrome, evening, live_server):
    """Whoever signs in anew in a second tab has new tokens; the first tab sends its old one."""
    visit = a_visit(chrome, live_server)
    page = at_the_form(visit, evening)
    expire_logins()
    second = page.context.new_page()
    second.goto(page.url)
    fill_in_login(second, evening.clerk)
    second.wait_for_url("**/call-in/")
    page.get_by_role("button", name="Note the absence").click()
    expect(page.get_by_role("heading")).to_have_text("This page was open for too long")
    page.get_by_role("link", name="Open it again").click()
    expect(page.locator(".clinic-kept")).to_contain_text("Your entries are here again")
    expect(page.locator("[name=note]")).to_have_value(NOTE)
    assert (notes(), page.evaluate(KEPT)) == ([], None)
    page.get_by_role("button", name="Note the absence").click()
    page.wait_for_url("**/change/")
    assert notes() == [NOTE]


def test_another_person_in_the_same_tab_sees_nothing_of_it(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    page = at_the_form(visit, evening)
    expire_logins()
    page.get_by_role("button", name="Note the absence").click()
    page.wait_for_url("**/admin/login/**")
    fill_in_login(page, evening.leader)
    page.wait_for_url("**/call-in/")
    assert page.evaluate(KEPT) is None
    assert NOTE not in page.content()


@pytest.fixture
def short(settings: Any) -> None:
    settings.IDLE_SECONDS = 6
    scripts = settings.UNFOLD["SCRIPTS"]
    settings.UNFOLD = {
        **settings.UNFOLD,
        "SCRIPTS": [
            lambda request, one=one: one(request).replace("idle=0", "idle=6") for one in scripts
        ],
    }


def test_an_unused_login_is_told_of_and_then_gives_way(chrome, evening, live_server, short):
    visit = a_visit(chrome, live_server)
    page = at_the_form(visit, evening)
    warning = page.get_by_role("alert").filter(has_text="You are signed out at")
    expect(warning).to_be_visible()
    page.get_by_role("button", name="Stay signed in").click()
    expect(warning).to_have_count(0)
    page.wait_for_url("**/admin/login/**")
    fill_in_login(page, evening.clerk)
    expect(page.locator("[name=note]")).to_have_value(NOTE)
    assert notes() == []


def test_a_page_with_unsaved_input_gives_way_without_asking(chrome, evening, live_server, short):
    """Nobody is there to answer whether they would leave."""
    visit = a_visit(chrome, live_server)
    page = visit.page
    page.goto(f"{visit.address}/admin/patients/patient/{evening.people[0].patient_id}/change/")
    fill_in_login(page, evening.clerk)
    page.wait_for_load_state()
    page.click("[name=best_time_to_call]")
    page.keyboard.type(NOTE)
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.wait_for_url("**/admin/login/**")
    fill_in_login(page, evening.clerk)
    expect(page.locator("[name=best_time_to_call]")).to_have_value(NOTE)
