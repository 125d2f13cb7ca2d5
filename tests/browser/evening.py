"""A group that meets now behind a real web server, and what its leader does in a browser."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.contrib.sessions.models import Session as Login
from django.db import connection
from playwright.sync_api import Page, expect

from attendance.models import AttendanceRecord
from patients.models import Episode
from scheduling.models import Session
from tests.attendance.house import House
from tests.browser.site import WIDE, Visit, fill_in_login

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " form-action 'self'; base-uri 'none'"
)


@dataclass
class Evening:
    """A group that began ten minutes ago, its leader and its coordinator."""

    house: House
    session: Session
    people: list[Episode]
    guest: Episode
    leader: str
    clerk: str

    @property
    def path(self) -> str:
        return f"/roster/groups/{self.house.group.public_id}/{self.session.local_date}/"

    def records(self, *names: str) -> list[Any]:
        """By seat."""
        names = names or ("attended", "version")
        rows = AttendanceRecord.objects.order_by("booking__seat").values_list(*names)
        return beside(lambda: list(rows))


def beside(work: Callable[[], Any]) -> Any:
    """The database from a thread without Playwright's event loop."""

    def run() -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def a_visit(chrome: Any, live_server: Any, size: Any = WIDE, **options: Any) -> Visit:
    context = chrome.new_context(viewport=size, **options)
    context.route("**/roster/**", strictly)
    return watched(context.new_page(), live_server)


def watched(page: Page, live_server: Any) -> Visit:
    visit = Visit(page, live_server.url)
    visit.watch()
    return visit


def strictly(route: Any) -> None:
    """Pages outside the admin site run under the strictest policy."""
    answer = route.fetch(max_redirects=0)
    route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": STRICT})


def open_sheet(visit: Visit, evening: Evening, email: str) -> None:
    """Signed in on the way."""
    visit.page.goto(visit.address + evening.path)
    fill_in_login(visit.page, email)
    visit.page.wait_for_url(visit.address + evening.path)
    expect(visit.page.locator(".line")).to_have_count(len(evening.people))


def unsent(page: Page, number: int) -> None:
    expect(page.locator("#sending")).to_have_attribute("data-count", str(number))


def expire_logins() -> None:
    beside(lambda: Login.objects.all().delete())


def clock(evening: Evening, minutes: int, *, half: bool = False) -> str:
    """The wall time so many minutes after the start, as a person types it, or as pages say it."""
    moment = evening.session.starts_at + datetime.timedelta(minutes=minutes)
    wall = moment.astimezone(evening.session.tz)
    return f"{wall:%-I:%M %p}" if half else f"{wall:%-I:%M}"
