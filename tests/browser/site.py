"""Chromium in front of a real web server, and what a visit to any page of the site must not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests import factories

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
BROWSER = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium found"),
]
LOOKS = [
    pytest.param((WIDE, "light"), id="wide-light"),
    pytest.param((PHONE, "dark"), id="phone-dark"),
    pytest.param((WIDE, "dark"), id="wide-dark", marks=pytest.mark.soak),
    pytest.param((PHONE, "light"), id="phone-light", marks=pytest.mark.soak),
]
"""Sizes and color schemes; each size and each scheme once in the daily run."""
CORA = "cora@example.com"
FRAME = ("landmark-one-main", "bypass", "region", "page-has-heading-one")
"""What axe calls moderate, and what is asked of every page all the same."""


@contextmanager
def chromium(playwright: Any) -> Iterator[Any]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    try:
        yield browser
    finally:
        browser.close()


def fill_in_login(page: Page, email: str, password: str = factories.PASSWORD) -> None:
    page.fill("[name=username]", email)
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")


def sign_in(page: Page, address: str, email: str, password: str = factories.PASSWORD) -> None:
    page.goto(f"{address}/admin/login/")
    fill_in_login(page, email, password)
    page.wait_for_url(f"{address}/admin/")


@dataclass
class Visit:
    """A page with what went wrong on it: what the console said, what was asked elsewhere."""

    page: Page
    address: str
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._note_foreign)

    def _note(self, message: Any) -> None:
        """A breach of the content policy is told here as well."""
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _note_foreign(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:")):
            self.faults.append(f"asked {request.url}")

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    @property
    def too_wide(self) -> int:
        """By how many pixels the page must be scrolled sideways."""
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        return max(0, int(wide) - int(self.page.viewport_size["width"]))  # type: ignore[index]


def visit_of(chrome: Any, address: str, look: tuple[Any, str], email: str = CORA) -> Visit:
    """Somebody has signed in, at one size in one color scheme."""
    size, scheme = look
    visit = Visit(chrome.new_page(viewport=size, color_scheme=scheme), address)
    visit.watch()
    sign_in(visit.page, address, email)
    return visit


def hindrances(page: Page) -> list[tuple[str, list[str]]]:
    """What axe calls serious or critical for who hears the page or sees it badly, and `FRAME`."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical") or one["id"] in FRAME
    ]
