"""The account pages in a real browser: what only a browser checks, such as the Origin of a form."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from iop_clinic.accounts import invitations
from tests import factories
from tests.browser.site import BROWSER, PHONE, fill_in_login

pytestmark = BROWSER
NEW = "a-new-long-password"


@pytest.fixture(params=["light", "dark"])
def phone(request: Any, chrome: Any) -> Page:
    page: Page = chrome.new_page(viewport=PHONE, color_scheme=request.param)
    return page


@pytest.fixture
def link(live_server: Any) -> str:
    """What the invitation of rosa@example.com leads to."""
    person = factories.staff(factories.ClinicFactory(), user__email="rosa@example.com")
    person.set_unusable_password()
    person.save()
    return live_server.url + urlsplit(invitations.password_link(person)).path


def test_an_invited_person_sets_a_password_and_signs_in(link: str, phone: Page, live_server: Any):
    asked: list[str] = []
    phone.on("request", lambda request: asked.append(request.url))
    phone.goto(link)
    assert phone.inner_text("h1") == "Welcome"
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    for label in ("New password", "New password confirmation"):
        phone.get_by_label(label, exact=True).fill(NEW)
    phone.get_by_role("button", name="Save the password").click()
    phone.get_by_role("link", name="Sign in").click()
    fill_in_login(phone, "Rosa@example.com", NEW)
    phone.wait_for_url(f"{live_server.url}/admin/")
    assert [url for url in asked if not url.startswith(live_server.url)] == []


def test_a_forgotten_password_is_asked_for(no_celery_worker: None, live_server: Any, phone: Page):
    phone.goto(f"{live_server.url}/account/reset/")
    phone.get_by_label("Email address").fill("nobody@example.com")
    phone.keyboard.press("Enter")
    phone.wait_for_url("**/account/reset/sent/")
    assert phone.inner_text("h1") == "Look in your inbox"
