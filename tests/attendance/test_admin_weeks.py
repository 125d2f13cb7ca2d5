"""A patient's weeks at the admin site: what each number is made of, down to the single line."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from attendance.admin import results
from attendance.models import Standard, WeekResult
from attendance.records.services import correct
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from tests import factories as f
from tests.admin import Desk, actors, desk
from tests.attendance.house import FRI, MON, SUN, THU, WED, House

DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def _the_monday_after() -> Iterator[None]:
    with time_machine.travel(datetime.datetime(2026, 3, 9, 17, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def house(db) -> House:
    return House()


@pytest.fixture
def pat(house):
    """Admitted on Wednesday; came that day, left early on Friday."""
    row = house.patient(on=WED)
    house.full_week(row, WED)
    house.day(FRI, [row])
    house.came(row, FRI, left="10:30", away=[[house.at(FRI, "09:30").isoformat()] * 2])
    return row


@pytest.fixture
def coordinator(house) -> Desk:
    return desk(house.clinic)


def page(episode, start: object = MON) -> str:
    return reverse("admin:attendance_weekresult_week", args=[episode.pk, start])


def panels(at: Desk, address: str):
    answer = at.client.get(address)
    assert answer.status_code == 200
    return {panel.title: panel for panel in answer.context["panels"]}


def test_the_four_kinds_of_minutes_stand_side_by_side(pat, coordinator):
    (row,) = panels(coordinator, page(pat))["Minutes of the week"].rows
    assert row == ("prorated 6 h of 9 h, below by 1 h 40", "6 h", "4 h 20", "4 h 20", "4 h 20",
                   "0 unrecorded, 0 to come")  # fmt: skip


def test_a_standard_shows_what_it_asks_and_what_is_missing(pat, coordinator):
    found = panels(coordinator, page(pat))
    panel = found["Adult IOP 2.1, Mar 4 – Mar 8"]
    assert panel.rows == [
        ("prorated 6 h of 9 h", "4 h 20", "short 1 h 40",
         "1 of 2 (prorated from 3), from 3 h a day", "short 1 day", "no")
    ]  # fmt: skip
    assert strip_tags(panel.note) == (
        "Asked for by the program, version of Jan 1, 2000. Final. Its week begins on Mon Mar 2. "
        "Wed 3 h counts; Fri 1 h 20, 1 h 40 short of a day."
    )


def test_each_line_names_session_presence_breaks_rule_and_author(house, pat, coordinator):
    _, friday = panels(coordinator, page(pat))["Minutes, line by line"].rows
    assert friday[0] == "Fri Mar 6"
    assert friday[2:6] == (
        "9:00 AM – 12:20 PM",
        "present, start – 10:30 AM",
        "10 min, 10 min",
        "9:30 AM – 9:30 AM",
    )
    assert friday[6:10] == ("3 h", "1 h 20", "1 h 20", "exact minutes")


def test_the_episode_shows_each_standard_and_leads_to_the_lines(house, pat, coordinator):
    Standard.objects.create(
        clinic=house.clinic, name="Court", source=3, prorate=False, starts_on=MON, max_minutes=600,
        min_minutes=0, min_days=0,
    )  # fmt: skip
    pat.court_referrals.create(clinic=house.clinic, court="County", starts_on=MON)
    html = coordinator.open(pat, "change").content.decode()
    assert page(pat) in html
    assert "Mar 4 – Mar 8: 4 h 20 of prorated 6 h of 9 h, short 1 h 40" in html
    assert "Court (Mar 4 – Mar 8), 0 min: minutes met, days met" in html


def test_over_the_maximum_is_said(house, coordinator):
    Standard.objects.filter(clinic=house.clinic)  # the program's stays
    pat = house.patient()
    court = {"source": 3, "prorate": False, "starts_on": MON, "min_minutes": 0, "min_days": 0}
    Standard.objects.create(clinic=house.clinic, name="Court", max_minutes=179, **court)
    pat.court_referrals.create(clinic=house.clinic, court="County", starts_on=MON)
    house.full_week(pat, MON)
    assert panels(coordinator, page(pat))["Court"].rows[0][-1] == "over 2 h 59"


def test_an_open_week_says_what_is_still_to_come(house, coordinator):
    pat = house.patient()
    house.full_week(pat, MON + 7 * DAY)
    house.day(THU + 7 * DAY, [pat])
    found = panels(coordinator, page(pat, MON + 7 * DAY))
    assert found["Minutes of the week"].rows[0][-1] == "0 unrecorded, 1 to come"
    assert found["Adult IOP 2.1"].rows[0][2] == "open, 3 h not booked"
    assert "Open: it may still change." in found["Adult IOP 2.1"].note


def test_each_day_is_said_as_it_stands(house, coordinator):
    pat = house.patient()
    mon, tue, wed, thu, fri = (MON + (7 + n) * DAY for n in range(5))
    house.day(mon, [pat], "08:00", "08:50")
    house.came(pat, mon)
    house.cancel(house.day(tue, [pat]))
    house.day(wed, [pat], state="released")
    house.day(thu, [pat])
    house.day(fri, [pat], "09:00", "10:00")
    found = panels(coordinator, page(pat, mon))
    assert found["Adult IOP 2.1"].note.partition("change. ")[2] == (
        "Mon 50 min, 2 h 10 short of a day; Tue cancelled by the clinic; "
        "Wed 0 min, no qualifying day; Thu 0 min so far, may still count; "
        "Fri 0 min, at most 1 h, 2 h short of a day."
    )
    assert [row[3] for row in found["Minutes, line by line"].rows] == [
        "present", "cancelled by the clinic", "gave notice", "to come", "to come",
    ]  # fmt: skip


def test_only_what_has_ended_is_called_unrecorded(house, coordinator):
    pat = house.patient()
    house.day(WED, [pat], state="released")
    house.day(FRI, [pat])
    lines = panels(coordinator, page(pat))["Minutes, line by line"].rows
    assert [row[3] for row in lines] == ["gave notice, unrecorded", "unrecorded"]


def test_a_week_that_lies_outside_the_stay_asks_for_nothing_of_the_plan(house, coordinator):
    pat = house.patient(on=SUN)
    (row,) = panels(coordinator, page(pat))["Minutes of the week"].rows
    assert row[0] == "prorated 0 min of 9 h"


def test_an_open_week_says_what_is_to_go_of_the_plan(house, coordinator):
    pat = house.patient()
    house.full_week(pat, MON + 7 * DAY)
    house.day(THU + 7 * DAY, [pat])
    (row,) = panels(coordinator, page(pat, MON + 7 * DAY))["Minutes of the week"].rows
    assert row[0] == "9 h, 6 h to go"


def test_a_standard_that_asks_for_no_days_says_nothing_of_them(house, pat, coordinator):
    court = {"source": 3, "prorate": False, "starts_on": MON, "min_minutes": 0, "min_days": 0}
    Standard.objects.create(clinic=house.clinic, name="Court", max_minutes=600, **court)
    pat.court_referrals.create(clinic=house.clinic, court="County", starts_on=MON)
    note = panels(coordinator, page(pat))["Court, Mar 4 – Mar 8"].note
    assert strip_tags(note) == (
        "Asked for by the court, version of Mar 2, 2026. Final. Its week begins on Mon Mar 2."
    )


def test_a_week_page_is_a_noted_read(pat, coordinator):
    panels(coordinator, page(pat))
    assert actors(pat, "R") == {coordinator.user.actor}


def test_a_week_page_takes_the_same_statements_however_full_it_is(house, pat, coordinator):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            panels(coordinator, page(pat))
        return len(captured)

    before = statements()
    house.full_week(pat, THU, SUN)
    assert statements() == before


@pytest.mark.parametrize("day", ["2026-13-01", "1999-12-31", "9999-12-31", "x"])
def test_a_date_that_is_none_is_no_page(pat, coordinator, day):
    assert coordinator.client.get(page(pat, day)).status_code == 404


def test_a_therapist_sees_the_weeks_of_their_own_patients_only(house, pat):
    colleague = Desk(f.staff(house.clinic, Role.THERAPIST))
    assert Desk(house.user).client.get(page(pat)).status_code == 200
    assert colleague.client.get(page(pat)).status_code == 404
    assert desk(House().clinic).client.get(page(pat)).status_code == 404
    assert not AuditEvent.objects.filter(operation="R", actor=colleague.user.actor).exists()


# --- stored results ------------------------------------------------------------------------------


@pytest.fixture
def stored(house, pat) -> WeekResult:
    house.night(SUN)
    return WeekResult.objects.get(episode=pat)


def shown(at: Desk, row: WeekResult):
    context = at.open(row, "change").context
    return {panel.title: panel for panel in context["panels_below"]}


def test_a_stored_result_shows_its_inputs_and_agrees(stored, coordinator):
    found = shown(coordinator, stored)
    assert [row[0] for row in found["Minutes, line by line"].rows] == ["Wed Mar 4", "Fri Mar 6"]
    assert (found["Replay"].rows, found["Replay"].empty) == (
        [],
        "Its figures follow from its inputs, and today's facts give the same.",
    )
    assert found["Judged from"].rows == [
        ("Wed Mar 4", "Group therapy", "3 h", "3 h", "3 h", 0, "0 min", 1),
        ("Fri Mar 6", "Group therapy", "3 h", "1 h 20", "1 h 20", 0, "0 min", 1),
    ]
    assert found["Judged from"].note == (
        "Proration: 2 of 3 template days. Plan: 9 h a week. Holds: 0."
    )


def test_a_result_that_the_facts_have_left_says_where(house, pat, stored, coordinator):
    house.missed(pat, FRI)
    found = shown(coordinator, stored)["Replay"]
    assert ("credited_minutes: stored 260, replayed 180 from facts",) in found.rows


def test_the_list_says_hours_and_only_what_is_out_of_the_ordinary(house, stored, coordinator):
    html = coordinator.open(WeekResult).content.decode()
    assert ("4 h 20" in html, "prorated 6 h of 9 h" in html) == (True, True)
    assert ("over the maximum" in html, ">260<" in html) == (False, False)
    html = coordinator.open(stored, "change").content.decode()
    assert ("4 h 20" in html, "Remark" in html) == (True, False)


def test_a_result_over_the_maximum_or_void_says_so_in_words(house, stored, coordinator):
    stored.pk, stored.amendment, stored.over_maximum, stored.void = None, 1, True, True
    stored.save()
    said = "over the maximum, void: nobody judges this part of the week now"
    assert said in coordinator.open(WeekResult).content.decode()
    assert said in coordinator.open(stored, "change").content.decode()


def test_an_amendment_names_who_corrected_and_why(house, pat, stored, coordinator):
    booking = pat.bookings.get(session__local_date=FRI)
    answer = coordinator.fill(
        booking, "correct", attended="absent", left_at="", away_from="", away_to="",
        correction_reason="sign-in sheet",
    )  # fmt: skip
    assert answer.status == 302
    found = shown(coordinator, stored)["Amendments"]
    assert [row[-1] for row in found.rows] == [
        "The week was over and nothing was missing.",
        (
            f"Attendance was corrected. {coordinator.user} on {booking.session.title}, Fri Mar 6: "
            "sign-in sheet."
        ),
    ]


def test_a_correction_that_waited_in_a_device_stands_with_the_amendment_it_made(
    house, pat, stored, coordinator, monkeypatch
):
    monkeypatch.setattr(results, "_CLOCKS", datetime.timedelta())  # the amendments follow at once
    first, second = pat.bookings.order_by("starts_at")
    for booking, reason in [(second, "sign-in sheet"), (first, "wrong line")]:
        correct(
            booking=booking, version=booking.attendance.version, correction_reason=reason,
            changes={"attended": False, "recorded_at": first.starts_at},
            by=coordinator.user, now=database_now(),
        )  # fmt: skip
    found = shown(coordinator, stored)["Amendments"]
    assert [row[-1].count("sign-in sheet") for row in found.rows] == [0, 1, 0]
    assert [row[-1].count("wrong line") for row in found.rows] == [0, 0, 1]


def database_now() -> datetime.datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime.datetime = cursor.fetchone()[0]
        return now


def test_an_amended_result_points_to_the_last_one(house, pat, stored, coordinator):
    house.missed(pat, FRI)
    house.night(SUN)
    found = shown(coordinator, stored)
    assert found["Replay"].empty == (
        "Its figures follow from its inputs. It was amended since: see the last number."
    )
    assert [row[-1] for row in found["Amendments"].rows] == [
        "The week was over and nothing was missing.",
        "Attendance was corrected.",
    ]
