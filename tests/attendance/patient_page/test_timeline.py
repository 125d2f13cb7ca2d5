"""The timeline of the patient's page: what was planned, what happened, when."""

from __future__ import annotations

from typing import Any

from iop_clinic.accounts.roles import Role
from patients.models import Episode
from tests import factories as f
from tests.admin import Desk, url
from tests.attendance.house import MON, TUE, WED
from tests.attendance.patient_page.page import DAY, TODAY, WEEK, panels


def days(at: Desk, row: Episode) -> dict[str, Any]:
    panel = panels(at, row)["The last 14 days and the coming 7"]
    return {day.title: day for day in panel.days}


def test_a_day_shows_time_arrival_departure_and_minutes(house, pat, coordinator):
    session = house.day(MON, [pat])
    house.came(pat, MON, arrived="09:30", left="12:00")
    monday = days(coordinator, pat)["Mon Mar 2"]
    (line,) = monday.lines
    assert (line.when, line.title) == ("9:00 AM – 12:20 PM", session.title)
    assert line.status == "present, 9:30 AM – 12:00 PM"
    assert (line.credited, monday.worth) == ("2 h 10 credited", "2 h 10, 50 min short of a day")
    assert [(one.kind, one.x, one.width) for one in monday.strips] == [
        ("planned", "0.00%", "83.33%"),
        ("present", "12.50%", "62.50%"),
    ]


def test_times_away_are_cut_out_of_the_presence(house, pat, coordinator):
    away = [[house.at(MON, "10:00").isoformat(), house.at(MON, "11:00").isoformat()]]
    house.day(MON, [pat], "09:00", "13:00")
    house.came(pat, MON, away=away)
    strips = days(coordinator, pat)["Mon Mar 2"].strips
    assert [(one.kind, one.x, one.width) for one in strips] == [
        ("planned", "0.00%", "100.00%"),
        ("present", "0.00%", "100.00%"),
        ("away", "25.00%", "25.00%"),
    ]


def test_what_is_not_recorded_missed_cancelled_and_to_come_look_different(house, pat, coordinator):
    house.day(MON, [pat])
    house.day(TUE, [pat])
    house.missed(pat, TUE)
    house.cancel(house.day(WED, [pat]))
    house.day(TODAY + DAY, [pat])
    found = days(coordinator, pat)
    told = {day: (row.lines[0].status, row.lines[0].credited, row.strips[0].kind)
            for day, row in found.items() if row.lines}  # fmt: skip
    assert told == {
        "Mon Mar 2": ("unrecorded", "", "unrecorded"),
        "Tue Mar 3": ("no show", "0 min credited", "planned"),
        "Wed Mar 4": ("cancelled by the clinic", "", "cancelled"),
        "Tue Mar 10": ("to come", "", "planned"),
    }
    assert found["Wed Mar 4"].worth == ""


def test_today_is_marked_even_without_a_booking(house, pat, coordinator):
    house.day(MON, [pat])
    found = days(coordinator, pat)
    assert {title: day.today for title, day in found.items()} == {
        "Mon Mar 2": False,
        "Mon Mar 9": True,
    }
    html = coordinator.open(pat, "change").content.decode()
    assert ('aria-current="date"' in html, "Nothing is booked." in html) == (True, True)


def test_it_reaches_two_weeks_back_and_one_ahead(house, coordinator):
    row = house.patient(on=MON - 2 * WEEK)
    for day in (TODAY - 15 * DAY, TODAY - 14 * DAY, TODAY + 7 * DAY, TODAY + 8 * DAY):
        house.day(day, [row])
    assert list(days(coordinator, row)) == ["Mon Feb 23", "Mon Mar 9", "Mon Mar 16"]


def test_without_any_booking_it_says_so(pat, coordinator):
    panel = panels(coordinator, pat)["The last 14 days and the coming 7"]
    assert (panel.days, panel.empty) == ([], "Nothing is booked in these days.")


def test_a_booking_is_a_link_for_whoever_may_open_it(house, pat, coordinator):
    leader = f.staff(house.clinic, Role.THERAPIST)
    own = leader.memberships.get().therapist
    f.WeeklyBlockFactory(group=house.group, facilitator=own, session_type=house.type, weekday=5)
    house.day(MON, [pat])
    booking = pat.bookings.get()
    assert days(coordinator, pat)["Mon Mar 2"].lines[0].url == url(booking, "change")
    assert days(Desk(leader), pat)["Mon Mar 2"].lines[0].url == ""


def test_the_hours_of_the_axis_hold_all_sessions(house, pat, coordinator):
    house.day(MON, [pat])
    house.day(TUE, [pat], "18:00", "19:00")
    panel = panels(coordinator, pat)["The last 14 days and the coming 7"]
    assert panel.marks == [
        ("0.00%", "9 AM"), ("20.00%", "11 AM"), ("40.00%", "1 PM"), ("60.00%", "3 PM"),
        ("80.00%", "5 PM"), ("100.00%", "7 PM"),
    ]  # fmt: skip
    assert panel.note.endswith("Times in America/New_York.")
