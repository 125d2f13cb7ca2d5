"""When a case is due: instants in the clinic's business hours."""

import datetime

import pytest

from attendance.compliance.due import business_day_after, business_moment, due_at, due_by
from attendance.compliance.settings import clinic_settings
from scheduling.models import Closure
from tests import factories as f
from tests.attendance.house import FRI, MON, SAT, SUN, THU, TUE, WED, House

pytestmark = pytest.mark.django_db


@pytest.fixture
def house():
    return House()


@pytest.mark.parametrize(
    ("opened", "due", "amount", "expected"),
    [
        ("2026-03-03 05:00", "same_day", 0, "2026-03-03 17:00"),
        ("2026-03-03 17:00", "same_day", 0, "2026-03-04 17:00"),
        ("2026-03-07 05:00", "same_day", 0, "2026-03-09 17:00"),
        ("2026-03-03 05:00", "hours", 24, "2026-03-04 08:00"),
        ("2026-03-03 11:30", "hours", 2, "2026-03-03 13:30"),
        ("2026-03-03 16:00", "hours", 2, "2026-03-04 08:00"),
        ("2026-03-06 05:00", "hours", 24, "2026-03-09 08:00"),
        ("2026-03-03 05:00", "business_days", 2, "2026-03-05 17:00"),
        ("2026-03-07 05:00", "business_days", 2, "2026-03-10 17:00"),
        ("2026-03-06 05:00", "business_days", 1, "2026-03-09 17:00"),
    ],
)
def test_due_in_business_hours(house, opened, due, amount, expected):
    hours = clinic_settings(house.clinic).hours
    start, end = (house.at(*clock.split(" ")) for clock in (opened, expected))
    assert due_at(start, hours, due, amount) == end


def closed(house, first, last, **part):
    Closure.objects.create(
        clinic=house.clinic, starts_on=first, ends_on=last, reason="Holiday", **part
    )
    return clinic_settings(house.clinic).hours


@pytest.mark.parametrize(
    ("opened", "due", "amount", "expected"),
    [
        ("2026-03-03 05:00", "same_day", 0, "2026-03-03 17:00"),
        ("2026-03-04 05:00", "same_day", 0, "2026-03-09 17:00"),
        ("2026-03-03 18:00", "hours", 2, "2026-03-09 10:00"),
        ("2026-03-03 05:00", "business_days", 1, "2026-03-09 17:00"),
        ("2026-03-04 05:00", "business_days", 1, "2026-03-09 17:00"),
    ],
)
def test_a_closed_date_is_no_business_day(house, opened, due, amount, expected):
    hours = closed(house, WED, FRI)
    start, end = (house.at(*clock.split(" ")) for clock in (opened, expected))
    assert due_at(start, hours, due, amount) == end


def test_a_room_or_an_afternoon_closes_no_day(house):
    room = f.RoomFactory(clinic=house.clinic)
    closed(house, TUE, TUE, room=room)
    hours = closed(house, TUE, TUE, from_time=datetime.time(12))
    assert hours.opens_on(TUE)
    assert business_day_after(MON, 1, hours) == TUE


def test_another_clinics_closure_closes_nothing(house):
    closed(House(), TUE, TUE)
    assert clinic_settings(house.clinic).hours.opens_on(TUE)


@pytest.mark.parametrize(
    ("opened", "day", "expected"),
    [
        ("2026-03-02 05:00", THU, "2026-03-05 17:00"),
        ("2026-03-02 05:00", SUN, "2026-03-06 17:00"),
        ("2026-03-02 05:00", MON, "2026-03-02 17:00"),
        ("2026-03-05 05:00", MON, "2026-03-05 17:00"),
        ("2026-03-07 05:00", SUN, "2026-03-09 17:00"),
    ],
    ids=["its day", "a Sunday", "today", "overdue", "overdue at the weekend"],
)
def test_due_by_the_last_business_day_up_to_a_date(house, opened, day, expected):
    hours = clinic_settings(house.clinic).hours
    assert due_by(house.at(*opened.split(" ")), hours, day) == house.at(*expected.split(" "))


def test_a_clinic_may_work_on_other_days():
    house = House(business_days=[5, 6], opens_at=datetime.time(10), closes_at=datetime.time(14))
    hours = clinic_settings(house.clinic).hours
    assert business_moment(house.at(MON, "09:00"), hours) == house.at(SAT, "10:00")
    assert business_moment(house.at(SUN, "13:00"), hours) == house.at(SUN, "13:00")
