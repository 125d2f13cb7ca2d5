"""A browser, and rows for it to look at."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connections
from django.utils import timezone
from playwright.sync_api import sync_playwright

from iop_clinic.accounts.roles import Role
from tests import factories
from tests.attendance.house import House
from tests.browser.evening import Evening
from tests.browser.site import CORA, LOOKS, Visit, chromium, visit_of
from tests.scheduling.conftest import World, build


@pytest.fixture
def size() -> int:
    return 3


@pytest.fixture
def evening(db: None, size: int) -> Evening:
    now = timezone.now().replace(second=0, microsecond=0)
    zone = f"Etc/GMT{now.hour - 12:+d}"  # where it is noon: no day ends during the test
    house = House(zone=zone)
    begins = (now - datetime.timedelta(minutes=10)).astimezone(ZoneInfo(zone))
    ends = begins + datetime.timedelta(hours=3)
    day = begins.date()
    people = [house.patient(on=day, seat=None) for _ in range(size)]
    session = house.day(
        day, people, f"{begins:%H:%M}", f"{ends:%H:%M}", group=house.group,
        therapist=house.therapist,
    )  # fmt: skip
    clerk = factories.staff(house.clinic, Role.COORDINATOR, user__name="Cora Reyes")
    guest = house.patient(on=day, seat=None)
    return Evening(house, session, people, guest, house.user.email, clerk.email)


@pytest.fixture(scope="module")
def one_chromium() -> Iterator[Any]:
    """One browser for a file's tests: to start it takes longer than most of them.

    Playwright runs an event loop in this thread. Django makes its statements there when told so, on
    connections of the loop's own, which nobody but the loop would close.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with sync_playwright() as playwright, chromium(playwright) as found:
            yield found
            connections.close_all()


@pytest.fixture
def chrome(one_chromium: Any) -> Iterator[Any]:
    """Nothing of one test is open in the next."""
    yield one_chromium
    for context in one_chromium.contexts:
        context.close()


@pytest.fixture
def world(db: None) -> World:
    """A clinic with a group, for Cora who coordinates it."""
    found = build()
    factories.staff(found.clinic, user__email=CORA)
    return found


@pytest.fixture(params=LOOKS)
def visit(request: Any, world: World, chrome: Any, live_server: Any) -> Visit:
    """Cora has signed in, in each look."""
    return visit_of(chrome, live_server.url, request.param)
