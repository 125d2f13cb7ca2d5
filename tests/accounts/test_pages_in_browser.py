"""The account pages in a real browser: what only a browser checks, such as the Origin of a form."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from iop_clinic.accounts import invitations
from tests import factories

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not shutil.which("chromium") and not os.environ.get("CI"), reason="no Chromium found"
    ),
]
NEW = "a-new-long-password"


@pytest.fixture(params=["light", "dark"])
def phone(request) -> Iterator[Page]:
    """A page 390 px wide. Playwright runs an event loop: rows are made before it, not beside it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=request.param)
        browser.close()


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
    phone.fill("[name=username]", "Rosa@example.com")
    phone.fill("[name=password]", NEW)
    phone.press("[name=password]", "Enter")
    phone.wait_for_url(f"{live_server.url}/admin/")
    assert [url for url in asked if not url.startswith(live_server.url)] == []


def test_a_forgotten_password_is_asked_for(no_celery_worker: None, live_server: Any, phone: Page):
    phone.goto(f"{live_server.url}/account/reset/")
    phone.get_by_label("Email address").fill("nobody@example.com")
    phone.keyboard.press("Enter")
    phone.wait_for_url("**/account/reset/sent/")
    assert phone.inner_text("h1") == "Look in your inbox"
