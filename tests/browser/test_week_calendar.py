"""The week calendar in a real browser: by keyboard, with a thumb, and on paper."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from scheduling.models import Session
from tests import factories as f
from tests.admin import url
from tests.browser.site import BROWSER, CORA, PHONE, WIDE, visit_of
from tests.scheduling.conftest import build

pytestmark = BROWSER

WEEK = reverse("admin:scheduling_session_week") + "?day=2026-03-03"


@dataclass
class Wall:
    """The calendar of a week with one session on Tuesday and one on Wednesday."""

    page: Page
    tuesday: Session
    wednesday: Session

    def seen(self) -> list[str]:
        return self.page.locator(".cal-open:visible .cal-time").all_inner_texts()


@pytest.fixture
def sessions(db: None) -> tuple[Session, Session]:
    world = build()
    f.staff(world.clinic, user__email=CORA)
    f.RoomFactory(clinic=world.clinic)
    given = {"room": world.room, "therapist": world.therapist}
    return (
        world.session("2026-03-03", "09:00", "10:00", **given),
        world.session("2026-03-04", "13:00", "14:00", **given),
    )


@pytest.fixture(params=[WIDE])
def wall(request: Any, sessions: tuple[Session, Session], chrome: Any, live_server: Any) -> Wall:
    visit = visit_of(chrome, live_server.url, (request.param, "light"))
    visit.open(WEEK)
    return Wall(visit.page, *sessions)


def on(size: dict[str, int]) -> Any:
    return pytest.mark.parametrize("wall", [size], indirect=True, ids=[str(size["width"])])


def test_a_wide_screen_shows_the_week_and_a_session_opens_by_keyboard(wall):
    assert wall.seen() == ["9:00 – 10:00 AM", "1:00 – 2:00 PM"]
    wall.page.get_by_role("region", name="Sessions of the week by room").focus()
    wall.page.keyboard.press("Tab")
    wall.page.keyboard.press("Enter")
    wall.page.wait_for_url(f"**{url(wall.tuesday, 'change')}")


@on(PHONE)
def test_a_phone_shows_one_day_and_goes_to_the_next_with_a_tab(wall):
    assert wall.seen() == ["9:00 – 10:00 AM"]
    wall.page.get_by_role("navigation", name="Days").get_by_role("link", name="Wed").click()
    wall.page.wait_for_url("**day=2026-03-04")
    assert wall.seen() == ["1:00 – 2:00 PM"]


@on(PHONE)
def test_a_phone_hides_rows_without_anything_and_says_when_a_day_is_empty(wall):
    assert wall.page.locator("th[scope=row]:visible").count() == 1
    wall.page.get_by_role("navigation", name="Days").get_by_role("link", name="Thu").click()
    wall.page.get_by_text("No session takes place on this day.").wait_for()
    assert wall.page.locator("th[scope=row]:visible").count() == 0


AROUND = ("#nav-sidebar", "#header-inner", ".cal-tools", ".cal-print")


def test_paper_shows_the_week_alone(wall):
    for media, around in (("screen", True), ("print", False)):
        wall.page.emulate_media(media=media)
        assert wall.seen() == ["9:00 – 10:00 AM", "1:00 – 2:00 PM"]
        found = [wall.page.locator(one).first.is_visible() for one in AROUND]
        assert found == [around] * len(AROUND)
        assert wall.page.get_by_text(", printed ").is_visible() is not around


def test_the_print_button_prints(wall):
    wall.page.evaluate("window.print = () => { document.title = 'printed' }")
    wall.page.get_by_role("button", name="Print").click()
    assert wall.page.title() == "printed"


# --- moved from here -----------------------------------------------------------------------------


@pytest.fixture
def coming(db: None) -> Session:
    """Of next week's Tuesday, from nine to ten."""
    world = build()
    f.staff(world.clinic, user__email=CORA)
    f.RoomFactory(clinic=world.clinic)
    today = timezone.localdate()
    day = today + datetime.timedelta(days=8 - today.weekday())
    given = {"room": world.room, "therapist": world.therapist}
    return world.session(day.isoformat(), "09:00", "10:00", **given)


def looking(coming: Session, chrome: Any, live_server: Any, size: dict[str, int]) -> Page:
    """The calendar of that week, after "Move"."""
    visit = visit_of(chrome, live_server.url, (size, "light"))
    visit.open(f"{reverse('admin:scheduling_session_week')}?day={coming.local_date}")
    visit.page.locator(".cal-move:visible").press("Enter")
    visit.page.get_by_role("heading", name=f"Move {coming.title}").wait_for()
    return visit.page


def test_a_session_is_moved_by_keyboard_to_where_it_fits(coming, chrome, live_server):
    page = looking(coming, chrome, live_server, WIDE)
    thursday = coming.local_date + datetime.timedelta(days=2)
    day = f"{thursday:%a %b} {thursday.day}"
    page.get_by_role("link", name=f"Move here, 9:00 AM on {day}").first.press("Enter")
    page.wait_for_url(f"**day={thursday}**")
    page.get_by_text("This is what would change").wait_for()
    page.locator("form button[type=submit]:visible").last.press("Enter")
    page.wait_for_url(f"**/week/?by=room&day={coming.local_date}")
    coming.refresh_from_db()
    assert coming.local_date == thursday


def test_on_a_phone_each_place_of_the_day_is_a_target_for_a_thumb(coming, chrome, live_server):
    page = looking(coming, chrome, live_server, PHONE)
    page.get_by_role("navigation", name="Days").get_by_role("link", name="Thu").click()
    page.wait_for_url("**&move=*")
    places = page.locator(".cal-fits:visible")
    assert places.count() == 2  # one in each of the two rooms
    for box in (one.bounding_box() for one in places.all()):
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert box["height"] >= 44
