"""The pictures of the start page: what each column counts, in words and in size."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.admin.pictures import Column, Picture, pictures
from attendance.models import WeekResult
from tests import factories as f
from tests.attendance.house import FRI, MON, SUN, TUE, WED, House

pytestmark = pytest.mark.django_db

NEXT_MONDAY = MON + datetime.timedelta(days=7)


def drawn(house: House, day: datetime.date = NEXT_MONDAY) -> dict[str, Picture]:
    return {
        one.title.partition(":")[0].partition(" of")[0]: one for one in pictures(house.clinic, day)
    }


def test_a_clinic_without_patients_has_nothing_to_draw() -> None:
    assert pictures(f.ClinicFactory(), MON) == []


def test_the_census_counts_who_is_in_treatment_on_each_day() -> None:
    house = House()
    house.patient(on=datetime.date(2026, 2, 23))
    gone = house.patient(on=datetime.date(2026, 2, 16), seat=2)
    gone.memberships.update(ends_on=SUN)
    gone.state, gone.discharged_on, gone.discharge_reason = "discharged", SUN, "completed"
    gone.save()
    census = drawn(house)["Census"]
    assert census.title == "Census: 1 in treatment today"
    assert [one.value for one in census.columns] == ["0"] * 8 + ["1", "2", "2", "1"]
    assert (census.columns[-1].said, census.columns[-1].label) == ("Mar 9: 1", "today")
    later = drawn(house, NEXT_MONDAY + datetime.timedelta(days=2))["Census"]
    assert [one.label for one in later.columns[-4:]] == ["Feb 23", "", "", "today"]


def test_the_show_rate_of_a_weekday_leaves_out_what_is_not_recorded() -> None:
    house = House()
    people = [house.patient(seat=n) for n in (1, 2, 3)]
    for day in (MON, TUE):
        house.day(day, people)
    for one in people:
        house.came(one, MON)
    house.missed(people[0], TUE)
    house.came(people[1], TUE)
    rate = drawn(house)["Show rate by weekday"]
    assert rate.described == "Mon 100 % (3 of 3); Tue 50 % (1 of 2)"
    assert rate.title == "Show rate by weekday: 80 % in all"


def test_the_hours_of_a_week_stand_beside_what_is_asked_for() -> None:
    house = House()
    met, short = house.patient(), house.patient(seat=2)
    for day in (MON, WED, FRI):
        house.day(day, [met, short])
        house.came(met, day)
    house.came(short, MON)
    for day in (WED, FRI):
        house.missed(short, day)
    house.night(SUN)
    assert WeekResult.objects.count() == 2
    hours = drawn(house)["Hours"]
    assert hours.described == "3 h: 0 met, 1 short; 9 h: 1 met, 0 short"
    assert hours.note == "1 patient met the minimum, 1 was short. Shaded: 9 h to 20 h."
    assert hours.band == (9, 19)


def test_columns_end_at_the_top_of_their_scale() -> None:
    picture = Picture("", "", (Column("", (("plain", 3), ("short", 1))), Column("", ())), top=4)
    plain, short = picture.bars
    assert (plain.y + plain.height, short.y + short.height) == (126, plain.y)
    assert short.y == 18


def test_pictures_take_three_statements_whatever_they_count() -> None:
    house = House()
    house.full_week(house.patient())
    with CaptureQueriesContext(connection) as queries:
        assert len(pictures(house.clinic, NEXT_MONDAY)) == 2
    assert len(queries) == 3
