"""Plan against schedule on the patient's page: this week and the next."""

from __future__ import annotations

from patients.models import Episode, TreatmentPlan
from tests.admin import url
from tests.attendance.house import FRI, MON, TUE, WED
from tests.attendance.patient_page.page import TODAY, WEEK, panels
from tests.lists import lines

THIS, NEXT = "This week, Mar 9 – Mar 15, 2026", "Next week, Mar 16 – Mar 22, 2026"


def planned(at, row):
    return lines(panels(at, row)["Plan and schedule"])


def test_what_is_booked_stands_beside_the_plan(house, pat, coordinator):
    for day in (MON, WED, FRI):
        house.day(day + WEEK, [pat])
    house.day(MON + 2 * WEEK, [pat])
    assert planned(coordinator, pat) == [
        (THIS, "9 h on 3 days", "9 h on 3 days", "nothing"),
        (NEXT, "9 h on 3 days", "3 h on 1 day", "6 h and 2 days"),
    ]


def test_a_short_day_adds_minutes_and_no_day(house, pat, coordinator):
    house.day(TODAY, [pat], "09:00", "11:59")
    assert planned(coordinator, pat)[0][2:] == ("2 h 59 on 0 days", "6 h 01 and 3 days")


def test_a_patient_who_came_late_into_the_week_is_asked_for_less(house, coordinator):
    row = house.patient(on=TUE + WEEK)
    assert planned(coordinator, row)[0] == (
        THIS, "6 h on 2 days (prorated)", "0 min on 0 days", "6 h and 2 days",
    )  # fmt: skip


def test_without_a_plan_there_is_nothing_to_miss(house, pat, coordinator):
    TreatmentPlan.objects.filter(episode=pat).delete()
    house.day(TODAY, [pat], "09:00", "10:00")
    assert planned(coordinator, pat)[0] == (THIS, "no plan", "1 h on 1 day", "")


def test_after_the_discharge_nothing_is_planned(house, pat, coordinator):
    Episode.objects.filter(pk=pat.pk).update(
        state="discharged", discharged_on=MON, discharge_reason="completed"
    )
    found = panels(coordinator, pat)
    assert "Plan and schedule" not in found
    assert [one.label for one in found["Weeks"].weeks] == ["Mar 2 – Mar 8, 2026"]


def test_where_something_is_missing_a_place_is_looked_for(house, pat, coordinator):
    note = panels(coordinator, pat)["Plan and schedule"].note
    assert f'href="{url(pat, "find-place")}"' in note
    for day in (MON, WED, FRI):
        house.day(day + WEEK, [pat])
        house.day(day + 2 * WEEK, [pat])
    assert panels(coordinator, pat)["Plan and schedule"].note == ""
