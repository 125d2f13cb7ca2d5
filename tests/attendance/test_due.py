"""When a case is due: instants in the clinic's business hours."""

import datetime

import pytest

from attendance.compliance.due import business_moment, due_at
from attendance.compliance.settings import clinic_settings
from tests.attendance.house import MON, SAT, SUN, House

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


def test_a_clinic_may_work_on_other_days():
    house = House(business_days=[5, 6], opens_at=datetime.time(10), closes_at=datetime.time(14))
    hours = clinic_settings(house.clinic).hours
    assert business_moment(house.at(MON, "09:00"), hours) == house.at(SAT, "10:00")
    assert business_moment(house.at(SUN, "13:00"), hours) == house.at(SUN, "13:00")
