"""A patient's minute counts once, whatever it was booked as: visits in a group and around it."""

import datetime

import pytest

from attendance.compliance.days import day_lines
from attendance.compliance.ledger import minutes_detail
from attendance.imports.services import import_attendance
from attendance.records.entries import Entry
from attendance.records.services import record_roster
from scheduling.models import Booking, SessionType
from scheduling.services import call_in, cancel_session, release
from scheduling.services.bookings import book
from tests import factories as f
from tests.attendance.house import JOB, MON, House

WEEK = datetime.timedelta(days=7)
pytestmark = pytest.mark.django_db


@pytest.fixture
def house():
    return House()


@pytest.fixture
def pat(house):
    return house.patient()


def visited(house, pat, kind="Prescriber visit"):
    """A group from 9:00 to 12:00, 180 minutes, with a visit booked in it from 9:30 to 10:00."""
    group = house.day(MON, [pat], "09:00", "12:00").bookings.get()
    kind = SessionType.objects.get(clinic=house.clinic, name=kind)
    session = f.session(house.clinic, "2026-03-02", "09:30", "10:00", session_type=kind, capacity=1)
    return group, book(session=session, episode=pat, nested_in=group, by=JOB)


def there(booking, now):
    entry = Entry(booking=booking.public_id, attended=True)
    record_roster(session=booking.session, entries=[entry], by=JOB, now=now)


def total(house, name, now=None):
    lines = day_lines(clinic=house.clinic, first=MON, last=MON, now=now or house.morning(MON))
    return sum(getattr(line, name) for line in lines)


def test_a_day_with_a_visit_is_scheduled_and_credited_once(house, pat):
    group, visit = visited(house, pat)
    there(group, house.morning(MON))
    there(visit, house.morning(MON))
    assert (total(house, "scheduled"), total(house, "credited")) == (180, 180)


@pytest.mark.parametrize("kind", ["Prescriber visit", "Drug screen"])
def test_a_visit_that_was_given_up_leaves_the_group_whole(house, pat, kind):
    """30 minutes fewer would be a false "at most 2 of 3 days" for whoever declines a visit."""
    _, visit = visited(house, pat, kind)
    before = house.at(MON, "08:00")
    release(booking=visit, notified_at=before, reason="work", by=house.user)
    assert total(house, "credited_open", before) == 180


def test_a_snow_day_takes_the_minutes_of_a_visit_once(house, pat):
    group, visit = visited(house, pat)
    for booking in (group, visit):
        cancel_session(session=booking.session, reason="Snow", by=JOB)
    assert total(house, "cancelled") == 180


def test_called_in_sick_and_came_all_the_same(house, pat):
    """The notice freed the seat and let the visit stand alone; they still overlap."""
    group, visit = visited(house, pat)
    call_in(
        episode=pat, from_date=MON, to_date=MON, reason="illness",
        notified_at=house.at(MON, "07:00"), by=house.user,
    )  # fmt: skip
    there(Booking.objects.get(pk=group.pk), house.morning(MON))
    there(Booking.objects.get(pk=visit.pk), house.morning(MON))
    assert total(house, "attended") == 180


def test_a_list_that_names_the_group_knows_of_the_visit(house, pat, tmp_path):
    _, visit = visited(house, pat)
    there(visit, house.morning(MON))
    record = pat.patient.record_number
    file = tmp_path / "past.csv"
    file.write_text(f"record_number,date,start,end,attended\n{record},2026-03-02,09:00,12:00,yes\n")
    now = house.morning(MON) + datetime.timedelta(days=1)
    import_attendance(file=file, clinic=house.clinic, by=JOB, now=now)
    assert total(house, "attended") == 180


def test_a_list_that_names_the_visit_takes_it_out_of_the_group(house, pat, tmp_path):
    group, _ = visited(house, pat)
    there(group, house.morning(MON))
    record = pat.patient.record_number
    file = tmp_path / "past.csv"
    file.write_text(f"record_number,date,start,end,attended\n{record},2026-03-02,09:30,10:00,yes\n")
    now = house.morning(MON) + datetime.timedelta(days=1)
    import_attendance(file=file, clinic=house.clinic, by=JOB, now=now)
    assert total(house, "attended") == 180


def test_gave_notice_was_booked_elsewhere_and_came_to_both(house, pat):
    """Nothing was ever nested; 30 of the hour elsewhere lie in the group of three."""
    group = house.day(MON, [pat], "09:00", "12:00").bookings.get()
    release(booking=group, notified_at=house.at(MON, "07:00"), reason="work", by=house.user)
    other = house.day(MON, [pat], "11:30", "12:30").bookings.get()
    there(other, house.morning(MON))
    there(Booking.objects.get(pk=group.pk), house.morning(MON))
    assert (total(house, "scheduled"), total(house, "attended")) == (210, 210)
    day = {line.starts_at: line.attended for line in detail(house, pat)}
    assert list(day.values()) == [150, 60]


def detail(house, pat):
    return minutes_detail(episode=pat, week_start=MON, now=house.morning(MON + WEEK))


def test_a_visit_that_takes_place_in_a_cancelled_group_stays_whole(house, pat):
    group, visit = visited(house, pat)
    cancel_session(session=group.session, reason="Snow", by=JOB)
    there(visit, house.morning(MON))
    assert (total(house, "scheduled"), total(house, "attended")) == (30, 30)
