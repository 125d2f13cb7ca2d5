"""Weekly blocks in a browser: entered, changed from a session on and ended, each read first."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone
from django.utils.formats import date_format

from iop_clinic.accounts.weeks import full_date
from scheduling import services
from scheduling.models import Session, WeeklyBlock
from tests.admin import url
from tests.browser.site import BROWSER, Visit, hindrances
from tests.scheduling.conftest import World

pytestmark = BROWSER

DAYS = datetime.timedelta(days=1)


def first_day(world: World) -> datetime.date:
    return timezone.localdate(timezone=world.clinic.tz) + 2 * DAYS


@pytest.fixture
def block(world: World) -> WeeklyBlock:
    """It meets the day after tomorrow, with one member."""
    day = first_day(world)
    row = world.block(weekday=day.weekday(), valid_from=day)
    services.enrol(group=world.group, episode=world.episode(), starts_on=day, by=world.by)
    services.expand(clinic=world.clinic, today=day - 2 * DAYS, by=world.by)
    return row


def look(visit: Visit, **typed: str) -> None:
    """Fill boxes in and read what comes of it: without a fault, and with nothing in the way."""
    for name, value in typed.items():
        box = visit.page.locator(f"[name={name}]")
        if box.evaluate("one => one.tagName") == "SELECT":
            box.select_option(value)
        else:
            box.fill(value)
    visit.page.get_by_role("button", name="See what changes").click()
    visit.page.get_by_text("Nothing is saved yet").wait_for()
    assert (hindrances(visit.page), visit.too_wide, visit.faults) == ([], 0, [])


def save(visit: Visit) -> None:
    visit.page.get_by_role("status").get_by_role("button", name="Save").click()
    visit.page.wait_for_load_state("networkidle")


def hours() -> list[str]:
    rows = Session.objects.live().order_by("starts_at")
    return [f"{one.starts_at.astimezone(one.tz):%H:%M}" for one in rows]


def test_one_hour_of_two_weekdays_is_entered(visit: Visit, world: World) -> None:
    day = first_day(world)
    visit.open(f"{url(WeeklyBlock, 'new')}?group={world.group.pk}")
    for one in (day, day + 2 * DAYS):
        visit.page.get_by_label(f"{one:%A}").check()
    look(
        visit, session_type=str(world.kind.pk), starts_at="9:00 AM",
        ends_at="10:00 AM", facilitator=str(world.therapist.pk),
        valid_from=date_format(day, "m/d/Y"),
    )  # fmt: skip
    visit.page.get_by_role("heading", name="8 sessions in the next 4 weeks").wait_for()
    assert not Session.objects.exists()
    save(visit)
    visit.page.get_by_text("8 sessions are planned").wait_for()
    assert hours() == ["09:00"] * 8


def test_one_is_changed_from_a_session_on(visit: Visit, block: WeeklyBlock) -> None:
    second = Session.objects.order_by("starts_at")[1]
    visit.open(url(second, "change"))
    visit.page.get_by_role("link", name="Change the weekly block").click()
    scope = str(second.original_local_date)
    look(visit, scope=scope, starts_at="1:00 PM", ends_at="2:00 PM")
    visit.page.get_by_role("heading", name="3 sessions to change").wait_for()
    assert hours() == ["09:00"] * 4
    save(visit)
    assert hours() == ["09:00", *["13:00"] * 3]


def test_one_is_ended(visit: Visit, block: WeeklyBlock) -> None:
    last = block.valid_from + 7 * DAYS
    visit.open(url(block, "end"))
    look(visit, last=date_format(last, "m/d/Y"))
    visit.page.get_by_role("heading", name="2 sessions to cancel").wait_for()
    save(visit)
    said = f"The block meets last on or before {full_date(last)}. 2 sessions are cancelled."
    visit.page.get_by_text(said).wait_for()
    assert hours() == ["09:00"] * 2
