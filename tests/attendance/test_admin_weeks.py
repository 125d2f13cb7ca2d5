"""A patient's weeks at the admin site: what each number is made of, down to the single line."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from attendance.models import Standard, WeekResult
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
    assert row == ("9 h, below by 4 h 40", "6 h", "4 h 20", "4 h 20", "4 h 20",
                   "0 unrecorded, 0 to come")  # fmt: skip


def test_a_standard_shows_what_it_asks_and_what_is_missing(pat, coordinator):
    found = panels(coordinator, page(pat))
    panel = found["Adult IOP 2.1, Mar 4 – Mar 8"]
    assert panel.rows == [
        ("prorated 6 h of 9 h", "4 h 20", "short 1 h 40",
         "1 of 2 (prorated from 3), from 3 h a day", "short 1 day", "no")
    ]  # fmt: skip
    assert panel.note == (
        "Asked for by the program, version of 2000-01-01. Final. Its week begins on 2026-03-02. "
        "Wed 3 h counts; Fri 1 h 20 short."
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
    assert "prorated 6 h of 9 h: minutes short 1 h 40, days short 1 day" in html
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
        ("2026-03-04", "Group therapy", "3 h", "3 h", "3 h", 0, "0 min", 1),
        ("2026-03-06", "Group therapy", "3 h", "1 h 20", "1 h 20", 0, "0 min", 1),
    ]
    assert found["Judged from"].note == (
        "Proration: 2 of 3 template days. Plan: 9 h a week. Holds: 0."
    )


def test_a_result_that_the_facts_have_left_says_where(house, pat, stored, coordinator):
    house.missed(pat, FRI)
    found = shown(coordinator, stored)["Replay"]
    assert ("credited_minutes: stored 260, replayed 180 from facts",) in found.rows


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
