"""What a person does on a page: with a mouse or a finger (`Hands`), or with keys alone (`Keys`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests import factories
from tests.browser.site import PHONE, Visit

MOST_TABS = 250
"""After so many keys nobody finds what they look for."""


@dataclass
class Hands:
    """After each step that leads to another page, that page must not be too wide."""

    visit: Visit

    @property
    def page(self) -> Page:
        return self.visit.page

    def reach(self, target: Locator) -> None:
        """Bring what somebody wants to press or fill in under the hand."""
        target.scroll_into_view_if_needed()

    def press(self, target: Locator) -> None:
        target.click()

    def write(self, label: str, text: Any) -> None:
        self._type(self.field(label), str(text))

    def fill(self, name: str, text: Any) -> None:
        """A part of a field that has no label of its own."""
        self._type(self.page.locator(f"[name={name}]"), str(text))

    def choose(self, label: str, option: str) -> None:
        """The option of a list that reads so, or begins so and is the only one."""
        box = self.field(label)
        self._select(box, option)
        expect(box.locator("option:checked")).to_have_text(option)

    def pick(self, target: Locator) -> None:
        """A radio button or a box to tick."""
        self.press(target)

    def go(self, name: str, role: Any = "button", nth: int = 0) -> None:
        """Press what leads to another page."""
        self.to(self.page.get_by_role(role, name=name, exact=True).nth(nth))

    def to(self, target: Locator) -> None:
        target.wait_for()
        with self.page.expect_navigation():
            self.press(target)
        self.look()

    def follow(self, name: str, nth: int = 0) -> None:
        self.go(name, "link", nth)

    def menu(self, name: str) -> None:
        """By the list of pages, which a phone folds away."""
        if self.page.viewport_size["width"] == PHONE["width"]:  # type: ignore[index]
            self.press(self.page.get_by_role("button", name="Menu", exact=True).last)
        self.follow(name)

    def begin(self, name: str) -> None:
        """What is done on a list, which a phone folds away."""
        if self.page.viewport_size["width"] == PHONE["width"]:  # type: ignore[index]
            self.press(self.page.get_by_role("button", name="What to do here", exact=True))
        self.follow(name)

    def more(self, name: str) -> None:
        """A verb that is not in sight at once."""
        self.press(self.page.locator(".clinic-more summary"))
        self.follow(name)

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True).or_(
            self.page.get_by_label(f"{label}*", exact=True)
        )

    def sees(self, *texts: str) -> None:
        for text in texts:
            expect(self.page.locator("body")).to_contain_text(text)

    def look(self) -> None:
        assert self.visit.too_wide == 0, self.page.url

    def sign_in(self, email: str, password: str = factories.PASSWORD) -> None:
        self.visit.open("/admin/login/")
        self._type(self.page.locator("[name=username]"), email)
        self._type(self.page.locator("[name=password]"), password)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def _type(self, box: Locator, text: str) -> None:
        box.fill(text)

    def _select(self, box: Locator, option: str) -> None:
        box.select_option(label=option)


class Keys(Hands):
    """Whatever is not reached by Tab is not reached at all."""

    def reach(self, target: Locator) -> None:
        wanted = target.element_handle()
        for _ in range(MOST_TABS):
            if wanted.evaluate("one => one === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{MOST_TABS} keys do not lead to {target}")

    def press(self, target: Locator) -> None:
        self.reach(target)
        self.page.keyboard.press("Enter")

    def pick(self, target: Locator) -> None:
        self.reach(target)
        self.page.keyboard.press("Space")

    def _type(self, box: Locator, text: str) -> None:
        self.reach(box)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    def _select(self, box: Locator, option: str) -> None:
        """The letters of an option lead to it."""
        self.reach(box)
        self.page.keyboard.type(option)
