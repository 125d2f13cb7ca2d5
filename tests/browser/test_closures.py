"""A closure with three decisions, taken back; time off that is covered, and who is called."""

from __future__ import annotations

import datetime

from django.utils import timezone
from django.utils.formats import date_format

from scheduling.models import Closure, Session, TimeOff, Told
from tests import factories as f
from tests.admin import url
from tests.browser.site import BROWSER, Visit, hindrances
from tests.scheduling.conftest import World

pytestmark = BROWSER
DAY = datetime.timedelta(days=1)


def day_of(world: World) -> datetime.date:
    return timezone.localdate(timezone=world.clinic.tz) + 2 * DAY


def sessions(world: World) -> list[Session]:
    """Three, the day after tomorrow, with a patient each."""
    found = []
    for hour in (9, 11, 13):
        times = {"starts": f"{hour:02}:00", "ends": f"{hour + 1:02}:00"}
        row = world.session(day_of(world).isoformat(), therapist=world.therapist, **times)
        f.booking(row, world.episode())
        found.append(row)
    return found


def fill(visit: Visit, **typed: str) -> None:
    for name, value in typed.items():
        box = visit.page.locator(f"[name={name}]")
        if box.evaluate("one => one.tagName") == "SELECT":
            box.select_option(value)
        else:
            box.fill(value)


def press(visit: Visit, name: str) -> None:
    """A button that leads to a page without a fault, with nothing in the way."""
    with visit.page.expect_navigation():
        visit.page.get_by_role("button", name=name, exact=True).first.click()
    assert (hindrances(visit.page), visit.too_wide, visit.faults) == ([], 0, [])


def live() -> list[tuple[bool, bool, datetime.date]]:
    rows = Session.objects.order_by("pk")
    return [(one.live, one.by_video, one.local_date) for one in rows]


def test_a_closed_day_with_three_decisions_is_undone(visit: Visit, world: World) -> None:
    first, second, _ = sessions(world)
    day, before = day_of(world), live()
    visit.open(url(Closure, "new"))
    fill(visit, reason="Snow", starts_on=date_format(day, "m/d/Y"),
         ends_on=date_format(day, "m/d/Y"))  # fmt: skip
    press(visit, "See what it touches")
    visit.page.get_by_role("heading", name="3 sessions: what happens to each?").wait_for()
    box = visit.page.locator(f"[name=day_{first.pk}]")
    assert not box.is_visible()
    fill(visit, **{f"choice_{first.pk}": "moved", f"choice_{second.pk}": "by_video"})
    assert box.is_visible()
    fill(visit, **{f"day_{first.pk}": date_format(day + DAY, "m/d/Y")})
    press(visit, "See what changes")
    assert live() == before
    press(visit, "Save")
    assert live() == [(True, False, day + DAY), (True, True, day), (False, False, day)]
    visit.open(url(Closure.objects.get(), "take-back"))
    press(visit, "See what changes")
    press(visit, "Take the closure back")
    visit.page.get_by_text("3 sessions are as before").wait_for()
    assert (live(), Closure.objects.in_force().count()) == (before, 0)


def test_a_sick_therapist_is_covered_and_who_covers_is_called(visit: Visit, world: World) -> None:
    rows = sessions(world)
    other = f.TherapistFactory(clinic=world.clinic, name="Ana Diaz", phone="555-0142")
    day = date_format(day_of(world), "m/d/Y")
    visit.open(url(TimeOff, "new"))
    fill(visit, therapist=str(world.therapist.pk), starts_at_0=day, ends_at_0=day)
    press(visit, "See what it touches")
    fill(visit, for_all="covered")
    assert visit.page.locator(f"[name=therapist_{rows[0].pk}]").is_visible()
    press(visit, "See what changes")
    press(visit, "Save")
    led = [list(one.staff.filter(active=True).values_list("therapist", flat=True)) for one in rows]
    assert led == [[other.pk]] * 3
    visit.page.get_by_role("link", name="Call list").click()
    visit.page.get_by_role("link", name="555-0142").wait_for()
    visit.page.get_by_label("Ana Diaz was told").check()
    press(visit, "Save the ticks")
    visit.page.get_by_text("1 of 1 told.").first.wait_for()
    assert Told.objects.get().therapist == other
    visit.page.emulate_media(media="print")
    assert not visit.page.get_by_text("Saved: 1 of 1 told.").is_visible()
