"""Rosters in a real browser: marks survive lost networks and expired logins, and keys suffice."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from scheduling.models import Session
from tests import factories as f
from tests.browser.evening import (
    Evening,
    a_visit,
    beside,
    clock,
    expire_logins,
    open_sheet,
    unsent,
    watched,
)
from tests.browser.site import BROWSER, fill_in_login

pytestmark = BROWSER
MINUTE = datetime.timedelta(minutes=1)


@pytest.mark.parametrize("size", [12])
def test_twelve_marks_outlive_the_network_the_login_and_the_tab(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    page, context = visit.page, visit.page.context
    open_sheet(visit, evening, evening.leader)
    context.set_offline(True)
    for _ in evening.people:
        page.keyboard.press("p")
        page.keyboard.press("ArrowDown")
    unsent(page, 12)
    expect(page.locator("#sending")).to_contain_text("12 not sent yet")

    expire_logins()
    expired = timezone.now()
    context.set_offline(False)
    expect(page.locator("#sending")).to_have_text("Sign in again; your 12 marks are kept.")
    assert evening.records() == []
    page.close()

    again = watched(context.new_page(), live_server)
    open_sheet(again, evening, evening.leader)
    unsent(again.page, 0)
    assert evening.records() == [(True, 1)] * 12
    assert set(evening.records("source")) == {("roster",)}
    assert all(at < expired for (at,) in evening.records("recorded_at"))
    assert again.faults == []


@pytest.mark.parametrize("size", [12])
def test_marks_whose_answer_was_lost_arrive_once(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    open_sheet(visit, evening, evening.leader)
    asked: list[int] = []

    def lose_the_first_answer(route: Any) -> None:
        if route.request.method != "PATCH":
            return route.continue_()
        asked.append(route.fetch().status)
        return route.abort() if len(asked) == 1 else route.continue_()

    visit.page.route("**/api/v1/group-days/**", lose_the_first_answer)
    visit.page.get_by_role("button", name="All present").click()
    expect(visit.page.locator("#sending")).to_contain_text("12 not sent yet: no connection")
    assert evening.records() == [(True, 1)] * 12
    unsent(visit.page, 0)
    assert (asked, evening.records()) == ([200, 200], [(True, 1)] * 12)


@pytest.mark.soak
def test_a_busy_server_is_asked_again(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    open_sheet(visit, evening, evening.leader)
    busy = {"status": 503, "headers": {"Retry-After": "1"}, "body": "{}"}
    visit.page.route("**/api/v1/group-days/**", lambda r: r.fulfill(**busy), times=2)
    visit.page.keyboard.press("n")
    expect(visit.page.locator("#sending")).to_have_text("1 not sent yet.")
    unsent(visit.page, 0)
    assert evening.records() == [(False, 1)]


@pytest.mark.soak
def test_a_roster_that_cannot_be_read_is_asked_for_again(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    busy = {"status": 503, "body": '{"detail": "The database cannot answer now. Try again."}'}
    visit.page.route("**/api/v1/group-days/**", lambda r: r.fulfill(**busy), times=1)
    visit.page.goto(visit.address + evening.path)
    fill_in_login(visit.page, evening.leader)
    expect(visit.page.locator("#summary")).to_have_text(
        "The database cannot answer now. Try again."
    )
    expect(visit.page.locator(".line")).to_have_count(3, timeout=10_000)
    expect(visit.page.locator("#summary")).to_have_text("3 expected, 3 not recorded.")


def test_what_is_sent_again_and_again_keeps_no_login_alive(chrome, evening, live_server):
    """A mark that a busy server does not take is sent for hours; nobody need be there."""
    visit = a_visit(chrome, live_server)
    page, alone = visit.page, []
    page.clock.install()
    open_sheet(visit, evening, evening.leader)

    def busy(route: Any) -> None:
        alone.append("x-unattended" in route.request.headers)
        route.fulfill(status=503, body="{}")

    page.route("**/api/v1/**", busy)
    page.keyboard.press("n")
    expect(page.locator("#sending")).to_have_text("1 not sent yet.")
    page.clock.fast_forward("02:00")
    with page.expect_response("**/api/v1/**"):
        page.clock.fast_forward("00:30")
    assert (alone[0], alone[-1]) == (False, True)


WORDS = """async () => {
  const { Clock } = await import("/static/attendance/roster/times.js");
  const { minutesWords } = await import("/static/attendance/roster/lines.js");
  const line = {
    bookings: [{ version: 1, status: "present", arrived_at: null, left_at: null, away: [] }],
    week: { day_threshold: 180, day_at_most: 165, day_to_go: 15, day_credited: 165 },
  };
  const today = new Date();
  const before = new Date(today - 86400000);
  return [today, before].map((day) => minutesWords(line, new Clock("UTC", day, day)));
}"""


def test_only_today_can_a_day_still_be_kept(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    open_sheet(visit, evening, evening.leader)
    assert visit.page.evaluate(WORDS) == [
        "165 of 180: 15 more today keeps the day",
        "165 of 180: 15 short of a day",
    ]


OVER = """async () => {
  const { Clock } = await import("/static/attendance/roster/times.js");
  const { minutesWords } = await import("/static/attendance/roster/lines.js");
  const came = { version: 1, status: "present", arrived_at: null, left_at: null, away: [] };
  const week = { day_threshold: 180, day_at_most: 180, day_to_go: 0, day_counts: false };
  const before = new Date(new Date() - 86400000);
  return [{ ...came, version: null }, came].map((other) =>
    minutesWords({ bookings: [came, other], week }, new Clock("UTC", before, before)));
}"""


def test_a_day_that_is_over_is_open_until_all_of_it_is_recorded(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    open_sheet(visit, evening, evening.leader)
    assert visit.page.evaluate(OVER) == [
        "180 of 180: open until the rest is recorded",
        "180 of 180: not a qualifying day",
    ]


# --- an evening without a mouse --------------------------------------------------------------


def test_keys_record_an_evening_and_sign_it(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    keys = visit.page.keyboard
    open_sheet(visit, evening, evening.leader)
    keys.press("p")
    keys.press("g")
    keys.type(clock(evening, 165))
    keys.press("Enter")
    expect(visit.page.locator(".line").first).to_contain_text(
        "165 of 180: 15 more today keeps the day"
    )
    keys.press("j")
    keys.press("l")
    keys.type("5")
    keys.press("Enter")
    keys.press("a")
    keys.type(clock(evening, 20))
    keys.press("Tab")
    keys.type(clock(evening, 50))
    keys.press("Enter")
    keys.press("ArrowDown")
    keys.press("n")
    expect(visit.page.locator("#summary")).to_contain_text("Everybody is recorded. Next: sign.")
    unsent(visit.page, 0)
    assert evening.records("attended") == [(True,), (True,), (False,)]
    keys.press("s")
    keys.press("Enter")
    expect(visit.page.locator("#summary")).to_contain_text("The roster is signed.")
    begins = evening.session.starts_at
    minutes = [datetime.timedelta(minutes=n) for n in (5, 165)]
    assert evening.records("arrived_at", "left_at") == [
        (None, begins + minutes[1]), (begins + minutes[0], None), (None, None),
    ]  # fmt: skip
    assert evening.records("credited_minutes") == [(165,), (145,), (0,)]
    assert (
        beside(lambda: Session.objects.get(pk=evening.session.pk).signed_by) == evening.house.user
    )
    assert visit.faults == []


@pytest.mark.soak
def test_a_mark_is_taken_back_by_key_before_and_after_it_was_sent(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    page = visit.page
    open_sheet(visit, evening, evening.leader)
    page.context.set_offline(True)
    page.keyboard.press("p")
    unsent(page, 1)
    page.keyboard.press("x")
    unsent(page, 0)
    page.context.set_offline(False)
    page.keyboard.press("n")
    expect(page.locator(".line").first).to_contain_text("No-show")
    page.keyboard.press("x")
    page.keyboard.press("Enter")
    expect(page.locator(".line").first).to_contain_text("Not recorded")
    unsent(page, 0)
    assert evening.records() == []


@pytest.mark.soak
def test_a_day_goes_on_as_before_once_its_next_session_is_open(chrome, evening, live_server):
    later = evening.session.ends_at + datetime.timedelta(minutes=10)
    beside(lambda: second_session(evening, later))
    visit = a_visit(chrome, live_server)
    page = visit.page
    open_sheet(visit, evening, evening.leader)
    page.keyboard.press("n")
    page.get_by_role("button", name="All present").click()
    expect(page.locator("#summary")).to_contain_text("3 not recorded for the rest of the day")
    expect(page.locator(".line").last).to_contain_text("Present · 1 of 2 sessions")
    assert evening.records() == [(False, 1), (True, 1), (True, 1)]
    beside(lambda: begin_earlier(evening))
    page.get_by_role("button", name="All present").click()
    expect(page.locator("#summary")).to_contain_text("Everybody is recorded.")
    unsent(page, 0)
    assert evening.records() == [(False, 1)] * 2 + [(True, 1)] * 4
    assert visit.faults == []


def second_session(evening: Evening, starts_at: datetime.datetime) -> None:
    at = starts_at.astimezone(evening.session.tz)
    until = at + datetime.timedelta(hours=1)
    evening.house.day(
        at.date(), evening.people, f"{at:%H:%M}", f"{until:%H:%M}", group=evening.house.group,
        therapist=evening.house.therapist,
    )  # fmt: skip


def begin_earlier(evening: Evening) -> None:
    """The first session was short: the second begins now."""
    now = timezone.now()
    minute = datetime.timedelta(minutes=1)
    first, second = Session.objects.order_by("starts_at")
    Session.objects.filter(pk=first.pk).update(ends_at=now + 10 * minute)
    Session.objects.filter(pk=second.pk).update(
        starts_at=now + 20 * minute, ends_at=now + 80 * minute
    )


def test_a_session_of_one_is_recorded_in_the_same_way(chrome, evening, live_server):
    session = beside(lambda: individual(evening))
    visit = a_visit(chrome, live_server)
    page = visit.page
    path = f"/roster/sessions/{session.public_id}/"
    page.goto(visit.address + path)
    fill_in_login(page, evening.clerk)
    page.locator(".line").wait_for()
    page.get_by_label("I copy a paper sheet").uncheck()
    page.locator(".line").focus()
    page.keyboard.press("p")
    unsent(page, 0)
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    expect(page.locator(".line")).to_contain_text("No-show")
    unsent(page, 0)
    assert evening.records("attended", "version", "source", "correction_reason") == [
        (False, 2, "roster", "Marked by mistake")
    ]
    assert visit.faults == []


def individual(evening: Evening) -> Session:
    row = evening.session
    clock = [f"{at.astimezone(row.tz):%H:%M}" for at in (row.starts_at, row.ends_at)]
    return evening.house.day(row.local_date, [evening.guest], *clock)


def test_somebody_is_added_by_key(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    keys, lines = visit.page.keyboard, visit.page.locator(".line")
    open_sheet(visit, evening, evening.leader)
    keys.press("+")
    keys.type(evening.guest.patient.last_name)
    visit.page.get_by_role("button", name=f"Add {evening.guest.patient.short_name}").wait_for()
    keys.press("Tab")
    keys.press("Enter")
    expect(visit.page.locator("#adding-said")).to_contain_text("was added.")
    keys.press("Escape")
    expect(lines).to_have_count(4)
    expect(lines.last).to_contain_text(evening.guest.patient.short_name)
    assert visit.faults == []


def test_a_time_that_cannot_be_is_asked_for_again(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    keys, error = visit.page.keyboard, visit.page.locator("#ask-error")
    open_sheet(visit, evening, evening.leader)
    keys.press("l")
    hours = "–".join(clock(evening, minutes, half=True) for minutes in (0, 180))
    example, late, far = (clock(evening, minutes, half=True) for minutes in (12, 200, 12 * 60))
    for typed, said in (
        (far, f"{far} is far from {hours}. Look again."),
        ("soon", f"Type a time such as {example}, or minutes such as 12."),
        (late, f"{late} is after the end. Look again, or note a no-show."),
        (clock(evening, 60), "That lies ahead: note an arrival once somebody is there."),
    ):
        visit.page.locator("#ask-time").fill(typed)
        keys.press("Enter")
        expect(error).to_have_text(said)
    keys.press("Escape")
    expect(visit.page.locator(".line").first).to_be_focused()
    unsent(visit.page, 0)
    assert evening.records() == []


def test_times_away_that_overlap_are_told_before_they_are_sent(chrome, evening, live_server):
    visit = a_visit(chrome, live_server)
    keys, error = visit.page.keyboard, visit.page.locator("#ask-error")
    open_sheet(visit, evening, evening.leader)

    def away(first: int, last: int) -> None:
        keys.press("a")
        visit.page.locator("#ask-time").fill(clock(evening, first))
        visit.page.locator("#ask-until").fill(clock(evening, last))
        keys.press("Enter")

    away(2, 6)
    away(5, 8)
    told = "–".join(clock(evening, minutes, half=True) for minutes in (2, 6))
    expect(error).to_have_text(f"Away {told} already: choose times outside it.")
    keys.press("Escape")
    unsent(visit.page, 0)
    assert [len(spans) for (spans,) in evening.records("away")] == [1]
    assert visit.faults == []


def test_times_are_the_clinics_wherever_the_browser_is(chrome, evening, live_server):
    visit = a_visit(chrome, live_server, timezone_id="Pacific/Honolulu")
    open_sheet(visit, evening, evening.leader)
    visit.page.keyboard.press("l")
    visit.page.locator("#ask-time").fill(clock(evening, 5))
    visit.page.keyboard.press("Enter")
    unsent(visit.page, 0)
    line = visit.page.locator(".line").first
    expect(line).to_contain_text(f"came {clock(evening, 5, half=True)}")
    expect(visit.page.locator("main")).to_contain_text(f"Times in {evening.house.clinic.zone}.")
    came = evening.session.starts_at + datetime.timedelta(minutes=5)
    assert evening.records("arrived_at") == [(came,)]


@pytest.mark.parametrize("size", [2])
def test_a_line_says_with_whom_the_patient_is_meanwhile(chrome, evening, live_server):
    def step_out() -> str:
        outer = evening.session.bookings.order_by("seat")[0]
        leader = f.TherapistFactory(clinic=evening.house.clinic)
        begun = timezone.localtime(evening.session.starts_at, evening.session.tz)
        starts, ends = (f"{begun + n * MINUTE:%H:%M}" for n in (20, 40))
        inside = f.session(
            evening.house.clinic, f"{evening.session.local_date}", starts, ends, therapist=leader
        )
        f.booking(
            inside, outer.episode, nested_in=outer, outer_starts_at=outer.starts_at,
            outer_ends_at=outer.ends_at,
        )  # fmt: skip
        return leader.name

    name = beside(step_out)
    visit = a_visit(chrome, live_server)
    open_sheet(visit, evening, evening.leader)
    times = "–".join(clock(evening, minutes, half=True) for minutes in (20, 40))
    expect(visit.page.locator(".visit")).to_have_text(f"with {name} {times}")
    visit.page.keyboard.press("p")
    unsent(visit.page, 0)
    expect(visit.page.locator(".line").first.locator(".visit")).to_have_text(f"with {name} {times}")
    assert visit.faults == []
