"""Files brought in by hand in a real browser, with a real worker."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect, sync_playwright

from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from tests import factories
from tests.attendance.uploads import BRING, TABLES, harbor, workbook
from tests.browser.site import BROWSER, WIDE, chromium, sign_in

pytestmark = BROWSER
PATIENCE = 30_000  # milliseconds


@pytest.fixture
def administrator(monkeypatch: Any) -> User:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    return factories.staff(harbor(), Role.ADMINISTRATOR)


@pytest.fixture
def book() -> bytes:
    sheets = {name: [line.split(",") for line in text.split("\n")] for name, text in TABLES.items()}
    data: bytes = workbook(sheets).read()
    return data


def test_a_workbook_is_checked_and_imported(
    live_server, celery_worker_process, administrator, book
):
    with sync_playwright() as playwright, chromium(playwright) as browser:
        page = browser.new_page(viewport=WIDE)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        sign_in(page, live_server.url, administrator.email, factories.PASSWORD)
        page.goto(live_server.url + reverse(BRING))
        file = {"name": "clinic.xlsx", "mimeType": "application/octet-stream", "buffer": book}
        page.set_input_files("input[type=file]", [file])
        page.get_by_role("button", name="Check the files").click()
        page.get_by_role("button", name="Import 24 rows").click(timeout=PATIENCE)
        imported = page.get_by_role("heading", name="Imported", exact=True)
        expect(imported).to_be_visible(timeout=PATIENCE)
        assert faults == []
    assert Patient.objects.count() == 2


def test_too_large_files_are_told_before_they_are_sent(live_server, administrator):
    with sync_playwright() as playwright, chromium(playwright) as browser:
        page = browser.new_page(viewport=WIDE)
        sign_in(page, live_server.url, administrator.email, factories.PASSWORD)
        page.goto(live_server.url + reverse(BRING))
        page.evaluate("document.querySelector('[data-files]').dataset.most = 1048576")
        two = {"name": "rooms.csv", "mimeType": "text/csv", "buffer": bytes(2 * 1024 * 1024)}
        page.set_input_files("input[type=file]", [two])
        told = page.get_by_text("Together 2.0 MB: at most 1.0 MB at a time.")
        expect(told).to_be_visible()
        expect(page.get_by_role("button", name="Check the files")).to_be_disabled()
